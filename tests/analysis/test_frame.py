import math

import pytest

from analysis.frame import COLUMNS, mean_cells, results_frame, unfinished_frame, write_csv
from analysis.results import load_study

FIVE = (0.5, 0.1, 0.3, 0.2, 0.4)  # mean 0.3
TWO = {"classes": ["Crack", "Dent"]}
FACTORS = ["focal", "anchors", "pseudo_labels", "augmentation", "fusion", "pooling"]
OFF, POOLING, SAMPLED = "off,off,off,off,off,off", "off,off,off,off,off,on", ",,,,,"


def test_csv_is_literal(study, add_run):
    add_run("trial-1", 0.5, None, seed=1, sampled=True, **TWO)
    add_run("baseline", 0.25, 0.125, seed=10, split=3, num_tokens=1024, **TWO)
    add_run("pooling", 0.5, 0.25, seed=2, num_tokens=1536, tokens_reduced_from=2048, **TWO)
    path = write_csv(results_frame(load_study(study)), study / "report" / "results.csv")
    assert path.read_text().splitlines() == [
        "arm,seed,split,K,sampled,model,class,AP,AP50,scored on,iteration,boxes," + ",".join(FACTORS),
        f"baseline,10,3,1024,False,teacher,Crack,0.25,0.5,val,400,9,{OFF}",
        f"baseline,10,3,1024,False,teacher,Dent,0.125,0.25,val,400,9,{OFF}",
        f"baseline,10,3,1024,False,teacher,all,0.1875,0.375,val,400,45,{OFF}",
        f"baseline,10,3,1024,False,student,Crack,0.125,0.25,val,400,9,{OFF}",
        f"baseline,10,3,1024,False,student,Dent,0.0625,0.125,val,400,9,{OFF}",
        f"baseline,10,3,1024,False,student,all,0.09375,0.1875,val,400,45,{OFF}",
        f"pooling,2,0,1536,False,teacher,Crack,0.5,1.0,val,400,9,{POOLING}",
        f"pooling,2,0,1536,False,teacher,Dent,0.25,0.5,val,400,9,{POOLING}",
        f"pooling,2,0,1536,False,teacher,all,0.375,0.75,val,400,45,{POOLING}",
        f"pooling,2,0,1536,False,student,Crack,0.25,0.5,val,400,9,{POOLING}",
        f"pooling,2,0,1536,False,student,Dent,0.125,0.25,val,400,9,{POOLING}",
        f"pooling,2,0,1536,False,student,all,0.1875,0.375,val,400,45,{POOLING}",
        f"trial-1,1,0,,True,teacher,Crack,0.5,1.0,val,400,9,{SAMPLED}",
        f"trial-1,1,0,,True,teacher,Dent,,,val,400,9,{SAMPLED}",
        f"trial-1,1,0,,True,teacher,all,0.5,1.0,val,400,45,{SAMPLED}",
        f"trial-1,1,0,,True,student,Crack,0.25,0.5,val,400,9,{SAMPLED}",
        f"trial-1,1,0,,True,student,Dent,,,val,400,9,{SAMPLED}",
        f"trial-1,1,0,,True,student,all,0.25,0.5,val,400,45,{SAMPLED}",
    ]
    assert [entry.name for entry in path.parent.iterdir()] == ["results.csv"]  # no temporary left


def test_only_completed_arms_reach_the_frame(study, add_run, add_burn_in):
    add_burn_in("burn", *FIVE)
    add_run("baseline", *FIVE, burn_in="burn")
    add_run("focal", *FIVE, status="failed", reason="out of memory")
    frame = results_frame(load_study(study))
    assert list(frame.columns) == [*COLUMNS, *FACTORS]
    assert set(frame["arm"]) == {"baseline"}


def test_means_and_sample_deviation(study, add_run):
    add_run("baseline", 0.1, None, seed=0, **TWO)
    add_run("baseline", 0.3, 0.5, seed=1, **TWO)
    cells = mean_cells(results_frame(load_study(study)), model="teacher")["baseline"]
    assert cells["Crack"].mean == pytest.approx(0.2)
    assert cells["Crack"].std == pytest.approx(0.2 / math.sqrt(2))
    assert cells["Crack"].values == {0: 0.1, 1: 0.3}
    assert (cells["Dent"].mean, cells["Dent"].std, cells["Dent"].values) == (0.5, None, {0: None, 1: 0.5})


def test_student_cells_are_the_students(study, add_run):
    add_run("baseline", *FIVE)
    cells = mean_cells(results_frame(load_study(study)), model="student")["baseline"]
    assert cells["Broken"].mean == pytest.approx(0.25)


def test_runs_without_a_number_are_listed(study, add_run):
    add_run("baseline", *FIVE)
    add_run("focal", seed=1, split=1, recorded=False)
    add_run("anchors", status="failed", reason="out of memory")
    assert unfinished_frame(load_study(study)).fillna("").to_numpy().tolist() == [
        ["focal", 1, 1, "missing", ""],
        ["anchors", 0, 0, "failed", "out of memory"],
    ]

import math
import shutil

import pytest

from analysis.results import COLUMNS, find_study, load_study, mean_cells, results_frame, write_results
from experiments.errors import UserError

FIVE = (0.5, 0.1, 0.3, 0.2, 0.4)  # mean 0.3


def test_csv_is_literal(study, add_run):
    add_run("focal", 0.5, None, seed=1, classes=["Crack", "Dent"])
    add_run("baseline", 0.25, 0.125, seed=10, classes=["Crack", "Dent"])
    add_run("baseline", 0.5, 0.25, seed=2, classes=["Crack", "Dent"])
    path = write_results(results_frame(load_study(study)), study / "report" / "results.csv")
    assert path.read_text().splitlines() == [
        "arm,seed,model,class,AP,AP50",
        "baseline,2,teacher,Crack,0.5,1.0",
        "baseline,2,teacher,Dent,0.25,0.5",
        "baseline,2,teacher,all,0.375,0.75",
        "baseline,2,student,Crack,0.25,0.5",
        "baseline,2,student,Dent,0.125,0.25",
        "baseline,2,student,all,0.1875,0.375",
        "baseline,10,teacher,Crack,0.25,0.5",
        "baseline,10,teacher,Dent,0.125,0.25",
        "baseline,10,teacher,all,0.1875,0.375",
        "baseline,10,student,Crack,0.125,0.25",
        "baseline,10,student,Dent,0.0625,0.125",
        "baseline,10,student,all,0.09375,0.1875",
        "focal,1,teacher,Crack,0.5,1.0",
        "focal,1,teacher,Dent,,",
        "focal,1,teacher,all,0.5,1.0",
        "focal,1,student,Crack,0.25,0.5",
        "focal,1,student,Dent,,",
        "focal,1,student,all,0.25,0.5",
    ]
    assert [entry.name for entry in path.parent.iterdir()] == ["results.csv"]  # no temporary left


def test_only_completed_arms_reach_the_frame(study, add_run):
    add_run("baseline", *FIVE)
    add_run("burn-in", *FIVE, kind="burn_in")
    add_run("focal", *FIVE, status="failed", reason="out of memory")
    loaded = load_study(study)
    frame = results_frame(loaded)
    assert list(frame.columns) == COLUMNS
    assert set(frame["arm"]) == {"baseline"}
    assert [run.folder for run in loaded.burn_ins] == ["burn-in-0"]
    assert [run.folder for run in loaded.unfinished] == ["focal-0"]


def test_arms_stand_baseline_first_then_in_the_factor_tables_order(study, add_run):
    arms = [
        "supervised",
        "pooling",
        "anchors+pooling",
        "focal+anchors",
        "focal+pooling",
        "anchors",
        "baseline",
        "focal",
    ]
    for arm in arms:
        add_run(arm, *FIVE)
    assert load_study(study).arms == [
        "baseline", "focal", "anchors", "pooling",
        "focal+anchors", "focal+pooling", "anchors+pooling", "supervised",
    ]  # fmt: skip


def test_means_and_sample_deviation(study, add_run):
    add_run("baseline", 0.1, None, seed=0, classes=["Crack", "Dent"])
    add_run("baseline", 0.3, 0.5, seed=1, classes=["Crack", "Dent"])
    cells = mean_cells(results_frame(load_study(study)), model="teacher")["baseline"]
    assert cells["Crack"].mean == pytest.approx(0.2)
    assert cells["Crack"].std == pytest.approx(0.2 / math.sqrt(2))
    assert cells["Crack"].values == {0: 0.1, 1: 0.3}
    assert (cells["Dent"].mean, cells["Dent"].std, cells["Dent"].values) == (0.5, None, {0: None, 1: 0.5})


def test_student_cells_are_the_students(study, add_run):
    add_run("baseline", *FIVE)
    cells = mean_cells(results_frame(load_study(study)), model="student")["baseline"]
    assert cells["Broken"].mean == pytest.approx(0.25)


def test_unknown_study_names_the_existing_ones(study, add_run):
    add_run("baseline", *FIVE)
    (study.parent / "not_a_study").mkdir()
    with pytest.raises(UserError, match=r"There is no study 'fokal' in .*; existing studies: focal\."):
        find_study("fokal", study.parent)
    assert find_study("focal", study.parent) == study
    with pytest.raises(UserError, match="no study exists there yet"):
        find_study("focal", study.parent / "nowhere")


def test_study_without_completed_runs_says_what_there_is(study, add_run):
    add_run("baseline", status="running")
    add_run("burn-in", *FIVE, kind="burn_in")
    add_run("focal", status="failed", reason="out of memory")
    add_run("anchors", status="pruned")
    with pytest.raises(UserError) as caught:
        load_study(study)
    assert str(caught.value) == (
        "Study 'focal' has no completed run of an arm to report; it holds: "
        "burn-in, seed 0 (burn-in-0) completed; anchors, seed 0 (anchors-0) pruned: no reason recorded; "
        "baseline, seed 0 (baseline-0) still running; focal, seed 0 (focal-0) failed: out of memory."
    )


def test_empty_study(study):
    with pytest.raises(UserError, match="Study 'focal' holds no run yet"):
        load_study(study)


def test_unreadable_record_is_named(study, add_run):
    add_run("baseline", *FIVE)
    broken = add_run("focal", *FIVE) / "record.json"
    broken.write_text(broken.read_text()[:100])
    with pytest.raises(UserError, match=r"focal-0/record\.json is not a readable record"):
        load_study(study)


@pytest.mark.parametrize(
    "data",
    [
        {"name": "bits", "fingerprint": "beef", "classes": ["Crack", "Dent"]},
        {"name": "bits", "fingerprint": "f00d", "classes": ["Dent", "Crack"]},
    ],
)
def test_mixed_data_sets_are_refused_naming_the_runs(study, add_run, data):
    add_run("baseline", 0.1, 0.2, classes=["Crack", "Dent"])
    add_run("focal", 0.1, 0.2, classes=["Crack", "Dent"], data=data)
    with pytest.raises(UserError, match=r"mixes runs on different data, \[baseline-0: bits.*; focal-0: bits"):
        load_study(study)


def test_two_completed_runs_of_one_arm_and_seed_are_refused(study, add_run):
    add_run("focal", *FIVE, folder="one")
    add_run("focal", *FIVE, folder="two")
    with pytest.raises(UserError, match="holds arm 'focal' with seed 0 twice, in one and two"):
        load_study(study)
    shutil.rmtree(study / "two")
    add_run("focal", folder="two", status="failed", reason="out of memory")  # a failed attempt is no duplicate
    assert [run.folder for run in load_study(study).completed] == ["one"]

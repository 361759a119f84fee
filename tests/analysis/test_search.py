import io
import json

import pandas as pd
import pytest
from rich.console import Console

from analysis.results import load_study
from analysis.search import search_frame, short_names
from analysis.summary import as_plain, summarise
from analysis.table import print_summary, report_study
from experiments.errors import UserError
from experiments.search_file import Candidate, read_search

ROI = "model.detector.roi_head.bbox_head.loss_cls.gamma"
RPN = "model.detector.rpn_head.loss_cls.gamma"
HEADS = "model.detector.backbone.mvvit.num_heads"
RATIOS = "model.detector.rpn_head.anchor_generator.ratios"
TEST = {"all": 0.31, "Chipped": 0.1, "Severe_Rust": 0.2}


def judged(name, rust, chipped, overall, **changes):
    given = {"seeds": [0], "ratio": 1.0, "constraint": -0.1, "feasible": True, **changes}
    return Candidate(name=name, values=[rust, chipped], overall=overall, **given)


@pytest.fixture
def searched(study, add_run, make_search):
    """Two arms and three sampled settings, the third chosen; an arm and a setting have a smaller K."""
    add_run("trial-0", 0.5, 0.1, 0.3, 0.1, 0.4, sampled=True)
    add_run("trial-1", 0.1, 0.5, 0.1, 0.5, 0.1, sampled=True, num_tokens=1536, tokens_reduced_from=3000)
    add_run("trial-2", 0.5, 0.3, 0.3, 0.4, 0.4, sampled=True, num_tokens=2000)
    add_run("focal+anchors", 0.5, 0.2, 0.3, 0.2, 0.4, num_tokens=900, tokens_reduced_from=1024)
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4, num_tokens=1024)
    make_search(
        judged("baseline", 0.2, 0.1, 0.30, constraint=-0.015, test=TEST),
        judged("focal+anchors", 0.2, 0.2, 0.32, delta={ROI: 3.5, RPN: 2.5}, ratio=1.41),
        judged("trial-0", 0.1, 0.1, 0.28, delta={ROI: 1.0, RPN: 1.0}, ratio=0.71),
        judged("trial-1", 0.5, 0.5, 0.26, delta={ROI: 5.0}, ratio=3.5, constraint=0.025, feasible=False),
        judged(
            "trial-2", 0.4, 0.3, 0.38, delta={ROI: 3.123456, HEADS: 8, RATIOS: [0.5, 1.0]}, ratio=2.44,
            front=True, chosen=True, test={"all": 0.36, "Chipped": None, "Severe_Rust": 0.35},
        ),
    )  # fmt: skip
    return study


def summary_of(folder):
    return summarise(load_study(folder), model="teacher", result=read_search(folder))


def printed(folder):
    stream = io.StringIO()
    print_summary(summary_of(folder), folder, Console(file=stream, width=100))
    return stream.getvalue()


def rows(text, name):
    return [line.split() for line in text.splitlines() if line.startswith(f"  {name} ")]


def test_short_names_are_the_last_parts_that_tell_a_path_from_the_others():
    deltas = [{ROI: 3.0, RPN: 2.0, HEADS: 8}, {ROI: 2.0, RPN: 2.0}]
    assert short_names(deltas) == {ROI: "bbox_head.loss_cls.gamma", RPN: "rpn_head.loss_cls.gamma", HEADS: "num_heads"}


def test_paths_that_always_agree_are_one_parameter():
    deltas = [{"labelled.sup.0.posterize.prob": 0.3, "unlabelled.student.1.posterize.prob": 0.3, "equalize.prob": 0.5}]
    assert set(short_names(deltas).values()) == {"posterize.prob", "equalize.prob"}
    apart = [*deltas, {"labelled.sup.0.posterize.prob": 0.4}]  # from here on they differ
    assert short_names(apart)["labelled.sup.0.posterize.prob"] == "0.posterize.prob"


def test_a_path_that_ends_another_keeps_its_whole_name():
    assert short_names([{"a.gamma": 1, "b.a.gamma": 2}]) == {"a.gamma": "a.gamma", "b.a.gamma": "b.a.gamma"}


def test_the_main_table_shows_the_arms_and_the_chosen_setting_only(searched):
    assert [arm.arm for arm in summary_of(searched).arms] == ["baseline", "focal+anchors", "trial-2"]
    frame = pd.read_csv(report_study(searched, console=Console(file=io.StringIO()))[0])
    assert set(frame["arm"][frame["sampled"]]) == {"trial-0", "trial-1", "trial-2"}  # no number is lost


def test_front_and_chosen_setting_are_printed(searched):
    text = printed(searched)
    search = text[text.index("Search: AP of the teacher on val") :]
    head = search.splitlines()[2].split()
    assert head == ["setting", "seeds", "Severe_Rust", "Chipped", "all", "ratio", "feasible", "front", "chosen"]
    assert rows(search, "trial-2")[0] == ["trial-2", "1", "0.400", "0.300", "0.380", "2.44x", "yes", "yes", "yes"]
    assert rows(search, "baseline")[0][-3:] == ["yes", "no", "no"]
    assert rows(search, "trial-0") == rows(search, "trial-1") == []
    assert "trial-2 bbox_head.loss_cls.gamma 3.123, num_heads 8, ratios 0.5 1" in [
        " ".join(line.split()) for line in search.splitlines()
    ]
    told = " ".join(search.split())
    assert "3 sampled settings judged, all of them in search.csv: 2 feasible (overall" in told
    assert "1 on the Pareto front of Severe_Rust and Chipped." in told
    assert (
        "Chosen: trial-2. It was selected by its scores on val, which therefore flatter it; what it is worth is told by"
        in told
    )
    assert max(len(line) for line in text.splitlines() if not line.startswith("  python -m ")) <= 100


def test_the_test_split_is_reported_of_baseline_and_chosen_setting(searched):
    text = printed(searched)
    test = text[text.index("AP of the teacher on the test split, which no selection saw") :]
    assert test.splitlines()[2].split() == ["setting", "Chipped", "Severe_Rust", "all"]  # the data set's order
    assert rows(test, "baseline") == [["baseline", "0.100", "0.200", "0.310"]]
    assert rows(test, "trial-2") == [["trial-2", "-", "0.350", "0.360"]]


def test_a_chosen_setting_without_test_scores_says_so(study, add_run, make_search):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    add_run("trial-0", 0.5, 0.1, 0.3, 0.2, 0.4, sampled=True)
    make_search(judged("baseline", 0.2, 0.1, 0.3), judged("trial-0", 0.2, 0.1, 0.3, front=True, chosen=True))
    text = " ".join(printed(study).split())
    assert "told by the test split alone, on which it has not been scored yet." in text
    assert "AP of the teacher on the test split, which no selection saw" not in text


def test_a_baseline_that_nothing_beats(study, add_run, make_search):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    add_run("trial-0", 0.5, 0.1, 0.3, 0.1, 0.4, sampled=True)
    make_search(
        judged("baseline", 0.2, 0.1, 0.3, front=True, chosen=True, test=TEST), judged("trial-0", 0.1, 0.1, 0.28)
    )
    text = " ".join(printed(study).split())
    assert "Chosen: baseline, since no sampled setting on the front has a larger ratio." in text


def test_nothing_feasible_means_nothing_chosen(study, add_run, make_search):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    make_search(judged("baseline", 0.2, 0.1, 0.3, feasible=False, constraint=0.1))
    assert "No setting is chosen." in printed(study)


def test_settings_that_were_not_judged_are_named(study, add_run, make_search):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    add_run("trial-0", 0.5, 0.1, 0.3, 0.1, 0.4, sampled=True)
    make_search(judged("baseline", 0.2, 0.1, 0.3))
    text = " ".join(printed(study).split())
    assert "Not judged, for want of a seed that the baseline has or since the last judgement: trial-0." in text


def test_a_search_that_was_not_judged_yet(study, add_run, make_search):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    add_run("trial-0", 0.5, 0.1, 0.3, 0.1, 0.4, sampled=True)
    make_search()
    text = " ".join(printed(study).split())
    assert "No sampled setting has been judged yet: their scores stand in results.csv alone." in text
    assert [arm.arm for arm in summary_of(study).arms] == ["baseline"]


def test_sampled_settings_alone_are_shown_rather_than_nothing(study, add_run, make_search):
    add_run("baseline", status="failed", reason="disk full")
    add_run("trial-0", 0.5, 0.1, 0.3, 0.1, 0.4, sampled=True)
    make_search()
    assert [arm.arm for arm in summary_of(study).arms] == ["trial-0"]


def test_a_judgement_of_runs_that_are_not_there_is_refused(study, add_run, make_search):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    make_search(judged("baseline", 0.2, 0.1, 0.3), judged("trial-7", 0.1, 0.1, 0.28))
    with pytest.raises(
        UserError, match=r"search\.json of study 'focal' judges 'trial-7', of which there is no completed"
    ):
        summary_of(study)


def test_csv_holds_every_setting_with_what_it_changes(searched):
    frame = search_frame(summary_of(searched).search).set_index("setting")
    assert list(frame.index) == ["baseline", "focal+anchors", "trial-0", "trial-1", "trial-2"]
    chosen = frame.loc["trial-2"]
    assert (chosen["val AP Severe_Rust"], chosen["val AP all"], chosen["test AP Severe_Rust"]) == (0.4, 0.38, 0.35)
    assert (chosen[ROI], chosen[HEADS], chosen[RATIOS], chosen["K"]) == (3.123456, 8, "[0.5, 1.0]", "2000")
    assert (chosen["feasible"], chosen["front"], chosen["chosen"]) == (True, True, True)
    assert (frame.loc["trial-1", "feasible"], frame.loc["trial-1", "constraint"]) == (False, 0.025)
    assert pd.isna(frame.loc["trial-0", HEADS])
    assert pd.isna(frame.loc["trial-0", "test AP all"])


def test_a_smaller_k_is_told_of_settings_too(searched):
    search = summary_of(searched).search
    assert [setting.label for setting in search.settings if not setting.feasible] == ["trial-1 (K=1536)"]
    assert search_frame(search).set_index("setting").loc["trial-1", "K"] == "1536"
    text = printed(searched)
    assert "trial-1, seed 0, ran with K=1536 instead of 3000" in " ".join(text.split())
    assert text.count("(K=900)") == 3  # both tables of arms, and the one of settings


def test_report_files_and_json(searched):
    files = report_study(searched, console=Console(file=io.StringIO()))
    assert [path.name for path in files] == [
        "results.csv", "per_class_map.png", "per_class_map.svg", "search.csv", "pareto.png", "pareto.svg",
    ]  # fmt: skip
    plain = json.loads(json.dumps(as_plain(summary_of(searched), files), allow_nan=False))
    chosen = plain["search"]["settings"][-1]
    assert (chosen["name"], chosen["aps"]) == ("trial-2", {"Severe_Rust": 0.4, "Chipped": 0.3, "all": 0.38})
    assert chosen["parameters"] == {"bbox_head.loss_cls.gamma": 3.123456, "num_heads": 8, "ratios": [0.5, 1.0]}

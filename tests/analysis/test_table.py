import io
import json
import os

import pytest
from rich.console import Console

from analysis.answers import answers_of
from analysis.results import UNENDED, load_study
from analysis.summary import as_plain, summarise
from analysis.table import print_summary, report_study
from experiments.errors import UserError
from experiments.studies import StudyRequest, read_study, write_study

COMMAND = "  python -m "  # in one line, to be copied


def summary_of(folder, model="teacher"):
    return summarise(load_study(folder), model=model)


def printed(folder, model="teacher"):
    stream = io.StringIO()
    print_summary(summary_of(folder, model), folder, Console(file=stream, width=100))
    return stream.getvalue()


def rows(text, arm):
    """The columns of the table lines that start with the arm's name, one list per table."""
    return [line.split() for line in text.splitlines() if line.startswith(f"  {arm} ")]


def test_one_seed(study, add_run):
    add_run("baseline", 0.5, 0.10, 0.3, 0.05, 0.4)  # mean 0.27
    add_run("focal", 0.5, 0.26, 0.3, 0.30, 0.4)  # mean 0.352
    stream = io.StringIO()
    files = report_study(study, console=Console(file=stream, width=100))
    text = stream.getvalue()
    assert rows(text, "baseline") == [["baseline", "1", "0.500", "0.100", "0.300", "0.050", "0.400", "0.270"]]
    ap, change = rows(text, "focal")
    assert ap == ["focal", "1", "0.500", "0.260", "0.300", "0.300", "0.400", "0.352"]
    assert change == ["focal", "+0.250", "6.00x", "+0.160", "2.60x", "+0.082", "1.30x"]
    certainty = f"analysis targets --study {study.name} --runs-root {study.parent}"
    assert f"as measured; with what certainty:\n{COMMAND}{certainty}\n" in text
    assert "5x met, 8x missed" in text
    assert "2.5x met, 3.7x missed" in text
    assert "≥ 0.95x met" in text
    assert "A single seed (every arm): the difference of two arms cannot be told from run-to-run noise." in text
    assert "±" not in text
    assert files == [study / "report" / n for n in ("results.csv", "per_class_map.png", "per_class_map.svg")]
    assert all(path.stat().st_size > 100 for path in files)


def test_what_the_report_holds_from_before_newer_results_is_named(study, add_run):
    def told():
        stream = io.StringIO()
        report_study(study, console=Console(file=stream, width=200))
        return stream.getvalue()

    record = add_run("baseline", 0.5, 0.10, 0.3, 0.05, 0.4) / "record.json"
    told()
    for name in ("effects.csv", "effects.png", "report.html"):
        (study / "report" / name).write_text("")
    assert "Written before" not in told()
    for name in ("effects.csv", "effects.png"):
        os.utime(study / "report" / name, (0, record.stat().st_mtime - 10))
    again = f"analysis report --study {study.name} --runs-root {study.parent}"
    assert f"Written before these results were there: effects; to have them anew:\n{COMMAND}{again}\n" in told()


def test_several_seeds_show_the_spread_and_pair_by_seed(study, add_run):
    add_run("baseline", 0.5, 0.1, 0.3, 0.1, 0.4, seed=0)
    add_run("baseline", 0.5, 0.3, 0.3, 0.3, 0.4, seed=1)
    add_run("focal", 0.5, 0.5, 0.3, 0.2, 0.4, seed=1)
    add_run("focal", 0.5, 0.5, 0.3, 0.8, 0.4, seed=2)
    text = printed(study)
    assert rows(text, "baseline")[0][5] == "0.200"
    assert "±0.141" in text  # sqrt(2) * 0.1, of 0.1 and 0.3
    assert "±0.424" in text  # sqrt(2) * 0.3, of 0.2 and 0.8
    assert rows(text, "focal")[1][1:3] == ["-0.100", "0.667x"]  # seed 1 alone: 0.2 against 0.3
    assert "focal is compared with the baseline on their shared seeds only: 1." in text
    assert "A single seed" not in text


def test_a_single_seed_beside_several_is_named(study, add_run):
    for seed in (0, 1):
        add_run("baseline", 0.5, 0.1, 0.3, 0.1, 0.4, seed=seed)
    add_run("focal", 0.5, 0.1, 0.3, 0.1, 0.4)
    assert "A single seed (focal): the difference of two arms cannot be told" in printed(study)


def test_undefined_targets_say_why(study, add_run):
    add_run("baseline", 0.5, 0.1, 0.3, 0.0005, 0.4)
    add_run("focal", 0.5, None, 0.3, 0.2, 0.4)
    text = printed(study)
    assert "5x undefined, 8x undefined" in text
    assert "2.5x undefined, 3.7x undefined" in text
    assert rows(text, "focal")[0][3] == "-"
    assert "Undefined for focal: the baseline's AP of Severe_Rust is near zero (0.0005, below 0.001)." in text
    assert "Undefined for focal: no shared seed has an AP of Chipped in both arms." in text


def test_factors_over_a_config_of_ones_own_are_told(study, add_run):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    add_run("focal", 0.5, 0.1, 0.3, 0.2, 0.4)
    told = "focal: roi_gamma is 3.0 in this config, and not 2.5 as in the factor table."
    asked = {"design": "alone", "factors": ["focal"], "seeds": [0], "command": "again", "departures": [told]}
    write_study(read_study(study).model_copy(update={"requests": [StudyRequest.model_validate(asked)]}), study)
    assert told in printed(study)
    assert told in answers_of(load_study(study)).notes


def test_a_burn_in_with_fewer_tokens_than_asked_for_is_told(study, add_run, add_burn_in):
    add_burn_in("cpu-1", 0.5, 0.1, 0.3, 0.2, 0.4, num_tokens=1536, tokens_reduced_from=2048)
    add_run("pooling", 0.5, 0.1, 0.3, 0.2, 0.4, burn_in="cpu-1")
    assert "burn-in cpu-1, seed 0, ran with K=1536 instead of 2048, which ran out of memory." in printed(study)


def test_factors_that_acted_from_the_start_are_told(study, add_run):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    told = "Factors that are on act from the start: in burn-ins too, but for those of pseudo-labels."
    assert told not in printed(study)
    add_run("focal", 0.5, 0.1, 0.3, 0.2, 0.4, delta={"from_start": True})
    assert told in printed(study)
    assert told in answers_of(load_study(study)).notes


def test_no_completed_baseline(study, add_run):
    add_run("focal", 0.5, 0.1, 0.3, 0.2, 0.4)
    add_run("baseline", status="failed", reason="disk full")
    text = printed(study)
    assert "Undefined for focal: the study has no completed run of the arm 'baseline'." in text
    assert "baseline, seed 0, failed: disk full (" in text


def test_burn_ins_and_unfinished_runs_stand_below_the_table(study, add_run, add_burn_in):
    add_burn_in("burn", 0.4, 0.0, None, 0.1, 0.3)
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4, burn_in="burn")
    add_run("focal", status="failed", reason="CUDA [out of memory]", log_tail=["a line of the log"])
    add_run("anchors", status="pruned", reason="flat loss")
    add_run("pooling", status="running")
    add_run("fusion", recorded=False)
    text = printed(study)
    assert rows(text, "burn") == rows(text, "focal") == rows(text, "fusion") == []
    arms = study.parent / "arms"
    burn_ins, unfinished = text[text.index("Burn-ins") :].split("Not in the table:\n")
    assert " ".join(burn_ins.split()) == (
        "Burn-ins (not arms): burn-in, seed 0 (burn): AP of the teacher Broken 0.400, Chipped 0.000, "
        "Scratched -, Severe_Rust 0.100, Tip_Wear 0.300, all 0.200"
    )
    assert unfinished.splitlines() == [  # a path stands whole in its line
        f"  focal, seed 0, failed: CUDA [out of memory] ({arms}/focal-0/record.json)",
        f"  anchors, seed 0, pruned: flat loss ({arms}/anchors-0/record.json)",
        f"  pooling, seed 0, {UNENDED} ({arms}/pooling-0/record.json)",
        "  waiting, no record yet: fusion, seed 0",
    ]


def test_a_smaller_k_is_told_in_the_tables_and_below(study, add_run):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4, num_tokens=1024)
    add_run("pooling", 0.5, 0.1, 0.3, 0.2, 0.4, num_tokens=1536, tokens_reduced_from=2048)
    text = printed(study)
    assert text.count("pooling (K=1536)") == 2
    assert "baseline (K" not in text
    assert "pooling, seed 0, ran with K=1536 instead of 2048, which ran out of memory." in " ".join(text.split())


def test_arms_of_one_seed_on_different_splits_are_pointed_out(study, add_run):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    add_run("focal", 0.5, 0.1, 0.3, 0.2, 0.4, split=1)
    text = " ".join(printed(study).split())
    assert "The arms of seed 0 differ in their labelled split" in text
    assert "split 0: baseline; split 1: focal." in text


def test_other_classes_have_only_their_own_targets(study, add_run):
    add_run("baseline", 0.5, 0.3, classes=["Crack", "Dent"])
    add_run("focal", 0.5, 0.1, classes=["Crack", "Dent"])
    text = printed(study)
    assert rows(text, "focal")[1] == ["focal", "-0.100", "0.750x"]
    assert "Severe_Rust" not in text


def test_runs_of_different_length_are_pointed_out(study, add_run):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    add_run("focal", 0.5, 0.1, 0.3, 0.2, 0.4, iterations=800)
    text = " ".join(printed(study).split())
    assert "differ in scale or length" in text
    assert "cpu, 400 iterations: baseline, seed 0; cpu, 800 iterations: focal, seed 0" in text


def test_a_run_without_the_models_validation_is_named(study, add_run):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    add_run("focal", validations=[])
    text = printed(study)
    assert rows(text, "focal") == []
    assert "focal, seed 0 (focal-0) has no validation of the teacher." in text


def test_no_validation_of_the_model_at_all(study, add_run):
    add_run("baseline")
    with pytest.raises(UserError, match="No completed run of study 'focal' has a validation of the student on val"):
        printed(study, model="student")


def test_fits_a_terminal_of_100_columns(study, add_run):
    for arm in ("baseline", "pseudo_labels", "focal+anchors+pseudo_labels+augmentation+fusion+pooling"):
        for seed in (0, 1):
            add_run(arm, 0.5, 0.1, 0.3, 0.0, 0.4, seed=seed)
    text = printed(study)
    tables = text.splitlines()
    assert max(len(line) for line in tables if not line.startswith(COMMAND)) <= 100
    assert "…" not in text
    for name in ("Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear"):
        assert name in tables[2]  # headings are whole


def test_json_is_plain_and_complete(study, add_run):
    add_run("baseline", 0.5, 0.1, 0.3, 0.05, 0.4)
    add_run("focal", 0.5, None, 0.3, 0.3, 0.4)
    add_run("fusion", status="failed", reason="out of memory", log_tail=["step 12", "CUDA out of memory"])
    add_run("pooling", recorded=False)
    plain = json.loads(json.dumps(as_plain(summary_of(study, "student"), []), allow_nan=False))
    assert (plain["study"], plain["scales"], plain["model"], plain["split"]) == (
        "focal",
        ["cpu"],
        "student",
        "val",
    )
    focal = plain["arms"][1]
    assert focal["cells"]["Severe_Rust"] == {"mean": 0.15, "std": None, "values": {"0": 0.15}}
    assert focal["cells"]["Chipped"] == {"mean": None, "std": None, "values": {"0": None}}
    rust = focal["comparisons"][0]
    assert rust["ratio"] == pytest.approx(6.0)
    assert rust["judgements"] == [
        {"target": "conservative", "label": "5x", "verdict": "met"},
        {"target": "optimistic", "label": "8x", "verdict": "missed"},
    ]
    failed, waiting = plain["unfinished"]
    assert (failed["arm"], failed["reason"]) == ("fusion", "out of memory")
    assert failed["log_tail"] == ["step 12", "CUDA out of memory"]
    assert failed["record"] == str(study.parent / "arms" / "fusion-0" / "record.json")
    assert (waiting["arm"], waiting["status"]) == ("pooling", "missing")
    assert plain["search"] is None

"""Sampled studies, through the command line: the order of training, what is drawn and kept, judged, pruned, and chosen."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console
from typer.testing import Result

from ablations.ledger import Claim
from experiments.errors import UserError
from experiments.records import Record, Validation, read_record
from experiments.runs import run_identity
from experiments.search_file import Candidate, SearchResult, read_search
from experiments.studies import arm_folder
from tests.ablations.conftest import Laboratory

# The thresholds for classification and RPN that the plan has lie below its initial one, where they change nothing.
PLAN_DELTA = {
    "model.semi_train_cfg.pseudo_label_initial_score_thr": 0.4,
    "model.detector.roi_head.bbox_head.loss_cls.gamma": 3.5,
    "model.detector.rpn_head.loss_cls.gamma": 2.5,
}
FIVE = ["plan", "sample-001", "sample-002", "sample-003", "sample-004"]


def search(laboratory: Laboratory, *options: str, trials: int = 5) -> Result:
    return laboratory.run(
        "--design", "optuna", "--space", "thresholds", "--study", "s", "--trials", str(trials), *options
    )


def result_of(laboratory: Laboratory) -> SearchResult:
    found = read_search(laboratory.root / "s")
    assert found is not None
    return found


def candidates(laboratory: Laboratory) -> dict[str, Candidate]:
    return {candidate.name: candidate for candidate in result_of(laboratory).candidates}


@pytest.mark.parametrize("objective", ["pareto", "ratio"])
def test_the_baseline_is_trained_first_then_the_plan_then_what_is_sampled(
    laboratory: Laboratory, objective: str
) -> None:
    result = search(laboratory, "--objective", objective)
    assert result.exit_code == 0, result.output
    assert "Study s at scale cpu: 6 jobs, 0 done already." in result.stdout
    assert laboratory.trained == [("baseline", 0), *((name, 0) for name in FIVE)]
    assert [call["sampled"] for call in laboratory.calls] == [False] + [True] * 5
    deltas = [call["delta"] for call in laboratory.calls]
    assert deltas[:2] == [{}, PLAN_DELTA]
    assert len({json.dumps(delta, sort_keys=True) for delta in deltas}) == 6
    values = [entry.values for entry in laboratory.entries("s")]
    assert values == [(0.25, 0.25)] * 6 if objective == "pareto" else values == [pytest.approx((1.0,))] * 6


def test_what_was_sampled_is_in_the_study_file_with_its_identity(laboratory: Laboratory) -> None:
    search(laboratory)
    study = laboratory.study("s")
    assert study["search"]["objective"] == "pareto"
    assert study["search"]["trials"] == 5
    runs = study["runs"]
    assert [(run["arm"], run["sampled"]) for run in runs] == [("baseline", False), *((name, True) for name in FIVE)]
    for run, call in zip(runs, laboratory.calls, strict=True):
        assert run["delta"] == call["delta"]
        assert run["identity"] == run_identity(
            config="cpu", delta=run["delta"], seed=0, split=0, data_fingerprint=study["data_fingerprint"]
        )
        assert read_record(arm_folder(laboratory.root, run["identity"])).arm == run["arm"]


def test_the_settings_are_judged_beside_the_baseline_and_one_is_chosen(laboratory: Laboratory) -> None:
    laboratory.scores["plan", 0] = {"Severe_Rust": 0.3}
    laboratory.scores["sample-001", 0] = {"Severe_Rust": 0.4, "Chipped": 0.2}
    laboratory.scores["sample-002", 0] = {"Severe_Rust": 0.3, "Chipped": 0.2}
    search(laboratory, trials=3)
    judged = candidates(laboratory)
    assert list(judged) == ["baseline", "plan", "sample-001", "sample-002"]
    assert result_of(laboratory).classes == ["Severe_Rust", "Chipped"]
    assert judged["sample-001"].values == [0.4, 0.2]
    # sqrt(0.301 / 0.251), and sqrt(0.401 / 0.251 * 0.201 / 0.251)
    assert judged["plan"].ratio == pytest.approx(1.095081, abs=1e-6)
    assert judged["sample-001"].ratio == pytest.approx(1.131088, abs=1e-6)
    assert judged["plan"].constraint == pytest.approx(-0.0125)
    assert [name for name, one in judged.items() if one.front] == ["plan", "sample-001"]
    assert [name for name, one in judged.items() if one.chosen] == ["sample-001"]
    assert [one.test for one in judged.values()] == [None] * 4
    assert judged["plan"].delta == PLAN_DELTA


def test_more_trials_train_only_those_and_the_same_command_trains_nothing(laboratory: Laboratory) -> None:
    search(laboratory)
    drawn = {run["arm"]: run["identity"] for run in laboratory.study("s")["runs"]}
    assert search(laboratory, trials=7).exit_code == 0
    assert laboratory.trained == [("sample-005", 0), ("sample-006", 0)]
    runs = {run["arm"]: run["identity"] for run in laboratory.study("s")["runs"]}
    assert runs.items() > drawn.items()
    assert len(candidates(laboratory)) == 8
    for trials in (7, 3):
        result = search(laboratory, trials=trials)
        assert "8 jobs, 8 done already." in result.stdout
        assert laboratory.trained == []
    assert laboratory.study("s")["search"]["trials"] == 7
    assert len(laboratory.study("s")["requests"]) == 3


def test_every_setting_is_trained_with_every_seed(laboratory: Laboratory) -> None:
    laboratory.scores |= {("plan", 0): 0.3, ("plan", 1): 0.4}
    search(laboratory, "--seeds", "2", trials=2)
    assert laboratory.trained == [
        ("baseline", 0), ("baseline", 1), ("plan", 0), ("plan", 1), ("sample-001", 0), ("sample-001", 1),
    ]  # fmt: skip
    assert laboratory.calls[4]["delta"] == laboratory.calls[5]["delta"]
    assert [call["split"] for call in laboratory.calls] == [0, 1] * 3
    assert [entry.values for entry in laboratory.entries("s")][2] == pytest.approx((0.35, 0.35))
    assert candidates(laboratory)["plan"].seeds == [0, 1]


def test_an_interrupted_trial_keeps_what_was_drawn(laboratory: Laboratory) -> None:
    laboratory.outcomes["sample-001", 0] = KeyboardInterrupt()
    assert search(laboratory).exit_code == 130
    drawn = laboratory.calls[-1]["delta"]
    assert laboratory.jobs("s")[2] == ("sample-001", "waiting")
    laboratory.outcomes.clear()
    assert search(laboratory).exit_code == 0
    assert {call["arm"]: call["delta"] for call in laboratory.calls}["sample-001"] == drawn
    assert sorted(laboratory.trained) == [("sample-001", 0), ("sample-002", 0), ("sample-003", 0), ("sample-004", 0)]


def test_a_killed_trial_keeps_what_was_drawn(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    laboratory.outcomes["sample-001", 0] = KeyboardInterrupt()
    with monkeypatch.context() as patched:
        patched.setattr(Claim, "give_back", lambda claim: None)  # who is killed gives nothing back
        search(laboratory, "--grace", "1", trials=2)
    drawn = laboratory.calls[-1]["delta"]
    assert laboratory.jobs("s")[2] == ("sample-001", "running")
    laboratory.outcomes.clear()
    assert search(laboratory, "--grace", "1", trials=2).exit_code == 0
    assert [(call["arm"], call["delta"]) for call in laboratory.calls] == [("sample-001", drawn)]
    assert [entry.deaths for entry in laboratory.entries("s")] == [0, 0, 1]


def test_a_failed_trial_stops_no_other_and_is_tried_again_as_drawn(laboratory: Laboratory) -> None:
    laboratory.outcomes["sample-001", 0] = "failed"
    result = search(laboratory, trials=3)
    assert result.exit_code == 1
    assert "1 of 4 jobs failed (sample-001, seed 0: Out of memory [step 3].)" in result.stdout
    assert list(candidates(laboratory)) == ["baseline", "plan", "sample-002"]
    drawn = laboratory.calls[2]["delta"]
    laboratory.outcomes.clear()
    assert "Queued again: sample-001, seed 0." in laboratory.command("retry", "--study", "s").stdout
    assert search(laboratory, trials=3).exit_code == 0
    assert [(call["arm"], call["delta"]) for call in laboratory.calls] == [("sample-001", drawn)]


def test_what_costs_too_much_of_the_overall_map_is_not_chosen(laboratory: Laboratory) -> None:
    lifted = {"Severe_Rust": 0.9, "Chipped": 0.9}
    laboratory.scores["plan", 0] = {**lifted, "all": 0.2374}  # 0.25 less 5.04 %
    laboratory.scores["sample-001", 0] = {"Severe_Rust": 0.3, "Chipped": 0.3, "all": 0.2375}  # less 5 %
    search(laboratory, trials=2)
    judged = candidates(laboratory)
    assert judged["plan"].constraint == pytest.approx(0.0001)
    assert [(one.feasible, one.front, one.chosen) for one in judged.values()] == [
        (True, False, False), (False, False, False), (True, True, True),
    ]  # fmt: skip
    told = {entry.arm: entry.constraint for entry in laboratory.entries("s")}
    assert told == pytest.approx({"baseline": -0.0125, "plan": 0.0001, "sample-001": 0.0})


def test_a_ratio_below_the_median_is_pruned_after_five_trials_and_that_is_no_failure(laboratory: Laboratory) -> None:
    laboratory.scores |= {("sample-001", 0): 0.01, ("sample-005", 0): 0.01}
    result = search(laboratory, "--objective", "ratio", trials=7)
    assert result.exit_code == 0, result.output
    states = dict(laboratory.jobs("s"))
    assert states.pop("sample-005") == "pruned"
    assert set(states.values()) == {"completed"}
    assert len(laboratory.trained) == 8
    # (0.01 + 0.001) / (0.25 + 0.001)
    pruned = next(entry for entry in laboratory.entries("s") if entry.state == "pruned")
    assert pruned.reason == "at iteration 1 its ratio 0.044 is below the median of the settings before it"
    assert "sample-005, seed 0: pruned" in result.stdout
    assert "sample-005" not in candidates(laboratory)
    assert search(laboratory, "--objective", "ratio", trials=7).exit_code == 0
    assert laboratory.trained == []
    assert laboratory.command("status", "--study", "s").exit_code == 0


def test_two_values_are_never_pruned(laboratory: Laboratory) -> None:
    laboratory.scores["sample-005", 0] = 0.01
    search(laboratory, trials=7)
    assert {state for _, state in laboratory.jobs("s")} == {"completed"}


def test_without_a_baseline_nothing_is_sampled_until_it_is_tried_again(laboratory: Laboratory) -> None:
    laboratory.outcomes["baseline", 0] = "failed"
    result = search(laboratory, trials=2)
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: The baseline of study s failed (Out of memory [step 3].), and sampled settings are judged by it: "
        f"mend the cause, then: python -m ablations retry --study s --runs-root {laboratory.root}.\n"
    )
    assert laboratory.trained == [("baseline", 0)]
    assert search(laboratory, trials=2).exit_code == 2
    assert laboratory.trained == []
    laboratory.outcomes.clear()
    assert laboratory.command("retry", "--study", "s").exit_code == 0
    assert search(laboratory, trials=2).exit_code == 0
    assert laboratory.trained == [("baseline", 0), ("plan", 0), ("sample-001", 0)]


@pytest.mark.parametrize("has_test", [True, False])
def test_only_baseline_and_choice_are_scored_on_test_where_there_is_one(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, has_test: bool
) -> None:
    if has_test:
        (laboratory.data / "annotations" / "test.json").write_text("{}")
    scored: list[str] = []

    def evaluate(folder: Path, *, data: Path, console: Console) -> Record:
        assert data == laboratory.data
        record = read_record(folder)
        scored.append(record.arm)
        scores = {name: score.model_copy(update={"ap": 0.125}) for name, score in record.validations[0].scores.items()}
        record.validations.append(Validation(iteration=1, model="teacher", split="test", scores=scores))
        return record

    monkeypatch.setattr("ablations.study.evaluate", evaluate)
    laboratory.scores["sample-001", 0] = 0.3
    assert search(laboratory, trials=3).exit_code == 0
    assert scored == (["baseline", "sample-001"] if has_test else [])
    told = {name: one.test and one.test["Chipped"] for name, one in candidates(laboratory).items()}
    reached = 0.125 if has_test else None
    assert told == {"baseline": reached, "plan": None, "sample-001": reached, "sample-002": None}


def test_weights_that_are_elsewhere_leave_the_test_split_unscored(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluate_run(folder: Path, *, data: Path, split: str) -> None:
        raise UserError("The weights are missing.")

    module = ModuleType("experiments.evaluate")
    monkeypatch.setattr(module, "evaluate_run", evaluate_run, raising=False)
    monkeypatch.setitem(sys.modules, "experiments.evaluate", module)
    (laboratory.data / "annotations" / "test.json").write_text("{}")
    laboratory.scores["plan", 0] = 0.3
    result = search(laboratory, trials=1)
    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if "test split" in line] == [
        "Scoring baseline, seed 0, on the test split ...",
        "No scores on the test split of baseline: The weights are missing.",
        "Scoring plan, seed 0, on the test split ...",
        "No scores on the test split of plan: The weights are missing.",
    ]
    assert [(one.chosen, one.test) for one in candidates(laboratory).values()] == [(False, None), (True, None)]


def test_a_baseline_of_another_study_is_not_trained_again(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal")
    search(laboratory, trials=1)
    assert laboratory.trained == [("plan", 0)]
    assert list(candidates(laboratory)) == ["baseline", "plan"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--objective", "ratio"), "for the pareto, and the new request searches"),
        (("--space", "all"), "choose another --study"),
        (("--seeds", "2"), "samples settings with 1 seed(s), not 2"),
        (("--design", "alone", "--factors", "focal"), "and the new request samples no settings"),
    ],
)
def test_another_search_in_the_same_study_is_refused(
    laboratory: Laboratory, options: tuple[str, ...], message: str
) -> None:
    search(laboratory, trials=1)
    before: dict[str, Any] = laboratory.study("s")
    result = search(laboratory, *options, trials=1)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert message in result.stderr
    assert laboratory.trained == []
    assert laboratory.study("s") == before

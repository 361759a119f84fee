"""A worker on a real ledger: what it refuses, waits for, gives back and writes down."""

import io
import os
import sys
import threading
from typing import Any

import pytest
from rich.console import Console

from ablations.ledger import Ledger
from ablations.request import request_of
from ablations.storage import StorageLost
from ablations.study import begin, collect
from ablations.trials import Outcome
from ablations.worker import Place, work
from experiments.errors import TakenOver, UserError
from experiments.studies import Study
from tests.ablations.conftest import Laboratory, make_data

OPTIONS: dict[str, Any] = {
    "design": "alone", "factors": "focal", "scale": "cpu", "seeds": 1, "control": False, "space": "thresholds",
    "objective": "pareto", "trials": 2, "study": "s", "data": None, "runs_root": None, "storage": None, "grace": 1.0,
}  # fmt: skip


def begun(**options: Any) -> tuple[Study, Ledger]:
    return begin(request_of(**{**OPTIONS, **options}))


def place(laboratory: Laboratory) -> Place:
    return Place(laboratory.root, laboratory.data)


def states(ledger: Ledger) -> list[tuple[str, str]]:
    return [(entry.arm, entry.state) for entry in ledger.entries()]


def test_it_trains_all_jobs_and_tells_after_each(laboratory: Laboratory) -> None:
    _, ledger = begun()
    counts: list[int] = []

    def tell() -> None:
        counts.append(sum(entry.state == "completed" for entry in ledger.entries()))

    work(ledger, place(laboratory), progress=False, tell=tell)
    assert laboratory.trained == [("baseline", 0), ("focal", 0)]
    assert counts == [1, 2]
    assert [entry.values for entry in ledger.entries()] == [(0.25, 0.25)] * 2
    assert [list(entry.records) for entry in ledger.entries()] == [
        [entry.runs[0].identity] for entry in ledger.entries()
    ]


def test_other_data_are_refused_before_anything_is_claimed(laboratory: Laboratory) -> None:
    _, ledger = begun()
    make_data(laboratory.data, "data-2")
    with pytest.raises(UserError, match=r"give its data set with --data\.$"):
        work(ledger, place(laboratory), progress=False, tell=lambda: None)
    assert states(ledger) == [("baseline", "waiting"), ("focal", "waiting")]


def test_a_worker_whose_parent_is_gone_claims_nothing(laboratory: Laboratory) -> None:
    _, ledger = begun()
    work(ledger, place(laboratory), progress=False, tell=lambda: None, parent=os.getppid() + 1)
    assert laboratory.trained == []
    work(ledger, place(laboratory), progress=False, tell=lambda: None, parent=os.getppid())
    assert len(laboratory.trained) == 2


def test_it_waits_for_others_and_takes_over_what_they_lose(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablations.worker._POLL", 0.2)
    _, ledger = begun()
    assert ledger.claim() is not None  # by a worker that is silent from now on
    work(ledger, place(laboratory), progress=False, tell=lambda: None)
    assert laboratory.trained == [("focal", 0), ("baseline", 0)]
    assert [(entry.arm, entry.deaths) for entry in ledger.entries()] == [("baseline", 1), ("focal", 0)]


def test_a_job_that_another_worker_has_taken_over_is_left_to_it(laboratory: Laboratory) -> None:
    _, ledger = begun(grace=60.0)
    train_run, calls = laboratory.train_run, []

    def stopped_for_a_while(**options: Any) -> Any:
        calls.append((options["arm"], options["patience"]))
        if len(calls) == 1:
            raise TakenOver("runs/arms/1 was taken over")
        return train_run(**options)

    sys.modules["experiments.train"].train_run = stopped_for_a_while  # type: ignore[attr-defined]
    work(ledger, place(laboratory), progress=False, tell=lambda: None)
    assert calls == [("baseline", 60.0), ("baseline", 60.0), ("focal", 60.0)]
    assert [(entry.arm, entry.state, entry.deaths) for entry in ledger.entries()] == [
        ("baseline", "completed", 0), ("focal", "completed", 0),
    ]  # fmt: skip


def test_sampled_settings_wait_for_a_baseline_that_another_trains(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablations.worker._POLL", 0.2)
    _, ledger = begun(design="optuna", factors="all", grace=60.0)
    claim = ledger.claim()
    assert claim is not None
    failed = Outcome("failed", reason="the card is broken\nat 3")
    timer = threading.Timer(0.6, claim.finish, [failed])
    timer.start()
    with pytest.raises(UserError, match=r"The baseline of study s failed \(the card is broken\), and"):
        work(ledger, place(laboratory), progress=False, tell=lambda: None)
    timer.join()
    assert laboratory.trained == []
    assert states(ledger) == [("baseline", "failed"), ("plan", "waiting"), ("sample-001", "waiting")]


@pytest.mark.parametrize("ended_by", [KeyboardInterrupt(), StorageLost("The study's storage did not answer.")])
def test_what_ends_the_worker_and_not_the_arm_gives_the_job_back(
    laboratory: Laboratory, ended_by: BaseException
) -> None:
    _, ledger = begun()
    laboratory.outcomes["baseline", 0] = ended_by
    with pytest.raises(type(ended_by)):
        work(ledger, place(laboratory), progress=False, tell=lambda: None)
    assert states(ledger) == [("baseline", "waiting"), ("focal", "waiting")]
    assert laboratory.trained == [("baseline", 0)]


def test_a_setting_ends_with_its_first_replicate_that_fails(laboratory: Laboratory) -> None:
    _, ledger = begun(design="optuna", factors="all", seeds=2)
    laboratory.outcomes["plan", 0] = "failed"
    work(ledger, place(laboratory), progress=False, tell=lambda: None)
    assert [name for name in laboratory.trained if name[0] == "plan"] == [("plan", 0)]
    assert states(ledger)[2:] == [("plan", "failed"), ("sample-001", "completed")]
    assert ledger.entries()[2].values is None


def test_progress_is_in_the_ledger_while_a_run_trains(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    _, ledger = begun()
    seen: list[dict[str, Any]] = []

    def train_run(*, observer: Any, **options: Any) -> Any:
        observer.progress(phase="training", iteration=40, iterations=160, rate=2.5)
        end = threading.Event()
        for _ in range(50):  # the heart beats every sixth of a second
            end.wait(0.1)
            (entry,) = [entry for entry in ledger.entries() if entry.state == "running"]
            if "phase" in entry.progress:
                break
        seen.append(entry.progress)
        return laboratory.train_run(observer=observer, **options)

    monkeypatch.setattr(sys.modules["experiments.train"], "train_run", train_run)
    work(ledger, place(laboratory), progress=False, tell=lambda: None)
    assert seen[0]["worker"].endswith(f":{os.getpid()}")
    assert seen[0].items() >= {"phase": "training", "iteration": 40, "iterations": 160, "rate": 2.5}.items()


def test_a_request_that_joins_meanwhile_is_not_lost(laboratory: Laboratory) -> None:
    first, ledger = begun()
    begun(factors="anchors")
    work(ledger, place(laboratory), progress=False, tell=lambda: None)
    brought = collect(first, ledger, laboratory.root, Console(file=io.StringIO()))
    assert [run.arm for run in brought.runs] == ["baseline", "focal", "anchors"]
    assert [request.factors for request in brought.requests] == [["focal"], ["anchors"]]
    assert laboratory.study("s") == brought.model_dump(mode="json")

"""The ledger, through real SQLite files: what is queued, claimed, lost, taken over, and told."""

import contextlib
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ablations.ledger import Ledger
from ablations.trials import MAX_DEATHS, Entry, Job, Outcome
from experiments.address import default_url
from experiments.errors import UserError
from experiments.studies import Search, Study, StudyRun

HEADER = Study(
    study="s", scale="tiny", data=None, data_fingerprint="f", hard_classes=["Severe_Rust", "Chipped"]
)  # fmt: skip
COMPLETED = Outcome("completed", {}, (0.25, 0.5))


def open_ledger(folder: Path, *, grace: float = 60, header: Study = HEADER) -> Ledger:
    ledger = Ledger(name="s", url=default_url(folder))
    ledger.create(header.model_copy(update={"grace": grace}))
    return ledger


def job(name: str, **options: Any) -> Job:
    return Job((StudyRun(arm=name, seed=0, split=0, identity=f"id-{name}"),), **options)


def states(ledger: Ledger) -> list[tuple[str, str]]:
    return [(entry.arm, entry.state) for entry in ledger.entries()]


def add(ledger: Ledger, *names: str) -> None:
    ledger.add([job(name) for name in names], lambda job: None)


def test_jobs_are_claimed_in_order_and_finished_with_their_values(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    add(ledger, "a", "b")
    claim = ledger.claim()
    assert claim is not None
    assert [run.arm for run in claim.runs] == ["a"]
    with claim:
        claim.finish(COMPLETED)
    assert states(open_ledger(tmp_path)) == [("a", "completed"), ("b", "waiting")]
    assert ledger.entries()[0].values == (0.25, 0.5)


def test_adding_again_queues_only_what_is_new(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    add(ledger, "a")
    add(ledger, "a", "b")
    assert states(ledger) == [("a", "waiting"), ("b", "waiting")]


def test_a_job_that_is_settled_is_complete_at_once(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.add([job("a"), job("b")], lambda job: COMPLETED if job.key == "id-a" else None)
    assert states(ledger) == [("a", "completed"), ("b", "waiting")]


def test_a_failure_keeps_its_reason_until_it_is_retried(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    add(ledger, "a", "b")
    claim = ledger.claim()
    assert claim is not None
    claim.finish(Outcome("failed", reason="loss is NaN"))
    (failed, _) = ledger.entries()
    assert (failed.state, failed.reason) == ("failed", "loss is NaN")
    assert [entry.arm for entry in ledger.retry(["b"])] == []
    assert [entry.arm for entry in ledger.retry()] == ["a"]
    assert states(ledger) == [("a", "waiting"), ("b", "waiting")]
    assert ledger.retry() == []


def test_a_job_given_back_waits_again_and_counts_no_death(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    add(ledger, "a")
    claim = ledger.claim()
    assert claim is not None
    claim.give_back()
    (entry,) = ledger.entries()
    assert (entry.state, entry.deaths) == ("waiting", 0)


def test_a_silent_workers_job_waits_again_and_its_own_late_word_changes_nothing(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, grace=1)
    add(ledger, "a")
    lost = ledger.claim()
    assert lost is not None
    assert ledger.claim() is None
    time.sleep(2.5)
    taken = ledger.claim()
    assert taken is not None
    assert [run.arm for run in taken.runs] == ["a"]
    lost.finish(Outcome("failed", reason="too late"))
    assert [(entry.state, entry.deaths) for entry in ledger.entries()] == [("running", 1)]
    taken.finish(COMPLETED)
    assert states(ledger) == [("a", "completed")]


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_clock_that_jumps_costs_a_job_neither_its_result_nor_a_second_one(hours: int, tmp_path: Path) -> None:
    """Heartbeats are told by the wall clock: where it jumps forward, all workers seem silent for a moment."""
    ledger, other = open_ledger(tmp_path), open_ledger(tmp_path)
    add(ledger, "a")
    first = ledger.claim()
    assert first is not None
    jump(tmp_path, hours=hours)
    second = other.claim()
    assert (second is not None) == (hours > 0)
    first.finish(COMPLETED)  # both have trained it, one after the other, and have the same record
    if second is not None:
        second.finish(COMPLETED)
    assert states(ledger) == [("a", "completed")]
    assert sum(trial.state.name == "COMPLETE" for trial in ledger.study.trials) == 1
    assert ledger.claim() is None


def jump(folder: Path, *, hours: int) -> None:
    """Let the clock jump: what was written down before is that much farther back."""
    with contextlib.closing(sqlite3.connect(folder / "study.db")) as ledger, ledger:
        ledger.execute("UPDATE trial_heartbeats SET heartbeat = datetime(heartbeat, ?)", (f"{-hours} hours",))


def test_who_died_on_this_machine_is_not_waited_for(tmp_path: Path) -> None:
    import subprocess
    import sys

    ledger = open_ledger(tmp_path)
    add(ledger, "a")
    code = (
        "import os; from ablations.ledger import Ledger\n"
        f"with Ledger(name='s', url={default_url(tmp_path)!r}).claim() as claim:\n"
        "    claim._stop.wait(1)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    died = subprocess.run([sys.executable, "-c", code], check=False)
    assert died.returncode == -9
    claim = ledger.claim()
    assert claim is not None
    (entry,) = ledger.entries()
    assert (entry.state, entry.deaths) == ("running", 1)


def test_a_beating_heart_keeps_a_job(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, grace=1)
    add(ledger, "a")
    claim = ledger.claim()
    assert claim is not None
    claim.progress.update(phase="training", iteration=3)
    with claim:
        time.sleep(2.5)
        assert ledger.claim() is None
        (entry,) = ledger.entries()
        assert entry.progress["iteration"] == 3
        assert ":" in entry.progress["worker"]
        claim.finish(COMPLETED)
    assert states(ledger) == [("a", "completed")]


def test_a_job_that_kills_its_workers_is_failed_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablations.trials.MAX_DEATHS", 2)
    ledger = open_ledger(tmp_path, grace=1)
    add(ledger, "a")
    for _ in range(2):
        assert ledger.claim() is not None
        time.sleep(2.2)
    assert ledger.claim() is None
    (entry,) = ledger.entries()
    assert (entry.state, entry.reason) == ("failed", "its worker died, 2 times in all, without finishing it")
    assert [e.arm for e in ledger.retry()] == ["a"]
    assert MAX_DEATHS > 2


def test_who_dies_between_failing_a_trial_and_queueing_the_next_loses_nothing(tmp_path: Path) -> None:
    from optuna.trial import TrialState

    ledger = open_ledger(tmp_path, grace=1)
    add(ledger, "a")
    claim = ledger.claim()
    assert claim is not None
    ledger.storage.set_trial_state_values(claim.trial._trial_id, TrialState.FAIL)
    assert states(ledger) == [("a", "waiting")]
    assert ledger.claim() is None
    time.sleep(1.2)
    assert ledger.claim() is not None


def test_a_job_queued_twice_is_claimed_once(tmp_path: Path) -> None:
    from ablations.trials import follow

    ledger = open_ledger(tmp_path)
    add(ledger, "a")
    claim = ledger.claim()
    assert claim is not None
    claim.give_back()
    dead = next(trial for trial in ledger.study.trials if trial.number == 0)
    follow(ledger.study, dead, 0)  # another worker does the same at the same moment
    first = ledger.claim()
    assert first is not None
    assert ledger.claim() is None
    first.finish(COMPLETED)
    assert states(ledger) == [("a", "completed")]


def test_many_workers_claim_every_job_once(tmp_path: Path) -> None:
    names = [f"a{i}" for i in range(12)]
    add(open_ledger(tmp_path), *names)
    taken: list[str] = []

    def work() -> None:
        ledger = Ledger(name="s", url=default_url(tmp_path))
        while (claim := ledger.claim()) is not None:
            taken.append(claim.runs[0].arm)
            claim.finish(COMPLETED)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(names)
    assert {state for _, state in states(open_ledger(tmp_path))} == {"completed"}


def test_only_ready_jobs_are_claimed(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    add(ledger, "a", "b")

    def ready(entry: Entry) -> bool:
        return entry.arm == "b"

    claim = ledger.claim(ready)
    assert claim is not None
    assert claim.runs[0].arm == "b"
    assert ledger.claim(ready) is None


def test_a_follower_keeps_what_was_drawn(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    slot = Job((StudyRun(arm="sample-000", seed=0, split=0, identity="", sampled=True),))
    ledger.add([slot], lambda job: None)
    claim = ledger.claim()
    assert claim is not None
    drawn = claim.trial.suggest_float("x", 0, 1)
    claim.draw([claim.runs[0].model_copy(update={"identity": "drawn"})])
    claim.give_back()
    ledger.add([slot], lambda job: None)
    (entry,) = ledger.entries()
    assert (entry.state, entry.runs[0].identity, entry.params) == ("waiting", "drawn", {"x": drawn})
    again = ledger.claim()
    assert again is not None
    assert again.trial.suggest_float("x", 0, 1) == drawn


def test_given_parameters_are_drawn_as_given(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.add([job("a", params={"x": 0.125})], lambda job: None)
    claim = ledger.claim()
    assert claim is not None
    assert claim.trial.suggest_float("x", 0, 1) == 0.125


def test_a_ratio_study_has_one_value(tmp_path: Path) -> None:
    header = HEADER.model_copy(update={"search": Search(space=["roi_gamma"], objective="ratio", trials=1)})
    ledger = open_ledger(tmp_path, header=header)
    assert ledger.study.metric_names == ["ratio"]
    assert ledger.header().search == header.search
    with pytest.raises(UserError, match="maximises other figures"):
        ledger.create(HEADER)


def test_a_study_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no study 'other' in the storage"):
        Ledger(name="other", url=default_url(tmp_path)).entries()


def test_another_study_of_the_same_name_is_refused(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    with pytest.raises(UserError, match=r"holds another study s \(scale tiny, data f\)"):
        ledger.create(HEADER.model_copy(update={"data_fingerprint": "other"}))
    assert ledger.header().data_fingerprint == "f"


def test_all_count_a_worker_as_dead_at_the_same_time(tmp_path: Path) -> None:
    open_ledger(tmp_path, grace=12)
    other = Ledger(name="s", url=default_url(tmp_path))
    other.entries()
    assert (other.grace, other.backend.heartbeat_interval, other.backend.grace_period) == (12, 2, 12)


def test_a_second_copy_of_a_job_that_failed_is_no_retry(tmp_path: Path) -> None:
    from ablations.trials import follow

    ledger = open_ledger(tmp_path)
    add(ledger, "a")
    claim = ledger.claim()
    assert claim is not None
    claim.give_back()
    dead = next(trial for trial in ledger.study.trials if trial.number == 0)
    follow(ledger.study, dead, 0)
    first = ledger.claim()
    assert first is not None
    first.finish(Outcome("failed", reason="loss is NaN"))
    assert ledger.claim() is None
    assert states(ledger) == [("a", "failed")]
    ledger.retry()
    assert ledger.claim() is not None


def test_jobs_given_back_come_before_later_ones(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    add(ledger, "a", "b")
    claim = ledger.claim()
    assert claim is not None
    claim.give_back()
    again = ledger.claim()
    assert again is not None
    assert again.runs[0].arm == "a"

"""Several workers on one machine: what each is given, what is told meanwhile, and how they end."""

import io
import os
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from ablations.ledger import Ledger
from ablations.trials import Job, Outcome
from ablations.worker import Place
from ablations.workers import _Teller, environments, train_here, train_in_processes
from experiments.address import default_url
from experiments.errors import UserError
from experiments.studies import Study, StudyRun
from tests.ablations.conftest import Laboratory, make_record

STUDY = Study(study="s", scale="cpu", data=None, data_fingerprint="f", hard_classes=["Chipped"])


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """The ledger of a study with the jobs a and b."""
    (tmp_path / "s").mkdir()
    ledger = Ledger(name="s", url=default_url(tmp_path / "s"))
    ledger.create(STUDY)
    jobs = [Job((StudyRun(arm=name, seed=0, split=0, identity=f"id-{name}"),)) for name in ("a", "b")]
    ledger.add(jobs, lambda job: None)
    return ledger


def train(ledger: Ledger, tmp_path: Path, code: str, *, workers: int = 1, storage: str | None = None) -> list[str]:
    """Train with workers that run this Python code; returns the lines that were told."""
    file = io.StringIO()
    train_in_processes(
        ledger, STUDY, Place(tmp_path, tmp_path), workers=workers, gpus=["0", "1"], storage=storage,
        command=[sys.executable, "-c", code], console=Console(file=file, width=100),
    )  # fmt: skip
    return file.getvalue().splitlines()


def test_cores_are_divided_and_cards_dealt_out_in_turn() -> None:
    assert environments(3, ["4", "7"], storage="sqlite:///x.db", cores=8) == [
        {"OMP_NUM_THREADS": "2", "STORAGE": "sqlite:///x.db", "CUDA_VISIBLE_DEVICES": "4"},
        {"OMP_NUM_THREADS": "2", "STORAGE": "sqlite:///x.db", "CUDA_VISIBLE_DEVICES": "7"},
        {"OMP_NUM_THREADS": "2", "STORAGE": "sqlite:///x.db", "CUDA_VISIBLE_DEVICES": "4"},
    ]


def test_what_is_not_named_is_not_set_and_every_worker_has_a_thread() -> None:
    assert environments(4, [], cores=2) == [{"OMP_NUM_THREADS": "1"}] * 4


def test_the_threads_that_are_divided_are_those_that_the_user_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    for told, threads in (("", "4"), ("6", "3"), ("1", "1"), ("99", "4"), ("0", "4")):
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        assert environments(2, []) == [{"OMP_NUM_THREADS": threads}] * 2
    monkeypatch.undo()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads = str(len(os.sched_getaffinity(0)))
    assert environments(1, []) == [{"OMP_NUM_THREADS": threads}]


def test_workers_that_leave_jobs_are_told(ledger: Ledger, tmp_path: Path) -> None:
    code = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['STORAGE'])"
    with pytest.raises(UserError) as told:
        train(ledger, tmp_path, code, workers=3, storage="sqlite:///x.db")
    logs = tmp_path / "s" / "workers"
    assert str(told.value) == (
        f"All 3 workers ended, and 2 jobs are left; what they said last is in {logs}. The same command goes on."
    )
    assert [path.read_text() for path in sorted(logs.iterdir())] == [f"{card} sqlite:///x.db\n" for card in "010"]


def test_every_job_that_ends_is_told_once(ledger: Ledger, tmp_path: Path) -> None:
    claim = ledger.claim()
    assert claim is not None
    claim.finish(Outcome("completed", {}, (0.5,)))  # before: no news
    code = f"""
from ablations.ledger import Ledger
from ablations.trials import Outcome
claim = Ledger(name="s", url={default_url(tmp_path / "s")!r}).claim()
claim.finish(Outcome("failed", reason="Out of memory [step 3].\\nTraceback"))
"""
    assert train(ledger, tmp_path, code) == ["[2/2] b, seed 0: failed, 0 s: Out of memory [step 3]."]


def test_jobs_that_end_between_two_looks_are_counted_one_by_one(ledger: Ledger) -> None:
    claims = [ledger.claim(), ledger.claim()]
    telling = io.StringIO()
    teller = _Teller(ledger, STUDY, Console(file=telling, width=100))
    for claim in claims:
        assert claim is not None
        claim.finish(Outcome("failed", reason="Out of memory."))
    teller.news()
    assert [line[:6] for line in telling.getvalue().splitlines()] == ["[1/2] ", "[2/2] "]


def test_a_job_that_ends_is_told_with_the_checklist_of_each_of_its_runs(ledger: Ledger, tmp_path: Path) -> None:
    """Whoever trained it: workers in processes of their own write to their logs, which nobody watches."""
    claim = ledger.claim()
    assert claim is not None
    telling = io.StringIO()
    teller = _Teller(ledger, STUDY, Console(file=telling, width=100))
    gate = {"name": "memory", "milestone": 4, "verdict": "passed", "says": "1 GiB."}
    records = [make_record(f"r{seed}", seed=seed, gates=[gate]) for seed in (0, 1)]
    claim.finish(Outcome("completed", {record.identity: record for record in records}, (0.5,)))
    teller.news()
    teller.news()
    line = "Gate, iteration 4, memory: passed; 1 GiB."
    assert telling.getvalue().splitlines()[1:] == ["seed 0:", line, "seed 1:", line]


def test_a_run_that_another_study_had_trained_is_told_as_reused(ledger: Ledger) -> None:
    claim = ledger.claim()
    assert claim is not None
    telling = io.StringIO()
    teller = _Teller(ledger, STUDY, Console(file=telling, width=100))
    claim.finish(Outcome("completed", {"id-a": make_record("id-a", study="other")}, (0.5,)))
    teller.news()
    assert telling.getvalue().splitlines() == ["[1/2] a, seed 0: reused"]


def test_stopping_stops_the_workers(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pids = tmp_path / "pid"
    code = f"import os, pathlib, time; pathlib.Path({str(pids)!r}).write_text(str(os.getpid())); time.sleep(100)"
    sleep = time.sleep

    def interrupted(seconds: float) -> None:
        while not pids.exists() or not pids.read_text():
            sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr("ablations.workers.time.sleep", interrupted)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        train(ledger, tmp_path, code)
    assert time.monotonic() - begun < 50
    with pytest.raises(ProcessLookupError):
        os.kill(int(pids.read_text()), 0)


def test_one_worker_here_uses_the_first_card(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "before")
    laboratory.outcomes["baseline", 0] = KeyboardInterrupt()
    laboratory.run("--factors", "focal", "--study", "s")
    laboratory.outcomes.clear()
    ledger = Ledger(name="s", url=default_url(laboratory.root / "s"))
    file = io.StringIO()
    console = Console(file=file, width=100)
    train_here(ledger, ledger.header(), Place(laboratory.root, laboratory.data), gpus=["3", "4"], console=console)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    told = [line.split(",")[0] for line in file.getvalue().splitlines()]
    assert told == ["[1/2] baseline", "[2/2] focal"]


def test_a_worker_that_hangs_does_not_hold_up_a_study_that_is_done(ledger: Ledger, tmp_path: Path) -> None:
    ledger.grace = 1
    for _ in range(2):
        claim = ledger.claim()
        assert claim is not None
        claim.finish(Outcome("completed", {}, (0.5,)))
    began = time.monotonic()
    train(ledger, tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")
    assert time.monotonic() - began < 60

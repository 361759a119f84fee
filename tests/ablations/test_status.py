"""How a study stands, from hand-made ledger entries."""

import io
from datetime import datetime
from typing import Any

import pytest
from rich.console import Console

from ablations.status import as_plain, duration, first_line, label, remaining_seconds, status_of, status_view
from ablations.trials import Entry
from experiments.runs import FROM_START
from experiments.studies import Study
from tests.ablations.conftest import make_entry, make_record

STUDY = Study(study="s", scale="cpu", data=None, data_fingerprint="f", hard_classes=["Chipped"])
TRAINING = {"phase": "training", "iteration": 40, "iterations": 160, "rate": 2.5, "worker": "bench:17"}
TOOK = {"training": 70.0, "validation": 10.0, "total": 80.0, "harness": 20.0}
DONE = [make_entry("a", "completed", seconds=100.0), make_entry("b", "completed", seconds=300.0)]  # 200 s on average
WAITING = make_entry("c", "waiting")
BURNT_IN = make_entry(
    "a", "completed", make_record("a-0", seconds=TOOK), seconds=350.0
)  # of which its burn-in took 250
LATER = [make_entry(arm, "waiting", seeds=(1,)) for arm in ("a", "c")]
BURNING_IN = {**TRAINING, "phase": "burn-in"}
EARLY = {FROM_START: True, "model.rcnn_gamma": 3.5}
EARLIER = {**EARLY, "model.rcnn_gamma": 4.0}
BANDED = {"model.detector.backbone.mvvit.spatial": "banded"}


def running(seconds: float | None, **changes: Any) -> Entry:
    return make_entry("d", "running", seconds=seconds, **changes)


def shown(*entries: Entry, now: datetime = datetime(2025, 3, 1, 12, 0)) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=100).print(status_view(status_of(STUDY, entries), now=now))
    return [line.rstrip() for line in file.getvalue().splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("entries", "seconds"),
    [
        ([], None),
        ([WAITING, running(50.0)], None),  # nothing to go by
        (DONE, None),  # nothing left
        ([*DONE, WAITING], 200.0),
        ([*DONE, WAITING, WAITING, running(50.0)], 550.0),  # 2 * 200 + 150, one worker
        ([*DONE, WAITING, WAITING, running(50.0), running(100.0)], 325.0),  # (400 + 150 + 100) / 2
        ([*DONE, WAITING, running(900.0)], 200.0),  # it should be done by now
        ([*DONE, running(None)], 200.0),
        ([*DONE, make_entry("known", "completed", seconds=0.1), WAITING], 200.0),  # found, not trained
        ([*DONE, make_entry("known", "completed", make_record("k", study="other"), seconds=6.0), WAITING], 200.0),
        ([make_entry("known", "completed", make_record("k", study="other"), seconds=6.0), WAITING], None),
        ([BURNT_IN, WAITING], 100.0),  # the same burn-in
        ([BURNT_IN, WAITING, *LATER], 550.0),  # 3 * 100, and one of seed 1, which two share
        ([BURNT_IN, *LATER, running(90.0, seeds=(1,), progress=BURNING_IN)], 487.5),  # 300, and 250 x 3/4
        ([BURNT_IN, *LATER, running(90.0, seeds=(1,), progress={"phase": "burn-in"})], 460.0),  # 300 + 250 - 90
        ([BURNT_IN, *LATER, running(300.0, seeds=(1,), progress={**TRAINING, "phase": "waiting"})], 300.0),
        ([BURNT_IN, *LATER, running(300.0, seeds=(1,), progress=TRAINING)], 275.0),  # it is past it
        ([BURNT_IN, make_entry("e", "waiting", delta=BANDED)], 350.0),  # another system, with a burn-in of its own
        ([BURNT_IN, make_entry("e", "waiting", delta={"model.rcnn_gamma": 3.5})], 100.0),
        ([BURNT_IN, *(make_entry(arm, "waiting", delta=EARLY) for arm in "ef")], 450.0),  # 200, and 250 that they share
        ([BURNT_IN, *(make_entry(a, "waiting", delta=d) for a, d in (("e", EARLY), ("f", EARLIER)))], 700.0),
        ([BURNT_IN, make_entry("e", "waiting", delta={**EARLY, **BANDED})], 350.0),
        ([*DONE, running(90.0, progress=BURNING_IN)], 200.0),
        ([*DONE, running(90.0, progress=TRAINING)], 150.0),  # 40 of 160 iterations
        ([*DONE, running(90.0, progress=TRAINING, seeds=(0, 1))], 110.0),  # of which of the two is not known
        ([*DONE, make_entry("e", "failed", seconds=9.0), make_entry("f", "pruned", seconds=9.0), WAITING], 200.0),
    ],
)
def test_remaining_seconds(entries: list[Entry], seconds: float | None) -> None:
    assert remaining_seconds(entries, study="s") == (None if seconds is None else pytest.approx(seconds))


def test_status_counts_every_state() -> None:
    status = status_of(STUDY, [*DONE, WAITING, running(1.0), make_entry("e", "failed")])
    assert status.counts == {"completed": 2, "running": 1, "waiting": 1, "failed": 1, "pruned": 0}
    assert status.unfinished == 2


def test_the_view_tells_counts_end_and_reasons() -> None:
    failed = make_entry("e[0]", "failed", reason="Out of memory [step 3].\nTraceback")
    assert shown(*DONE, WAITING, failed) == [
        "Study s at scale cpu: 4 jobs: 2 completed, 1 waiting, 1 failed; about 3 min left, until 12:03",
        "failed: e[0], seed 0: Out of memory [step 3].",
    ]
    assert shown() == ["Study s at scale cpu: 0 jobs: none"]


def test_an_end_on_another_day_is_told_with_its_date() -> None:
    (line,) = shown(*DONE, WAITING, now=datetime(2025, 3, 1, 23, 58))
    assert line.endswith("about 3 min left, until 00:01 on 02 Mar")


def test_the_view_has_a_row_for_what_runs() -> None:
    lines = shown(running(150.0, progress=TRAINING, seeds=(0, 1)), running(3.0))
    assert [" ".join(line.split()) for line in lines[1:] if "─" not in line] == [
        "arm seeds phase iteration rate for worker",
        "d 0, 1 training 40 of 160 2.5 it/s 2 min bench:17",
        "d 0 starting 3 s",
    ]


def test_plain_leaves_out_records_and_old_progress() -> None:
    done = make_entry(
        "a",
        "completed",
        make_record("a-0"),
        seconds=100.0,
        progress=TRAINING,
        params={"x": 1.5},
        values=(0.25,),
        deaths=2,
    )
    told = as_plain(status_of(STUDY, [done, running(4.0, progress=TRAINING)]))
    jobs = told.pop("jobs")
    assert told == {
        "study": "s",
        "scale": "cpu",
        "counts": {"completed": 1, "running": 1, "waiting": 0, "failed": 0, "pruned": 0},
        "remaining_seconds": pytest.approx(75.0),
    }
    assert jobs[0] == {
        "arm": "a",
        "runs": [{"seed": 0, "split": 0, "identity": "a-0"}],
        "state": "completed",
        "seconds": 100.0,
        "deaths": 2,
        "reason": None,
        "progress": {},
        "params": {"x": 1.5},
        "values": (0.25,),
    }
    assert jobs[1]["progress"] == TRAINING


def test_words() -> None:
    assert label(make_entry("focal", "waiting", seeds=(1,))) == "focal, seed 1"
    assert label(make_entry("plan", "waiting", seeds=(0, 1))) == "plan, seeds 0, 1"
    assert (first_line("one\ntwo"), first_line(None)) == ("one", "no reason")
    assert [duration(s) for s in (0.4, 119, 120, 7199, 7200)] == ["0 s", "119 s", "2 min", "120 min", "2.0 h"]

"""Every tracker through the same calls, and that a tracker's trouble is told once and is never the run's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from experiments.tracking import choice, trackers
from experiments.tracking.choice import NAMES
from experiments.tracking.facts import Facts
from experiments.tracking.tracker import Notice, Sheet
from experiments.tracking.trackers import Trackers


def drive(tracker: Any) -> None:
    tracker.scalars({"train/loss": 2.0, "val/teacher/all/AP": float("nan")}, 2)
    tracker.scalars({"train/loss": 1.0}, 4)
    tracker.sheets("predictions", [Sheet("g", np.zeros((20, 30, 3), np.uint8), None, 3)], 4)
    tracker.notice(Notice("Gate passed: overall_ap", "so.", 4, bad=False))
    tracker.notice(Notice("Alarm: loss_ratio", "too much.", 4, bad=True))
    tracker.finish({"status": "completed", "final/teacher/all/AP": 0.5}, ended=True)


@pytest.mark.parametrize("name", NAMES)
def test_every_tracker_takes_every_call_twice_over(name: str, facts: Callable[..., Facts]) -> None:
    """Begun, and continued; W&B too, in a process of its own, offline."""
    told: list[str] = []
    for begins in (0, 2):
        opened = Trackers([] if name == "none" else [name], facts(begins=begins), tell=told.append)
        assert opened.wants_sheets == (name in ("wandb", "tensorboard"))
        drive(opened)
        opened.finish({}, ended=True)  # there is nothing left to finish
    assert told == []


class Broken:
    """Fails in one of its methods."""

    wants_sheets = True

    def __init__(self, where: str) -> None:
        self.where = where
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any, **__: Any) -> None:
            self.calls.append(name)
            if name == self.where:
                raise OSError("cannot write /home/ada/runs/x")

        return call


@pytest.mark.parametrize("where", ["open", "scalars", "sheets", "notice", "finish"])
def test_one_that_fails_is_told_of_once_and_switched_off(
    where: str, facts: Callable[..., Facts], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = Broken(where), Broken("nowhere")

    def open_tracker(name: str, _: Facts) -> Any:
        if name == "broken" and where == "open":
            raise OSError("cannot write /home/ada/runs/x")
        return {"broken": broken, "sound": sound}[name]

    monkeypatch.setattr(trackers, "open_tracker", open_tracker)
    told: list[str] = []
    drive(Trackers(["broken", "sound"], facts(), tell=told.append))
    assert told == ["Tracking with broken is switched off, the run goes on (OSError: cannot write x)."]
    assert sound.calls == ["scalars", "scalars", "sheets", "notice", "notice", "finish"]
    assert broken.calls == sound.calls[: sound.calls.index(where) + 1 if where != "open" else 0]


def test_an_interrupt_is_not_a_trackers_trouble(facts: Callable[..., Facts], monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(trackers, "open_tracker", stopped)
    with pytest.raises(KeyboardInterrupt):
        Trackers(["jsonl"], facts(), tell=print)


def test_every_name_opens_something(facts: Callable[..., Facts]) -> None:
    assert set(choice._TRACKERS) | {"none"} == set(NAMES)

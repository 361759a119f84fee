"""When a run is taken to hang. That its process ends, and what becomes of the run: tests/experiments/test_resume.py."""

import math
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.hooks import watchdog
from experiments.hooks.watchdog import WatchdogHook


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said where the process would have ended."""
    said: list[str] = []
    monkeypatch.setattr(watchdog, "_end", said.append)
    return said


def test_twenty_ticks_without_an_iteration_end_the_process(ends: list[str]) -> None:
    runner: Any = SimpleNamespace(iter=6)
    dog = WatchdogHook(title="focal (seed 1)", minutes=60)
    dog.before_train(runner)
    for move in (dog.after_train_iter, dog.after_val_iter):
        for _ in range(19):
            dog.tick()
        move(runner, 0)
    for _ in range(19):
        dog.tick()
    assert ends == []
    dog.tick()
    (said,) = ends
    assert said.startswith(
        "focal (seed 1): nothing has moved for 60 min (HANG_MINUTES), since iteration 6; it hangs in "
    )
    assert "it hangs in experiments.hooks.watchdog.WatchdogHook.tick. This process ends:" in said


def test_an_iteration_of_training_counts(ends: list[str]) -> None:
    dog = WatchdogHook(title="focal", minutes=1)
    dog.after_train_iter(SimpleNamespace(iter=6), 0)  # type: ignore[arg-type]  # the loop counts it after its hooks
    for _ in range(20):
        dog.tick()
    assert "since iteration 7;" in ends[0]


def test_it_ticks_while_it_is_entered_and_not_where_it_is_switched_off(ends: list[str]) -> None:
    threads = threading.active_count()
    with WatchdogHook(title="focal", minutes=math.inf):
        assert threading.active_count() == threads
    with WatchdogHook(title="focal", minutes=0.001):  # a tick in 3 ms
        while not ends:
            time.sleep(0.01)
    assert threading.active_count() == threads

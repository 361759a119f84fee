"""How often an observer is told, and whose error is whose."""

from collections import deque

import pytest

from experiments import observer
from experiments.errors import Pruned
from experiments.hooks.observer import rate_of
from experiments.observer import Watch
from experiments.records import Record


class Listener:
    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []

    def progress(self, *, phase: str, iteration: int, iterations: int, rate: float | None) -> None:
        self.heard.append((phase, iteration))

    def validated(self, record: Record, iteration: int) -> None:
        raise AssertionError


def test_a_new_phase_is_told_at_once_and_the_same_one_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([100.0, 100.9, 101.0, 101.5, 101.6, 102.6])
    monkeypatch.setattr(observer.time, "monotonic", lambda: next(now))
    listener = Listener()
    watch = Watch(listener)
    for iteration, phase in enumerate(["training"] * 4 + ["validating"] * 2):
        watch.progress(phase=phase, iteration=iteration, iterations=9)
    assert listener.heard == [("training", 0), ("training", 2), ("validating", 4), ("validating", 5)]


def test_nobody_watching_is_nobody_told() -> None:
    Watch(None).progress(phase="training", iteration=1, iterations=2)


def test_an_error_is_remembered_as_the_observers_and_pruning_is_none() -> None:
    watch = Watch(Listener())
    with pytest.raises(Pruned), watch.guarded():
        raise Pruned("enough")
    assert watch.error is None
    error = ConnectionError()
    with pytest.raises(ConnectionError), watch.guarded():
        raise error
    assert watch.error is error


def test_the_rate_is_over_the_iterations_between_the_first_and_the_last() -> None:
    assert rate_of(deque([10.0, 10.5, 11.0, 12.0])) == pytest.approx(1.5)
    assert rate_of(deque([10.0])) is None

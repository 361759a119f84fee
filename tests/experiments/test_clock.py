"""A clock that leaves things out."""

import pytest

from experiments import clock
from experiments.clock import Clock


def test_what_is_left_out_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 10.0, 25.0, 40.0, 40.0])  # made, pause begins, pause ends, read twice
    monkeypatch.setattr(clock.time, "perf_counter", lambda: next(now))
    watch = Clock()
    with watch.paused():
        pass
    assert watch.seconds == 25.0
    watch.before = 100.0
    watch.leave_out(5.0)
    assert watch.seconds == 120.0

"""A clock that can leave things out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Wall seconds since it was made, less what was left out; ``before`` seconds are added."""

    def __init__(self) -> None:
        self.before = 0.0
        self._started = time.perf_counter()
        self._left_out = 0.0

    @property
    def seconds(self) -> float:
        """The seconds so far."""
        return self.before + time.perf_counter() - self._started - self._left_out

    def leave_out(self, seconds: float) -> None:
        """Do not count so many of the seconds so far."""
        self._left_out += seconds

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count what happens inside."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.leave_out(time.perf_counter() - started)

"""Who watches a run: a study's ledger, for example. Torch-free."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from experiments.errors import Pruned
from experiments.records import Record

_INTERVAL = 1.0  # seconds between two reports of the same phase


class Observer(Protocol):
    """What :func:`experiments.train.train_run` tells while it works. What these raise ends the call.

    ``validated`` may raise :class:`experiments.errors.Pruned`: the run then ends with the status ``pruned``. Anything else is
    taken for the observer's own trouble, not the run's: it reaches the caller, and the run can be continued.
    """

    def progress(self, *, phase: str, iteration: int, iterations: int, rate: float | None) -> None:
        """Called about once a second.

        Args:
            phase: ``waiting`` for another process, ``burn-in``, ``training``, or ``validating`` (either of the two).
            iteration: how many are done.
            iterations: how many there are to do in this phase's run.
            rate: iterations per second, where known.
        """

    def validated(self, record: Record, iteration: int) -> None:
        """Called after every validation of an arm (not of a burn-in), with the record as it stands; not to be changed."""


class Watch:
    """An observer as a run sees it: told no more than once a second, and its errors are known from the run's.

    Attributes:
        observer: ``None`` where nobody watches.
        error: what the observer raised, other than ``Pruned``.
    """

    def __init__(self, observer: Observer | None) -> None:
        self.observer = observer
        self.error: Exception | None = None
        self._phase = ""
        self._told = 0.0

    def progress(self, *, phase: str, iteration: int, iterations: int, rate: float | None = None) -> None:
        """Tell the observer, if there is one, that the phase is new or the last report a second old."""
        now = time.monotonic()
        if self.observer is None or (phase == self._phase and now - self._told < _INTERVAL):
            return
        self._phase, self._told = phase, now
        with self.guarded():
            self.observer.progress(phase=phase, iteration=iteration, iterations=iterations, rate=rate)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Remember what is raised inside as the observer's."""
        try:
            yield
        except Pruned:
            raise
        except Exception as error:
            self.error = error
            raise

"""Tells an observer how far a run is."""

import time
from collections import deque
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from experiments.observer import Watch
from experiments.ranks import first_rank
from experiments.records import Record

_WINDOW = 50  # iterations that the rate is taken over


@HOOKS.register_module()
class ObserverHook(Hook):
    """Reports progress, and every validation of an arm once it is in the record.

    Args:
        watch: tells the observer. Only the first rank's is told; every rank hears what it raises at a validation.
        record: of the run.
    """

    priority = "LOWEST"

    def __init__(self, *, watch: Watch, record: Record) -> None:
        self.watch = watch
        self.record = record
        self.phase = "burn-in" if record.kind == "burn_in" else "training"
        self._ends: deque[float] = deque(maxlen=_WINDOW + 1)

    def before_train(self, runner: Runner) -> None:
        """Say where the run begins."""
        self._report(runner, self.phase, runner.iter)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Count an iteration."""
        self._ends.append(time.perf_counter())
        self._report(runner, self.phase, runner.iter + 1)

    def before_val(self, runner: Runner) -> None:
        """Say that validation runs; it does not count into the rate."""
        self._ends.clear()
        self._report(runner, "validating", runner.iter)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any | None = None
    ) -> None:
        """Say that validation still runs."""
        self._report(runner, "validating", runner.iter)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Show the scores of an arm, which may end it."""
        observer = self.watch.observer
        if observer is not None and self.record.kind == "arm":
            with self.watch.guarded():
                first_rank(lambda: observer.validated(self.record, runner.iter))

    def _report(self, runner: Runner, phase: str, iteration: int) -> None:
        if is_main_process():
            rate = rate_of(self._ends)
            self.watch.progress(phase=phase, iteration=iteration, iterations=runner.max_iters, rate=rate)


def rate_of(ends: "deque[float]") -> float | None:
    """Iterations per second from the times, in seconds, at which iterations ended; ``None`` for less than two."""
    return (len(ends) - 1) / (ends[-1] - ends[0]) if len(ends) > 1 else None

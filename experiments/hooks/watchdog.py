"""Ends a process whose run stands still, so that the run can go on in another one."""

import math
import os
import sys
import threading
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

_TICKS = 20
_SHOW_CURSOR = "\x1b[?25h"  # which a progress bar hides


def _end(said: str) -> None:
    os.write(2, said.encode())  # whatever holds sys.stderr may be what hangs
    os._exit(1)


@HOOKS.register_module()
class WatchdogHook(Hook):
    """Ends this process once no iteration of training or validation has ended for a while; runs as long as it is entered.

    A step that hangs (data loading that is locked up, a card that does not answer) cannot be called back, while the threads that
    hold the run's lock and lease go on. So the process ends at once, like one that was killed: both are free, and whoever trains
    the run next goes on from the last whole checkpoint. What counts are ticks of its own thread, not the clock: a process that
    was stopped has not hung when it wakes up.

    Args:
        title: of the run.
        minutes: without an iteration.
    """

    def __init__(self, *, title: str, minutes: float) -> None:
        self.title, self.minutes = title, minutes
        self._still, self._iteration = 0, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "WatchdogHook":
        if math.isfinite(self.minutes):
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def before_train(self, runner: Runner) -> None:
        """Note where the run begins."""
        self._iteration = runner.iter

    def _after_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None, mode: str = "train"
    ) -> None:
        self._iteration = runner.iter + (mode == "train")
        self._still = 0

    def tick(self) -> None:
        """Count a twentieth of the time without an iteration; the last one ends the process."""
        self._still += 1
        if self._still < _TICKS:
            return
        frame = sys._current_frames()[threading.main_thread().ident or 0]
        where = f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"
        said = (
            f"{self.title}: nothing has moved for {self.minutes:g} min (HANG_MINUTES), since iteration {self._iteration}; it hangs "
            f"in {where}. This process ends: the same command goes on from the last checkpoint.\n"
        )
        _end(f"{_SHOW_CURSOR if os.isatty(2) else ''}{said}")

    def _watch(self) -> None:
        while not self._over.wait(60 * self.minutes / _TICKS):
            self.tick()

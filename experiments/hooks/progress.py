"""A progress line on the console: iterations done, rate, time remaining, loss."""

from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from experiments.monitoring.console import pace

_LINES_WITHOUT_TERMINAL = 10


@HOOKS.register_module()
class ProgressHook(Hook):
    """A rich progress bar on a terminal; elsewhere a plain line at every tenth of the run.

    Args:
        title: what is being trained.
    """

    def __init__(self, *, title: str) -> None:
        self.title = title
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(), transient=True,
        )  # fmt: skip

    def before_train(self, runner: Runner) -> None:
        """Start the line."""
        self.task = self.progress.add_task(self.title, total=runner.max_iters, completed=runner.iter, note="")
        if self.progress.console.is_terminal:
            self.progress.start()
        else:
            self.progress.console.print(f"{self.title}: iteration {runner.iter} of {runner.max_iters}")

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Advance by one iteration."""
        done = runner.iter + 1
        note = ""
        if outputs is not None and "loss" in outputs and self.progress.console.is_terminal and done % 10 == 0:
            speed = self.progress.tasks[0].speed
            note = f"loss {float(outputs['loss']):.2f}" + (f", {pace(speed)}" if speed else "")
        self.progress.update(self.task, completed=done)
        if note:
            self.progress.update(self.task, note=note)
        step = max(1, runner.max_iters // _LINES_WITHOUT_TERMINAL)
        if not self.progress.console.is_terminal and (done % step == 0 or done == runner.max_iters):
            speed = self.progress.tasks[0].speed  # unknown after one iteration
            rate = f", {pace(speed)}, {(runner.max_iters - done) / speed:.0f} s remaining" if speed else ""
            self.progress.console.print(f"{self.title}: iteration {done} of {runner.max_iters}{rate}")

    def before_val(self, runner: Runner) -> None:
        """Say that validation runs."""
        self.progress.update(self.task, note="validating teacher and student")

    def tell(self, text: str) -> None:
        """Print a warning above the line."""
        self.progress.console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)

    def after_train(self, runner: Runner) -> None:
        """End the line."""
        self.end()

    def end(self) -> None:
        """Take the line off the console, if it is there."""
        if self.progress.live.is_started:
            self.progress.stop()

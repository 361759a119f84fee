"""Watches a run while it trains, and tells what is wrong."""

from collections.abc import Callable, Mapping
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from experiments import alarms
from experiments.records import Alarm, Record

_BOXES = "train/pseudo_boxes_per_view"


@HOOKS.register_module()
class AlarmHook(Hook):
    """Puts alarms into the record and the log, and tells each once, when it sets in.

    Figures come from the message hub, which a checkpoint keeps: a run that continues goes on as if it had not stopped. Supervised
    steps have no pseudo-boxes, so a burn-in or a supervised control raises no alarm. Of several ranks the first one decides, on its
    own share of the batches.

    Args:
        record: of the run; changed in place. It is written with the next validation, checkpoint or end.
        tell: shows a line to the user.
    """

    priority = "LOW"  # after the message hub has the figures, before a checkpoint or the record is written

    def __init__(self, *, record: Record, tell: Callable[[str], None] | None = None) -> None:
        self.record = record
        self.tell = tell

    def before_train(self, runner: Runner) -> None:
        """Set the pace by the run's length; cut the record back to where the run begins or continues."""
        from mmdet.engine.hooks import MeanTeacherHook  # loads all of mmdet, which wants our models first

        self.record.alarms = alarms.up_to(self.record.alarms, runner.iter)
        labelled = runner.train_loop.dataloader.dataset.datasets[0]
        self._truth = alarms.truth_of(labelled.groups, labelled.metainfo["classes"])
        self._num_views = labelled.num_views
        self._window = alarms.window_of(runner.max_iters)
        averaging = next((hook for hook in runner.hooks if isinstance(hook, MeanTeacherHook)), None)
        self._settled = (
            0 if averaging is None else alarms.settled_after(averaging.momentum, interval=averaging.interval)
        )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Judge losses and pseudo-boxes where a window ends."""
        iteration, scalars = runner.iter + 1, runner.message_hub.log_scalars
        if iteration % self._window or _BOXES not in scalars or not is_main_process():
            return
        of_class = {name: scalars[f"{_BOXES}_{label}"] for label, name in enumerate(self._truth)}
        views = len(data_batch["inputs"]["unsup_student"])
        self._raise(runner, [
            *alarms.missing_classes(
                {name: history.data[0] for name, history in of_class.items()}, self._truth, iteration=iteration,
                window=self._window, views=views, groups=views / self._num_views,
            ),
            *alarms.loss_ratio(
                unsupervised=total_loss(scalars, "unsup", self._window), supervised=total_loss(scalars, "sup", self._window),
                iteration=iteration,
            ),
            *alarms.box_count(
                {name: float(history.mean(self._window)) for name, history in of_class.items()}, self._truth,
                iteration=iteration,
            ),
        ])  # fmt: skip

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Compare teacher and student."""
        if metrics is not None and _BOXES in runner.message_hub.log_scalars and is_main_process():
            teacher, student = (metrics[f"{model}/all/AP"] for model in ("teacher", "student"))
            self._raise(runner, alarms.teacher_worse(
                teacher=teacher, student=student, iteration=runner.iter, settled=self._settled
            ))  # fmt: skip

    def _raise(self, runner: Runner, found: list[Alarm]) -> None:
        for alarm in alarms.keep(self.record.alarms, found):
            runner.logger.warning(f"Alarm, {alarm.line}")
            if self.tell is not None:
                self.tell(f"Alarm, {alarm.line}")


def total_loss(scalars: Mapping[str, HistoryBuffer], branch: str, window: int) -> float:
    """Mean over the last ``window`` iterations of the sum of a branch's losses: ``sup`` or ``unsup``."""
    names = [name for name in scalars if name.startswith(f"train/{branch}_") and "loss" in name]
    return float(sum(scalars[name].mean(window) for name in names))

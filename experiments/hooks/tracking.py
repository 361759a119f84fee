"""Tells trackers what comes of a run."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from experiments import alarms
from experiments.monitoring import gates
from experiments.monitoring.memory import peak_memory_mb
from experiments.ranks import unwrapped
from experiments.records import Alarm, Gate, Record
from experiments.tracking.choice import Tracking
from experiments.tracking.facts import facts_of, notice_of, summary_of, told
from experiments.tracking.pictures import TeacherSheets
from experiments.tracking.trackers import Trackers

_OF_CLASS = re.compile(r"^(train/(?:pseudo|teacher)_\w+?)_(\d+)$")
_CURRENT = ("lr", "momentum")  # settings of the moment; everything else is averaged
_Key = tuple[str | int | None, ...]


@HOOKS.register_module()
class TrackingHook(Hook):
    """Feeds trackers: figures as often as the log has them, scores and sheets at validations, alarms and verdicts as they come.

    Of several ranks the first one does. To be registered before the record's hook, so that opening trackers counts as harness,
    and drawing as validation, not as training.

    Args:
        record: of the run; only read.
        tracking: by whom it is tracked, and as what.
        settings: the config.
        folder: of the run.
        tell: shows a line to the user.
    """

    priority = "BELOW_NORMAL"  # before the record, whose clock then counts opening as harness and drawing as validation

    def __init__(
        self,
        *,
        record: Record,
        tracking: Tracking,
        settings: Any,
        folder: Path,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.record = record
        self.tracking = tracking
        self.settings = settings
        self.folder = folder
        self.tell = tell
        self.trackers: Trackers | None = None
        self._sheets: TeacherSheets | None = None
        self._draws = True
        self._told: set[_Key] = set()
        self._iteration = 0

    def before_train(self, runner: Runner) -> None:
        """Open the trackers."""
        self._interval = int(self.settings.default_hooks.logger.interval)
        self._logger = runner.logger
        start, record = runner.iter, self.record
        self._iteration = start
        self._told = set(_happened(alarms.up_to(record.alarms, start), gates.up_to(record.gates, start)))
        self._windows = sum(window.iteration <= start for window in record.history)
        if self.tracking.names and is_main_process():
            facts = facts_of(
                self.record, group=self.tracking.group, sampled=self.tracking.sampled, settings=self.settings.to_dict(),
                folder=self.folder, begins=runner.iter,
            )  # fmt: skip
            self.trackers = Trackers(self.tracking.names, facts, tell=self._warn)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Note which iteration a run that breaks off has come to."""
        self._iteration = runner.iter + 1

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Pass on the figures, where an interval ends."""
        if self.trackers is None:
            return
        self._pass_judgements(self.trackers)  # the monitor, whose turn comes later, has made them an iteration before
        iteration = runner.iter + 1
        if iteration % self._interval == 0 or iteration == runner.max_iters:
            window = iteration % self._interval or self._interval
            figures = figures_of(runner.message_hub.log_scalars, window, self.record.data.classes)
            self.trackers.scalars({**figures, "train/memory_mb": peak_memory_mb()}, iteration)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Pass on scores and sheets."""
        if self.trackers is None:
            return
        self._pass_judgements(self.trackers)
        self.trackers.scalars(scores_of(metrics or {}), runner.iter)
        if self.trackers.wants_sheets and self._draws:
            self._draw(self.trackers, runner)

    def after_val(self, runner: Runner) -> None:
        """Pass on what the monitor says of the scores."""
        if self.trackers is not None:
            self._pass_judgements(self.trackers)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Pass on what there is: a run that continues from here does not say it again."""
        if self.trackers is not None:
            self._pass_judgements(self.trackers)

    def end(self) -> None:
        """Pass on what the record holds at the end, and close the trackers; to be called once its status is known."""
        if self.trackers is not None:
            self._pass_judgements(self.trackers)
            self.trackers.finish(summary_of(self.record), ended=self.record.status in ("completed", "pruned"))
            self.trackers = None

    def _pass_judgements(self, trackers: Trackers) -> None:
        """Pass on the windows, alarms and verdicts that the monitor has put into the record since."""
        for window in self.record.history[self._windows :]:
            known = {name: figure for name, figure in window.figures.items() if figure is not None}
            trackers.scalars({f"monitoring/{name}": figure for name, figure in known.items()}, window.iteration)
        self._windows = len(self.record.history)
        for key, happened in _happened(self.record.alarms, self.record.gates).items():
            if key not in self._told:
                self._told.add(key)
                trackers.notice(notice_of(happened, self._iteration))

    def _draw(self, trackers: Trackers, runner: Runner) -> None:
        try:
            if self._sheets is None:
                self._sheets = TeacherSheets(self.settings, split=self.record.split)
            for name, sheets in self._sheets.draw(unwrapped(runner.model)).items():
                trackers.sheets(name, sheets, runner.iter)
        except Exception as error:  # whatever it is, pictures are not worth a run
            self._draws = False
            self._warn(f"Pictures for trackers are switched off, the run goes on ({told(error)}).")

    def _warn(self, text: str) -> None:
        self._logger.warning(text)
        if self.tell is not None:
            self.tell(text)


def _happened(raised: Sequence[Alarm], judged: Sequence[Gate]) -> dict[_Key, Alarm | Gate]:
    """Alarms and verdicts, by what makes each of them one."""
    happened: dict[_Key, Alarm | Gate] = {("alarm", alarm.kind, alarm.subject): alarm for alarm in raised}
    reached = [gate for gate in judged if gate.verdict != "not_reached"]
    return happened | {(gate.name, gate.subject, gate.milestone, gate.verdict): gate for gate in reached}


def scores_of(metrics: Mapping[str, float]) -> dict[str, float]:
    """AP and AP50 of teacher and student from a validation's metrics, and by how much the teacher's AP is the higher one."""
    scores = {f"val/{name}": score for name, score in metrics.items() if name.endswith(("/AP", "/AP50"))}
    teacher, student, gap = "val/teacher/", "val/student/", "val/gap/"
    classes = [name.removeprefix(teacher) for name in scores if name.startswith(teacher) and name.endswith("/AP")]
    return scores | {
        gap + name: scores[teacher + name] - scores[student + name] for name in classes if student + name in scores
    }


def figures_of(scalars: Mapping[str, HistoryBuffer], window: int, classes: Sequence[str]) -> dict[str, float]:
    """The training figures of the message hub: means over the last ``window`` iterations, of learning rates the last value.

    Figures of a class, which the model knows by its label, get its name: ``train/pseudo_boxes_per_view/Chipped``.
    """
    figures = {}
    for name, history in scalars.items():
        if name.startswith("train/"):
            of_class = _OF_CLASS.match(name)
            shown = name if of_class is None else f"{of_class[1]}/{classes[int(of_class[2])]}"
            last = name.rpartition("/")[2].endswith(_CURRENT)
            figures[shown] = float(history.current() if last else history.mean(window))
    return figures

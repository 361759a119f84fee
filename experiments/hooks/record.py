"""Keeps ``record.json`` up to date while a run trains."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from experiments.burn_in import load_weights
from experiments.clock import Clock
from experiments.errors import TakenOver
from experiments.monitoring.memory import peak_memory_mb, peak_reserved_mb, reset_peak_memory
from experiments.ranks import agree, unwrapped
from experiments.records import Record, Score, Validation, write_record
from experiments.tokens import fit_checkpoint


@HOOKS.register_module()
class RecordHook(Hook):
    """Loads what the run starts from, adds every validation, times and memory to the record, and writes it.

    On several ranks all keep the record, and the first one writes it.

    Args:
        record: the record to keep; changed in place.
        folder: the run folder.
        weights: weights to continue from at iteration 0, or ``None``.
        harness: the clock of what is neither training nor validation.
        lost: whether another process has taken the run over: the run then ends.

    Attributes:
        loop_seconds: wall seconds of this attempt's training loop, validations included.
    """

    priority = "LOW"  # the monitor, registered after it, judges what it has put into the record

    def __init__(
        self, *, record: Record, folder: Path, weights: Path | None, harness: Clock,
        lost: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self.record = record
        self.folder = folder
        self.weights = weights
        self.harness = harness
        self.lost = lost
        self.loop_seconds = 0.0
        self._validation_start = 0.0
        self._started: float | None = None
        self._before: dict[str, float] = {}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Fit a checkpoint that was written with more tokens than the run now has."""
        fresh = fit_checkpoint(checkpoint, unwrapped(runner.model))
        self.record.fresh_weights = sorted({*self.record.fresh_weights, *fresh})

    def before_train(self, runner: Runner) -> None:
        """Load the burn-in into a run that starts; cut the record back to the checkpoint of one that continues."""
        model = unwrapped(runner.model)
        if runner.iter == 0:
            if self.weights is not None:
                self.record.fresh_weights = load_weights(model, self.weights, leave=model.drawn_apart())
            self.record.validations = []
        else:
            self.record.resumed_from.append(runner.iter)
            self.record.validations = [v for v in self.record.validations if v.iteration <= runner.iter]
        self.record.tokens_per_level = model.student.backbone.mvvit.tokens_per_level
        reset_peak_memory()
        self._before = dict(self.record.seconds)
        self.record.seconds["harness"] = self.harness.seconds
        self._started = time.perf_counter()
        self._write()

    def before_train_epoch(self, runner: Runner) -> None:
        """Make up for a validation that was lost to a stop; an epoch is the whole training."""
        if self._validation_is_missing(runner):
            runner.val_loop.run()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Do not go on with a run that is another's."""
        self.check()

    def check(self) -> None:
        """See that the run is still this process's.

        Raises:
            TakenOver: it is not.
        """
        if self.lost():
            raise TakenOver(
                f"{self.folder} was taken over by another process, because this one was stopped for a while: nothing is lost."
            )

    def _validation_is_missing(self, runner: Runner) -> bool:
        """Whether the run was stopped between the checkpoint it continues from and the validation due at it."""
        due = runner.iter > 0 and (runner.iter % runner.train_loop.val_interval == 0 or runner.iter == runner.max_iters)
        return due and not any(v.iteration == runner.iter for v in self.record.validations)

    def before_val(self, runner: Runner) -> None:
        """Note when validation starts; all ranks then evaluate the same model."""
        self._validation_start = time.perf_counter()
        agree(runner.model)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Add the scores of teacher and student."""
        for model in ("teacher", "student"):
            self.record.validations.append(validation_of(metrics or {}, model=model, iteration=runner.iter))
        seconds = self.record.seconds
        seconds["validation"] = seconds.get("validation", 0.0) + time.perf_counter() - self._validation_start
        self.measure()

    def after_val(self, runner: Runner) -> None:
        """Write the scores, with what the monitor has made of them."""
        self._write()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Bring the times up to the state that a stopped run will continue from."""
        self.measure()
        self._write()

    def after_train(self, runner: Runner) -> None:
        """Note final times and memory."""
        self.measure()

    def measure(self) -> None:
        """Bring times and memory of the record up to date, once training has begun."""
        if self._started is None:
            return
        self.loop_seconds = time.perf_counter() - self._started
        total = self._before.get("total", 0.0) + self.loop_seconds
        self.record.seconds["total"] = total
        self.record.seconds["training"] = total - self.record.seconds.get("validation", 0.0)
        self.record.peak_memory_mb = max(self.record.peak_memory_mb or 0.0, peak_memory_mb())
        reserved = peak_reserved_mb()
        if reserved is not None:
            self.record.peak_reserved_mb = max(self.record.peak_reserved_mb or 0.0, reserved)

    def _write(self) -> None:
        self.check()
        if is_main_process():
            write_record(self.record, self.folder)


def validation_of(metrics: dict[str, float], *, model: str, iteration: int) -> Validation:
    """The scores of one model from the metrics of a validation, named ``teacher/Broken/AP``; NaN becomes ``None``."""
    names = dict.fromkeys(
        key.removeprefix(f"{model}/").rpartition("/")[0] for key in metrics if key.startswith(f"{model}/")
    )
    scores = {}
    for name in names:
        ap, ap50, boxes = (metrics[f"{model}/{name}/{figure}"] for figure in ("AP", "AP50", "boxes"))
        scores[name] = Score(ap=_number(ap), ap50=_number(ap50), boxes=int(boxes))
    return Validation.model_validate({"iteration": iteration, "model": model, "split": "val", "scores": scores})


def _number(value: float) -> float | None:
    return None if value != value else value

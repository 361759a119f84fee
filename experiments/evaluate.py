"""Score a completed run's weights once more: on the test split, which no run has seen before."""

import pickle
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from experiments.config import import_components, load_config, set_path
from experiments.data.groups import check_image, read_groups
from experiments.errors import UserError
from experiments.fitting import fit_to_data
from experiments.locks import locked
from experiments.records import Record, Validation, read_record, write_record
from experiments.runs import FROM_START, WEIGHTS_NAME, read_dataset, run_identity
from experiments.tokens import NUM_TOKENS

Split = Literal["val", "test"]


def evaluate_run(folder: Path, *, data: Path, split: Split = "test") -> list[Validation]:
    """Score teacher and student of a completed run, and add the scores to its record; those that are there stay.

    Pipeline, model settings and metric are those of the validations while training, K is the one that the run really used.

    Args:
        folder: the run folder, with ``record.json`` and ``weights.pth``.
        data: the data set folder that the run was trained on.
        split: whose annotations to take, ``annotations/<split>.json``.

    Returns:
        The scores of teacher and student, in this order.

    Raises:
        UserError: the run is not completed; data or config are not those it was trained with; the data set lacks the
            split, or images of it are unfit; the weights are missing or do not fit.
    """
    completed_run(folder, data)
    with locked(folder):  # no two processes score the same run
        record = read_record(folder)
        if not _scores(record, split):
            record.validations += _measured(record, folder, data, split)
            write_record(record, folder)
    return _scores(record, split)


def completed_run(folder: Path, data: Path) -> Record:
    """The record of a completed run on these data.

    Raises:
        UserError: it is not completed, or data or config are not those it was trained with.
    """
    record = read_record(folder)
    if record.status != "completed":
        raise UserError(
            f"The run in {folder} is {record.status}: only a completed run can be scored, so train it first."
        )
    _check_origin(record, folder, data)
    return record


def settings_of(record: Record, data: Path, split: Split) -> Any:
    """The config of a run as it was trained, with its validation on a split.

    Raises:
        UserError: the data set lacks the split, or images of it are unfit.
    """
    settings = load_config(record.config, record.delta)
    fit_to_data(settings, read_dataset(data), data)
    if record.num_tokens is not None:
        set_path(settings, NUM_TOKENS, record.num_tokens)
    settings.val_dataloader.dataset.ann_file = f"annotations/{split}.json"
    _check_split(settings, data)
    return settings


def _measured(record: Record, folder: Path, data: Path, split: Split) -> list[Validation]:
    """Score the weights of a run on a split."""
    metrics = score_weights(settings_of(record, data, split), folder / WEIGHTS_NAME)

    # It imports mmdet, which needs the operators that came with the components.
    from experiments.hooks.record import validation_of

    return [
        validation_of(metrics, model=model, iteration=record.iterations).model_copy(update={"split": split})
        for model in ("teacher", "student")
    ]


def _scores(record: Record, split: Split) -> list[Validation]:
    """Scores of the final weights on a split, teacher first; empty if there are none."""
    final = [v for v in record.validations if v.split == split and v.iteration == record.iterations]
    return sorted(final, key=lambda validation: validation.model, reverse=True)


def _check_origin(record: Record, folder: Path, data: Path) -> None:
    """Refuse data, or a config, that the run was not trained with."""
    fingerprint = read_dataset(data)["fingerprint"]
    if fingerprint != record.data.fingerprint:
        raise UserError(
            f"{data} (fingerprint {fingerprint}) is not the data that the run in {folder} was trained on "
            f"({record.data.name}, fingerprint {record.data.fingerprint}): name that folder, or train the run again."
        )
    identity = run_identity(
        config=record.config, delta=record.delta, seed=record.seed, split=record.split, data_fingerprint=fingerprint
    )
    if identity != record.identity:
        raise UserError(
            f"The config {record.config} is not what it was when the run in {folder} was trained (identity {identity}, "
            f"recorded {record.identity}): restore it, or train the run again."
        )


def _check_split(settings: Any, data: Path) -> None:
    """Read the annotations and the images' headers once before anything is scored."""
    part = settings.val_dataloader.dataset
    path = data / part.ann_file
    if not path.is_file():
        raise UserError(f"{path} does not exist: this data set has no such split, so its runs cannot be scored on it.")
    groups = read_groups(path, images=data / part.data_prefix.img, classes=part.metainfo.classes, views=part.num_views)
    for view in (view for group in groups for view in group.views):
        check_image(view)


def score_weights(settings: Any, weights: Path, *, look: Callable[[Runner], None] | None = None) -> dict[str, float]:
    """Run a config's validation loop, on the data that it names, with these weights; figures are named ``teacher/Broken/AP``.

    Args:
        settings: the config; changed in place.
        weights: a completed run's.
        look: is called with the runner afterwards.

    Raises:
        UserError: the weights are missing or do not fit.
    """
    import_components(settings)
    from experiments.runner import FileLogRunner, release

    for key in ("burn_in", FROM_START):
        settings.pop(key, None)
    settings.update(train_dataloader=None, train_cfg=None, optim_wrapper=None, param_scheduler=None, custom_hooks=[])
    settings.default_hooks = dict.fromkeys(("timer", "logger", "param_scheduler", "checkpoint"))
    settings.load_from, settings.resume = None, False
    settings.experiment_name = f"evaluation-{time.time_ns()}"
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        # The libraries' own warnings, which no user can act on.
        warnings.filterwarnings("ignore", module=r"(mmengine|mmdet|mmcv|torch)\b.*")
        settings.work_dir = scratch
        runner = FileLogRunner.from_cfg(settings)
        scores = _ScoresHook()
        runner.register_hook(scores)
        try:
            _load(runner.model, weights)
            runner.val()
            if look is not None:
                look(runner)
        finally:
            release(settings.experiment_name)
    return scores.metrics


def _load(model: nn.Module, path: Path) -> None:
    """Load a completed run's weights, every one of which must fit."""
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist, so the run cannot be scored: restore it, or train it again.") from None
    except (RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
        what = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path} does not hold the weights of this run's model ({what}): restore it, or train it again."
        ) from None


class _ScoresHook(Hook):
    """Keeps the figures of a validation, which mmengine's loop only hands to hooks."""

    metrics: dict[str, float]

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Keep them."""
        assert metrics is not None
        self.metrics = metrics

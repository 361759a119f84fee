"""Train one run: base config + delta + seed + data -> a run folder with ``record.json``."""

import sys
import time
import traceback
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from experiments.burn_in import WEIGHTS_NAME, save_weights
from experiments.config import import_components, load_config
from experiments.data.groups import check_image, read_groups
from experiments.data.synthesis import PRESETS, make_dataset
from experiments.errors import UserError
from experiments.records import RECORD_NAME, Data, Record, read_record, write_record
from experiments.runs import (
    BURN_IN_STUDY,
    completed_record,
    data_folder,
    read_dataset,
    run_folder,
    run_identity,
)

_PACKAGES = (
    "torch",
    "torchvision",
    "onedl-mmengine",
    "onedl-mmcv",
    "onedl-mmdetection",
    "pycocotools",
    "numpy",
)


def train_run(
    *,
    config: str,
    study: str,
    arm: str = "baseline",
    levels: Mapping[str, str] | None = None,
    delta: Mapping[str, Any] | None = None,
    seed: int = 0,
    data: Path | None = None,
    runs_root: Path,
    progress: bool = True,
) -> Record:
    """Train one arm, or return the record of the identical run that is completed already.

    An interrupted run continues from its last checkpoint. The burn-in that the config asks for is trained first, unless
    it is there already; it is shared by all the arms of one config, data set and seed.

    Args:
        config: name of a scale (``cpu``) or path of a config file.
        study, arm: name the run folder ``runs_root/study/arm-seed<seed>``.
        levels: factor levels, for the record.
        delta: dotted config paths -> values.
        seed: of initialisation, data order and augmentation.
        data: data set folder; default the scale's own synthetic set, made here if it is missing.
        runs_root: folder of all studies.
        progress: show progress on the console.

    Returns:
        The record, with status ``completed`` or ``failed`` (and the reason).

    Raises:
        UserError: config, delta or data are wrong; nothing has been trained or written then.
    """
    if study == BURN_IN_STUDY:
        raise UserError(f"The study name {BURN_IN_STUDY} is taken by the shared burn-ins: choose another --study.")
    folder = _prepared_data(config, data, progress=progress)
    return _run(
        config=config, study=study, arm=arm, levels=levels or {}, delta=dict(delta or {}), seed=seed, data=folder,
        runs_root=runs_root, progress=progress, kind="arm",
    )  # fmt: skip


def _prepared_data(config: str, data: Path | None, *, progress: bool) -> Path:
    """The data set folder; a scale's own set is made if it is missing."""
    folder = data_folder(config, data)
    if data is None and folder.name in PRESETS:  # nothing to do where this version's set lies already
        make_dataset(folder.name, folder, progress=progress)
    return folder


def _run(
    *, config: str, study: str, arm: str, levels: Mapping[str, str], delta: dict[str, Any], seed: int, data: Path,
    runs_root: Path, progress: bool, kind: Literal["arm", "burn_in"],
) -> Record:  # fmt: skip
    description = read_dataset(data)
    identity = run_identity(config=config, delta=delta, seed=seed, data_fingerprint=description["fingerprint"])
    if kind == "burn_in":
        arm = f"{arm}-{identity}"
    folder = run_folder(runs_root=runs_root, study=study, arm=arm, seed=seed)
    done = completed_record(folder, identity)
    if done is not None:
        return done
    settings = load_config(config, delta)
    burn_in = settings.pop("burn_in", None)
    _check_data(settings, data, description)
    _check_buildable(settings)

    weights = None if settings.load_from is None else Path(settings.load_from)
    failure, burn_in_identity = None, None
    if burn_in and kind == "arm":
        if weights:
            raise UserError(
                f"{config} continues from its burn-in, so load_from would change nothing: use a config without one."
            )
        first = _run(
            config=config, study=BURN_IN_STUDY, arm=Path(config).stem, levels={}, delta=dict(burn_in), seed=seed, data=data,
            runs_root=runs_root, progress=progress, kind="burn_in",
        )  # fmt: skip
        failure = None if first.status == "completed" else f"The burn-in that it continues from failed: {first.reason}"
        burn_in_identity = first.identity
        weights = run_folder(runs_root=runs_root, study=BURN_IN_STUDY, arm=first.arm, seed=seed) / WEIGHTS_NAME

    folder.mkdir(parents=True, exist_ok=True)
    record = Record.model_validate({
        "identity": identity, "study": study, "arm": arm, "kind": kind, "levels": dict(levels), "config": config,
        "seed": seed, "iterations": settings.train_cfg.max_iters, "delta": delta, "burn_in": burn_in_identity,
        "data": Data(name=description["name"], fingerprint=description["fingerprint"], classes=description["classes"]),
        "versions": {"python": sys.version.split()[0], **{name: version(name) for name in _PACKAGES}},
        "device": _device(),
    })  # fmt: skip
    previous = _unfinished(folder)
    if previous is not None:
        record.validations, record.seconds = previous.validations, previous.seconds
        record.resumed_from, record.fresh_weights = previous.resumed_from, previous.fresh_weights
        record.peak_memory_mb = previous.peak_memory_mb
    if failure is not None:
        record.status, record.reason = "failed", failure
        write_record(record, folder)
        return record
    title = f"{'burn-in' if kind == 'burn_in' else arm} (seed {seed})"
    return _train(settings, record, folder, data=data, weights=weights, title=title, progress=progress)


def _check_data(settings: Any, data: Path, description: Mapping[str, Any]) -> None:
    """Read every split once before anything is trained."""
    classes = list(settings.val_dataloader.dataset.metainfo.classes)
    if classes != list(description["classes"]):
        raise UserError(
            f"{data} has the classes {', '.join(description['classes'])}, but the config {', '.join(classes)}: use a data set "
            f"with the config's classes."
        )
    source, fusion = settings.train_dataloader.dataset, settings.model.detector.backbone.mvvit
    parts = (source.labelled, source.unlabelled, settings.val_dataloader.dataset)
    counts = {fusion.num_views, settings.val_evaluator.num_views, description["views"], *(p.num_views for p in parts)}
    if len(counts) > 1:
        raise UserError(
            f"{data} has groups of {description['views']} views, but the config's num_views are {sorted(counts)}: set them all "
            f"(train_dataloader.dataset.labelled and .unlabelled, val_dataloader.dataset, val_evaluator, model...mvvit) alike."
        )
    size = (fusion.image_size[1], fusion.image_size[0])
    for part in parts:
        groups = read_groups(
            data / part.ann_file, images=data / part.data_prefix.img, classes=classes, views=part.num_views
        )
        for view in (view for group in groups for view in group.views):
            check_image(view, size)


def _check_buildable(settings: Any) -> None:
    """Build model and optimiser once, so that a setting that cannot be built is told before anything is trained."""
    import_components(settings)
    from mmdet.registry import MODELS
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import init_default_scope

    init_default_scope(settings.default_scope)
    if not isinstance(settings.train_cfg.max_iters, int) or settings.train_cfg.max_iters < 1:
        raise UserError(f"train_cfg.max_iters is {settings.train_cfg.max_iters}: give a whole number of at least 1.")
    try:
        build_optim_wrapper(MODELS.build(settings.model), settings.optim_wrapper)
    except Exception as error:  # the libraries raise every kind for a value they cannot use
        raise UserError(
            f"The settings cannot be built ({type(error).__name__}: {error}): correct the --set values."
        ) from error


def _train(
    settings: Any,
    record: Record,
    folder: Path,
    *,
    data: Path,
    weights: Path | None,
    title: str,
    progress: bool,
) -> Record:
    from experiments.hooks.progress import ProgressHook
    from experiments.hooks.record import RecordHook
    from experiments.runner import FileLogRunner

    _quiet()
    settings.work_dir = str(folder)
    settings.experiment_name = f"{record.study}-{record.arm}-seed{record.seed}-{time.time_ns()}"
    settings.randomness = {"seed": record.seed}
    settings.train_dataloader.sampler.seed = record.seed
    settings.train_dataloader.dataset.data_root = str(data)
    settings.val_dataloader.dataset.data_root = str(data)
    settings.resume = _has_checkpoint(folder)
    settings.load_from = None  # RecordHook loads it, as weights alone
    bar = ProgressHook(title=title) if progress else None
    runner = FileLogRunner.from_cfg(settings)
    try:
        runner.register_hook(RecordHook(record=record, folder=folder, weights=weights))
        if bar:
            runner.register_hook(bar, priority="LOWEST")
        runner.train()
        save_weights(runner.model, folder)
        record.status = "completed"
    except KeyboardInterrupt:
        raise
    except Exception as error:  # every failure of an arm is a recorded state, whatever its cause
        record.status = "failed"
        record.reason = _reason(error, diverged=_diverged(runner.model))
        runner.logger.exception("The run failed.")
    finally:
        if bar:
            bar.progress.stop()
    write_record(record, folder)
    if record.status == "completed":
        for checkpoint in [*folder.glob("iter_*.pth"), folder / "last_checkpoint"]:
            checkpoint.unlink(missing_ok=True)
    return record


def _reason(error: Exception, *, diverged: bool) -> str:
    """One line on why a run failed; divergence is named, since it surfaces as all kinds of errors."""
    # Errors of data loader processes carry their whole traceback; the last line says what happened.
    said = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {said[-1] if said else traceback.extract_tb(error.__traceback__)[-1]}"
    return f"training diverged; lower optim_wrapper.optimizer.lr ({what})" if diverged else what


def _diverged(model: Any) -> bool:
    """Whether a weight is NaN, infinite, or so large that activations must overflow."""
    return any(not bool((parameter.abs() < 1e6).all()) for parameter in model.parameters())


def _unfinished(folder: Path) -> Record | None:
    """The record of a run that was begun in this folder and has a checkpoint to continue from."""
    return read_record(folder) if (folder / RECORD_NAME).exists() and _has_checkpoint(folder) else None


def _has_checkpoint(folder: Path) -> bool:
    """Whether ``last_checkpoint``, which the library does not write atomically, names a file that exists."""
    pointer = folder / "last_checkpoint"
    name = pointer.read_text().strip() if pointer.exists() else ""
    return bool(name) and Path(name).is_file()


def _device() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu ({torch.get_num_threads()} threads)"


def _quiet() -> None:
    """Keep the libraries' own warnings, which no user can act on, off the console."""
    warnings.filterwarnings("ignore", module=r"(mmengine|mmdet|mmcv|torch)\b.*")

"""What is checked before anything is trained. A process that trains many runs checks the same thing once."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.config import import_components
from experiments.data.groups import Group, check_image, read_groups
from experiments.data.splits import read_parts
from experiments.errors import UserError

_checked: set[str] = set()  # what has passed in this process


def check_data(settings: Any, data: Path, description: Mapping[str, Any]) -> None:
    """Read every group that training and validation use, and the header of every image.

    Args:
        settings: the config, fitted to the data set, with the number of the split.
        data: the data set folder.
        description: what :func:`experiments.runs.read_dataset` says of it.

    Raises:
        UserError: the data are faulty.
    """
    source, validation = settings.train_dataloader.dataset, settings.val_dataloader.dataset
    files = [(part.ann_file, part.data_prefix.img) for part in (source.labelled, source.unlabelled, validation)]
    key = json.dumps(["data", str(data), description["fingerprint"], files, source.split])
    if key in _checked:
        return
    for view in (
        view for groups in read_run_groups(settings, data).values() for group in groups for view in group.views
    ):
        check_image(view)
    _checked.add(key)


def read_run_groups(settings: Any, data: Path) -> dict[str, list[Group]]:
    """The groups of a run by part: ``labelled``, ``unlabelled`` and ``validation``.

    Raises:
        UserError: the data are faulty.
    """
    source, validation = settings.train_dataloader.dataset, settings.val_dataloader.dataset
    labelled, unlabelled = read_parts(data, source.labelled, source.unlabelled, split=source.split)
    held_out = read_groups(
        data / validation.ann_file,
        images=data / validation.data_prefix.img,
        classes=validation.metainfo.classes,
        views=validation.num_views,
    )
    return {"labelled": labelled, "unlabelled": unlabelled, "validation": held_out}


def check_buildable(settings: Any) -> None:
    """Build model and optimiser once, so that a setting that cannot be built is told before anything is trained.

    Raises:
        UserError: they cannot be built, or there is nothing to train.
    """
    if not isinstance(settings.train_cfg.max_iters, int) or settings.train_cfg.max_iters < 1:
        raise UserError(f"train_cfg.max_iters is {settings.train_cfg.max_iters}: give a whole number of at least 1.")
    key = json.dumps(["model", settings.model.to_dict(), settings.optim_wrapper.to_dict()], default=str)
    if key in _checked:
        return
    try:
        build(settings)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"The settings cannot be built ({type(error).__name__}: {error}): correct the --set values."
        ) from error
    _checked.add(key)


def build(settings: Any) -> tuple[Any, Any]:
    """Model and optimiser (mmengine's wrapper) of a config; the libraries raise every kind for a value they cannot use.

    Raises:
        UserError: there is no such precision, or this machine cannot train in it.
    """
    import_components(settings)
    _check_precision(settings.model.get("precision", "float32"))
    from mmdet.registry import MODELS
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import init_default_scope

    init_default_scope(settings.default_scope)
    model = MODELS.build(settings.model)
    return model, build_optim_wrapper(model, settings.optim_wrapper)


def _check_precision(precision: str) -> None:
    import torch

    from models.precision import check_precision

    try:
        check_precision(precision)
    except ValueError as error:
        raise UserError(str(error)) from None
    if precision == "bfloat16" and torch.cuda.is_available() and not torch.cuda.is_bf16_supported(False):
        raise UserError(
            f"model.precision is bfloat16, which this GPU ({torch.cuda.get_device_name()}) does not have: set "
            f"model.precision=float32."
        )

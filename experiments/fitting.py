"""Fit a config to a data set: its classes, its number of views and the size of its images. Torch-free."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.errors import UserError

_GRID = 8  # px that sides are rounded to
_PLAIN = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations", "with_bbox": True}]


def fit_to_data(settings: Any, description: Mapping[str, Any], data: Path) -> None:
    """Change a loaded config, in place, to a data set's folder, classes and views; have images resized to what the model is fed.

    Pipelines get a ``Resize`` behind the loading of a view, so that images of any size train; boxes move along, and scores
    are worked out at the stored size.

    Args:
        settings: an mmengine config.
        description: of the data set, as :func:`experiments.runs.read_dataset` gives it: ``classes``, ``views`` and
            ``image_size`` (height, width) in px, that of most images.
        data: the data set folder.
    """
    classes, views = list(description["classes"]), int(description["views"])
    fusion = settings.model.detector.backbone.mvvit
    if len(fusion.image_size) != 2 or min(fusion.image_size) < 1:
        raise UserError(
            f"model.detector.backbone.mvvit.image_size is {list(fusion.image_size)}: give height and width in px, [240, 96] say."
        )
    height, width = view_size(description["image_size"], budget=fusion.image_size)
    fusion.image_size, fusion.num_views = (height, width), views
    settings.model.detector.roi_head.bbox_head.num_classes = len(classes)
    settings.val_evaluator.num_views = views
    source, validation = settings.train_dataloader.dataset, settings.val_dataloader.dataset
    source.data_root = validation.data_root = str(data)
    for part in (source.labelled, source.unlabelled, validation):
        part.num_views = views
        if classes != list(part.metainfo.classes):
            part.metainfo = {"classes": classes}
        part.pipeline[0].transforms = _sized(part.pipeline[0].transforms, (width, height), data)


def _sized(steps: Sequence[Mapping[str, Any]], scale: tuple[int, int], data: Path) -> list[Any]:
    """The steps of loading a view so that they end with the size (width, height), px, that the model is fed.

    The shipped steps become mmdet's ``LoadAnnotations`` and our ``LoadView``, which does the rest and shares decoded views; behind
    others comes mmdet's ``Resize``.
    """
    kept = [step for step in steps if step["type"] not in ("Resize", "LoadView")]
    if kept in (_PLAIN, _PLAIN[1:]):
        return [*kept[-1:], {"type": "LoadView", "scale": scale, "data": str(data)}]
    return [*kept, {"type": "Resize", "scale": scale, "keep_ratio": False}]


def view_size(stored: Sequence[int], *, budget: Sequence[int]) -> tuple[int, int]:
    """The (height, width) in px that the model is fed: as many pixels as ``budget`` (height, width), in the images' own shape.

    Images are not enlarged, but for rounding: sides are multiples of 8 px, except where the stored size is the budget itself.
    """
    if tuple(stored) == tuple(budget):
        return int(budget[0]), int(budget[1])
    scale = min(1.0, math.sqrt(budget[0] * budget[1] / (stored[0] * stored[1])))
    height, width = (max(_GRID, _GRID * round(side * scale / _GRID)) for side in stored)
    return height, width

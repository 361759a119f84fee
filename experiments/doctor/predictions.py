"""What a trained teacher finds in views, as Soft Teacher sees it before its thresholds."""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress

from experiments.burn_in import load_weights
from experiments.config import import_components
from experiments.data.groups import Group, View
from experiments.doctor.matching import ViewBoxes


@dataclass(frozen=True)
class Predictions:
    """One entry per view, in the order of the groups.

    Attributes:
        views: found and annotated boxes.
        fresh: sorted names of the detector's parameters and buffers that the weights do not fit: they are untrained.
    """

    views: tuple[ViewBoxes, ...]
    fresh: tuple[str, ...]


def teacher_boxes(settings: Any, weights: Path, groups: Sequence[Group], *, progress: bool = True) -> Predictions:
    """Let the teacher of a config find boxes in groups that are not augmented.

    mmdet's own code makes them pseudo-labels, with an initial threshold of 0: boxes are what is left after the detector's
    own ``test_cfg`` (score floor, NMS) and ``min_pseudo_bbox_wh``. The annotated boxes play no part in it.

    Args:
        settings: the config; images go through its validation pipeline.
        weights: file of a run or burn-in, see :func:`experiments.burn_in.load_weights`.
        groups: with the boxes to lay beside.
        progress: show a progress bar.

    Raises:
        UserError: the weights are missing or not weights alone, or an image cannot be read.
    """
    import_components(settings)
    from mmdet.registry import DATASETS
    from mmengine.registry import init_default_scope

    from experiments.data.dataset import multi_view_collate

    init_default_scope(settings.default_scope)
    source = settings.val_dataloader.dataset.to_dict()
    dataset = DATASETS.build({**source, "groups": groups, "mix_views": False})
    views: list[ViewBoxes] = []
    # The jitter that uncertainties are measured with is drawn from torch's own generator.
    with torch.random.fork_rng(), warnings.catch_warnings(), Progress(disable=not progress) as bar:
        warnings.filterwarnings("ignore", module=r"(mmengine|mmdet|mmcv|torch)\b.*")  # which no user can act on
        torch.manual_seed(0)
        model, fresh = _teacher(settings, weights)
        for number in bar.track(range(len(groups)), description="Teacher's boxes"):
            batch = model.data_preprocessor(multi_view_collate([dataset[number]]), False)
            samples = batch["data_samples"]
            pseudo, _ = model.get_pseudo_instances(batch["inputs"], samples)
            pseudo = model.project_pseudo_instances(pseudo, copy.deepcopy(samples))
            views += [
                _boxes(groups[number], place, view, sample)
                for place, (view, sample) in enumerate(zip(groups[number].views, pseudo, strict=True), start=1)
            ]
    return Predictions(tuple(views), tuple(fresh))


def _teacher(settings: Any, weights: Path) -> tuple[Any, list[str]]:
    """The model with loaded weights, in evaluation mode, that takes every box of its teacher for a pseudo-label."""
    from mmdet.registry import MODELS

    wanted = copy.deepcopy(settings.model)
    wanted.semi_train_cfg.pseudo_label_initial_score_thr = 0.0
    model = MODELS.build(wanted)
    fresh = load_weights(model, weights)
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), fresh


def _boxes(group: Group, place: int, view: View, sample: Any) -> ViewBoxes:
    """Boxes of one view, from px of the model's input back to px of the stored image."""
    found = sample.gt_instances
    scale = np.tile(np.asarray(sample.scale_factor, dtype=np.float64), 2)
    return ViewBoxes(
        group=group.name,
        view=place,
        truth=np.array([box.xyxy for box in view.boxes], dtype=np.float64).reshape(-1, 4),
        truth_labels=np.array([box.label for box in view.boxes], dtype=np.intp),
        boxes=found.bboxes.cpu().numpy().astype(np.float64).reshape(-1, 4) / scale,
        labels=found.labels.cpu().numpy().astype(np.intp),
        scores=found.scores.cpu().numpy().astype(np.float64),
        uncertainties=found.reg_uncs.cpu().numpy().astype(np.float64).reshape(-1),
    )

"""Groups of views as mmengine data sets, and how a batch of groups becomes a batch of images."""

from collections.abc import Sequence
from dataclasses import replace
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.registry import DATASETS
from mmengine.dataset import BaseDataset, ConcatDataset, pseudo_collate
from mmengine.registry import FUNCTIONS

from experiments.data.groups import Group, View, read_groups
from experiments.data.loading import Batch
from experiments.data.sampler import Draw
from experiments.data.splits import read_parts
from experiments.errors import UserError
from experiments.randomness import Use, seed_generators


@DATASETS.register_module()
class MultiViewDataset(BaseDataset):
    """One sample is one group: ``{"group": name, "views": [one mmdet data dict per view]}``.

    Args:
        num_views: views per group.
        groups: the groups, where they have been read already; default those of ``ann_file``.
        mix_views: train and score on groups mixed by :func:`mix_views`, a control; ``True`` or the number of a mixing.
        ann_file, data_root, data_prefix, pipeline, metainfo, test_mode, ...: as in mmengine's ``BaseDataset``;
            ``metainfo["classes"]`` gives the order of the labels.
    """

    def __init__(
        self,
        *,
        num_views: int = 8,
        groups: Sequence[Group] | None = None,
        mix_views: int = False,
        **options: Any,
    ) -> None:
        self.num_views = num_views
        self.groups = groups
        self.mix_views = mix_views
        super().__init__(serialize_data=False, **options)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the annotation file; see :func:`experiments.data.groups.read_groups` for what is refused."""
        groups = self.groups
        if groups is None:
            groups = read_groups(
                Path(self.ann_file),
                images=Path(self.data_prefix["img"]),
                classes=self.metainfo["classes"],
                views=self.num_views,
            )
        return [_sample(group) for group in (mix_views(groups, self.mix_views) if self.mix_views else groups)]

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on group ``idx``; a group that cannot be loaded stops the run instead of being skipped."""
        return self.pipeline(self.get_data_info(idx))


def mix_views(groups: Sequence[Group], mixing: int = 1) -> list[Group]:
    """Groups of the same views, put together from different ones: the control for what neighbouring views are worth.

    Place v of the i-th of N groups of V views gets view v of group i + v * (N // V), so that every image is used once, in its
    place. Groups sorted by name keep shots of one bit next to each other: they do not meet while a bit has at most N // V.
    Fewer groups than views meet themselves again: no control then.

    Args:
        groups: of the same number of views.
        mixing: which of several mixings; others take the groups in another order, v * ``mixing`` modulo V in place of v.

    Raises:
        ValueError: the number shares a divisor with V, so that views of one group would meet.
    """
    count, views = len(groups), len(groups[0].views)
    if gcd(mixing, views) > 1:
        raise ValueError(
            f"Mixing {mixing} brings views of one group of {views} together: give a number without common divisor."
        )
    step = max(1, count // views)
    return [
        replace(group, views=tuple(groups[(i + v * mixing % views * step) % count].views[v] for v in range(views)))
        for i, group in enumerate(groups)
    ]


def _sample(group: Group) -> dict[str, Any]:
    return {"group": group.name, "views": [_view(view) for view in group.views]}


def _view(view: View) -> dict[str, Any]:
    return {
        "img_path": str(view.path),
        "img_id": view.image_id,
        "height": view.height,
        "width": view.width,
        # mmdet's detectors and Soft Teacher read these two, but its transforms only set them when something moves.
        "scale_factor": (1.0, 1.0),
        "homography_matrix": np.eye(3, dtype=np.float32),
        "instances": [{"bbox": list(box.xyxy), "bbox_label": box.label, "ignore_flag": 0} for box in view.boxes],
    }


@DATASETS.register_module()
class SemiSupervisedDataset(ConcatDataset):
    """Labelled groups followed by unlabelled ones, in one folder, as ``MultiSourceSampler`` wants them.

    Args:
        data_root: the data set folder.
        labelled, unlabelled: configs of the two parts; ``data_root`` is passed on to both.
        split: which groups are labelled: 0 as the data set ships them, others see :mod:`experiments.data.splits`.

    Raises:
        UserError: the data are faulty, or cannot be split this way.
    """

    def __init__(self, *, data_root: str, labelled: dict[str, Any], unlabelled: dict[str, Any], split: int = 0) -> None:
        parts = zip((labelled, unlabelled), read_parts(Path(data_root), labelled, unlabelled, split=split), strict=True)
        super().__init__([{**part, "data_root": data_root, "groups": groups} for part, groups in parts])

    def __getitem__(self, draw: Draw | int) -> Any:
        """Load a group; one that the sampler has drawn is augmented as its draw says, whatever was loaded before it."""
        if isinstance(draw, Draw):
            seed_generators(draw.seed, Use.GROUP, draw.source, draw.number)
            return super().__getitem__(draw.item)
        return super().__getitem__(draw)


@FUNCTIONS.register_module()
def multi_view_collate(groups: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Flatten a batch of B groups of V views to B*V images, views of a group next to each other.

    Args:
        groups: packed groups; ``inputs`` and ``data_samples`` are lists of V, or dicts of branch -> list of V or ``None``.

    Returns:
        What mmdet's data preprocessors take; branches no group has are left out.

    Raises:
        UserError: the groups have different numbers of views.
    """
    if isinstance(groups[0]["inputs"], dict):
        batch: dict[str, Any] = {"inputs": {}, "data_samples": {}}
        for branch in groups[0]["inputs"]:
            present = [
                {key: group[key][branch] for key in batch} for group in groups if group["inputs"][branch] is not None
            ]
            if present:
                flat = multi_view_collate(present)
                for key in batch:
                    batch[key][branch] = flat[key]
        return Batch(batch)
    lengths = {len(group["inputs"]) for group in groups}
    if len(lengths) > 1:
        raise UserError(f"Groups of {sorted(lengths)} views cannot share a batch: every group needs the same number.")
    views = [{key: group[key][i] for key in group} for group in groups for i in range(len(group["inputs"]))]
    return Batch(pseudo_collate(views))

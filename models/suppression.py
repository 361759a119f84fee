"""Non-maximum suppression in all views of a batch: the kernel runs view by view, everything around it once.

mmdet moves the boxes of each class or level apart, so that they do not meet, and suppresses; view by view, some twenty operations
each. The boxes are moved here as there, by their own view's greatest coordinate, so that what is kept is the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmcv.ops.nms import NMSop, batched_nms
from torch import Tensor

from models.operators import wide
from models.ragged import sent, view_numbers

_SPLIT = 10_000  # boxes of a view from which on mmcv goes from class to class; ``split_thr`` there


def suppresses_whole(cfg: Mapping[str, Any]) -> bool:
    """Whether :func:`suppress` knows all options; others are the library's to use."""
    return set(cfg) == {"type", "iou_threshold"} and cfg["type"] == "nms"


def suppress(
    boxes: Tensor, scores: Tensor, kinds: Tensor, counts: Sequence[int], *, cfg: Mapping[str, Any], most: int
) -> tuple[Tensor, list[int]]:
    """What is kept of the boxes of each view.

    Args:
        boxes: (n, 4) of all views, one view after the other, px.
        scores: (n,) theirs.
        kinds: (n,) integers: boxes of different kinds, like classes, do not suppress each other.
        counts: how many of the boxes are of each view.
        cfg: ``iou_threshold``, above which the lower one goes.
        most: how many are kept of a view, those of the highest scores; 0 or less for all.

    Returns:
        Rows of those kept, view by view, by falling score; and how many there are of each view.
    """
    boxes, scores = wide(boxes), wide(scores)  # half precision would not tell moved boxes apart
    views = view_numbers(counts, boxes.device)
    greatest = boxes.new_zeros(len(counts)).scatter_reduce(0, views, boxes.amax(dim=1), "amax", include_self=False)
    moved = boxes + (kinds.to(boxes) * (greatest + 1)[views])[:, None]
    kept, first = [], 0
    for count in counts:
        some = slice(first, first + count)
        if count < _SPLIT:
            rows = NMSop.apply(moved[some], scores[some], cfg["iou_threshold"], 0, 0, -1)
        else:
            rows = batched_nms(boxes[some], scores[some], kinds[some], cfg)[1]
        kept.append(rows[:most] if most > 0 else rows)
        first += count
    sizes = [len(rows) for rows in kept]
    before = sent(np.cumsum(counts) - counts, boxes.device)
    return torch.cat(kept) + before[view_numbers(sizes, boxes.device)], sizes

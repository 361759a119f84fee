"""Boxes assigned to the anchors or proposals of all views at once, and samples drawn from these.

mmdet's assigner and sampler go from view to view, the assigner from box to box too, and they wait for the GPU at each turn. Here
whole tensors are worked with, and the GPU is asked once: how many there are to draw from. What is assigned and drawn is the same.

Shape legend: N views, G boxes of a view, A anchors or proposals of a view, S samples of a view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmdet.models.task_modules import BboxOverlaps2D, MaxIoUAssigner, RandomSampler
from mmengine.structures import InstanceData
from torch import Tensor

from models.ragged import padded, sent

_PAIRS = 2**22  # of a box and an anchor, that are worked on together, so that memory is bounded


@dataclass(frozen=True)
class Sampled:
    """What heads read of the samples of a view; the positive ones come first.

    Args:
        priors: (S, 4) anchors, proposals or boxes, px.
        rows: (S,) of ``priors`` among the anchors of all views, rising within each kind; where boxes are drawn too, of no use.
        positives: how many of the samples are positive.
        pos_gt_bboxes, pos_gt_labels: (positives, 4) boxes that these are assigned to, px, and (positives,) their labels.
    """

    priors: Tensor
    rows: Tensor
    positives: int
    pos_gt_bboxes: Tensor
    pos_gt_labels: Tensor

    @property
    def pos_priors(self) -> Tensor:
        """The positive ones of ``priors``."""
        return self.priors[: self.positives]

    @property
    def neg_priors(self) -> Tensor:
        """The negative ones of ``priors``."""
        return self.priors[self.positives :]

    @property
    def avg_factor(self) -> int:
        """How many samples there are, at least one of each kind."""
        return max(self.positives, 1) + max(len(self.rows) - self.positives, 1)


def samples_whole(assigner: Any, sampler: Any) -> bool:
    """Whether :func:`sample_views` knows all options of the assigner and the sampler; others are the library's to use."""
    return (
        type(assigner) is MaxIoUAssigner
        and type(assigner.iou_calculator) is BboxOverlaps2D
        and assigner.iou_calculator.dtype is None
        and isinstance(assigner.neg_iou_thr, float)
        and min(assigner.pos_iou_thr, assigner.neg_iou_thr) > 0
        and not (assigner.match_low_quality and (assigner.min_pos_iou <= 0 or not assigner.gt_max_assign_all))
        and max(assigner.ignore_iof_thr, assigner.gpu_assign_thr) <= 0
        and assigner.perm_repeat_gt_cfg is None
        and type(sampler) is RandomSampler
    )


def sample_views(
    assigner: Any, sampler: Any, priors: Sequence[Tensor], truths: Sequence[InstanceData]
) -> list[Sampled]:
    """Assign and sample as the library does view by view, with the random numbers that it draws.

    Args:
        assigner, sampler: the library's, such as :func:`samples_whole` knows.
        priors: (A, 4) anchors or proposals of each view, px; one tensor where the views share them.
        truths: boxes and labels of each view.
    """
    counts = [len(truth) for truth in truths]
    boxes, box_rows = padded([truth.bboxes for truth in truths])
    if len(priors[0]) and all(one is priors[0] for one in priors):
        candidates = priors[0].expand(len(priors), -1, -1)
        assigned = _assign(assigner, candidates, boxes, counts)
    else:
        candidates, rows = padded(priors)
        assigned = torch.where(rows >= 0, _assign(assigner, candidates, boxes, counts), -1)
    if sampler.add_gt_as_proposals:
        numbers = torch.arange(1, boxes.shape[1] + 1, device=boxes.device)
        assigned = torch.cat([torch.where(box_rows >= 0, numbers, -1), assigned], dim=1)
        candidates = torch.cat([boxes, candidates], dim=1)
    drawn, sizes, positives = _draw(sampler, assigned)
    rows = drawn.split(sizes)
    positive = torch.cat([some[:many] for some, many in zip(rows, positives, strict=True)])
    theirs = box_rows[positive // assigned.shape[1], assigned.flatten()[positive] - 1]
    labels = torch.cat([truth.labels for truth in truths])
    return [
        Sampled(*view)
        for view in zip(
            candidates.flatten(0, 1)[drawn].split(sizes), rows, positives,
            torch.cat([truth.bboxes for truth in truths])[theirs].split(positives), labels[theirs].split(positives), strict=True,
        )
    ]  # fmt: skip


def _assign(assigner: Any, candidates: Tensor, boxes: Tensor, counts: Sequence[int]) -> Tensor:
    """Numbers (N, A) of the boxes (N, G, 4) that candidates (N, A, 4) get, from 1; 0 for background, -1 for neither."""
    views, number = candidates.shape[:2]
    together = max(1, _PAIRS // (number * boxes.shape[1]))
    parts = []
    for first in range(0, views, together):
        some = slice(first, first + together)
        most = max(*counts[some], 1)
        # Padding is a box of no size, which no candidate overlaps and no threshold takes.
        overlaps = _overlaps(boxes[some, :most], candidates[some])
        best, which = overlaps.max(dim=1)
        background = best < assigner.neg_iou_thr
        assigned = torch.where(best >= assigner.pos_iou_thr, which + 1, background.long() - 1)
        if assigner.match_low_quality:
            # Of the boxes whose best anchors include this one, the last counts, as in a loop that overwrites.
            highest = overlaps.amax(dim=2, keepdim=True)
            mine = (overlaps == highest) & (highest >= assigner.min_pos_iou)
            last = (mine * torch.arange(1, most + 1, device=boxes.device)[:, None]).amax(dim=1)
            assigned = torch.where(last > 0, last, assigned)
        parts.append(assigned)
    return torch.cat(parts)


def _overlaps(boxes: Tensor, candidates: Tensor) -> Tensor:
    """IoUs (n, G, A) of boxes (n, G, 4) and candidates (n, A, 4): mmdet's bit for bit, which sends its least area to the GPU."""
    one, other = boxes[:, :, None], candidates[:, None]
    width = (one[..., 2].minimum(other[..., 2]) - one[..., 0].maximum(other[..., 0])).clamp(min=0)
    height = (one[..., 3].minimum(other[..., 3]) - one[..., 1].maximum(other[..., 1])).clamp(min=0)
    both = width * height
    areas = [(some[..., 2] - some[..., 0]) * (some[..., 3] - some[..., 1]) for some in (one, other)]
    return both / (areas[0] + areas[1] - both).clamp(min=1e-6)


def _draw(sampler: Any, assigned: Tensor) -> tuple[Tensor, list[int], list[int]]:
    """Rows of what is drawn among all (N, n) that are assigned, and for each view, how many and how many positive ones."""
    kinds = torch.stack([assigned > 0, assigned == 0])
    available = kinds.sum(dim=2).tolist()
    taken = []  # of the positive ones of all views, counted from 1, and of the negative ones behind them
    sizes, positives = [], []
    first, behind = 1, 1 + sum(available[0])
    for positive, negative in zip(*available, strict=True):
        chosen = _choose(positive, int(sampler.num * sampler.pos_fraction))
        most = sampler.num - len(chosen)
        if sampler.neg_pos_ub >= 0:
            most = min(most, int(sampler.neg_pos_ub * max(1, len(chosen))))
        others = _choose(negative, most)
        taken += [first + chosen, behind + others]
        first, behind = first + positive, behind + negative
        positives.append(len(chosen))
        sizes.append(len(chosen) + len(others))
    # The n-th is where so many have been counted first; a list of them all would have to be waited for.
    counted = kinds.flatten().cumsum(dim=0)
    rows = torch.searchsorted(counted, sent(np.concatenate(taken), counted.device)) % assigned.numel()
    return rows, sizes, positives


def _choose(available: int, most: int) -> Any:
    """Which of so many are drawn, rising: a NumPy array, of random numbers that are torch's."""
    return np.arange(available) if available <= most else np.sort(torch.randperm(available)[:most].numpy())

"""Which found boxes are right, and what every score threshold keeps. Pure, torch-free. Boxes are xyxy in px."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]

LEAST_IOU = 0.5


@dataclass(frozen=True)
class ViewBoxes:
    """What a teacher finds in one view, beside what is annotated there.

    Attributes:
        group: name of the group.
        view: number of the view, from 1.
        truth, truth_labels: (m, 4) and (m,), annotated boxes and their classes.
        boxes, labels: (n, 4) and (n,), found boxes in px of the stored image and their classes.
        scores: (n,) in [0, 1].
        uncertainties: (n,) spread of a box over jittered proposals as share of its size, what ``reg_pseudo_thr`` bounds.
    """

    group: str
    view: int
    truth: Floats
    truth_labels: Labels
    boxes: Floats
    labels: Labels
    scores: Floats
    uncertainties: Floats


@dataclass(frozen=True)
class Curve:
    """What each threshold keeps of one class: boxes whose score is above it, as mmdet's Soft Teacher does.

    Attributes:
        thresholds: (t,) ascending.
        kept, correct: (t,) numbers of boxes kept, and of those that match an annotated one.
        truths: number of annotated boxes.
    """

    thresholds: Floats
    kept: Labels
    correct: Labels
    truths: int

    @property
    def precision(self) -> Floats:
        """(t,) share of the kept boxes that are right; NaN where none is kept."""
        return np.where(self.kept > 0, self.correct / np.maximum(self.kept, 1), np.nan)

    @property
    def recall(self) -> Floats:
        """(t,) share of the annotated boxes that are found; NaN where there are none."""
        return self.correct / self.truths if self.truths else np.full(len(self.thresholds), np.nan)

    @property
    def f1(self) -> Floats:
        """(t,) harmonic mean of precision and recall; 0 where nothing is kept."""
        return 2 * self.correct / np.maximum(self.kept + self.truths, 1)


def overlaps(boxes: Floats, others: Floats) -> Floats:
    """Intersection over union of (n, 4) and (m, 4) boxes: (n, m)."""
    corner = np.maximum(boxes[:, None, :2], others[None, :, :2])
    end = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.clip(end - corner, 0, None), axis=2)
    union = _areas(boxes)[:, None] + _areas(others)[None, :] - shared
    return shared / np.maximum(union, np.finfo(np.float64).tiny)


def match(view: ViewBoxes, *, least_iou: float = LEAST_IOU) -> Labels:
    """The annotated box that each found one matches: (n,) indices, -1 for none.

    Greedy by score within a class, as COCO's evaluation does: each box takes the annotated box not yet taken that it
    overlaps most, if by ``least_iou`` or more. What a box matches never depends on boxes of lower scores, so that one
    matching serves every threshold.
    """
    ious = overlaps(view.boxes, view.truth)
    free = np.ones(len(view.truth), dtype=bool)
    matches = np.full(len(view.boxes), -1, dtype=np.intp)
    for index in np.argsort(-view.scores, kind="stable"):
        allowed = np.where(free & (view.truth_labels == view.labels[index]), ious[index], -1.0)
        if allowed.size and allowed.max() >= least_iou:
            matches[index] = allowed.argmax()
            free[matches[index]] = False
    return matches


def curve(scores: Floats, correct: NDArray[np.bool_], truths: int, thresholds: Floats) -> Curve:
    """Count what ascending thresholds keep of n boxes of one class.

    Args:
        scores: (n,).
        correct: (n,) whether a box matches an annotated one.
        truths: number of annotated boxes.
        thresholds: (t,).
    """
    above = scores[None, :] > thresholds[:, None]
    kept, right = above.sum(axis=1), (above & correct[None, :]).sum(axis=1)
    return Curve(thresholds, kept.astype(np.intp), right.astype(np.intp), truths)


def _areas(boxes: Floats) -> Floats:
    return np.asarray(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), dtype=np.float64)

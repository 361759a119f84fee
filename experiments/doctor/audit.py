"""Precision and recall of a teacher's boxes against the score threshold, and the thresholds they propose. Pure, torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from experiments.data.splits import specimen_of
from experiments.doctor.matching import Curve, Floats, ViewBoxes, curve, match

ALL = "all"
LEAST_TRUTHS = 10  # annotated boxes below which a class gets no proposal
LEAST_KEPT = 10  # boxes below which a precision is too uncertain to propose a threshold for
PRECISION_AIM = 0.7
_DRAWS = 1000

Aim = Literal["configured", "F1", "precision"]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Operation:
    """What one threshold does to one class, or to ``all`` together.

    Attributes:
        aim: why this threshold: it is configured, has the best F1, or is the lowest with the precision aimed at.
        kept, correct, truths: boxes kept, those of them that are right, annotated boxes.
        precision, recall: in [0, 1]; ``None`` where there is nothing to divide by.
        precision_interval, recall_interval: 95 % percentile intervals over specimens; ``None`` with fewer than two of them.
    """

    name: str
    aim: Aim
    threshold: float
    kept: int
    correct: int
    truths: int
    precision: float | None
    recall: float | None
    precision_interval: Interval | None
    recall_interval: Interval | None


@dataclass(frozen=True)
class Audit:
    """What a teacher's boxes are worth. ``curves`` is keyed by class, plus ``all``: every box counts alike."""

    classes: tuple[str, ...]
    views: int
    groups: int
    specimens: int
    curves: dict[str, Curve]
    operations: tuple[Operation, ...]

    def operation(self, name: str, aim: Aim) -> Operation | None:
        """The operation of a class with an aim, or ``None`` where none can be proposed."""
        return next((entry for entry in self.operations if (entry.name, entry.aim) == (name, aim)), None)


def audit_views(
    views: Sequence[ViewBoxes],
    classes: Sequence[str],
    *,
    configured: float,
    floor: float,
    generator: np.random.Generator,
) -> Audit:
    """Match all boxes at IoU 0.5 and count what every threshold keeps.

    Args:
        views: at least one.
        classes: names in the order of the labels.
        configured: the initial threshold of the config.
        floor: score below which the detector gives no boxes; thresholds go from there to 0.99 in hundredths.
        generator: draws specimens for the intervals.
    """
    thresholds = np.union1d(np.arange(ceil(round(floor * 100, 6)), 100) / 100, [configured])
    tallies = _tallies(views, classes)
    operations: list[Operation] = []
    curves = {}
    for name, tally in tallies.items():
        drawn = curves[name] = curve(tally.scores, tally.correct, len(tally.truth_specimens), thresholds)
        for aim, threshold in _aims(drawn, configured).items():
            operations.append(_operation(name, aim, threshold, tally, generator))
    return Audit(
        classes=tuple(classes),
        views=len(views),
        groups=len({view.group for view in views}),
        specimens=len({specimen_of(view.group) for view in views}),
        curves=curves,
        operations=tuple(operations),
    )


def proposed_settings(audit: Audit, aim: Aim, *, classify: float, propose: float) -> list[str]:
    """The ``path=value`` settings for the threshold over all classes with an aim; empty where there is none.

    Soft Teacher has one initial threshold for all classes. Its thresholds of classification and RPN do nothing at or below
    the initial one, and above it they would still take out what it lets in: they are lowered to it where they are higher.

    Args:
        classify, propose: the config's ``cls_pseudo_thr`` and ``rpn_pseudo_thr``.
    """
    found = audit.operation(ALL, aim)
    if found is None:
        return []
    settings = [f"model.semi_train_cfg.pseudo_label_initial_score_thr={found.threshold:g}"]
    for name, value in (("cls_pseudo_thr", classify), ("rpn_pseudo_thr", propose)):
        if value > found.threshold:
            settings.append(f"model.semi_train_cfg.{name}={found.threshold:g}")
    return settings


def missed_boxes(views: Sequence[ViewBoxes], labels: Sequence[int], *, threshold: float) -> dict[str, int]:
    """Per group, how many annotated boxes of some classes no box above a threshold matches."""
    missed: dict[str, int] = {}
    for view in views:
        matches = match(view)
        found = set(matches[(matches >= 0) & (view.scores > threshold)].tolist())
        own = [index for index, label in enumerate(view.truth_labels) if label in labels and index not in found]
        missed[view.group] = missed.get(view.group, 0) + len(own)
    return missed


@dataclass(frozen=True)
class _Tally:
    """The boxes of one class over all views: (n,) scores, whether right, specimens; (m,) specimens of the annotated ones."""

    scores: Floats
    correct: NDArray[np.bool_]
    specimens: NDArray[np.intp]
    truth_specimens: NDArray[np.intp]
    number: int


def _tallies(views: Sequence[ViewBoxes], classes: Sequence[str]) -> dict[str, _Tally]:
    numbers = {name: i for i, name in enumerate(sorted({specimen_of(view.group) for view in views}))}
    own = [numbers[specimen_of(view.group)] for view in views]
    scores = np.concatenate([view.scores for view in views])
    labels = np.concatenate([view.labels for view in views])
    correct = np.concatenate([match(view) >= 0 for view in views])
    specimens = np.repeat(own, [len(view.scores) for view in views])
    truths = np.concatenate([view.truth_labels for view in views])
    truth_specimens = np.repeat(own, [len(view.truth_labels) for view in views])
    tallies = {}
    for label, name in enumerate(classes):
        mask = labels == label
        tallies[name] = _Tally(
            scores[mask], correct[mask], specimens[mask], truth_specimens[truths == label], len(numbers)
        )
    tallies[ALL] = _Tally(scores, correct, specimens, truth_specimens, len(numbers))
    return tallies


def _aims(drawn: Curve, configured: float) -> dict[Aim, float]:
    """Thresholds worth telling of one class."""
    aims: dict[Aim, float] = {"configured": configured}
    if drawn.truths < LEAST_TRUTHS:
        return aims
    if drawn.correct.any():
        aims["F1"] = float(drawn.thresholds[drawn.f1.argmax()])
    with np.errstate(invalid="ignore"):
        precise = np.flatnonzero((drawn.precision >= PRECISION_AIM) & (drawn.kept >= LEAST_KEPT))
    if len(precise):
        aims["precision"] = float(drawn.thresholds[precise[0]])
    return aims


def _operation(name: str, aim: Aim, threshold: float, tally: _Tally, generator: np.random.Generator) -> Operation:
    above = tally.scores > threshold
    counts = np.stack(
        [
            np.bincount(group, minlength=tally.number)
            for group in (tally.specimens[above & tally.correct], tally.specimens[above], tally.truth_specimens)
        ]
    )  # (3, specimens): right, kept, annotated
    correct, kept, truths = (int(number) for number in counts.sum(axis=1))
    draws = generator.multinomial(tally.number, np.full(tally.number, 1 / tally.number), size=_DRAWS) @ counts.T
    several = tally.number > 1
    return Operation(
        name=name, aim=aim, threshold=threshold, kept=kept, correct=correct, truths=truths,
        precision=correct / kept if kept else None,
        recall=correct / truths if truths else None,
        precision_interval=_interval(draws[:, 0], draws[:, 1]) if several and kept else None,
        recall_interval=_interval(draws[:, 0], draws[:, 2]) if several and truths else None,
    )  # fmt: skip


def _interval(parts: NDArray[np.int64], wholes: NDArray[np.int64]) -> Interval:
    """The middle 95 % of the ratios; draws without a whole say nothing."""
    shares = parts[wholes > 0] / wholes[wholes > 0]
    low, high = np.percentile(shares, (2.5, 97.5))
    return float(low), float(high)

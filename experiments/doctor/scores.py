"""What Soft Teacher's thresholds keep of a teacher's boxes, and which of them keep everything or nothing. Pure, torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

import numpy as np

from experiments.doctor.findings import Finding
from experiments.doctor.matching import Floats, ViewBoxes

CHECK = "teacher scores"
LEAST_TRUTHS = 10  # annotated boxes of a class below which nothing is said of it
FEW, MANY = 0.05, 2.0  # boxes kept per annotated one; above 2, at least every second one is wrong
_ALL = 0.99
_SEMI = "model.semi_train_cfg"
_INITIAL = f"{_SEMI}.pseudo_label_initial_score_thr"


@dataclass(frozen=True)
class Thresholds:
    """Soft Teacher's thresholds. ``classify`` and ``propose`` apply to what ``initial`` has kept, and so does ``regress``,
    which bounds a box's uncertainty."""

    initial: float
    classify: float
    propose: float
    regress: float


@dataclass(frozen=True)
class ClassScores:
    """Numbers of boxes of one class over some views: annotated, found, and kept by each of the thresholds.

    Attributes:
        matching: the highest threshold, in hundredths, that keeps as many boxes as are annotated; ``None`` where the
            teacher finds fewer.
        median_uncertainty: of the boxes kept by the initial threshold; ``None`` where there are none.
    """

    name: str
    truths: int
    found: int
    initial: int
    classify: int
    propose: int
    regress: int
    matching: float | None
    median_uncertainty: float | None


def class_scores(views: Sequence[ViewBoxes], classes: Sequence[str], thresholds: Thresholds) -> tuple[ClassScores, ...]:
    """Count what each threshold keeps of each class, in Soft Teacher's order; pure."""
    labels = np.concatenate([view.labels for view in views])
    scores = np.concatenate([view.scores for view in views])
    uncertainties = np.concatenate([view.uncertainties for view in views])
    truths = np.bincount(np.concatenate([view.truth_labels for view in views]), minlength=len(classes))
    initial = scores > thresholds.initial
    counted = []
    for label, name in enumerate(classes):
        own = labels == label
        kept = own & initial
        counted.append(
            ClassScores(
                name=name,
                truths=int(truths[label]),
                found=int(own.sum()),
                initial=int(kept.sum()),
                classify=int((kept & (scores > thresholds.classify)).sum()),
                propose=int((kept & (scores > thresholds.propose)).sum()),
                regress=int((kept & (uncertainties < thresholds.regress)).sum()),
                matching=matching_threshold(scores[own], int(truths[label])),
                median_uncertainty=float(np.median(uncertainties[kept])) if kept.any() else None,
            )
        )
    return tuple(counted)


def matching_threshold(scores: Floats, number: int) -> float | None:
    """The highest threshold in hundredths with at least ``number`` scores above it; ``None`` where there are fewer."""
    if not 0 < number <= len(scores):
        return None
    hundredths = float(np.sort(scores)[-number]) * 100
    below = floor(hundredths)
    return (below - 1 if below == hundredths else below) / 100


def threshold_findings(
    counted: Sequence[ClassScores], thresholds: Thresholds, *, about: str, views: int, config: str
) -> list[Finding]:
    """What the counts mean; pure. Classes with fewer than ``LEAST_TRUTHS`` annotated boxes are not judged.

    Args:
        about: on what, and whose boxes, for the evidence.
        views: number of views that were counted over.
        config: name or path, with the options that name the data, for the remedies.
    """
    evidence = f"Boxes per view: {about}.\n{_table(counted, thresholds, views)}"
    judged = [scores for scores in counted if scores.truths >= LEAST_TRUTHS]
    left_out = [scores for scores in counted if scores.truths < LEAST_TRUTHS]
    if not judged:
        return [Finding(
            CHECK, "note", f"No class has {LEAST_TRUTHS} annotated boxes there: thresholds were not judged.", evidence,
            f"Judge them on more groups, with `python -m experiments audit {config}`.",
        )]  # fmt: skip
    if left_out:
        evidence += f"\nNot judged, with fewer than {LEAST_TRUTHS} annotated boxes there: {_names(left_out)}."
    few = [scores for scores in judged if scores.initial < FEW * scores.truths]
    many = [scores for scores in judged if scores.initial > MANY * scores.truths]
    audit = f"`python -m experiments audit {config}` tells how many of them are right"
    findings = []
    if few:
        reachable = [scores for scores in few if scores.matching is not None]
        remedy = (
            f"Lower it for all classes, for example {_example(min(reachable, key=_matching))}{_apart(judged)}; {audit}."
            if reachable
            else f"The teacher finds too few of them at any threshold: train a longer burn-in; {audit}."
        )
        findings.append(
            _warning(f"{_INITIAL}={thresholds.initial:g} keeps almost no box of {_names(few)}.", evidence, remedy)
        )
    if many:
        findings.append(
            _warning(
                f"{_INITIAL}={thresholds.initial:g} keeps more than twice as many boxes of {_names(many)} as there are.",
                evidence,
                f"Raise it for all classes, for example {_example(max(many, key=_matching))}{_apart(judged)}; {audit}.",
            )
        )
    rest = [scores for scores in judged if scores not in few]
    for setting, kept in (("cls_pseudo_thr", "classify"), ("rpn_pseudo_thr", "propose")):
        lost = [scores for scores in rest if getattr(scores, kept) < FEW * scores.truths]
        if lost:
            findings.append(
                _warning(
                    f"{_SEMI}.{setting}={getattr(thresholds, kept):g} keeps almost no box of {_names(lost)} that the initial "
                    f"threshold has kept.",
                    evidence,
                    f"Lower it, for example --set {_SEMI}.{setting}={thresholds.initial:g}, which keeps what the initial "
                    f"threshold does; {audit}.",
                )
            )
    return findings + _regression_findings(rest, thresholds, about)


def _regression_findings(rest: Sequence[ClassScores], thresholds: Thresholds, about: str) -> list[Finding]:
    """The bound on uncertainty: boxes that it takes out teach no places, and it may take out all or none."""
    key = f"{_SEMI}.reg_pseudo_thr"
    known = [
        f"{scores.name} {scores.median_uncertainty:.2g}" for scores in rest if scores.median_uncertainty is not None
    ]
    evidence = f"Median uncertainties: {', '.join(known)} ({about})."
    lost = [scores for scores in rest if scores.regress < FEW * scores.truths and scores.median_uncertainty is not None]
    findings = []
    if lost:
        middle = max(scores.median_uncertainty for scores in lost if scores.median_uncertainty is not None)
        findings.append(
            _warning(
                f"{key}={thresholds.regress:g} keeps almost no box of {_names(lost)}: the teacher is less certain of their places.",
                evidence,
                f"Raise it, for example --set {key}={middle:.2g}, the median of their uncertainties.",
            )
        )
    initial, regress = (sum(getattr(scores, kept) for scores in rest) for kept in ("initial", "regress"))
    if initial >= LEAST_TRUTHS and regress >= _ALL * initial:
        findings.append(
            Finding(
                CHECK,
                "note",
                f"{key}={thresholds.regress:g} keeps {regress} of the {initial} boxes that the initial threshold has kept: it "
                f"does almost nothing.",
                evidence,
                "Lower it if boxes in uncertain places are to teach classes alone; else it may stay.",
            )
        )
    return findings


def _table(counted: Sequence[ClassScores], thresholds: Thresholds, views: int) -> str:
    width = max(len("class"), *(len(scores.name) for scores in counted))
    heads = ("annotated", "found", f"initial {thresholds.initial:g}", "of found", f"cls {thresholds.classify:g}",
             f"rpn {thresholds.propose:g}", f"reg {thresholds.regress:g}", "as many at")  # fmt: skip
    lines = [f"{'class':<{width}}  " + "  ".join(heads)]
    for scores in counted:
        share = f"{scores.initial / scores.found:.0%}" if scores.found else "-"
        matching = "-" if scores.matching is None else f"{scores.matching:.2f}"
        per_view = [f"{number / views:.3f}" for number in (scores.truths, scores.found, scores.initial)]
        per_view += [share, *(f"{number / views:.3f}" for number in (scores.classify, scores.propose, scores.regress))]
        cells = (f"{cell:>{len(head)}}" for cell, head in zip((*per_view, matching), heads, strict=True))
        lines.append(f"{scores.name:<{width}}  " + "  ".join(cells))
    return "\n".join(lines)


def _warning(says: str, evidence: str, remedy: str) -> Finding:
    return Finding(CHECK, "warning", says, evidence, remedy)


def _matching(scores: ClassScores) -> float:
    assert scores.matching is not None
    return scores.matching


def _example(scores: ClassScores) -> str:
    return f"--set {_INITIAL}={_matching(scores):g}, which keeps about as many boxes of {scores.name} as there are"


def _apart(judged: Sequence[ClassScores]) -> str:
    """That one threshold may not suit all classes, where they have thresholds of their own: following one warns of the other."""
    known = [scores for scores in judged if scores.matching is not None]
    low, high = min(known, key=_matching, default=None), max(known, key=_matching, default=None)
    if low is None or high is None or low.matching == high.matching:
        return ""
    return (
        f" (classes differ, from {_matching(low):g} for {low.name} to {_matching(high):g} for {high.name}: where no threshold "
        "suits all, take one between, or train the burn-in longer)"
    )


def _names(scores: Sequence[ClassScores]) -> str:
    return ", ".join(entry.name for entry in scores)

"""What is an alarm while a run trains: pure decisions over a few figures, torch-free.

When they are made: figures are taken over windows of :func:`window_of` the run's length, one after the other, and judged where
a window ends; a run shorter than a window has no alarms but that on its teacher. Bounds are the constants below.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from experiments.data.groups import Group
from experiments.goals import NEAR_ZERO, OVERALL, at_whose_cost
from experiments.monitoring import stability
from experiments.monitoring.memory import SHORT
from experiments.records import Alarm, Score

# Losses and boxes of single groups scatter too much to be judged: a window has no fewer iterations.
_SHORTEST, _LONGEST, _WINDOWS = 8, 500, 20
# A class is missed once this many groups of it should have passed: seeing none of ten by chance is e^-10.
_SIGHTINGS = 10
LOSS_RATIO = (0.01, 10.0)
BOX_RATIO = (1 / 3, 3.0)
TEACHER_MARGIN = 0.03  # AP; seeds differ by a standard deviation of 0.013
UNSTEADY = 0.1  # coefficient of variation of the total loss: the plan's warning


@dataclass(frozen=True)
class Truth:
    """What labelled groups hold of a class: ``boxes`` per view, and the share of the ``groups`` that hold a box of it."""

    boxes: float
    groups: float


def truth_of(groups: Sequence[Group], classes: Sequence[str]) -> dict[str, Truth]:
    """What the labelled groups hold, by class name; ``classes`` in label order."""
    labels = [[box.label for view in group.views for box in view.boxes] for group in groups]
    views = sum(len(group.views) for group in groups)
    return {
        name: Truth(
            boxes=sum(found.count(label) for found in labels) / views,
            groups=sum(label in found for found in labels) / len(groups),
        )
        for label, name in enumerate(classes)
    }


def window_of(iterations: int) -> int:
    """Iterations of a window: a twentieth of the run, but 8 to 500."""
    return min(_LONGEST, max(_SHORTEST, iterations // _WINDOWS))


def patience_of(window: int, *, groups: float) -> int:
    """Iterations without a pseudo-box of a class after which it is missed.

    Two windows, or as many iterations as it takes until ten unlabelled groups should have held the class, if that is more.

    Args:
        window: iterations of a window.
        groups: how many groups of an iteration hold the class, on average; more than 0.
    """
    return max(2 * window, math.ceil(_SIGHTINGS / groups))


def settled_after(momentum: float, *, interval: int) -> int:
    """Iterations until a teacher has taken in 1 - 1/e of the student's weights, by its momentum and update interval."""
    return math.ceil(interval / momentum)


def missing_classes(
    found: Mapping[str, Sequence[float]], truth: Mapping[str, Truth], *, iteration: int, window: int, views: int, groups: float
) -> list[Alarm]:  # fmt: skip
    """Classes without any pseudo-box for their :func:`patience_of`; none that the labelled groups lack.

    Args:
        found: pseudo-boxes per view of each class, one figure per iteration up to this one.
        truth: what the labelled groups hold.
        iteration, window: now, and the iterations of a window.
        views, groups: unlabelled ones in one iteration.
    """
    alarms = []
    for name, figures in found.items():
        if truth[name].groups == 0:
            continue
        patience = patience_of(window, groups=groups * truth[name].groups)
        if len(figures) < patience or any(figures[-patience:]):
            continue
        expected = truth[name].boxes * views * patience
        alarms.append(Alarm(
            kind="no_pseudo_boxes", subject=name, iteration=iteration, last=iteration,
            says=f"the teacher gave no pseudo-box of {name} for {patience} iterations, in which labelled groups would show about "
            f"{expected:.0f}: lower model.semi_train_cfg.pseudo_label_initial_score_thr, or train the teacher longer first.",
            figures={"iterations": patience, "expected_boxes": expected},
        ))  # fmt: skip
    return alarms


def loss_ratio(*, unsupervised: float, supervised: float, iteration: int) -> list[Alarm]:
    """Whether the unsupervised loss is out of proportion, by both losses' means over a window, weighted as they are trained.

    A ratio in the hundreds makes training collapse; one near 0 leaves the unlabelled groups without effect.
    """
    low, high = LOSS_RATIO
    if not supervised > 0 or not math.isfinite(unsupervised) or low <= unsupervised / supervised <= high:
        return []
    ratio = unsupervised / supervised
    says = f"the unsupervised loss, {unsupervised:.3g}, is {ratio:.3g} times the supervised one, {supervised:.3g} "
    bound = f"(more than {high:g}): lower" if ratio > high else f"(less than {low:g}): raise"
    return [Alarm(
        kind="loss_ratio", iteration=iteration, last=iteration, says=f"{says}{bound} model.semi_train_cfg.unsup_weight.",
        figures={"unsupervised": unsupervised, "supervised": supervised, "ratio": ratio},
    )]  # fmt: skip


def box_count(found: Mapping[str, float], truth: Mapping[str, Truth], *, iteration: int) -> list[Alarm]:
    """Whether there are far fewer or far more pseudo-boxes than labelled groups hold; each class is in the evidence.

    Args:
        found: pseudo-boxes per view of each class, means over a window.
        truth: what the labelled groups hold.
        iteration: now.
    """
    low, high = BOX_RATIO
    total, expected = sum(found.values()), sum(one.boxes for one in truth.values())
    if low * expected <= total <= high * expected:
        return []
    advice = "lower" if total < expected else "raise"
    return [Alarm(
        kind="pseudo_box_count", iteration=iteration, last=iteration,
        says=f"the teacher gives {total:.2f} pseudo-boxes per view, labelled groups hold {expected:.2f}: {advice} "
        f"model.semi_train_cfg.pseudo_label_initial_score_thr.",
        figures={
            "found": total, "truth": expected,
            **{f"found/{name}": figure for name, figure in found.items()},
            **{f"truth/{name}": one.boxes for name, one in truth.items()},
        },
    )]  # fmt: skip


def teacher_worse(*, teacher: float, student: float, iteration: int, settled: int) -> list[Alarm]:
    """Whether a teacher that had time to follow (``settled`` iterations) scores less than its student by more than a margin.

    Args:
        teacher, student: AP over all classes, in [0, 1]; NaN where it is not known.
        iteration, settled: of the validation, and from which on it is judged.
    """
    if iteration < settled or not student - teacher > TEACHER_MARGIN:
        return []
    return [Alarm(
        kind="teacher_worse", iteration=iteration, last=iteration,
        says=f"the teacher's AP of {teacher:.3f} is below the student's of {student:.3f}: raise the mean teacher hook's momentum, "
        f"so that the teacher follows faster.",
        figures={"teacher": teacher, "student": student},
    )]  # fmt: skip


def loss_variance(variation: float | None, *, iteration: int) -> list[Alarm]:
    """Whether the total loss varies by more than the plan's 10 %; ``variation`` as :func:`stability.variation` gives it."""
    if variation is None or variation <= UNSTEADY:
        return []
    return [Alarm(
        kind="loss_variance", iteration=iteration, last=iteration,
        says=f"the loss varies by {variation:.1%}, more than {UNSTEADY:.0%}: take aggressive settings back, or lower "
        f"optim_wrapper.optimizer.lr.",
        figures={"loss_cv": variation},
    )]  # fmt: skip


def loss_flat(losses: Sequence[float], *, iteration: int, iterations: int) -> list[Alarm]:
    """Whether the total loss (one figure per iteration) has not moved for :func:`stability.flat_after` the run's length."""
    patience = stability.flat_after(iterations)
    if len(losses) < patience or not stability.is_flat(losses[-patience:]):
        return []
    return [Alarm(
        kind="loss_flat", iteration=iteration, last=iteration,
        says=f"the loss has been flat for {patience} iterations: stop, or change optim_wrapper.optimizer.lr.",
        figures={"iterations": patience},
    )]  # fmt: skip


def memory_short(peak_mb: float, budget_mb: float, *, iteration: int) -> list[Alarm]:
    """Whether the peak of memory, MiB, comes near the budget: the next larger batch of boxes may not fit."""
    if peak_mb <= SHORT * budget_mb:
        return []
    return [Alarm(
        kind="memory", iteration=iteration, last=iteration,
        says=f"memory peaks at {peak_mb / 1024:.2f} GiB, above {SHORT:.0%} of the budget of {budget_mb / 1024:.2f} GiB: set "
        f"model.detector.backbone.mvvit.with_checkpoint=true, or lower model.detector.backbone.mvvit.num_tokens if it pools.",
        figures={"peak_mb": peak_mb, "budget_mb": budget_mb},
    )]  # fmt: skip


def overall_down(
    scores: Mapping[str, Score], baseline: Mapping[str, Score], *, hard: Iterable[str], floor: float, iteration: int
) -> list[Alarm]:
    """Whether the teacher's overall AP lies below ``floor`` times the baseline's then, where that is not near zero.

    Args:
        scores, baseline: of each class and ``all``.
        hard: the classes in question, which may have risen at the others' cost.
        floor: a share.
        iteration: of the validation.
    """
    now, before = (of[OVERALL].ap for of in (scores, baseline))
    if now is None or before is None or before < NEAR_ZERO or now >= floor * before:
        return []
    aps = {name: (scores[name].ap, baseline[name].ap) for name in hard}
    risen = [name for name, (mine, other) in aps.items() if mine is not None and other is not None and mine > other]
    return [Alarm(
        kind="overall_down", iteration=iteration, last=iteration,
        says=f"the overall AP of {now:.3f} is {1 - now / before:.1%} below the baseline's {before:.3f}, {at_whose_cost(risen)}; "
        f"take {'back in part' if risen else 'back'} what this arm changes.",
        figures={"overall": now, "baseline": before},
    )]  # fmt: skip


def keep(alarms: list[Alarm], found: Iterable[Alarm]) -> list[Alarm]:
    """Add to ``alarms``, in place, what sets in, and note of what is known that it still holds.

    Returns:
        What sets in: the first of each kind and subject.
    """
    known = {(alarm.kind, alarm.subject): alarm for alarm in alarms}
    new = []
    for alarm in found:
        earlier = known.get((alarm.kind, alarm.subject))
        if earlier is None:
            new.append(alarm)
        else:
            earlier.last = alarm.iteration
    alarms.extend(new)
    return new


def up_to(alarms: Iterable[Alarm], iteration: int) -> list[Alarm]:
    """What was known at an iteration that a run continues from."""
    return [a.model_copy(update={"last": min(a.last, iteration)}) for a in alarms if a.iteration <= iteration]

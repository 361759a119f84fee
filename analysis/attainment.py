"""With what certainty each arm meets each target, and the best arm does.

A target "above 5 times the baseline" is met where the arm's AP less 5 times the baseline's is above 0: a weighted sum of arm
means over the mean seed (:mod:`analysis.fits`), so that the baseline's own uncertainty counts five times. The interval of
the ratio holds the multiples for which this sum does not differ from 0 (Fieller's); where the baseline itself might be 0 it has no
upper end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from analysis.contrasts import Matrix
from analysis.fits import LEVEL, Estimate, Fit, fit_arms
from analysis.observations import Arm, Observations, arm_name
from analysis.refusals import Refusal
from analysis.targets import Goal, Target
from experiments.goals import NEAR_ZERO

Verdict = Literal["met", "missed", "underpowered", "undefined"]
_LARGEST_RATIO = 1e4
_CERTAINTY: tuple[Verdict, ...] = ("undefined", "missed", "underpowered", "met")
UNDERPOWERED = (
    "Underpowered: neither met nor missed for certain, since the interval leaves both open, or there is none."
)


@dataclass(frozen=True)
class Ratio:
    """AP of an arm over the baseline's; the bounds are ``None`` without an interval, ``high`` also where it has no end."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Attainment:
    """One target: ``margin`` is by how much the arm's AP lies above its bound, ``probability`` that it does in truth.

    The probability is that of the t distribution around the estimate (no prior knowledge). ``met`` and ``missed`` are said where
    the 95 % interval of the margin lies on one side of 0, else ``underpowered``; ``undefined`` where the baseline is near zero.
    APs are not below 0, so that a greater multiple of the baseline is never surer than a lesser one: it takes over the lesser one's
    probability, and ``missed``, where its own margin alone would allow for more.
    """

    target: str
    label: str
    margin: Estimate | None
    probability: float | None
    verdict: Verdict


@dataclass(frozen=True)
class ArmAttainment:
    """One arm in one class: its mean AP over seeds, the change from the baseline, their ratio, and every target.

    Where arms have different seeds, ``mean`` is that over all of them, what a missing one would add being told by the other arms;
    an AP remains within 0 and 1. ``ratio`` is ``None`` where the baseline is near zero.
    """

    class_name: str
    arm: str
    seeds: int
    mean: Estimate
    change: Estimate
    ratio: Ratio | None
    targets: tuple[Attainment, ...]


@dataclass(frozen=True)
class BestArm:
    """The arm with the highest mean AP in a class, with intervals, probabilities and verdicts widened for having been chosen.

    They are Bonferroni's over the ``candidates`` arms beside the baseline: the chosen one's interval holds the truth at least as
    often as it says. Its estimate still is too high on average. Its probabilities are lower bounds.
    """

    attainment: ArmAttainment
    candidates: int
    note: str


@dataclass(frozen=True)
class ClassAttainment:
    """A class's baseline, its arms in the order of the study, and the best of them."""

    class_name: str
    goal: Goal
    baseline: Estimate
    arms: tuple[ArmAttainment, ...]
    best: BestArm
    notes: tuple[str, ...]


def attainment_of(observations: Observations, goal: Goal) -> ClassAttainment | Refusal:
    """Judge every arm of a class by its goal; refused where nothing can be compared with the baseline."""
    name = observations.class_name
    nothing: Arm = frozenset()
    if nothing not in observations.distinct:
        return Refusal(name, "targets", "the baseline has no completed run with an AP of this class")
    if len(observations.distinct) < 2:
        return Refusal(name, "targets", "no arm beside the baseline has a completed run with an AP of this class")
    linked = observations.linked(nothing)
    arms = linked.distinct
    if len(arms) < 2:
        return Refusal(name, "targets", "no arm shares a seed with the baseline")
    model = fit_arms(linked)
    place = arms.index(nothing)
    units = np.eye(len(arms))
    baseline = _ap(model.estimate(units[place]))
    notes = [
        f"{arm_name(arm, observations.factors)} shares no seed with the baseline, not even by way of other arms."
        for arm in observations.distinct
        if arm not in arms
    ]
    notes += [
        f"{target.label} of the baseline's AP of {name} is {bound:.2f}, above what an AP can be."
        for target in goal.targets
        if not target.floor and (bound := target.bound(baseline.value)) is not None and bound >= 1
    ]
    judged = [
        _of_arm(linked, model, goal, units[number], units[place], arm, LEVEL)
        for number, arm in enumerate(arms)
        if number != place
    ]
    best = _best(linked, model, goal, judged, units, place)
    return ClassAttainment(name, goal, baseline, tuple(judged), best, (*([model.note] if model.note else []), *notes))


def words_on(parts: Sequence[ClassAttainment]) -> list[str]:
    """Sentences on what a table of these shows: ranges, probabilities and verdicts, each only where it occurs."""
    arms = [arm for part in parts for arm in part.arms]
    targets = [target for arm in arms for target in arm.targets]
    verdicts = {target.verdict for target in targets}
    return [
        words
        for words, occurs in (
            (f"Ranges are {100 * LEVEL:.0f} % intervals.", any(arm.change.low is not None for arm in arms)),
            ("P: probability that the target is met.", any(target.probability is not None for target in targets)),
            (UNDERPOWERED, "underpowered" in verdicts),
            (f"Undefined: the baseline's AP is near zero (below {NEAR_ZERO:g}).", "undefined" in verdicts),
        )
        if occurs
    ]


def _of_arm(
    observations: Observations, model: Fit, goal: Goal, unit: Matrix, reference: Matrix, arm: Arm, level: float
) -> ArmAttainment:
    change = _told(model.estimate(unit - reference, level=level))
    mean, baseline = _ap(model.estimate(unit, level=level)), _ap(model.estimate(reference))
    near_zero = baseline.value < NEAR_ZERO
    return ArmAttainment(
        class_name=observations.class_name,
        arm=arm_name(arm, observations.factors),
        seeds=sum(other == arm for other in observations.arms),
        mean=mean,
        change=change,
        ratio=None if near_zero else _ratio(model, unit, reference, mean.value / baseline.value, level),
        targets=_consistent(
            goal, [_attained(model, target, unit, reference, baseline.value, level) for target in goal.targets]
        ),
    )


def _attained(model: Fit, target: Target, unit: Matrix, reference: Matrix, baseline: float, level: float) -> Attainment:
    if target.bound(baseline) is None:
        return Attainment(target.name, target.label, None, None, "undefined")
    if target.absolute is not None:
        margin = _told(model.estimate(unit, level=level, less=target.absolute))
    else:
        margin = _told(model.estimate(unit - target.multiple * reference, level=level))
    return Attainment(target.name, target.label, margin, margin.above, _verdict(margin))


def _told(estimate: Estimate | None) -> Estimate:
    assert estimate is not None  # every arm's mean can be told: all are linked by seeds
    return estimate


def _ap(estimate: Estimate | None) -> Estimate:
    """A mean AP: what other arms tell of a missing seed may place it below 0 or above 1."""
    found = _told(estimate)
    return replace(found, value=min(max(found.value, 0.0), 1.0))


def _consistent(goal: Goal, attained: Sequence[Attainment]) -> tuple[Attainment, ...]:
    """Multiples of one baseline, the lesser first: whoever does not exceed one does not exceed the next (see `Attainment`)."""
    found: list[Attainment] = []
    least: Attainment | None = None
    for target, one in zip(goal.targets, attained, strict=True):
        if target.absolute is None and least is not None and one.verdict != "undefined":
            surer = [p for p in (least.probability, one.probability) if p is not None]
            verdict = min(least.verdict, one.verdict, key=_CERTAINTY.index)
            one = replace(one, probability=min(surer, default=None), verdict=verdict)
        least = one if target.absolute is None else least
        found.append(one)
    return tuple(found)


def _verdict(margin: Estimate) -> Verdict:
    if margin.low is None or margin.high is None:
        return "underpowered"
    if margin.low > 0:
        return "met"
    return "missed" if margin.high < 0 else "underpowered"


def _ratio(model: Fit, unit: Matrix, reference: Matrix, value: float, level: float) -> Ratio:
    """Fieller's interval, the first multiples below and above the ratio that the data exclude; an AP is not below 0."""
    from scipy.optimize import brentq  # type: ignore[import-untyped]

    def surplus(multiple: float) -> float:
        """How far the interval of the sum is from holding 0: positive where the multiple is excluded."""
        found = _told(model.estimate(unit - multiple * reference, level=level))
        assert found.low is not None and found.high is not None
        return max(found.low, -found.high)

    if _told(model.estimate(unit - value * reference, level=level)).low is None:
        return Ratio(value, None, None)
    if value == 0 and surplus(0.0) > 0:  # the estimate lies so far below 0 that its interval does
        return Ratio(0.0, 0.0, 0.0)
    low = float(brentq(surplus, 0.0, value)) if value > 0 and surplus(0.0) > 0 else 0.0
    step = max(value, 0.1)
    while surplus(value + step) <= 0:
        step *= 2
        if step > _LARGEST_RATIO:
            return Ratio(value, low, None)
    return Ratio(value, low, float(brentq(surplus, value, value + step)))


def _best(
    observations: Observations,
    model: Fit,
    goal: Goal,
    judged: Sequence[ArmAttainment],
    units: Matrix,
    place: int,
) -> BestArm:
    names = [arm_name(arm, observations.factors) for arm in observations.distinct]
    best = max(judged, key=lambda arm: round(arm.mean.value, 12))  # of equals the first, whatever rounding errors say
    number, count = names.index(best.arm), len(judged)
    level = 1 - (1 - LEVEL) / count
    arm = observations.distinct[number]
    found = _of_arm(observations, model, goal, units[number], units[place], arm, level)
    found = replace(found, targets=tuple(_widened(attained, count) for attained in found.targets))
    if count == 1:
        return BestArm(found, count, "the only arm that switches a factor: nothing was chosen")
    widened = ", and its intervals are widened for the choice (Bonferroni)" * (found.change.low is not None)
    note = (
        f"chosen as the best of {count} arms by the same scores that are shown here: its estimates are too high on average"
        f"{widened}; a fresh seed or the test split would tell without it"
    )
    return BestArm(found, count, note)


def _widened(attained: Attainment, count: int) -> Attainment:
    """The probability of a target, as a lower bound over the arms that might have been chosen; one of 0 says nothing."""
    if attained.probability is None:
        return attained
    bound = 1 - count * (1 - attained.probability)
    return replace(attained, probability=bound if bound > 0 else None)

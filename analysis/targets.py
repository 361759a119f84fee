"""What the arms are judged by, and the verdict on each target.

Hard classes and multiples come with the data set (:mod:`experiments.goals`). The improvement plan writes its targets as
"> 0.030 (5x)", so a multiple must be exceeded, while the overall floor may be touched. Multiples apply to the measured
baseline, or to the AP before the improvements where the goals name it: the target is then an absolute figure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from experiments.goals import NEAR_ZERO, OVERALL, Goals, beside

BASELINE = "baseline"
OVERALL_NAME = "overall mAP"
"""What the mean over classes is called in sentences."""
_ROUNDING = 1e-9

Verdict = Literal["met", "missed", "undefined"]


@dataclass(frozen=True)
class Target:
    """A bound on AP: to be exceeded, or, where ``floor`` is set, not to be fallen below.

    It is ``multiple`` times the measured baseline's AP, or times ``before`` where that is given.
    """

    name: str
    multiple: float
    floor: bool = False
    before: float | None = None

    @property
    def label(self) -> str:
        sign = "≥ " if self.floor else ""
        return f"{sign}{self.multiple:g}x" if self.before is None else f"{sign}{self.multiple * self.before:.3f}"

    @property
    def absolute(self) -> float | None:
        """The bound where it does not depend on the measured baseline."""
        return None if self.before is None else self.multiple * self.before

    def bound(self, baseline: float) -> float | None:
        """The bound; ``None`` where it is a multiple of a baseline that is near zero."""
        if self.before is None and baseline < NEAR_ZERO:
            return None
        return self.multiple * (baseline if self.before is None else self.before)

    def judge(self, value: float, baseline: float) -> Verdict:
        """The verdict on an AP as measured; undefined where there is no bound. Rounding errors decide nothing."""
        bound = self.bound(baseline)
        if bound is None:
            return "undefined"
        met = value >= bound - _ROUNDING if self.floor else value > bound + _ROUNDING
        return "met" if met else "missed"


@dataclass(frozen=True)
class Goal:
    """The targets of one class (or of ``all``, the mean over classes)."""

    class_name: str
    targets: tuple[Target, ...]

    @property
    def description(self) -> str:
        bounds = " and ".join(f"above {t.label} ({t.name})" for t in self.targets if not t.floor)
        falls = [
            f"not down by more than {100 * (1 - t.multiple):.0f} %"
            if t.absolute is None
            else f"not below {t.absolute:.3f}"
            for t in self.targets
            if t.floor
        ]
        return " and ".join([bounds, *falls] if bounds else falls)


@dataclass(frozen=True)
class Judgement:
    """The verdict on one target; ``target`` is its name and ``label`` its multiple as shown."""

    target: str
    label: str
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """An arm against the baseline in one class, over the seeds that both have.

    ``baseline`` and ``value`` are mean APs over ``seeds``; ``change`` is their difference and ``ratio`` their
    quotient (a quotient of means: a mean of quotients would be ruled by the seed with the weakest baseline).
    ``reason`` says why something is undefined, and is ``None`` where nothing is.
    """

    class_name: str
    seeds: tuple[int, ...]
    baseline: float | None
    value: float | None
    change: float | None
    ratio: float | None
    judgements: tuple[Judgement, ...]
    reason: str | None


def goals_of(goals: Goals) -> tuple[Goal, ...]:
    """A data set's goals, the overall one last."""
    hard = [
        Goal(
            name,
            (
                Target("conservative", aim.conservative, before=aim.before),
                Target("optimistic", aim.optimistic, before=aim.before),
            ),
        )
        for name, aim in goals.hard.items()
    ]
    overall = [Target("overall", goals.overall_floor, floor=True)]
    if goals.overall_least is not None:
        overall.append(Target("least", 1.0, floor=True, before=goals.overall_least))
    return (*hard, Goal(OVERALL, tuple(overall)))


def compare(goal: Goal, *, baseline: Mapping[int, float | None], arm: Mapping[int, float | None]) -> Comparison:
    """Compare an arm's APs with the baseline's, both keyed by seed and paired by it.

    A seed counts where both have an AP: it is ``None`` where the split holds no box of the class.
    """
    name = goal.class_name
    pairs = {
        seed: (before, after)
        for seed in sorted(baseline.keys() & arm.keys())
        if (before := baseline[seed]) is not None and (after := arm[seed]) is not None
    }
    if not pairs:
        reason = _why_unpaired(name, baseline, arm)
        undefined = tuple(Judgement(target.name, target.label, "undefined") for target in goal.targets)
        return Comparison(name, (), None, None, None, None, undefined, reason)
    before = sum(pair[0] for pair in pairs.values()) / len(pairs)
    after = sum(pair[1] for pair in pairs.values()) / len(pairs)
    near_zero = before < NEAR_ZERO
    return Comparison(
        class_name=name,
        seeds=tuple(pairs),
        baseline=before,
        value=after,
        change=after - before if abs(after - before) > _ROUNDING else 0.0,
        ratio=None if near_zero else after / before,
        judgements=tuple(Judgement(t.name, t.label, t.judge(after, before)) for t in goal.targets),
        reason=f"the baseline's {_figure(name)} is near zero ({beside(before, NEAR_ZERO)}, below {NEAR_ZERO:g})"
        if near_zero
        else None,
    )


def _why_unpaired(name: str, baseline: Mapping[int, float | None], arm: Mapping[int, float | None]) -> str:
    if not baseline:
        return f"the study has no completed run of the arm '{BASELINE}'"
    if not baseline.keys() & arm.keys():
        return f"no seed is shared with the arm '{BASELINE}'"
    return f"no shared seed has an {_figure(name)} in both arms"


def _figure(class_name: str) -> str:
    return OVERALL_NAME if class_name == OVERALL else f"AP of {class_name}"

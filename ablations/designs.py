"""Designs: which arms answer which question. Each is a pure function of factor names, registered by name.

Factors outside the chosen ones stay off. Every design holds the baseline first, which reports compare with. What a design
can and cannot estimate is worked out from its arms in :mod:`ablations.estimability`.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from string import ascii_lowercase

from ablations.arms import Arm, arm_with, control_arm
from ablations.factor import Factor
from ablations.factors import unknown
from experiments.errors import UserError

Design = Callable[[Sequence[str]], list[Arm]]


def noise(names: Sequence[str]) -> list[Arm]:
    """How far do two runs differ that differ in nothing but the seed? The baseline alone, for several seeds: 1 arm."""
    return [arm_with(())]


def alone(names: Sequence[str]) -> list[Arm]:
    """What does each factor do by itself? The baseline, then each factor alone: n + 1 arms."""
    return [arm_with(()), *(arm_with((name,)) for name in names)]


def leave_one_out(names: Sequence[str]) -> list[Arm]:
    """What is lost without each factor? The baseline, all of them, all but each: n + 2 arms (2 for n = 1)."""
    return [arm_with(()), arm_with(names), *(arm_with([n for n in names if n != left]) for left in names)]


def factorial(names: Sequence[str]) -> list[Arm]:
    """How do the factors act on each other? Every combination, fewer factors first: 2^n arms."""
    return [arm_with(on) for size in range(len(names) + 1) for on in combinations(names, size)]


def fractional(names: Sequence[str]) -> list[Arm]:
    """The half of the factorial with an even number of factors on, fewer first: 2^(n-1) arms, resolution n.

    The last factor is the product of the others, times (-1)^n so that all-off is an arm; all-on then is one for even n.
    With six factors main effects are aliased with five-way interactions alone, and two-way ones with four-way ones.

    Raises:
        UserError: there are fewer than three factors: the half would mix up main effects.
    """
    if len(names) < 3:
        raise UserError(
            f"The design fractional needs three factors or more, not {len(names)} ({', '.join(names)}): use factorial."
        )
    letters = ascii_lowercase[: len(names) - 1]
    return _fraction(names, [*letters, ("" if len(names) % 2 == 0 else "-") + letters])


def fractional_16(names: Sequence[str]) -> list[Arm]:
    """Sixteen arms, fewer factors first: of six factors the quarter, of five the half; all-off is an arm of both.

    The quarter has E = ABC and F = BCD (A to F in the given order), so I = ABCE = BCDF = ADEF: resolution IV on its own, main
    effects free of two-way interactions, these aliased with each other. All-on is one of its arms.

    A study that began with it goes on to 32 and 64 arms by asking for ``fractional`` and ``factorial`` as well; arms of the
    same name are the same runs. Eight of the sixteen (those with D = F) lie in the half fraction, so both together are 40
    arms. A quarter nested in the half would save those eight, but has resolution III at best (words w and w * ABCDEF of the
    defining relation have six letters between them): main effects would be mixed up with two-way interactions for
    whoever stops at sixteen, and that is the more likely case.

    Raises:
        UserError: there are neither five nor six factors.
    """
    if len(names) == 5:
        return fractional(names)
    if len(names) != 6:
        raise UserError(
            f"The design fractional-16 needs five or six factors, not {len(names)} ({', '.join(names)}): use factorial or "
            f"fractional."
        )
    return _fraction(names, ["a", "b", "c", "d", "abc", "bcd"])


def _fraction(names: Sequence[str], generators: Sequence[str]) -> list[Arm]:
    """The arms that generators in pyDOE3's notation give, in the order of :func:`factorial`."""
    from pyDOE3 import fracfact  # type: ignore[import-untyped]  # brings scipy.stats along, which takes most of a second

    rows = fracfact(" ".join(generators))
    kept = {arm_with([name for name, level in zip(names, row, strict=True) if level > 0]).name for row in rows}
    return [arm for arm in factorial(names) if arm.name in kept]


DESIGNS: dict[str, Design] = {
    "noise": noise,
    "alone": alone,
    "leave-one-out": leave_one_out,
    "factorial": factorial,
    "fractional": fractional,
    "fractional-16": fractional_16,
}


def arms_of(design: str, factors: Sequence[Factor], *, control: bool = False) -> list[Arm]:
    """The arms of a registered design, or of several joined by commas: their union, each arm once, the baseline first.

    Args:
        design: such as ``alone`` or ``alone,leave-one-out``.
        factors: the factors that are switched.
        control: add the control arm (:func:`ablations.arms.control_arm`) at the end.

    Raises:
        UserError: no design has that name, or it cannot be made for this number of factors.
    """
    names = [factor.name for factor in factors]
    arms: dict[str, Arm] = {}
    for part in (part.strip() for part in design.split(",")):
        if part not in DESIGNS:
            raise unknown("design", part, DESIGNS)
        for arm in DESIGNS[part](names):
            arms.setdefault(arm.name, arm)
    return [*arms.values(), *([control_arm()] if control else [])]

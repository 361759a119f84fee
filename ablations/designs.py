"""Designs: which arms answer which question. Each is a pure function of factor names, registered by name.

Factors outside the chosen ones stay off. Every design holds the baseline first, which reports compare with.
"""

from collections.abc import Callable, Sequence
from itertools import combinations

from ablations.arms import Arm, arm_with
from ablations.factors import Factor, unknown

Design = Callable[[Sequence[str]], list[Arm]]


def alone(names: Sequence[str]) -> list[Arm]:
    """What does each factor do by itself? The baseline, then each factor alone: n + 1 arms."""
    return [arm_with(()), *(arm_with((name,)) for name in names)]


def leave_one_out(names: Sequence[str]) -> list[Arm]:
    """What is lost without each factor? The baseline, all of them, all but each: n + 2 arms (2 for n = 1)."""
    return [arm_with(()), arm_with(names), *(arm_with([n for n in names if n != left]) for left in names)]


def factorial(names: Sequence[str]) -> list[Arm]:
    """How do the factors act on each other? Every combination, fewer factors first: 2^n arms."""
    return [arm_with(on) for size in range(len(names) + 1) for on in combinations(names, size)]


DESIGNS: dict[str, Design] = {"alone": alone, "leave-one-out": leave_one_out, "factorial": factorial}


def arms_of(design: str, factors: Sequence[Factor]) -> list[Arm]:
    """The arms of a registered design, each once.

    Raises:
        UserError: no design has that name.
    """
    if design not in DESIGNS:
        raise unknown("design", design, DESIGNS)
    arms = DESIGNS[design]([factor.name for factor in factors])
    return list({arm.name: arm for arm in arms}.values())

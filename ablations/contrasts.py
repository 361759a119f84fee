"""The model matrix of arms, and the contrast of arm means that estimates a factor's effect.

Levels are coded off = -1 and on = +1: one row per arm and one column per effect, the column of an interaction being the product
of its factors' columns. Arms with settings beside the factors' (the control) are left out.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ablations.arms import Arm

Effect = tuple[str, ...]
"""The factors of an effect in their order: one of a main effect, several of an interaction, none of the mean."""
Matrix = npt.NDArray[np.float64]

ROUNDING = 1e-9


def combined(arms: Sequence[Arm]) -> list[Arm]:
    """The arms that are combinations of levels: all but the control."""
    return [arm for arm in arms if not arm.extra]


def levels_of(arms: Sequence[Arm], factors: Sequence[str]) -> Matrix:
    """Levels as -1 and +1: combined arms x factors.

    Raises:
        ValueError: there is no arm, or one has a factor on that is not among ``factors``.
    """
    rows = combined(arms)
    if not rows:
        raise ValueError("There is no arm that is a combination of levels.")
    for arm in rows:
        for name, level in arm.levels.items():
            if level == "on" and name not in factors:
                raise ValueError(f"Arm {arm.name} has {name} on, which is not among the factors {', '.join(factors)}.")
    return np.array([[1.0 if arm.levels[name] == "on" else -1.0 for name in factors] for arm in rows])


def effects_up_to(order: int, factors: Sequence[str]) -> list[Effect]:
    """The mean, then all effects of 1 to ``order`` factors, the lower first."""
    return [effect for size in range(order + 1) for effect in combinations(factors, size)]


def column(levels: Matrix, factors: Sequence[str], effect: Effect) -> Matrix:
    """The column of an effect, one -1 or +1 per arm."""
    return np.prod(levels[:, [list(factors).index(name) for name in effect]], axis=1)


def contrast(arms: Sequence[Arm], factors: Sequence[str], factor: str) -> dict[str, float] | None:
    """The weights of arms, by name, with which a factor's effect (AP with it on minus off) is a weighted sum of arm means.

    Where the main effect can be told from two-way interactions, it is the least-squares estimate in the model of both: in a
    factorial or a fraction, the half with the factor on minus the other half. Elsewhere it is the mean over the pairs of arms
    that differ in this factor alone, as in ``alone`` and ``leave-one-out``; where there are none, the least-squares estimate
    in the model of main effects. ``None`` where the factor has no effect to estimate. Weights of 0 are left out.

    Raises:
        ValueError: as :func:`levels_of`.
    """
    levels = levels_of(arms, factors)
    place = list(factors).index(factor)
    for weights in (_fitted(levels, factors, place, 2), _paired(levels, place), _fitted(levels, factors, place, 1)):
        if weights is not None:
            return {arm.name: w for arm, w in zip(combined(arms), weights, strict=True) if abs(w) > ROUNDING}
    return None


def _fitted(levels: Matrix, factors: Sequence[str], place: int, order: int) -> list[float] | None:
    """Weights of the arms in the least-squares effect of a factor, with effects of up to ``order`` factors in the model."""
    matrix = np.column_stack([column(levels, factors, effect) for effect in effects_up_to(order, factors)])
    inverse = np.linalg.pinv(matrix)
    if (inverse @ matrix)[place + 1, place + 1] < 1 - ROUNDING:  # column 0 is the mean's
        return None
    return [2 * float(weight) for weight in inverse[place + 1]]  # on minus off: from -1 to +1


def _paired(levels: Matrix, place: int) -> list[float] | None:
    """Weights of the arms in the mean over the pairs that differ in one factor alone."""
    rows = {tuple(row): number for number, row in enumerate(levels)}
    partners = {number: (*row[:place], -1.0, *row[place + 1 :]) for row, number in rows.items() if row[place] > 0}
    pairs = [(number, rows[partner]) for number, partner in partners.items() if partner in rows]
    weights = [0.0] * len(levels)
    for on, off in pairs:
        weights[on] += 1 / len(pairs)
        weights[off] -= 1 / len(pairs)
    return weights if pairs else None

"""The algebra of two-level designs: columns of effects, which of them a matrix can tell, which are alike, weights of arms.

Levels are coded off = -1 and on = +1: one row per arm and one column per effect, the column of an interaction being the product
of its factors' columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

Effect = tuple[str, ...]
"""The factors of an effect in their order: one of a main effect, several of an interaction, none of the mean."""
Matrix = npt.NDArray[np.float64]
Basis = Literal["two-way", "pairs", "main-effects"]

ROUNDING = 1e-9


@dataclass(frozen=True)
class ArmWeights:
    """A factor's effect (AP with it on minus off) as a weighted sum of arm means, one weight per row of the levels.

    ``basis``: ``two-way`` is the least-squares estimate in the model of main effects and two-way interactions, ``pairs`` the
    mean over the pairs of arms that differ in this factor alone, ``main-effects`` the estimate if there are no interactions.
    """

    weights: Matrix
    basis: Basis


def effects_up_to(order: int, factors: Sequence[str]) -> list[Effect]:
    """The mean, then all effects of 1 to ``order`` factors, the lower first."""
    return [effect for size in range(order + 1) for effect in combinations(factors, size)]


def column(levels: Matrix, factors: Sequence[str], effect: Effect) -> Matrix:
    """The column of an effect, one -1 or +1 per row of ``levels``."""
    return np.prod(levels[:, [list(factors).index(name) for name in effect]], axis=1)


def text_of(effect: Effect) -> str:
    """An effect as written: ``focal`` or ``focal:anchors``."""
    return ":".join(effect)


def estimable(matrix: Matrix) -> npt.NDArray[np.bool_]:
    """Which coefficients of a linear model can be told: those whose unit vector lies in the row space of its matrix."""
    return np.diag(np.linalg.pinv(matrix) @ matrix) > 1 - ROUNDING


def alike(columns: Mapping[Effect, Matrix]) -> list[list[tuple[Effect, int]]]:
    """Effects grouped by columns that are identical (+1) or opposite (-1) to the first of their group, in the given order."""
    groups: dict[bytes, list[tuple[Effect, float]]] = {}
    for effect, signs in columns.items():
        # The first row's sign is taken out, so that opposite columns meet.
        groups.setdefault((signs * signs[0]).tobytes(), []).append((effect, float(signs[0])))
    return [[(effect, round(sign * group[0][1])) for effect, sign in group] for group in groups.values()]


def arm_weights(levels: Matrix, factors: Sequence[str], factor: str) -> ArmWeights | None:
    """The weights of arms in a factor's effect; ``None`` where the arms hold no such effect.

    Where the main effect can be told from two-way interactions, it is the least-squares estimate in the model of both: in a
    factorial or a fraction, the half with the factor on minus the other half. Elsewhere it is the mean over the pairs of arms
    that differ in this factor alone, as in ``alone`` and ``leave-one-out``; where there are none, the least-squares estimate
    in the model of main effects.
    """
    place = list(factors).index(factor)
    found: tuple[tuple[Basis, Matrix | None], ...] = (
        ("two-way", _fitted(levels, factors, place, 2)),
        ("pairs", paired(levels, place)),
        ("main-effects", _fitted(levels, factors, place, 1)),
    )
    return next((ArmWeights(weights, basis) for basis, weights in found if weights is not None), None)


def paired(levels: Matrix, place: int) -> Matrix | None:
    """Weights of the arms in the mean over the pairs that differ in the factor at ``place`` alone; ``None`` without pairs."""
    rows = {tuple(row): number for number, row in enumerate(levels)}
    partners = {number: (*row[:place], -1.0, *row[place + 1 :]) for row, number in rows.items() if row[place] > 0}
    pairs = [(number, rows[partner]) for number, partner in partners.items() if partner in rows]
    weights = np.zeros(len(levels))
    for on, off in pairs:
        weights[on] += 1 / len(pairs)
        weights[off] -= 1 / len(pairs)
    return weights if pairs else None


def _fitted(levels: Matrix, factors: Sequence[str], place: int, order: int) -> Matrix | None:
    """Weights of the arms in the least-squares effect of a factor, with effects of up to ``order`` factors in the model."""
    matrix = np.column_stack([column(levels, factors, effect) for effect in effects_up_to(order, factors)])
    if not estimable(matrix)[place + 1]:  # column 0 is the mean's
        return None
    weights: Matrix = 2 * np.linalg.pinv(matrix)[place + 1]  # on minus off: from -1 to +1
    return weights

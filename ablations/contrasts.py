"""The model matrix of arms, and the contrast of arm means that estimates a factor's effect.

The algebra stands in :mod:`analysis.contrasts`. Arms with settings beside the factors' (the control) are left out.
"""

from collections.abc import Sequence

import numpy as np

from ablations.arms import Arm
from analysis.contrasts import ROUNDING, Matrix, arm_weights


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
    return np.array([[1.0 if arm.levels.get(name) == "on" else -1.0 for name in factors] for arm in rows])


def contrast(arms: Sequence[Arm], factors: Sequence[str], factor: str) -> dict[str, float] | None:
    """The weights of arms, by name, with which a factor's effect (AP with it on minus off) is a weighted sum of arm means.

    They are those of :func:`analysis.contrasts.arm_weights`, weights of 0 left out; ``None`` where the factor has no effect to
    estimate.

    Raises:
        ValueError: as :func:`levels_of`.
    """
    found = arm_weights(levels_of(arms, factors), factors, factor)
    if found is None:
        return None
    return {
        arm.name: float(weight)
        for arm, weight in zip(combined(arms), found.weights, strict=True)
        if abs(weight) > ROUNDING
    }

"""Intervals by drawing seeds with replacement: they ask how a figure would vary over other seeds and labelled splits.

They need no common variance and let effects differ from seed to seed, but percentiles of few seeds are too narrow: of 95 % ones
50 % hold the truth with two seeds, 75 % with three, 87 % with eight (:mod:`analysis.benchmarks.coverage`). Hence `FEWEST_BLOCKS`; t
intervals are the ones to rely on, and the ones that verdicts go by. What records hold is the AP of a whole validation set, so that
specimens cannot be drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.observations import Arm, Observations

FEWEST_BLOCKS = 6
"""Seeds from which a percentile interval is given."""


@dataclass(frozen=True)
class Range:
    """A percentile interval."""

    low: float
    high: float


def over_blocks(
    observations: Observations,
    weights: Sequence[dict[Arm, float]],
    *,
    generator: np.random.Generator,
    draws: int = 2000,
    level: float = 0.95,
    fewest: int = FEWEST_BLOCKS,
) -> list[Range] | None:
    """Intervals of weighted sums of arm means; ``None`` with fewer blocks than ``fewest`` that have all arms.

    Args:
        observations: the runs.
        weights: of arms, one dictionary per figure.
        generator: draws whole blocks, the same ones for every figure.
        draws: how often.
        level: of the intervals.
        fewest: blocks that are asked for, 2 or more.
    """
    needed = {arm for figure in weights for arm in figure}
    values: dict[str, dict[Arm, float]] = {}
    for arm, block, value in zip(observations.arms, observations.blocks, observations.values, strict=True):
        values.setdefault(block, {})[arm] = float(value)
    whole = [found for found in values.values() if needed <= found.keys()]
    if len(whole) < max(2, fewest):
        return None
    by_block = np.array([[sum(w * found[arm] for arm, w in figure.items()) for figure in weights] for found in whole])
    drawn = generator.integers(len(whole), size=(draws, len(whole)))
    bounds = np.quantile(by_block[drawn].mean(axis=1), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return [Range(float(low), float(high)) for low, high in bounds.T]

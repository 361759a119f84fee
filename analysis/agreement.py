"""Do seeds agree? Each seed's own estimate of an effect, their spread, and a test of it."""

from collections.abc import Sequence

import numpy as np

from analysis.contrasts import Matrix
from analysis.fits import Estimate, rounded
from analysis.observations import Observations


def by_seed(observations: Observations, weights: Matrix) -> dict[str, float]:
    """The contrast in each block that has every arm in it, each arm weighted as over all runs."""
    by_arm: dict[frozenset[str], float] = {}
    for arm, weight in zip(observations.arms, weights, strict=True):
        by_arm[arm] = by_arm.get(arm, 0.0) + float(weight)
    needed = {arm for arm, weight in by_arm.items() if abs(weight) > 1e-9}
    values: dict[str, dict[frozenset[str], float]] = {block: {} for block in observations.replicates}
    for arm, block, value in zip(observations.arms, observations.blocks, observations.values, strict=True):
        values[block][arm] = float(value)
    return {
        block: rounded(sum(by_arm[arm] * found[arm] for arm in needed))
        for block, found in values.items()
        if needed <= found.keys()
    }


def disagreement(estimate: Estimate, values: Sequence[float]) -> float | None:
    """F test of the spread between the seeds' figures against the one that the model expects of them.

    The model's variance holds that spread as well, so that few degrees of freedom make the test a careful one.
    """
    from scipy.special import fdtrc  # type: ignore[import-untyped]

    if estimate.error is None or estimate.degrees is None or len(values) < 2:
        return None
    ratio = float(np.var(values, ddof=1)) / (estimate.error**2 * len(values))
    return float(fdtrc(len(values) - 1, estimate.degrees, ratio))

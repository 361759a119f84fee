"""Shapley values: a fair division among the factors of what all of them together gain over the baseline.

A factor's value is its gain on joining, averaged over all orders in which the factors may join. It is a weighted sum of the
APs of all 2^n arms (Shapley 1953); the values add up to all-on minus all-off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import Literal

import numpy as np

from analysis.bootstrap import Range, over_blocks
from analysis.contrasts import effects_up_to
from analysis.fits import Estimate, arm_target, fit_arms, fit_effects
from analysis.observations import Arm, Observations
from analysis.refusals import Refusal

Method = Literal["exact", "two-way model"]


@dataclass(frozen=True)
class ShapleyValue:
    """One factor's value, in units of AP.

    ``resampled`` is the percentile interval over seeds drawn with replacement; ``None`` with few seeds
    (:mod:`analysis.bootstrap`) or where seeds lack arms. ``share`` is the part of the total gain; ``None`` where the interval of
    the total holds 0, or it has none.
    """

    factor: str
    estimate: Estimate
    resampled: Range | None
    share: float | None


@dataclass(frozen=True)
class Shapley:
    """The values of one class; ``total`` is all-on minus all-off, which they add up to.

    ``method``: ``exact`` is from all 2^n arms. ``two-way model`` is from a fraction, if there are no interactions of three factors
    and more: a factor's gain alone, and half of each of its interactions.
    """

    class_name: str
    method: Method
    values: tuple[ShapleyValue, ...]
    total: Estimate
    note: str | None


def shapley_weights(factors: Sequence[str], factor: str) -> dict[Arm, float]:
    """The weights of the 2^n arms in a factor's value: |S|! (n - |S| - 1)! / n! for joining those of S that are on."""
    others = [name for name in factors if name != factor]
    count = len(factors)
    weights: dict[Arm, float] = {}
    for size in range(count):
        weight = factorial(size) * factorial(count - size - 1) / factorial(count)
        for on in combinations(others, size):
            weights[frozenset(on)] = -weight
            weights[frozenset((*on, factor))] = weight
    return weights


def shapley_of(observations: Observations, *, generator: np.random.Generator, draws: int = 2000) -> Shapley | Refusal:
    """The values of one class, or why they cannot be told.

    Args:
        observations: of the class.
        generator: draws the seeds of ``resampled``.
        draws: how often.
    """
    name, factors = observations.class_name, observations.factors
    if not factors or not observations.arms:
        reason = "the study switches no factor" if not factors else "no completed run has an AP of this class"
        return Refusal(name, "Shapley values", reason)
    missing = 2 ** len(factors) - len(observations.distinct)
    if missing:
        found = _from_model(observations)
        return found if found is not None else Refusal(name, "Shapley values", _why_not(observations, missing))
    model = fit_arms(observations)
    weights = {factor: shapley_weights(factors, factor) for factor in factors}
    estimates = {}
    for factor in factors:
        target = arm_target(observations, weights[factor])
        assert target is not None
        estimate = model.estimate(target)
        if estimate is None:
            return Refusal(name, "Shapley values", "no seed links all arms: they cannot be compared within seeds")
        estimates[factor] = estimate
    target = arm_target(observations, {frozenset(factors): 1.0, frozenset(): -1.0})
    total = model.estimate(target) if target is not None else None
    assert total is not None
    ranges = over_blocks(observations, list(weights.values()), generator=generator, draws=draws)
    values = tuple(
        ShapleyValue(factor, estimates[factor], ranges[n] if ranges else None, _share(estimates[factor], total))
        for n, factor in enumerate(factors)
    )
    return Shapley(name, "exact", values, total, model.note)


def _from_model(observations: Observations) -> Shapley | None:
    """Values of the two-way model; ``None`` where the arms do not tell them all.

    In this model the value is the main effect of the -1/+1 coding: the gain alone and half of each interaction.
    """
    factors = observations.factors
    effects = effects_up_to(2, factors)
    model = fit_effects(observations, effects)
    units = 2 * np.eye(len(effects))
    estimates = [model.estimate(units[place]) for place in range(1, len(factors) + 1)]
    total = model.estimate(units[1 : len(factors) + 1].sum(axis=0))
    if total is None or any(estimate is None for estimate in estimates):
        return None
    values = tuple(
        ShapleyValue(factor, estimate, None, _share(estimate, total))
        for factor, estimate in zip(factors, estimates, strict=True)
        if estimate is not None
    )
    note = "from the fitted model of main effects and two-way interactions, if there are none of three factors and more"
    return Shapley(observations.class_name, "two-way model", values, total, note)


def _why_not(observations: Observations, missing: int) -> str:
    number = 2 ** len(observations.factors)
    told = f"{missing} of the {number} combinations of {len(observations.factors)} factors have no completed run"
    return f"{told}, and the others do not tell all main effects from two-way interactions: train the design factorial"


def _share(estimate: Estimate, total: Estimate) -> float | None:
    if total.low is None or total.high is None or total.low <= 0 <= total.high:
        return None
    return estimate.value / total.value

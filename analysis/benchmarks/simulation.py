"""Simulated studies with planted truths: what effects, Shapley values, synergy and targets are checked against."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Literal

import numpy as np

from analysis.contrasts import Matrix, column
from analysis.observations import Arm, Observations, from_scores
from analysis.shapley import shapley_weights

FACTORS = ("focal", "anchors", "pseudo_labels", "augmentation", "fusion", "pooling")
Noise = Literal["normal", "heavy"]


@dataclass(frozen=True)
class Scenario:
    """How studies are simulated. Figures are in AP.

    Attributes:
        design: ``factorial``, ``half``, ``quarter`` or ``alone`` (with leave-one-out).
        factors: how many, the first ones of `FACTORS`.
        seeds: replicates of each arm.
        gains: of each factor alone.
        joint: gain of the first two factors together beyond their gains alone.
        baseline: AP of the baseline.
        spread: standard deviation from run to run.
        between: the same between seeds, of what a seed does to all arms alike.
        varying: standard deviation of a factor's effect from seed to seed; 0 is what intervals assume.
        growing: power of the AP, over the baseline's, with which ``spread`` grows; 0 is what intervals assume.
        noise: ``heavy`` is Student's t with 3 degrees of freedom, scaled to ``spread``.
        missing: share of runs that are not there.
    """

    name: str
    design: Literal["factorial", "half", "quarter", "alone"]
    factors: int = 6
    seeds: int = 2
    gains: tuple[float, ...] = (0.0,) * 6
    joint: float = 0.0
    baseline: float = 0.1
    spread: float = 0.012
    between: float = 0.012
    varying: float = 0.0
    growing: float = 0.0
    noise: Noise = "normal"
    missing: float = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """The factors' names."""
        return FACTORS[: self.factors]

    def truth(self, arm: Arm) -> float:
        """The true AP of an arm over all seeds."""
        gains = sum(gain for name, gain in zip(FACTORS, self.gains, strict=True) if name in arm)
        return self.baseline + gains + (self.joint if set(FACTORS[:2]) <= arm else 0.0)


_GAINS = (0.03, 0.02, 0.0, 0.01, -0.01, 0.0)
SCENARIOS: tuple[Scenario, ...] = (
    Scenario("additive, 16 arms x 2 seeds", "quarter", gains=_GAINS),
    Scenario("additive, 14 arms x 3 seeds", "alone", seeds=3, gains=_GAINS),
    Scenario("interaction, 64 arms x 2 seeds", "factorial", gains=_GAINS, joint=0.04),
    Scenario("interaction, 32 arms x 2 seeds", "half", gains=_GAINS, joint=0.04),
    Scenario("interaction, 8 arms x 8 seeds", "factorial", factors=3, seeds=8, gains=_GAINS, joint=0.04),
    Scenario("null, 16 arms x 2 seeds", "quarter"),
    Scenario("null, 8 arms x 3 seeds", "factorial", factors=3, seeds=3),
    Scenario(
        "heavy noise, 8 arms x 3 seeds", "factorial", factors=3, seeds=3, gains=_GAINS, noise="heavy", spread=0.03
    ),
    Scenario("heavy noise, 16 arms x 2 seeds", "quarter", gains=_GAINS, noise="heavy", spread=0.03),
    Scenario(
        "a fifth missing, 16 arms x 3 seeds", "factorial", factors=4, seeds=3, gains=_GAINS, joint=0.04, missing=0.2
    ),
    Scenario("2 arms x 2 seeds", "factorial", factors=1, gains=_GAINS),
    Scenario("2 arms x 3 seeds", "factorial", factors=1, seeds=3, gains=_GAINS),
)
BEYOND: tuple[Scenario, ...] = (
    Scenario("effects vary by seed, 8 arms x 2 seeds", "factorial", 3, 2, _GAINS, varying=0.012),
    Scenario("effects vary by seed, 8 arms x 8 seeds", "factorial", 3, 8, _GAINS, varying=0.012),
    Scenario("spread grows with AP, 16 arms x 2 seeds", "quarter", gains=tuple(10 * g for g in _GAINS), growing=1.0),
    Scenario("spread grows with AP, 2 arms x 3 seeds", "factorial", 1, 3, tuple(10 * g for g in _GAINS), growing=1.0),
)
"""Beyond what t intervals assume: shown for what they then are worth."""


def arms_of(scenario: Scenario) -> list[Arm]:
    """The arms of a scenario's design."""
    names = scenario.names
    arms = _all_arms(names)
    if scenario.design == "alone":
        return [arm for arm in arms if len(arm) <= 1 or len(arm) >= len(names) - 1]
    if scenario.design == "half":
        return [arm for arm in arms if len(arm) % 2 == 0]
    return [arm for arm in arms if scenario.design == "factorial" or _in_quarter(arm)]


def simulate(scenario: Scenario, generator: np.random.Generator, class_name: str = "Severe_Rust") -> Observations:
    """One study's scores of a class. They are not cut off at 0 and 1: the truth would shift."""
    arms, seeds = arms_of(scenario), scenario.seeds
    shared = generator.normal(0, scenario.between, seeds)
    own = generator.normal(0, 1, (seeds, len(FACTORS))) * scenario.varying
    noise = (
        generator.standard_t(3, (len(arms), seeds)) / 3**0.5
        if scenario.noise == "heavy"
        else generator.normal(0, 1, (len(arms), seeds))
    )
    there = generator.random((len(arms), seeds)) >= scenario.missing
    scores: dict[tuple[Arm, str], float | None] = {}
    for number, arm in enumerate(arms):
        on = np.array([name in arm for name in FACTORS])
        for seed in range(seeds):
            spread = scenario.spread * (scenario.truth(arm) / scenario.baseline) ** scenario.growing
            ap = scenario.truth(arm) + shared[seed] + own[seed] @ on + spread * noise[number, seed]
            scores[(arm, str(seed))] = float(ap) if there[number, seed] else None
    return from_scores(class_name, scenario.names, scores)


@cache
def true_effect(scenario: Scenario, effect: tuple[str, ...]) -> float:
    """A main effect, or a difference of differences, over all combinations of the factors."""
    arms = _all_arms(scenario.names)
    signs = column(_levels(arms, scenario.names), scenario.names, effect)
    return float(signs @ _truths(scenario, arms)) / len(arms) * 2 ** len(effect)


@cache
def true_shapley(scenario: Scenario, factor: str) -> float:
    """A factor's Shapley value."""
    return sum(weight * scenario.truth(arm) for arm, weight in shapley_weights(scenario.names, factor).items())


def true_synergy(scenario: Scenario) -> float:
    """The gain of all factors, less the sum of their gains alone."""
    return scenario.joint if scenario.factors >= 2 else 0.0


def _all_arms(names: Sequence[str]) -> list[Arm]:
    return [frozenset(on) for size in range(len(names) + 1) for on in combinations(names, size)]


def _levels(arms: Sequence[Arm], names: Sequence[str]) -> Matrix:
    return np.array([[1.0 if name in arm else -1.0 for name in names] for arm in arms])


def _truths(scenario: Scenario, arms: Sequence[Arm]) -> Matrix:
    return np.array([scenario.truth(arm) for arm in arms])


def _in_quarter(arm: Arm) -> bool:
    """The design ``fractional-16``: the fifth factor is the product of the first three, the sixth of the second to fourth."""
    a, b, c, d, e, f = (1 if name in arm else -1 for name in FACTORS)
    return e == a * b * c and f == b * c * d

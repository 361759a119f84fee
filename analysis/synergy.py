"""Is the whole more than its parts? The total gain, less the sum of what each factor gains alone."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.contrasts import Effect, Matrix, effects_up_to
from analysis.fits import Estimate, Fit, arm_target, fit_arms, fit_effects
from analysis.numerals import signed
from analysis.observations import Arm, Observations
from analysis.refusals import Refusal

Verdict = Literal["synergy", "none shown", "antagonism", "no interval"]


@dataclass(frozen=True)
class Synergy:
    """The synergy of one class, in units of AP, and what it is made of.

    Attributes:
        method: ``measured`` on baseline, each factor alone and all together; ``two-way model`` where one of these arms has no run:
            fitted, if there are no interactions of three factors and more.
        alone: each factor's gain over the baseline with the others off.
        summed: the sum of these gains.
        total: all factors' gain together.
        synergy: ``total`` less ``summed``; an interval that lies above 0 is a synergy, one below 0 an antagonism.
    """

    class_name: str
    method: Literal["measured", "two-way model"]
    alone: dict[str, Estimate]
    summed: Estimate
    total: Estimate
    synergy: Estimate
    verdict: Verdict
    note: str | None

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        figure = signed(self.synergy.value)
        if self.synergy.low is None or self.synergy.high is None:
            return f"{self.class_name}: whether there is synergy cannot be told ({figure}; {self.synergy.reason})."
        words = {
            "synergy": "together they gain more than the sum of their gains alone",
            "antagonism": "together they gain less than the sum of their gains alone",
        }.get(self.verdict, "no synergy is shown, nor is it ruled out within the interval")
        return f"{self.class_name}: {words} ({figure}, 95 % interval {signed(self.synergy.low)} to {signed(self.synergy.high)})."


def synergy_of(observations: Observations) -> Synergy | Refusal:
    """The synergy of one class, or why it cannot be told."""
    name, factors = observations.class_name, observations.factors
    if len(factors) < 2:
        return Refusal(name, "synergy", f"it takes two factors, and the study switches {len(factors)}")
    if not observations.arms:
        return Refusal(name, "synergy", "no completed run has an AP of this class")
    everything, nothing = frozenset(factors), frozenset[str]()
    needed = [nothing, *(frozenset((factor,)) for factor in factors), everything]
    missing = [arm for arm in needed if arm not in observations.distinct]
    if not missing:
        found = _made(observations, fit_arms(observations), "measured", _measured(observations))
        return found or Refusal(name, "synergy", "no seed links its arms: they cannot be compared within seeds")
    effects = effects_up_to(2, factors)
    found = _made(observations, fit_effects(observations, effects), "two-way model", _modelled(effects, factors))
    return found or Refusal(name, "synergy", _why_not(missing, factors))


def _measured(observations: Observations) -> dict[str, Matrix]:
    factors = observations.factors
    nothing: Arm = frozenset()
    found = {}
    for factor in factors:
        found[factor] = _target(observations, {frozenset((factor,)): 1.0, nothing: -1.0})
    found["total"] = _target(observations, {frozenset(factors): 1.0, nothing: -1.0})
    return found


def _modelled(effects: list[Effect], factors: tuple[str, ...]) -> dict[str, Matrix]:
    """Gains in the coefficients of the -1/+1 coding: the AP of an arm is the sum of coefficients times its signs."""

    def signs(on: set[str]) -> Matrix:
        return np.array([float(np.prod([1.0 if name in on else -1.0 for name in effect])) for effect in effects])

    found = {factor: signs({factor}) - signs(set()) for factor in factors}
    return found | {"total": signs(set(factors)) - signs(set())}


def _made(
    observations: Observations, model: Fit, method: Literal["measured", "two-way model"], targets: dict[str, Matrix]
) -> Synergy | None:
    factors = observations.factors
    sum_of_gains = np.sum([targets[factor] for factor in factors], axis=0)
    synergy = model.estimate(targets["total"] - sum_of_gains)
    total, summed = model.estimate(targets["total"]), model.estimate(sum_of_gains)
    alone = {factor: found for factor in factors if (found := model.estimate(targets[factor])) is not None}
    if synergy is None or total is None or summed is None:
        return None
    note = model.note
    if method == "two-way model":
        note = "fitted, not measured: if there are no interactions of three factors and more"
    return Synergy(observations.class_name, method, alone, summed, total, synergy, verdict_on(synergy), note)


def verdict_on(synergy: Estimate) -> Verdict:
    """The verdict by the interval."""
    if synergy.low is None or synergy.high is None:
        return "no interval"
    if synergy.low > 0:
        return "synergy"
    return "antagonism" if synergy.high < 0 else "none shown"


def _target(observations: Observations, weights: dict[Arm, float]) -> Matrix:
    target = arm_target(observations, weights)
    assert target is not None  # the arms are there
    return target


def _why_not(missing: list[Arm], factors: tuple[str, ...]) -> str:
    names = [
        "baseline" if not arm else "all together" if len(arm) == len(factors) else "+".join(arm) for arm in missing
    ]
    return (
        f"it needs the baseline, each factor alone and all together; without a completed run: {', '.join(names)}; and the arms "
        f"that there are do not tell two-way interactions apart"
    )

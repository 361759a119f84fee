"""What each factor does, and what pairs of factors do to each other: estimates, their aliases, and what cannot be told.

A main effect is the mean change of AP from off to on. An interaction is by how much the effect of one factor changes when the
other is switched on (a difference of differences; textbooks that halve it have half the figure). Both are in units of AP.
:mod:`analysis.contrasts` says from which arms a main effect is estimated.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from analysis.agreement import by_seed, disagreement
from analysis.aliases import Alias, aliases_of
from analysis.contrasts import (
    Basis,
    Effect,
    Matrix,
    alike,
    column,
    effects_up_to,
    estimable,
    paired,
    text_of,
)
from analysis.corrections import Method, corrected
from analysis.fits import LEVEL, Estimate, Fit, fit_arms, fit_effects, over_seeds
from analysis.observations import Observations
from analysis.refusals import Refusal


@dataclass(frozen=True)
class FactorEffect:
    """One estimate, of a main effect (``focal``) or an interaction (``focal:anchors``).

    Attributes:
        family: the tests that are corrected together: ``hard`` classes, the question asked, or the ``other`` ones.
        basis: how it is estimated (:class:`analysis.contrasts.ArmWeights`).
        meaning: the same in words: with which settings of the other factors.
        aliases: effects that cannot be told from it, or that bias it if they are not nil, larger coefficients first within
            an order; ``more`` counts those of four factors and more, which are not listed.
        by_seed: the estimate of each seed alone, where it has all arms: they should agree.
        over_seeds: the mean of these with the interval of their own spread: it holds where effects differ from seed to seed.
        disagreement: p-value of the seeds having the same effect, not corrected.
        adjusted: p-value corrected for the family's other tests: Holm's for main effects, Benjamini and Hochberg's
            (false discovery rate) for interactions.
        verdict: by ``adjusted`` at 1 - `LEVEL`.
    """

    class_name: str
    effect: str
    family: Literal["hard", "other"]
    basis: Basis
    meaning: str
    estimate: Estimate
    aliases: tuple[Alias, ...]
    more: int
    by_seed: dict[str, float]
    over_seeds: Estimate | None = None
    disagreement: float | None = None
    adjusted: float | None = None
    verdict: Literal["up", "down", "none shown", "no interval"] = "no interval"

    @property
    def order(self) -> int:
        """1 of a main effect, 2 of an interaction."""
        return self.effect.count(":") + 1


@dataclass(frozen=True)
class Effects:
    """Main effects and interactions of every class, and what is refused."""

    main: tuple[FactorEffect, ...]
    interactions: tuple[FactorEffect, ...]
    refusals: tuple[Refusal, ...]


def effects_of(classes: Sequence[Observations], *, hard: Sequence[str]) -> Effects:
    """The effects of every class, corrected for the number of tests.

    Main effects of the ``hard`` classes are one family (factors x classes), as the study's plan reckons; those of the other classes
    and of the mean over classes are another. Interactions likewise.
    """
    main: list[FactorEffect] = []
    interactions: list[FactorEffect] = []
    refusals: list[Refusal] = []
    for observations in classes:
        family: Literal["hard", "other"] = "hard" if observations.class_name in hard else "other"
        found, refused = _of_class(observations, family)
        main += [effect for effect in found if effect.order == 1]
        interactions += [effect for effect in found if effect.order == 2]
        refusals += refused
    return Effects(_judged(main, "holm"), _judged(interactions, "benjamini-hochberg"), tuple(refusals))


def meanings_of(effects: Iterable[FactorEffect]) -> list[str]:
    """Sentences on what main effects mean, where it is not the mean over the other factors' settings."""
    found: dict[str, list[str]] = {}
    for effect in effects:
        if effect.order == 1 and effect.basis != "two-way":
            found.setdefault(effect.meaning, []).append(effect.effect)
    return [f"Effect of {', '.join(dict.fromkeys(names))}: {meaning}." for meaning, names in found.items()]


def _of_class(observations: Observations, family: Literal["hard", "other"]) -> tuple[list[FactorEffect], list[Refusal]]:
    name, factors = observations.class_name, observations.factors
    reason = _why_nothing(observations)
    if reason is not None:
        return [], [Refusal(name, "effects", reason)]
    found: list[FactorEffect] = []
    refused: list[Refusal] = []
    arms = observations.distinct
    levels = observations.levels(arms)
    groups = [
        group
        for group in alike({effect: column(levels, factors, effect) for effect in effects_up_to(2, factors)})
        if group[0][0]  # those alike the mean cannot be told
    ]
    every = effects_up_to(len(factors), factors)
    by_run = observations.levels(observations.arms)
    columns = {effect: column(by_run, factors, effect) for effect in every}
    model = fit_effects(observations, [(), *(group[0][0] for group in groups)])
    told = estimable(model.whole)
    leaders = {group[0][0]: place for place, group in enumerate(groups, start=1)}
    for factor in factors:
        place = leaders.get((factor,))
        chosen = _main_of(observations, factor, model, place if place is not None and told[place] else None)
        if isinstance(chosen, str):
            refused.append(Refusal(name, factor, chosen))
        else:
            found.append(_described(observations, columns, (factor,), family, *chosen))
    for effect in effects_up_to(2, factors)[1 + len(factors) :]:
        place = leaders.get(effect)
        if place is not None and told[place]:
            target = 4 * np.eye(len(groups) + 1)[place]
            found.append(_described(observations, columns, effect, family, model, target, "two-way"))
        else:
            refused.append(_no_interaction(name, effect, groups))
    return found, refused


def _why_nothing(observations: Observations) -> str | None:
    if not observations.factors:
        return "the study switches no factor"
    if not observations.arms:
        return "no completed run has an AP of this class"
    return "only one arm has a completed run: there is nothing to compare" if len(observations.distinct) < 2 else None


def _main_of(observations: Observations, factor: str, model: Fit, place: int | None) -> tuple[Fit, Matrix, Basis] | str:
    """The fit and the combination of its coefficients that is a factor's effect, or why there is none."""
    levels, factors = observations.levels(observations.distinct), observations.factors
    where = factors.index(factor)
    if abs(levels[:, where].sum()) == len(levels):
        return f"no completed run has it {'off' if levels[0, where] > 0 else 'on'}"
    twins = [n for n in range(len(factors)) if n != where and abs(levels[:, n] @ levels[:, where]) == len(levels)]
    if twins:
        return f"it is switched together with {' and '.join(factors[n] for n in twins)} in every completed arm"
    if place is not None:
        return model, 2 * np.eye(model.columns.shape[1])[place], "two-way"
    weights = paired(levels, where)
    by_arm = fit_arms(observations)
    if weights is not None and by_arm.weights(weights) is not None:
        return by_arm, weights, "pairs"
    additive = fit_effects(observations, effects_up_to(1, factors))
    target = 2 * np.eye(len(factors) + 1)[where + 1]
    if additive.weights(target) is not None:
        return additive, target, "main-effects"
    return "the arms and seeds that are completed cannot tell it from other factors or from differences between seeds"


def _no_interaction(name: str, effect: Effect, groups: Sequence[Sequence[tuple[Effect, int]]]) -> Refusal:
    group = next((group for group in groups if any(other == effect for other, _ in group)), None)
    if group is None:
        reason = "it is the same in every completed arm, so that it cannot be told from the mean"
        return Refusal(name, text_of(effect), reason)
    leader = group[0][0]
    if leader == effect:
        reason = "the completed arms do not cross the two factors in a way that tells it from other effects"
        return Refusal(name, text_of(effect), reason)
    words = "the effect of" if len(leader) == 1 else "the interaction"
    reason = f"it cannot be told from {words} {text_of(leader)}, beside which it is listed"
    return Refusal(name, text_of(effect), reason, alias_of=text_of(leader))


def _described(
    observations: Observations,
    columns: Mapping[Effect, Matrix],
    effect: Effect,
    family: Literal["hard", "other"],
    model: Fit,
    target: Matrix,
    basis: Basis,
) -> FactorEffect:
    estimate = model.estimate(target)
    weights = model.weights(target)
    assert estimate is not None and weights is not None
    aliases, more = aliases_of(columns, effect, weights)
    seeds = by_seed(observations, weights)
    whole = len(seeds) == len(observations.replicates)
    return FactorEffect(
        class_name=observations.class_name,
        effect=text_of(effect),
        family=family,
        basis=basis,
        meaning=_meaning(observations, effect, target, basis),
        estimate=estimate,
        aliases=aliases,
        more=more,
        by_seed=seeds,
        over_seeds=over_seeds(list(seeds.values())) if whole else None,
        disagreement=disagreement(estimate, list(seeds.values())) if whole else None,
    )


def _meaning(observations: Observations, effect: Effect, target: Matrix, basis: Basis) -> str:
    if basis == "two-way":
        return (
            "mean over the other factors' settings"
            if len(effect) == 1
            else "difference of differences, mean over the other factors' settings"
        )
    if basis == "main-effects":
        return "if no factor acts on another"
    # Of the arms by themselves: the weights of runs hold others as well, where these tell what a missing seed would add.
    used = {arm for arm, weight in zip(observations.distinct, target, strict=True) if weight}
    others = {arm - set(effect) for arm in used}
    rest = frozenset(observations.factors) - set(effect)
    if others == {frozenset()}:
        return "with the other factors off" if rest else "no other factor is switched"
    if others == {rest}:
        return "with the other factors on"
    if others == {frozenset(), rest}:
        return "mean of the other factors all off and all on"
    return f"mean over {len(others)} settings of the other factors"


def _judged(effects: Sequence[FactorEffect], method: Method) -> tuple[FactorEffect, ...]:
    adjusted: dict[int, float] = {}
    for family in ("hard", "other"):
        places = [n for n, e in enumerate(effects) if e.family == family and e.estimate.p is not None]
        ps = [p for n in places if (p := effects[n].estimate.p) is not None]
        adjusted |= dict(zip(places, corrected(ps, method=method), strict=True))
    return tuple(
        replace(effect, adjusted=adjusted[n], verdict=_verdict(effect.estimate, adjusted[n]))
        if n in adjusted
        else effect
        for n, effect in enumerate(effects)
    )


def _verdict(estimate: Estimate, adjusted: float) -> Literal["up", "down", "none shown"]:
    if adjusted > 1 - LEVEL:
        return "none shown"
    return "up" if estimate.value > 0 else "down"

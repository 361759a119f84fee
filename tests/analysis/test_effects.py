"""Main effects and interactions: values by hand, aliases, and what is refused."""

from itertools import combinations

import numpy as np
import pytest

from ablations.designs import arms_of
from ablations.factors import FACTOR_NAMES, select
from analysis.aliases import Alias
from analysis.answers import disagreements
from analysis.effects import FactorEffect, effects_of
from analysis.observations import Observations, from_scores

Arm = frozenset[str]
TWO = {"": 0.1, "a": 0.2, "b": 0.3, "ab": 0.6}


def design(name: str) -> list[Arm]:
    arms = arms_of(name, select(["all"]))
    return [frozenset(f for f, level in arm.levels.items() if level == "on") for arm in arms]


def truth(arm: Arm) -> float:
    """Two gains alone and what they gain beyond that together."""
    return 0.1 + 0.03 * ("focal" in arm) - 0.01 * ("fusion" in arm) + 0.04 * ({"focal", "anchors"} <= arm)


def study(arms: list[Arm], *, seeds: int = 2, noise: float = 0.0, name: str = "x", seed: int = 0) -> Observations:
    generator = np.random.default_rng(seed)
    scores = {
        (arm, str(block)): truth(arm) + 0.02 * block + noise * float(generator.normal())
        for arm in arms
        for block in range(seeds)
    }
    return from_scores(name, FACTOR_NAMES, scores)


def by_name(effects: tuple[FactorEffect, ...]) -> dict[str, FactorEffect]:
    return {effect.effect: effect for effect in effects}


def values(effects: tuple[FactorEffect, ...]) -> dict[str, float]:
    return {effect.effect: round(effect.estimate.value, 9) for effect in effects}


def test_two_factors_by_hand() -> None:
    observations = from_scores("x", "ab", {(frozenset(arm), "0"): ap for arm, ap in TWO.items()})
    found = effects_of([observations], hard=["x"])
    # a: mean of .2 - .1 and .6 - .3; b: mean of .3 - .1 and .6 - .2; together: .3 with b on, less .1 with b off.
    assert values(found.main) == {"a": 0.2, "b": 0.3}
    assert values(found.interactions) == {"a:b": 0.2}
    assert found.refusals == ()
    assert found.main[0].by_seed == {"0": pytest.approx(0.2)}
    assert found.main[0].verdict == "no interval"
    assert found.main[0].estimate.reason == "no run is left to estimate the error from: train more seeds"


@pytest.mark.parametrize("name", ["factorial", "fractional", "fractional-16", "alone,leave-one-out"])
def test_designs_that_tell_main_effects_from_interactions_find_the_means_over_the_others(name: str) -> None:
    found = effects_of([study(design(name))], hard=["x"])
    expected = {
        "focal": 0.05, "anchors": 0.02, "pseudo_labels": 0, "augmentation": 0, "fusion": -0.01, "pooling": 0,
    }  # fmt: skip
    assert values(found.main) == pytest.approx(expected, abs=1e-9)
    assert {effect.basis for effect in found.main} == {"two-way"}


@pytest.mark.parametrize(
    ("name", "focal", "meaning"),
    [("alone", 0.03, "with the other factors off"), ("leave-one-out", 0.07, "with the other factors on")],
)
def test_pairs_say_with_which_settings_of_the_others(name: str, focal: float, meaning: str) -> None:
    found = effects_of([study(design(name))], hard=["x"])
    assert values(found.main)["focal"] == pytest.approx(focal)
    assert {(effect.basis, effect.meaning) for effect in found.main} == {("pairs", meaning)}
    sign = -1 if name == "alone" else 1
    assert by_name(found.main)["focal"].aliases[0] == Alias("focal:anchors", sign)
    assert found.interactions == ()
    assert len(found.refusals) == 15
    assert "do not cross the two factors" in found.refusals[0].reason


def test_settings_are_counted_that_the_effect_is_of_and_not_those_that_tell_of_a_missing_seed() -> None:
    """Four arms of two factors with seeds 0 and 1, and three of them and a third factor's with seed 2 too."""
    arms = {frozenset(on): 0.1 + 0.02 * len(on) for on in ("", "a", "b", "ab", "c")}
    runs = {(arm, seed): ap for arm, ap in arms.items() for seed in "012"}
    runs = {key: ap for key, ap in runs.items() if key not in {(frozenset("ab"), "2"), (frozenset("c"), "0")}}
    found = by_name(effects_of([from_scores("x", "abc", runs)], hard=["x"]).main)
    assert (found["a"].basis, found["a"].meaning) == ("pairs", "mean over 2 settings of the other factors")


def test_half_and_factorial_tell_every_interaction() -> None:
    for name, aliases in (("factorial", 0), ("fractional", 1)):
        found = effects_of([study(design(name))], hard=["x"])
        assert len(found.interactions) == 15
        assert by_name(found.interactions)["focal:anchors"].estimate.value == pytest.approx(0.04)
        assert [(effect.aliases, effect.more) for effect in found.interactions] == [((), aliases)] * 15
        assert found.refusals == ()


def test_the_quarter_lists_aliases_beside_its_seven_groups() -> None:
    found = effects_of([study(design("fractional-16"))], hard=["x"])
    groups = {effect.effect: [alias.effect for alias in effect.aliases] for effect in found.interactions}
    # I = ABCE = BCDF = ADEF
    assert groups == {
        "focal:anchors": ["pseudo_labels:fusion"],
        "focal:pseudo_labels": ["anchors:fusion"],
        "focal:augmentation": ["fusion:pooling"],
        "focal:fusion": ["anchors:pseudo_labels", "augmentation:pooling"],
        "focal:pooling": ["augmentation:fusion"],
        "anchors:augmentation": ["pseudo_labels:pooling"],
        "anchors:pooling": ["pseudo_labels:augmentation"],
    }
    assert by_name(found.interactions)["focal:anchors"].estimate.value == pytest.approx(0.04)
    refused = {refusal.subject: refusal.reason for refusal in found.refusals}
    assert len(refused) == 8
    assert refused["pseudo_labels:fusion"] == (
        "it cannot be told from the interaction focal:anchors, beside which it is listed"
    )
    focal = by_name(found.main)["focal"]
    assert focal.aliases == (Alias("anchors:pseudo_labels:fusion", 1.0), Alias("augmentation:fusion:pooling", 1.0))
    assert focal.more == 1


def test_a_missing_arm_is_told_by_the_aliases_that_it_makes() -> None:
    arms = design("fractional")
    found = effects_of([study(arms[:-1])], hard=["x"])  # without all-on
    focal = by_name(found.main)["focal"]
    assert focal.estimate.value == pytest.approx(0.05)  # the truth has no three-way interactions
    whole = effects_of([study(arms)], hard=["x"])
    assert by_name(whole.main)["focal"].aliases == ()
    assert len(focal.aliases) == 20  # every interaction of three, each by the weight that all-on would have had
    assert {round(abs(alias.coefficient), 4) for alias in focal.aliases} == {0.1}


def test_a_factor_that_no_run_has_on_is_refused() -> None:
    arms = [arm for arm in design("factorial") if "pooling" not in arm]
    found = effects_of([study(arms)], hard=["x"])
    assert [(r.subject, r.reason) for r in found.refusals if r.subject == "pooling"] == [
        ("pooling", "no completed run has it on")
    ]
    assert values(found.main)["focal"] == pytest.approx(0.05)
    assert len(found.interactions) == 10


def test_factors_that_are_switched_together_are_refused() -> None:
    arms = [arm for arm in design("factorial") if ("focal" in arm) == ("fusion" in arm)]
    found = effects_of([study(arms)], hard=["x"])
    refused = {refusal.subject: refusal.reason for refusal in found.refusals}
    assert refused["focal"] == "it is switched together with fusion in every completed arm"
    assert refused["focal:fusion"] == "it is the same in every completed arm, so that it cannot be told from the mean"
    assert "focal" not in values(found.main)


def test_arms_linked_by_no_seed_are_refused() -> None:
    observations = from_scores("x", "a", {(frozenset(), "0"): 0.1, (frozenset("a"), "1"): 0.3})
    (refusal,) = effects_of([observations], hard=["x"]).refusals
    assert "cannot tell it from other factors or from differences between seeds" in refusal.reason


@pytest.mark.parametrize(
    ("observations", "reason"),
    [
        (from_scores("x", (), {(frozenset(), "0"): 0.1}), "the study switches no factor"),
        (from_scores("x", "a", {}), "no completed run has an AP of this class"),
        (from_scores("x", "a", {(frozenset(), "0"): 0.1}), "only one arm has a completed run"),
    ],
)
def test_studies_without_effects_say_why(observations: Observations, reason: str) -> None:
    found = effects_of([observations], hard=[])
    assert found.main == found.interactions == ()
    assert reason in found.refusals[0].reason


def test_hard_classes_are_corrected_apart_from_the_others() -> None:
    arms = [frozenset(on) for size in range(7) for on in combinations(FACTOR_NAMES, size)]
    classes = [study(arms, noise=0.02, name=name, seed=n) for n, name in enumerate(["rust", "chipped", "all"])]
    together = effects_of(classes, hard=["rust", "chipped"])
    hard, other = effects_of(classes[:2], hard=["rust", "chipped"]), effects_of(classes[2:], hard=[])
    assert [e.adjusted for e in together.main] == [e.adjusted for e in (*hard.main, *other.main)]
    smallest = min(together.main[:12], key=lambda e: e.estimate.p or 1)
    assert smallest.adjusted == pytest.approx(12 * (smallest.estimate.p or 1))  # Holm: 6 factors x 2 classes
    verdicts = {effect.effect: effect.verdict for effect in together.main if effect.class_name == "rust"}
    assert verdicts["focal"] == "up"
    assert verdicts["pooling"] == "none shown"


def test_seeds_that_disagree_are_told() -> None:
    generator = np.random.default_rng(2)
    arms = [frozenset(on) for size in range(4) for on in combinations("abc", size)]
    sizes = {"0": 0.2, "1": 0.0, "2": -0.1}  # the effect of a, seed by seed
    scores = {
        (arm, seed): sizes[seed] * ("a" in arm) + 0.1 * ("b" in arm) + 0.005 * float(generator.normal())
        for arm in arms
        for seed in sizes
    }
    found = effects_of([from_scores("rust", "abc", scores)], hard=["rust"])
    a = by_name(found.main)["a"]
    assert {seed: round(size, 1) for seed, size in a.by_seed.items()} == {"0": 0.2, "1": 0.0, "2": -0.1}
    assert a.over_seeds is not None and a.over_seeds.degrees == 2
    assert a.over_seeds.error == pytest.approx(0.088, abs=0.005)  # deviation .153 of three seeds
    (sentence,) = disagreements(found.main)
    assert sentence.startswith("The seeds disagree on a of rust (p 0.017)")
    alike = effects_of([study(design("fractional-16"), noise=0.01)], hard=["x"])
    assert disagreements(alike.main) == []

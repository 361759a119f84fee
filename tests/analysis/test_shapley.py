"""Shapley values of small games by hand, and of six factors by what they must add up to."""

from itertools import combinations

import numpy as np
import pytest

from analysis.bootstrap import over_blocks
from analysis.observations import Observations, from_scores
from analysis.refusals import Refusal
from analysis.shapley import Shapley, shapley_of, shapley_weights


def subsets(factors: str) -> list[frozenset[str]]:
    return [frozenset(on) for size in range(len(factors) + 1) for on in combinations(factors, size)]


def shapley(observations: Observations) -> Shapley:
    found = shapley_of(observations, generator=np.random.default_rng(0))
    assert isinstance(found, Shapley)
    return found


def values(found: Shapley) -> dict[str, float]:
    return {value.factor: value.estimate.value for value in found.values}


def test_weights_by_hand() -> None:
    weights = shapley_weights("abc", "a")  # joining none, one of two, both: 2!/3!, 1!/3!, 2!/3!
    assert weights[frozenset("a")] == -weights[frozenset()] == pytest.approx(1 / 3)
    assert weights[frozenset("ab")] == -weights[frozenset("b")] == pytest.approx(1 / 6)
    assert weights[frozenset("abc")] == -weights[frozenset("bc")] == pytest.approx(1 / 3)
    assert len(weights) == 8


def test_two_factors_by_hand() -> None:
    scores = {(frozenset(), "0"): 0.1, (frozenset("a"), "0"): 0.2, (frozenset("b"), "0"): 0.3}
    found = shapley(from_scores("x", "ab", {**scores, (frozenset("ab"), "0"): 0.6}))
    assert values(found) == pytest.approx({"a": 0.2, "b": 0.3})  # (.1 + .3) / 2 and (.2 + .4) / 2
    assert found.total.value == pytest.approx(0.5)


def test_the_glove_game() -> None:
    """Two left gloves and a right one: a pair is worth 1."""
    scores = {(arm, "0"): float("c" in arm and len(arm) > 1) for arm in subsets("abc")}
    assert values(shapley(from_scores("x", "abc", scores))) == pytest.approx({"a": 1 / 6, "b": 1 / 6, "c": 4 / 6})


def test_six_factors_add_up_to_all_on_minus_all_off() -> None:
    generator = np.random.default_rng(3)
    scores = {(arm, seed): float(generator.random()) for arm in subsets("abcdef") for seed in "01"}
    found = shapley(from_scores("x", "abcdef", scores))
    gain = np.mean([scores[(frozenset("abcdef"), seed)] - scores[(frozenset(), seed)] for seed in "01"])
    assert sum(values(found).values()) == pytest.approx(gain)
    assert found.total.value == pytest.approx(gain)
    assert found.method == "exact"
    assert all(value.resampled is None for value in found.values)  # two seeds are too few to draw from
    assert found.values[0].estimate.degrees == 63


def test_a_fraction_gives_the_values_of_the_two_way_model_and_says_so() -> None:
    half = [arm for arm in subsets("abcdef") if len(arm) % 2 == 0]
    scores = {
        (arm, seed): 0.1 + 0.03 * ("a" in arm) + 0.04 * ({"a", "b"} <= arm) + 0.01 * int(seed)
        for arm in half
        for seed in "01"
    }
    found = shapley(from_scores("x", "abcdef", scores))
    assert found.method == "two-way model"
    assert found.note is not None and "if there are none of three factors and more" in found.note
    assert values(found) == pytest.approx({"a": 0.05, "b": 0.02, **dict.fromkeys("cdef", 0.0)}, abs=1e-9)
    assert found.total.value == pytest.approx(0.07)


def test_too_few_arms_are_refused_with_the_reason() -> None:
    alone = [arm for arm in subsets("abc") if len(arm) <= 1]
    found = shapley_of(from_scores("x", "abc", {(arm, "0"): 0.1 for arm in alone}), generator=np.random.default_rng(0))
    assert found == Refusal(
        "x",
        "Shapley values",
        "4 of the 8 combinations of 3 factors have no completed run, and the others do not tell all main effects from two-way "
        "interactions: train the design factorial",
    )


def test_seeds_are_drawn_whole_and_reproducibly() -> None:
    generator = np.random.default_rng(5)
    scores = {
        (arm, str(s)): 0.1 * len(arm) + s + 0.01 * float(generator.normal()) for arm in subsets("ab") for s in range(6)
    }
    observations = from_scores("x", "ab", scores)
    first, again = (shapley_of(observations, generator=np.random.default_rng(1)) for _ in range(2))
    assert first == again
    assert isinstance(first, Shapley)
    resampled = first.values[0].resampled
    assert resampled is not None
    assert 0.08 < resampled.low < 0.1 < resampled.high < 0.12  # what seeds do to all arms alike cancels
    assert first.values[0].share == pytest.approx(first.values[0].estimate.value / first.total.value)


def test_drawing_by_hand() -> None:
    """Two seeds with gains 0 and 1: means of two draws are 0, 1/2 or 1, and percentiles reach the ends."""
    scores = {(frozenset(), "0"): 0.0, (frozenset("a"), "0"): 0.0, (frozenset(), "1"): 0.0, (frozenset("a"), "1"): 1.0}
    observations, gain = from_scores("x", "a", scores), {frozenset("a"): 1.0, frozenset[str](): -1.0}
    assert over_blocks(observations, [gain], generator=np.random.default_rng(0)) is None
    found = over_blocks(observations, [gain], generator=np.random.default_rng(0), fewest=2)
    assert found is not None
    assert (found[0].low, found[0].high) == (0.0, 1.0)

"""Estimates and their intervals, by hand."""

import numpy as np
import pytest

from analysis.fits import Estimate, arm_target, fit_arms, fit_effects, reason_notes, rounded
from analysis.observations import from_scores

BASE, A, B, AB = frozenset(), frozenset("a"), frozenset("b"), frozenset("ab")
PAIR = from_scores("x", "a", {(BASE, "0"): 0.10, (A, "0"): 0.14, (BASE, "1"): 0.12, (A, "1"): 0.18})


def test_a_change_is_a_paired_t_test() -> None:
    found = fit_arms(PAIR).estimate(np.array([-1.0, 1.0]))  # differences .04 and .06: deviation .01414, error .01
    assert found is not None
    assert (found.value, found.error, found.degrees) == pytest.approx((0.05, 0.01, 1))
    assert (found.low, found.high) == pytest.approx((0.05 - 0.12706, 0.05 + 0.12706), abs=1e-5)
    assert found.p == pytest.approx(0.12567, abs=1e-5)
    assert found.above == pytest.approx(1 - 0.12567 / 2, abs=1e-5)


def test_a_mean_also_carries_the_spread_between_seeds() -> None:
    # Within seeds the variance is .0001; between them the mean square is .0009 = .0001 + 2 * .0004. Of a mean of two seeds:
    # (.0001 + .0004) / 2, of which .25 * .0009 is of the seeds' mean square and .25 * .0001 of the runs'.
    found = fit_arms(PAIR).estimate(np.array([1.0, 0.0]), less=0.02)
    assert found is not None and found.error is not None
    assert found.value == pytest.approx(0.09)
    assert found.error**2 == pytest.approx(0.00025)
    assert found.degrees == pytest.approx(0.00025**2 / (0.000225**2 + 0.000025**2))


def test_a_seed_that_lacks_an_arm_does_not_shift_the_comparison() -> None:
    scores = {(BASE, "0"): 0.1, (A, "0"): 0.2, (B, "0"): 0.3, (BASE, "1"): 0.5, (A, "1"): 0.6}
    observations = from_scores("x", "ab", scores)
    target = arm_target(observations, {B: 1.0, A: -1.0})
    assert target is not None
    found = fit_arms(observations).estimate(target)
    assert found is not None
    assert found.value == pytest.approx(0.1)  # plain means would say .3 - .4
    assert found.reason == "the runs do not differ beyond what arms and seeds account for"
    assert arm_target(observations, {AB: 1.0}) is None


def test_what_rounding_leaves_over_is_nothing() -> None:
    values = (0.0, 0.077, 0.1)  # their mean times three is not their sum
    scores = {(arm, str(seed)): ap for seed, ap in enumerate(values) for arm in (BASE, A)}
    found = fit_arms(from_scores("x", "a", scores)).estimate(np.array([-1.0, 1.0]))
    assert found is not None and found.value == 0.0
    assert [rounded(value) for value in (-6e-19, 2e-9)] == [0.0, 2e-9]


def test_arms_that_share_no_seed_cannot_be_compared() -> None:
    model = fit_arms(from_scores("x", "a", {(BASE, "0"): 0.1, (A, "1"): 0.2}))
    assert model.estimate(np.array([-1.0, 1.0])) is None


def test_a_single_seed_has_no_interval() -> None:
    model = fit_arms(from_scores("x", "a", {(BASE, "0"): 0.1, (A, "0"): 0.2}))
    change, mean = model.estimate(np.array([-1.0, 1.0])), model.estimate(np.array([1.0, 0.0]))
    assert change is not None and mean is not None
    assert (change.value, change.low, change.above) == (pytest.approx(0.1), None, None)
    assert change.reason == "no run is left to estimate the error from: train more seeds"
    assert mean.reason == "a single seed cannot tell how far seeds differ"


def test_with_one_run_per_arm_the_error_is_the_two_way_models() -> None:
    generator = np.random.default_rng(0)
    arms = [frozenset(n for n, on in zip("abc", f"{k:03b}", strict=True) if on == "1") for k in range(8)]
    observations = from_scores("x", "abc", {(arm, "0"): float(generator.normal()) for arm in arms})
    model = fit_arms(observations)
    three_way = np.array([np.prod([1 if n in arm else -1 for n in "abc"]) for arm in arms])
    assert model.degrees == 1
    assert model.variance == pytest.approx((three_way @ observations.values) ** 2 / 8)
    assert model.note is not None and "one run per arm" in model.note


def test_it_agrees_with_statsmodels() -> None:
    from statsmodels.regression.linear_model import OLS

    generator = np.random.default_rng(1)
    scores = {(arm, seed): float(generator.normal()) for arm in (BASE, A, B, AB) for seed in "012"}
    del scores[(AB, "1")]
    observations = from_scores("x", "ab", scores)
    found = fit_effects(observations, [(), ("a",), ("b",)]).estimate(np.array([0.0, 2.0, 0.0]))
    levels = observations.levels(observations.arms)
    blocks = np.array([[float(block == name) for name in "012"] for block in observations.blocks])
    tested = OLS(observations.values, np.column_stack([levels, blocks])).fit().t_test([2, 0, 0, 0, 0])
    assert found is not None
    assert (found.value, found.error) == pytest.approx((tested.effect.item(), tested.sd.item()))
    assert (found.low, found.high) == pytest.approx(tuple(tested.conf_int()[0]))
    assert (found.p, found.degrees) == pytest.approx((tested.pvalue.item(), 6))  # 11 runs, 3 coefficients, 2 blocks


def test_reasons_for_no_interval_name_the_classes_that_they_concern() -> None:
    bare, lone, told = (
        Estimate(0.1, reason="too few"),
        Estimate(0.1, reason="one seed"),
        Estimate(0.1, 0.1, 2.0, 0.0, 0.2, 0.3),
    )
    assert reason_notes([("Rust", bare), ("Chip", bare)]) == ["No interval: too few."]
    assert reason_notes([("Rust", bare), ("Rust", bare), ("Chip", told)], of="a mean AP") == [
        "No interval of a mean AP (Rust): too few."
    ]
    assert reason_notes([("Rust", bare), ("Chip", lone)]) == [
        "No interval (Rust): too few.",
        "No interval (Chip): one seed.",
    ]
    assert reason_notes([("Rust", told)]) == []

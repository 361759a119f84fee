"""A short version of the coverage benchmark, and that it notices intervals that are too narrow."""

from dataclasses import replace

import pytest
from scipy.stats import binom

from analysis.benchmarks.coverage import measure
from analysis.benchmarks.simulation import SCENARIOS, Scenario, true_effect, true_shapley, true_synergy

STUDIES = 60
LEAST = float(binom.ppf(0.0005, STUDIES, 0.95)) / STUDIES  # .85
MOST = float(binom.ppf(0.9995, STUDIES, 0.05)) / STUDIES  # .17
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def test_planted_truths_by_hand() -> None:
    scenario = BY_NAME["interaction, 8 arms x 8 seeds"]  # gains .03, .02, 0 and .04 of the first two together
    assert true_effect(scenario, ("focal",)) == pytest.approx(0.05)
    assert true_effect(scenario, ("focal", "anchors")) == pytest.approx(0.04)
    assert true_shapley(scenario, "anchors") == pytest.approx(0.04)
    assert true_synergy(scenario) == pytest.approx(0.04)
    assert scenario.truth(frozenset({"focal", "anchors"})) == pytest.approx(0.19)


@pytest.mark.parametrize(
    "name",
    [
        "additive, 16 arms x 2 seeds",
        "interaction, 8 arms x 8 seeds",
        "null, 16 arms x 2 seeds",
        "heavy noise, 8 arms x 3 seeds",
        "a fifth missing, 16 arms x 3 seeds",
        "2 arms x 3 seeds",
    ],
)
def test_intervals_hold_the_truth_and_the_null_raises_few_alarms(name: str) -> None:
    tally = measure(BY_NAME[name], studies=STUDIES, seed=1)
    coverage = {name: tally.coverage(name) for name in tally.held if name != "Shapley, over seeds"}
    assert {quantity: share for quantity, share in coverage.items() if share is not None and share < LEAST} == {}
    rates = {alarm: tally.rate(alarm) for alarm in tally.raised}
    assert {alarm: rate for alarm, rate in rates.items() if rate is not None and rate > MOST} == {}


def test_percentiles_of_two_seeds_are_too_narrow_which_is_why_none_are_given() -> None:
    few = replace(BY_NAME["interaction, 8 arms x 8 seeds"], seeds=2)
    share = measure(few, studies=STUDIES, seed=1).coverage("Shapley, over seeds")
    assert share is not None and share < 0.7


def test_the_same_seed_gives_the_same_figures() -> None:
    scenario = Scenario("small", "factorial", factors=2)
    assert measure(scenario, studies=3, seed=4) == measure(scenario, studies=3, seed=4)

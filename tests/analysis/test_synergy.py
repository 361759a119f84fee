from itertools import combinations

import numpy as np
import pytest

from analysis.observations import Observations, from_scores
from analysis.refusals import Refusal
from analysis.synergy import Synergy, synergy_of


def subsets(factors: str) -> list[frozenset[str]]:
    return [frozenset(on) for size in range(len(factors) + 1) for on in combinations(factors, size)]


def study(arms: list[frozenset[str]], *, joint: float, noise: float = 0.0, factors: str = "abcdef") -> Observations:
    generator = np.random.default_rng(0)
    scores = {
        (arm, seed): 0.1 + 0.02 * len(arm) + joint * ({"a", "b"} <= arm) + noise * float(generator.normal())
        for arm in arms
        for seed in "01"
    }
    return from_scores("rust", factors, scores)


def test_by_hand() -> None:
    scores = {(frozenset(), "0"): 0.1, (frozenset("a"), "0"): 0.2, (frozenset("b"), "0"): 0.3}
    found = synergy_of(from_scores("rust", "ab", {**scores, (frozenset("ab"), "0"): 0.6}))
    assert isinstance(found, Synergy)
    assert {factor: round(gain.value, 9) for factor, gain in found.alone.items()} == {"a": 0.1, "b": 0.2}
    assert (found.summed.value, found.total.value, found.synergy.value) == pytest.approx((0.3, 0.5, 0.2))
    assert found.verdict == "no interval"
    assert found.sentence == (
        "rust: whether there is synergy cannot be told (+0.200; no run is left to estimate the error from: train more seeds)."
    )


@pytest.mark.parametrize(("joint", "verdict"), [(0.3, "synergy"), (-0.3, "antagonism"), (0.0, "none shown")])
def test_the_verdict_goes_by_the_interval(joint: float, verdict: str) -> None:
    arms = [arm for arm in subsets("abcdef") if len(arm) in (0, 1, 6)]
    found = synergy_of(study(arms, joint=joint, noise=0.01))
    assert isinstance(found, Synergy)
    assert (found.method, found.verdict) == ("measured", verdict)
    # all-on, five times the baseline and six arms alone, each of two runs: (1 + 25 + 6) / 2 times the variance
    assert found.synergy.error == pytest.approx(4 * _deviation(arms, joint))
    words = {"synergy": "more than", "antagonism": "less than", "none shown": "no synergy is shown"}[verdict]
    assert words in found.sentence


def _deviation(arms: list[frozenset[str]], joint: float) -> float:
    """Residual deviation of arm + seed, from the differences between the two seeds."""
    values = study(arms, joint=joint, noise=0.01).values.reshape(len(arms), 2)
    return float((values[:, 1] - values[:, 0]).std(ddof=1)) / 2**0.5


@pytest.mark.parametrize("half", [True, False])
def test_fractions_give_it_through_the_two_way_model_alone(half: bool) -> None:
    def kept(arm: frozenset[str]) -> bool:
        a, b, c, d, e, f = (1 if name in arm else -1 for name in "abcdef")
        return a * b * c * d * e * f == 1 if half else e == a * b * c and f == b * c * d

    found = synergy_of(study([arm for arm in subsets("abcdef") if kept(arm)], joint=0.04))
    assert isinstance(found, Synergy)
    assert found.method == "two-way model"
    assert found.note == "fitted, not measured: if there are no interactions of three factors and more"
    assert found.synergy.value == pytest.approx(0.04)
    assert found.total.value == pytest.approx(0.16)


def test_what_cannot_tell_it_is_refused() -> None:
    found = synergy_of(study([arm for arm in subsets("abcdef") if len(arm) <= 1], joint=0.04))
    assert isinstance(found, Refusal)
    assert "without a completed run: all together; and the arms" in found.reason
    one = synergy_of(study(subsets("a"), joint=0.0, factors="a"))
    assert one == Refusal("rust", "synergy", "it takes two factors, and the study switches 1")
    apart = {(arm, str(n)): 0.1 for n, arm in enumerate(subsets("ab"))}
    assert synergy_of(from_scores("rust", "ab", apart)) == Refusal(
        "rust", "synergy", "no seed links its arms: they cannot be compared within seeds"
    )

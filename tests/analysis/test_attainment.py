import numpy as np
import pytest

from analysis.attainment import ArmAttainment, ClassAttainment, attainment_of
from analysis.fits import fit_arms
from analysis.observations import from_scores
from analysis.refusals import Refusal
from analysis.targets import Goal, Target

BASE, A, B = frozenset[str](), frozenset("a"), frozenset("b")
RUST = Goal("rust", (Target("conservative", 2.0), Target("optimistic", 4.0)))


def judge(scores: dict[frozenset[str], list[float]], goal: Goal = RUST) -> ClassAttainment:
    runs = {(arm, str(seed)): ap for arm, aps in scores.items() for seed, ap in enumerate(aps)}
    found = attainment_of(from_scores("rust", "ab", runs), goal)
    assert isinstance(found, ClassAttainment)
    return found


def verdicts(arm: ArmAttainment) -> list[str]:
    return [target.verdict for target in arm.targets]


def test_by_hand() -> None:
    found = judge({BASE: [0.10, 0.12], A: [0.34, 0.36]})  # differences .24 and .24: the residual is nil
    (arm,) = found.arms
    assert (arm.arm, arm.seeds, arm.change.value) == ("a", 2, pytest.approx(0.24))
    assert arm.ratio is not None
    assert arm.ratio.value == pytest.approx(0.35 / 0.11)
    assert [target.margin.value for target in arm.targets if target.margin] == pytest.approx([0.13, -0.09])
    assert verdicts(arm) == ["underpowered", "underpowered"]  # two seeds without any spread tell nothing of it


def test_met_missed_and_underpowered() -> None:
    close = {BASE: [0.100, 0.101, 0.099, 0.100], A: [0.300, 0.302, 0.299, 0.301]}
    (arm,) = judge(close).arms
    assert verdicts(arm) == ["met", "missed"]
    assert [round(target.probability or 0, 3) for target in arm.targets] == [1, 0]
    (arm,) = judge({BASE: [0.08, 0.12, 0.11], A: [0.30, 0.18, 0.20]}).arms
    assert verdicts(arm) == ["underpowered", "underpowered"]
    assert arm.targets[0].probability == pytest.approx(0.62, abs=0.05)


def test_who_misses_a_multiple_misses_a_greater_one() -> None:
    """By its own margin, in which the baseline may be below 0, 4x would be left open, at .028, where 2x is missed, at .022."""
    (arm,) = judge({BASE: [0.007, 0.020, 0.002, 0.009], A: [0.010, 0.016, 0.000, 0.003]}).arms
    assert (
        arm.targets[1].margin is not None and arm.targets[1].margin.high is not None and arm.targets[1].margin.high > 0
    )
    assert verdicts(arm) == ["missed", "missed"]
    assert [target.probability for target in arm.targets] == pytest.approx([0.02234, 0.02234], abs=1e-5)


def test_what_other_seeds_tell_of_a_missing_one_makes_no_ap_negative() -> None:
    """A is .0435 below in the two seeds that both have; the baseline's mean over three is .031."""
    scores = {(BASE, "0"): 0.05, (BASE, "1"): 0.04, (BASE, "2"): 0.003, (A, "0"): 0.001, (A, "1"): 0.002}
    found = attainment_of(from_scores("rust", "ab", scores), RUST)
    assert isinstance(found, ClassAttainment)
    (arm,) = found.arms
    assert found.baseline.value == pytest.approx(0.031)
    assert arm.change.value == pytest.approx(-0.0435)
    assert (arm.mean.value, arm.ratio and arm.ratio.value) == (0.0, 0.0)


def test_a_bound_beyond_what_an_ap_can_be_is_told() -> None:
    told = judge({BASE: [0.30], A: [0.35]}).notes
    assert told[-1] == "4x of the baseline's AP of rust is 1.20, above what an AP can be."
    assert not any("2x of" in note for note in told)


def test_of_equal_arms_the_first_is_the_best() -> None:
    """Rounding errors make the second's mean of the same APs the larger."""
    found = judge({BASE: [0.10, 0.13, 0.11], A: [0.11, 0.30, 0.25], B: [0.25, 0.30, 0.11]})
    assert found.best.attainment.arm == "a"


def test_the_ratios_interval_holds_the_multiples_that_the_data_allow() -> None:
    scores = {BASE: [0.09, 0.11, 0.10], A: [0.25, 0.31, 0.30]}
    (arm,) = judge(scores).arms
    assert arm.ratio is not None and arm.ratio.low is not None and arm.ratio.high is not None
    assert arm.ratio.low < arm.ratio.value < arm.ratio.high
    model = fit_arms(
        from_scores("rust", "ab", {(a, str(s)): ap for a, aps in scores.items() for s, ap in enumerate(aps)})
    )
    at_low, at_high = (model.estimate(np.array([-bound, 1.0])) for bound in (arm.ratio.low, arm.ratio.high))
    assert at_low is not None and at_high is not None
    assert at_low.low == pytest.approx(0, abs=1e-6)
    assert at_high.high == pytest.approx(0, abs=1e-6)


def test_a_baseline_that_might_be_nil_leaves_the_ratio_without_upper_end() -> None:
    (arm,) = judge({BASE: [0.002, 0.03, 0.001], A: [0.25, 0.31, 0.30]}).arms
    assert arm.ratio is not None
    assert arm.ratio.low is not None and arm.ratio.low > 1
    assert arm.ratio.high is None


def test_near_zero_is_undefined_unless_the_target_is_absolute() -> None:
    scores = {BASE: [0.0004, 0.0006, 0.0], A: [0.05, 0.051, 0.049]}
    (arm,) = judge(scores).arms
    assert arm.ratio is None
    assert verdicts(arm) == ["undefined", "undefined"]
    assert arm.targets[0].margin is None
    (arm,) = judge(scores, Goal("rust", (Target("conservative", 5.0, before=0.006),))).arms
    assert verdicts(arm) == ["met"]
    assert arm.targets[0].margin is not None
    assert arm.targets[0].margin.value == pytest.approx(0.02)


def test_a_single_seed_is_underpowered() -> None:
    (arm,) = judge({BASE: [0.1], A: [0.9]}).arms
    assert verdicts(arm) == ["underpowered", "underpowered"]
    assert arm.targets[0].probability is None
    assert arm.ratio is not None and (arm.ratio.low, arm.ratio.high) == (None, None)


def test_the_best_arm_pays_for_having_been_chosen() -> None:
    found = judge({BASE: [0.10, 0.11, 0.10], A: [0.20, 0.24, 0.22], B: [0.25, 0.24, 0.23]})
    best, same = found.best.attainment, found.arms[1]
    assert (best.arm, found.best.candidates) == ("b", 2)
    assert best.change.value == same.change.value
    assert best.change.low is not None and same.change.low is not None and best.change.low < same.change.low
    first, plain = best.targets[0].probability, same.targets[0].probability
    assert first is not None and plain is not None
    assert first == pytest.approx(max(0.0, 1 - 2 * (1 - plain)))
    assert "chosen as the best of 2 arms" in found.best.note
    only = judge({BASE: [0.10, 0.12], A: [0.2, 0.3]})
    assert only.best.note.startswith("the only arm")


def test_what_cannot_be_compared_is_refused_or_told() -> None:
    no_baseline = attainment_of(from_scores("rust", "ab", {(A, "0"): 0.1}), RUST)
    assert isinstance(no_baseline, Refusal) and "baseline has no completed run" in no_baseline.reason
    alone = attainment_of(from_scores("rust", "ab", {(BASE, "0"): 0.1}), RUST)
    assert isinstance(alone, Refusal) and "no arm beside the baseline" in alone.reason
    runs = {(BASE, "0"): 0.1, (A, "0"): 0.2, (B, "1"): 0.3}
    found = attainment_of(from_scores("rust", "ab", runs), RUST)
    assert isinstance(found, ClassAttainment)
    assert [arm.arm for arm in found.arms] == ["a"]
    assert found.notes == ("b shares no seed with the baseline, not even by way of other arms.",)

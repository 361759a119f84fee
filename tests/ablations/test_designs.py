"""Designs: which arms each compiles to, listed by hand."""

from itertools import combinations

import pyDOE3  # type: ignore[import-untyped]
import pytest

from ablations.arms import Arm, control_arm
from ablations.designs import DESIGNS, arms_of
from ablations.factors import select
from experiments.errors import UserError

ALL = select(["all"])


def on(arm: Arm) -> set[str]:
    return {name for name, level in arm.levels.items() if level == "on"}


def names(design: str, *factors: str) -> list[str]:
    return [arm.name for arm in arms_of(design, select(factors))]


def test_alone_over_all_factors() -> None:
    assert names("alone", "all") == [
        "baseline",
        "focal",
        "anchors",
        "pseudo_labels",
        "augmentation",
        "fusion",
        "pooling",
    ]


def test_alone_over_some_keeps_the_others_off() -> None:
    arms = arms_of("alone", select(["pooling", "anchors"]))
    assert [arm.name for arm in arms] == ["baseline", "anchors", "pooling"]
    assert arms[1].levels == {
        "focal": "off",
        "anchors": "on",
        "pseudo_labels": "off",
        "augmentation": "off",
        "fusion": "off",
        "pooling": "off",
    }


def test_leave_one_out() -> None:
    assert names("leave-one-out", "focal", "anchors", "fusion") == [
        "baseline",
        "focal+anchors+fusion",
        "anchors+fusion",
        "focal+fusion",
        "focal+anchors",
    ]
    assert len(names("leave-one-out", "all")) == 8
    assert names("leave-one-out", "focal") == ["baseline", "focal"]


def test_factorial_of_three_in_order() -> None:
    assert names("factorial", "focal", "anchors", "fusion") == [
        "baseline",
        "focal",
        "anchors",
        "fusion",
        "focal+anchors",
        "focal+fusion",
        "anchors+fusion",
        "focal+anchors+fusion",
    ]


def test_factorial_over_all_factors_has_every_combination_once() -> None:
    arms = arms_of("factorial", ALL)
    assert len({tuple(arm.levels.values()) for arm in arms}) == len({arm.name for arm in arms}) == len(arms) == 64


def test_the_half_of_three_has_an_even_number_on() -> None:
    # C = -AB: all-off is an arm, so all-on, with an odd number on, is not.
    assert names("fractional", "focal", "anchors", "fusion") == [
        "baseline",
        "focal+anchors",
        "focal+fusion",
        "anchors+fusion",
    ]


@pytest.mark.parametrize("count", [3, 4, 5, 6])
def test_the_half_is_every_combination_of_an_even_number(count: int) -> None:
    arms = arms_of("fractional", ALL[:count])
    assert len(arms) == 2 ** (count - 1)
    assert [arm.name for arm in arms] == [a.name for a in arms_of("factorial", ALL[:count]) if len(on(a)) % 2 == 0]
    everything = "+".join(factor.name for factor in ALL[:count])
    assert (everything in {arm.name for arm in arms}) == (count % 2 == 0)


def test_the_quarter_of_six_follows_its_generators() -> None:
    # A focal, B anchors, C pseudo_labels, D augmentation, E = ABC fusion, F = BCD pooling: each product as -1 and +1.
    expected = set()
    for a in (-1, 1):
        for b in (-1, 1):
            for c in (-1, 1):
                for d in (-1, 1):
                    expected.add(tuple("on" if x > 0 else "off" for x in (a, b, c, d, a * b * c, b * c * d)))
    arms = arms_of("fractional-16", ALL)
    assert {tuple(arm.levels.values()) for arm in arms} == expected
    assert len(arms) == 16
    assert arms[0].name == "baseline"
    assert len(on(arms[-1])) == 6
    assert [len(on(arm)) for arm in arms] == [0, *[2] * 3, *[3] * 8, *[4] * 3, 6]
    assert on(arms[1]) == {"focal", "fusion"}  # A E: AB = AC = -1, so E = ABC = +1 and F = BCD = -1


def test_sixteen_arms_of_five_factors_are_the_half() -> None:
    assert arms_of("fractional-16", ALL[:5]) == arms_of("fractional", ALL[:5])


def test_a_study_grows_from_the_quarter_over_the_half_to_the_factorial() -> None:
    quarter, half = ({arm.name for arm in arms_of(design, ALL)} for design in ("fractional-16", "fractional"))
    shared = quarter & half
    assert len(shared) == 8
    assert all(("augmentation" in name) == ("pooling" in name) for name in shared)  # D = F
    assert len(arms_of("fractional-16,fractional", ALL)) == 16 + 32 - 8
    assert len(arms_of("fractional-16,fractional,factorial", ALL)) == 64


def test_a_quarter_nested_in_the_half_would_have_resolution_three() -> None:
    # Its defining relation holds ABCDEF, a word w and their product, the letters that w lacks.
    words = [set(w) for size in range(1, 6) for w in combinations("ABCDEF", size)]
    assert max(min(len(w), len(set("ABCDEF") - w)) for w in words) == 3


def test_generators_are_used_since_a_half_of_six_cannot_be_asked_for_by_resolution() -> None:
    with pytest.raises(ValueError, match="design not possible"):
        pyDOE3.fracfact_by_res(6, 6)
    assert pyDOE3.fracfact("a b c d e abcde").shape == (32, 6)


@pytest.mark.parametrize(("design", "count"), [("fractional", 2), ("fractional-16", 4), ("fractional-16", 1)])
def test_fractions_of_too_few_factors_are_refused(design: str, count: int) -> None:
    with pytest.raises(UserError, match=rf"^The design {design} needs .*, not {count} \(focal.*use factorial"):
        arms_of(design, ALL[:count])


def test_noise_is_the_baseline_alone() -> None:
    assert names("noise", "all") == ["baseline"]


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_every_design_starts_with_the_baseline_and_repeats_nothing(design: str, count: int) -> None:
    if design.startswith("fractional") and count < 3:
        pytest.skip("refused")
    arms = arms_of(design, ALL[:count])
    assert arms[0].name == "baseline"
    assert len({arm.name for arm in arms}) == len(arms)
    chosen = {factor.name for factor in ALL[:count]} if design != "noise" else set()
    assert set().union(*(on(arm) for arm in arms)) == chosen


def test_several_designs_are_joined_by_commas() -> None:
    assert names("alone, leave-one-out", "focal", "anchors", "fusion") == [
        "baseline",
        "focal",
        "anchors",
        "fusion",
        "focal+anchors+fusion",
        "anchors+fusion",
        "focal+fusion",
        "focal+anchors",
    ]
    assert names("leave-one-out,noise,alone", "focal") == ["baseline", "focal"]


def test_the_control_is_added_where_it_is_asked_for() -> None:
    assert arms_of("alone", ALL[:1], control=True) == [*arms_of("alone", ALL[:1]), control_arm()]


@pytest.mark.parametrize("design", ["", "alone,", "alone;noise"])
def test_a_missing_design_is_refused(design: str) -> None:
    with pytest.raises(UserError, match="There is no design"):
        arms_of(design, ALL)


def test_unknown_design_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="There is no design 'factorals': did you mean factorial"):
        arms_of("factorals", ALL)

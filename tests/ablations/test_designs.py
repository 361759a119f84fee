"""Designs: which arms each compiles to, listed by hand."""

import pytest

from ablations.designs import DESIGNS, arms_of
from ablations.factors import select
from experiments.errors import UserError

ALL = select(["all"])


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


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("count", [1, 2, 6])
def test_every_design_starts_with_the_baseline_and_repeats_nothing(design: str, count: int) -> None:
    arms = arms_of(design, ALL[:count])
    assert arms[0].name == "baseline"
    assert len({arm.name for arm in arms}) == len(arms)
    chosen = {factor.name for factor in ALL[:count]}
    assert {name for arm in arms for name, level in arm.levels.items() if level == "on"} == chosen


def test_unknown_design_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="There is no design 'factorals': did you mean factorial"):
        arms_of("factorals", ALL)

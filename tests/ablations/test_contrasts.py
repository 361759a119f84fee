"""Contrasts: the weights of arms in a factor's effect, by hand."""

import numpy as np
import pytest

from ablations.contrasts import contrast, levels_of
from ablations.designs import arms_of
from ablations.factors import FACTOR_NAMES, select

ALL = select(["all"])


def weights(design: str, count: int, factor: str) -> dict[str, float]:
    found = contrast(arms_of(design, ALL[:count], control=True), FACTOR_NAMES[:count], factor)
    assert found is not None
    return {name: round(weight, 12) for name, weight in found.items()}


def test_levels_are_coded_and_the_control_left_out() -> None:
    arms = arms_of("alone", ALL[:2], control=True)
    assert levels_of(arms, ["focal", "anchors"]).tolist() == [[-1, -1], [1, -1], [-1, 1]]


def test_alone_is_the_arm_minus_the_baseline() -> None:
    assert weights("alone", 6, "fusion") == {"baseline": -1, "fusion": 1}


def test_leave_one_out_is_all_minus_all_but_it() -> None:
    assert weights("leave-one-out", 4, "anchors") == {
        "focal+anchors+pseudo_labels+augmentation": 1,
        "focal+pseudo_labels+augmentation": -1,
    }


def test_a_factorial_compares_halves() -> None:
    assert weights("factorial", 2, "focal") == {"baseline": -0.5, "focal": 0.5, "anchors": -0.5, "focal+anchors": 0.5}


@pytest.mark.parametrize(("design", "arms"), [("factorial", 64), ("fractional", 32), ("fractional-16", 16)])
def test_so_do_fractions(design: str, arms: int) -> None:
    found = weights(design, 6, "pooling")
    assert len(found) == arms
    assert all(weight == (2 if "pooling" in name else -2) / arms for name, weight in found.items())


def test_the_half_of_three_compares_halves_although_interactions_are_aliased() -> None:
    assert weights("fractional", 3, "pseudo_labels") == {
        "baseline": -0.5,
        "focal+anchors": -0.5,
        "focal+pseudo_labels": 0.5,
        "anchors+pseudo_labels": 0.5,
    }


@pytest.mark.parametrize(
    "design", ["alone", "leave-one-out", "alone,leave-one-out", "alone,fractional-16", "fractional-16,fractional"]
)
def test_every_contrast_finds_an_additive_effect(design: str) -> None:
    arms = arms_of(design, ALL)
    effects = np.array([0.01, -0.02, 0.03, 0.05, -0.08, 0.13])
    values = {
        arm.name: 0.2 + float(row @ effects) / 2 for arm, row in zip(arms, levels_of(arms, FACTOR_NAMES), strict=True)
    }
    for name, effect in zip(FACTOR_NAMES, effects, strict=True):
        assert sum(weight * values[arm] for arm, weight in weights(design, 6, name).items()) == pytest.approx(effect)


def test_more_arms_estimate_no_worse() -> None:
    def variance(design: str) -> float:
        return sum(weight**2 for weight in weights(design, 6, "focal").values())

    assert variance("fractional-16,fractional") < variance("fractional") < variance("fractional-16,alone")
    assert variance("fractional-16,alone") < variance("fractional-16") < variance("alone")


def test_there_is_none_where_a_factor_is_not_varied() -> None:
    assert contrast(arms_of("noise", ALL), FACTOR_NAMES, "focal") is None
    assert contrast(arms_of("alone", ALL[:1]), FACTOR_NAMES, "anchors") is None


def test_factors_that_are_not_named_must_be_off() -> None:
    with pytest.raises(ValueError, match="Arm anchors has anchors on"):
        contrast(arms_of("alone", ALL[:2]), ["focal"], "focal")
    with pytest.raises(ValueError, match="no arm"):
        levels_of([], ["focal"])

"""Arms: names, levels and deltas."""

import pytest

from ablations.arms import arm_from_name, arm_with
from experiments.errors import UserError

OFF = {
    "focal": "off",
    "anchors": "off",
    "pseudo_labels": "off",
    "augmentation": "off",
    "fusion": "off",
    "pooling": "off",
}


def test_baseline_has_every_factor_off_and_no_delta() -> None:
    arm = arm_with(())
    assert (arm.name, arm.levels, arm.delta) == ("baseline", OFF, {})


def test_name_joins_the_factors_in_table_order() -> None:
    arm = arm_with(["pooling", "focal"])
    assert arm.name == "focal+pooling"
    assert arm.levels == OFF | {"focal": "on", "pooling": "on"}
    assert arm.delta == {
        "model.detector.roi_head.bbox_head.loss_cls.gamma": 3.5,
        "model.detector.roi_head.bbox_head.loss_cls.loss_weight": 2.5,
        "model.detector.rpn_head.loss_cls.gamma": 2.5,
        "model.detector.backbone.mvvit.num_tokens": 2048,
    }


@pytest.mark.parametrize("name", ["baseline", "fusion", "focal+anchors", "anchors+augmentation+pooling"])
def test_name_and_arm_are_inverse(name: str) -> None:
    assert arm_from_name(name).name == name


def test_parts_of_a_name_may_come_in_any_order() -> None:
    assert arm_from_name("pooling+focal") == arm_with(["focal", "pooling"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("basline", "There is no arm 'basline': did you mean baseline"),
        ("focl", "There is no arm 'focl': did you mean focal"),
        ("focal+fuson", "There is no factor 'fuson': did you mean fusion"),
        ("focal+baseline", "There is no factor 'baseline'"),
        ("all", "There is no arm 'all'"),
        ("", "There is no arm ''"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        arm_from_name(name)

"""Arms: names, levels and deltas."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from ablations.arms import Arm, arm_with, control_arm

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


def test_further_factors_stand_in_the_levels_of_the_arms_that_have_them_on() -> None:
    arm = arm_with(["fault_ema", "pooling", "banded"])
    assert arm.name == "pooling+banded+fault_ema"
    assert arm.levels == OFF | {"pooling": "on", "banded": "on", "fault_ema": "on"}
    assert list(arm.levels)[-2:] == ["banded", "fault_ema"]
    assert "banded" not in arm_with(["pooling"]).levels


def test_from_the_start_is_said_in_the_delta_of_arms_whose_burn_in_it_changes() -> None:
    pooling = replace(arm_with(["pooling"]), from_start=True)
    assert pooling.delta == {"model.detector.backbone.mvvit.num_tokens": 2048, "from_start": True}
    # The others have the same burn-in either way, so they are the same runs.
    for arm in (arm_with(()), control_arm(), arm_with(["pseudo_labels"]), arm_with(["banded", "fault_ema"])):
        assert replace(arm, from_start=True).delta == arm.delta


def test_the_control_is_the_baseline_on_labelled_groups_alone() -> None:
    arm = control_arm()
    assert (arm.name, arm.levels) == ("control", OFF)
    assert arm.delta == {"train_dataloader.sampler.source_ratio": [1, 0]}
    arm.delta["train_dataloader.sampler.source_ratio"].append(1)
    assert control_arm().delta == {"train_dataloader.sampler.source_ratio": [1, 0]}


def test_extra_settings_join_those_of_the_factors() -> None:
    focal = arm_with(["focal"])
    arm = Arm("mine", focal.levels, extra={"train_cfg.max_iters": 5})
    assert arm.delta == focal.delta | {"train_cfg.max_iters": 5}
    assert focal.extra == {}


@pytest.mark.parametrize("scale", ["tiny", "cpu", "gpu", "paper"])
def test_the_control_trains_as_long_on_as_many_groups_of_labelled_ones(scale: str) -> None:
    from experiments.config import load_config
    from experiments.data.sampler import MixedGroupSampler

    baseline, control = load_config(scale).to_dict(), load_config(scale, control_arm().delta).to_dict()
    control["train_dataloader"]["sampler"]["source_ratio"] = [1, 1]
    assert control == baseline  # nothing else differs: iterations, batch size, schedule, burn-in
    options = load_config(scale, control_arm().delta).train_dataloader.sampler
    size = baseline["train_dataloader"]["batch_size"]
    assert options.batch_size == size
    sources = SimpleNamespace(datasets=[range(6), range(9)], cumulative_sizes=[6, 15])
    batches = iter(MixedGroupSampler(sources, batch_size=size, source_ratio=options.source_ratio, seed=0))
    assert all(next(batches).item < 6 for _ in range(10 * size))

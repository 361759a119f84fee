"""No dead knob, no confounded arm: every factor against the shipped configs and against what is built from them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ablations.arms import arm_with
from ablations.designs import DESIGNS, arms_of
from ablations.factors import FACTOR_NAMES, FACTORS, plain, select
from experiments.config import import_components, leaf_paths, load_config, to_json

Build = Callable[..., Any]
SCALES = ("tiny", "cpu", "gpu", "paper")


def resolved(scale: str, delta: dict[str, Any] | None = None) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(to_json(load_config(scale, delta)))
    content.pop("burn_in")  # not part of an arm: its keys are paths of their own
    return content


def at(tree: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        tree = tree[int(part)] if isinstance(tree, list) else tree[part]
    return tree


@pytest.mark.parametrize("scale", SCALES)
def test_off_is_the_baseline_of_every_scale(scale: str) -> None:
    baseline = resolved(scale)
    for factor in FACTORS:
        for setting in factor.settings:
            for path in setting.paths:
                assert at(baseline, path) == plain(setting.off), path


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("design", list(DESIGNS))
def test_an_arm_differs_from_the_baseline_in_its_declared_paths_alone(scale: str, design: str) -> None:
    baseline = resolved(scale)
    arms = arms_of(design, select(["all"]))
    for arm in arms[:8] if design == "factorial" and scale != "tiny" else arms:
        changed = resolved(scale, arm.delta)
        paths = set(leaf_paths(baseline)) | set(leaf_paths(changed))
        assert {path for path in paths if at(baseline, path) != at(changed, path)} == set(arm.delta)


def test_colour_stands_in_the_labelled_and_the_unlabelled_students_pipeline() -> None:
    from ablations.factors import COLOUR

    config = load_config("cpu").to_dict()
    assert [at(config, path)["type"] for path in COLOUR] == ["ColorAugmentation"] * 2
    assert json.dumps(config).count("ColorAugmentation") == 2


def both(build_model: Build, factor: str) -> tuple[Any, Any]:
    """The built students of baseline and factor."""
    return build_model().student, build_model(delta=arm_with([factor]).delta).student


def test_focal_changes_both_losses(build_model: Build) -> None:
    off, on = both(build_model, "focal")
    assert [(s.roi_head.bbox_head.loss_cls.gamma, s.roi_head.bbox_head.loss_cls.loss_weight) for s in (off, on)] == [
        (2.5, 2.0), (3.5, 2.5),
    ]  # fmt: skip
    assert [s.rpn_head.loss_cls.gamma for s in (off, on)] == [2.0, 2.5]
    assert [s.rpn_head.loss_cls.loss_weight for s in (off, on)] == [3.0, 3.0]


def test_anchors_add_shapes_and_these_are_height_by_width(build_model: Build) -> None:
    off, on = both(build_model, "anchors")
    for student, number in ((off, 5), (on, 7)):
        assert student.rpn_head.prior_generator.num_base_priors == [2 * number] * 3  # two scales, three levels
    boxes = on.rpn_head.prior_generator.base_anchors[0]
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    # The ratio 0.45 makes an anchor 0.45 times as high as wide: wide, where the plan's boxes are tall.
    assert sorted({round(float(r), 2) for r in heights / widths}) == [0.2, 0.35, 0.45, 0.55, 0.65, 1.0, 2.0]


def test_pseudo_labels_lower_the_thresholds_that_the_model_reads(build_model: Build) -> None:
    keys = ("pseudo_label_initial_score_thr", "cls_pseudo_thr", "rpn_pseudo_thr")
    model = build_model(delta=arm_with(["pseudo_labels"]).delta)
    assert [model.semi_train_cfg[key] for key in keys] == [0.4, 0.35, 0.35]
    assert [build_model().semi_train_cfg[key] for key in keys] == [0.5, 0.4, 0.4]


def test_augmentation_changes_the_built_pipelines() -> None:
    from mmdet.registry import TRANSFORMS
    from mmengine.registry import init_default_scope

    from ablations.factors import COLOUR

    built = {}
    for name, delta in (("off", {}), ("on", arm_with(["augmentation"]).delta)):
        config = load_config("tiny", delta)
        import_components(config)
        init_default_scope("mmdet")
        steps = [TRANSFORMS.build(at(config, path)).transforms.transforms for path in COLOUR]
        built[name] = [[(type(t).__name__, t.prob, t.min_mag, t.max_mag) for t in step] for step in steps]
        assert built[name][0] == built[name][1]
    probabilities = {name: [t[1] for t in steps[0]] for name, steps in built.items()}
    assert probabilities == {"off": [0.5, 0.4, 0.8, 0.8, 0.3, 0.0], "on": [0.6, 0.5, 0.8, 0.8, 0.5, 0.3]}
    magnitudes = {name: [t[2:] for t in steps[0][2:5]] for name, steps in built.items()}
    assert magnitudes == {
        "off": [(0.8, 1.25), (0.8, 1.3), (0.8, 1.5)],
        "on": [(0.7, 1.4), (0.7, 1.5), (0.7, 2.0)],
    }


def test_fusion_makes_the_transformer_larger(build_model: Build) -> None:
    off, on = both(build_model, "fusion")

    def size(student: Any) -> tuple[int, int, int]:
        layers = student.backbone.mvvit.levels[0].layers
        return len(layers), layers[0].attention.heads, layers[0].mlp[0].out_features

    assert (size(off), size(on)) == ((1, 4, 64), (2, 8, 96))  # width 32 at scale tiny


def test_pooling_doubles_the_tokens_where_there_are_enough(build_model: Build) -> None:
    off, on = both(build_model, "pooling")
    # P2 of 96 x 48 px: 24 * 12 = 288 cells; 1024 / 11520 of them are 26, 2048 / 11520 are 51.
    assert off.backbone.mvvit.tokens_per_level == [26, 26, 18]
    assert on.backbone.mvvit.tokens_per_level == [51, 51, 18]


@pytest.mark.parametrize("factor", [name for name in FACTOR_NAMES if name != "augmentation"])
def test_each_model_factor_changes_the_loss_of_the_same_batch(
    factor: str, build_model: Build, tiny_batch: Build, teach: Build
) -> None:
    import torch

    totals, weights = [], build_model().state_dict()
    for delta in ({}, arm_with([factor]).delta):
        model = build_model(delta=delta).train()
        own = model.state_dict()  # what both have is alike: the factor alone makes the difference
        model.load_state_dict({n: v for n, v in weights.items() if own[n].shape == v.shape}, strict=False)
        if factor == "pseudo_labels":  # one box that only the lower threshold keeps
            teach(model, [0.45])
        batch = tiny_batch(model)
        torch.manual_seed(1)
        totals.append(float(model.parse_losses(model.loss(*batch))[0].detach()))
    assert totals[0] != totals[1]

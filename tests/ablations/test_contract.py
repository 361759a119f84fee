"""No dead knob, no confounded arm: every factor against the shipped configs and against what is built from them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablations.arms import arm_with
from ablations.designs import DESIGNS, arms_of
from ablations.factor import plain
from ablations.factors import COLOUR, FACTOR_NAMES, FACTORS, FURTHER_NAMES, select
from ablations.further import FURTHER
from ablations.space import SPACES, distributions, suggest, translate
from experiments.config import import_components, leaf_paths, load_config, to_json
from experiments.records import read_record
from experiments.runs import FROM_BURN_IN, ON_PSEUDO_LABELS, followed

Build = Callable[..., Any]
SCALES = ("tiny", "cpu", "gpu", "paper")
# Factors that act on pseudo-labels alone: supervised training is the same with them, and so is its burn-in.
OF_PSEUDO_LABELS = tuple(
    name for name in (*FACTOR_NAMES, *FURTHER_NAMES) if set(arm_with([name]).delta) <= set(ON_PSEUDO_LABELS)
)
# Further factors that trained weights cannot show.
UNTOLD_BY_WEIGHTS = ("tall_anchors", "bfloat16", *OF_PSEUDO_LABELS)


def resolved(scale: str, delta: dict[str, Any] | None = None) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(to_json(load_config(scale, delta)))
    del (
        content["burn_in"],
        content["from_start"],
    )  # no part of what is trained; the former's keys are paths of their own
    return content


def at(tree: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        tree = tree[int(part)] if isinstance(tree, list) else tree[part]
    return tree


def further_at(scale: str) -> list[str]:
    """The further factors that a scale can switch."""
    return [factor.name for factor in FURTHER if factor.scales is None or scale in factor.scales]


@pytest.mark.parametrize("scale", SCALES)
def test_off_is_the_baseline_of_every_scale_and_on_where_a_factor_is_not_for_it(scale: str) -> None:
    baseline = resolved(scale)
    for factor in (*FACTORS, *FURTHER):
        usual = factor in FACTORS or factor.name in further_at(scale)
        for setting in factor.settings:
            for path in setting.paths:
                assert at(baseline, path) == plain(setting.off if usual else setting.on), path


def test_scales_have_one_of_the_two_precisions_to_switch_to() -> None:
    assert {scale: set(further_at(scale)) & {"bfloat16", "float32"} for scale in SCALES} == {
        "tiny": {"bfloat16"}, "cpu": {"bfloat16"}, "gpu": {"float32"}, "paper": {"float32"},
    }  # fmt: skip


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("design", list(DESIGNS))
def test_an_arm_differs_from_the_baseline_in_its_declared_paths_alone(scale: str, design: str) -> None:
    baseline = resolved(scale)
    arms = arms_of(design, select(["all"]))
    for arm in arms[:8] if design == "factorial" and scale != "tiny" else arms:
        changed = resolved(scale, arm.delta)
        paths = set(leaf_paths(baseline)) | set(leaf_paths(changed))
        assert {path for path in paths if at(baseline, path) != at(changed, path)} == set(arm.delta)


@pytest.mark.parametrize("scale", SCALES)
def test_an_arm_of_further_factors_differs_in_its_declared_paths_alone(scale: str) -> None:
    baseline = resolved(scale)
    for arm in arms_of("alone,leave-one-out", select(further_at(scale))):
        changed = resolved(scale, arm.delta)
        paths = set(leaf_paths(baseline)) | set(leaf_paths(changed))
        assert {path for path in paths if at(baseline, path) != at(changed, path)} == set(arm.delta)


def test_a_burn_in_follows_the_further_factors_and_none_of_the_plans() -> None:
    seen = [name for name in FURTHER_NAMES if name not in OF_PSEUDO_LABELS]
    assert set(FROM_BURN_IN) == set(arm_with(seen).delta)
    assert followed(arm_with(OF_PSEUDO_LABELS).delta) == {}
    assert followed(arm_with(FACTOR_NAMES).delta) == {}


def test_colour_stands_in_the_labelled_and_the_unlabelled_students_pipeline() -> None:
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


def colour_steps(delta: dict[str, Any]) -> list[tuple[str, float, float, float]]:
    """Type, probability and magnitudes of the built colour transforms, checked to be the same in both pipelines."""
    from mmdet.registry import TRANSFORMS
    from mmengine.registry import init_default_scope

    config = load_config("tiny", delta)
    import_components(config)
    init_default_scope("mmdet")
    built = [TRANSFORMS.build(at(config, path)).steps for path in COLOUR]
    steps = [[(type(t).__name__, t.prob, t.min_mag, t.max_mag) for t, _ in step] for step in built]
    assert steps[0] == steps[1]
    return steps[0]


def test_augmentation_changes_the_built_pipelines() -> None:
    built = {"off": colour_steps({}), "on": colour_steps(arm_with(["augmentation"]).delta)}
    probabilities = {name: [t[1] for t in steps] for name, steps in built.items()}
    assert probabilities == {"off": [0.5, 0.4, 0.8, 0.8, 0.3, 0.0], "on": [0.6, 0.5, 0.8, 0.8, 0.5, 0.3]}
    magnitudes = {name: [t[2:] for t in steps[2:5]] for name, steps in built.items()}
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


def test_banded_fuses_all_tokens_in_bands(build_model: Build) -> None:
    off, on = (student.backbone.mvvit for student in both(build_model, "banded"))
    assert [level.band_rows for level in off.levels] == [None] * 3
    assert [level.band_rows for level in on.levels] == [4] * 3
    assert (on.tokens_per_level, any(level.pools for level in on.levels)) == ([288, 72, 18], False)


@pytest.mark.parametrize(
    ("other", "ratios"), [((), [0.5, 1, 2, 2.86, 5]), (("anchors",), [0.5, 1, 1.54, 1.82, 2.22, 2.86, 5])]
)
def test_tall_anchors_are_one_over_the_ratio_as_high_as_wide(
    other: tuple[str, ...], ratios: list[float], build_model: Build
) -> None:
    student = build_model(delta=arm_with(["tall_anchors", *other]).delta).student
    boxes = student.rpn_head.prior_generator.base_anchors[0]
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert sorted({round(float(r), 2) for r in heights / widths}) == ratios


def test_the_fault_of_the_average_makes_the_teacher_a_copy_at_every_scale() -> None:
    import models  # noqa: F401
    from experiments.hooks.mean_teacher import MultiViewMeanTeacherHook

    shares = {}
    for scale in SCALES:
        hooks = [load_config(scale, arm_with(on).delta).custom_hooks[0] for on in ((), ("fault_ema",))]
        off, on = (MultiViewMeanTeacherHook(**{k: v for k, v in hook.items() if k != "type"}) for hook in hooks)
        assert on.momentum == 1 - off.momentum
        shares[scale] = on.momentum
    assert shares == {"tiny": 0.99, "cpu": 0.99, "gpu": 0.998, "paper": 0.999}


def test_the_fault_of_the_softmax_has_one_output_more_and_no_activation_of_its_own(build_model: Build) -> None:
    off, on = (student.roi_head.bbox_head for student in both(build_model, "fault_softmax"))
    assert [(head.fc_cls.out_features, head.custom_activation) for head in (off, on)] == [(5, True), (6, False)]
    assert (on.loss_cls.use_sigmoid, on.loss_cls.gamma, on.loss_cls.loss_weight) == (True, 2.5, 2.0)


def test_the_fault_of_untrained_fusion_draws_teacher_and_student_apart(build_model: Build) -> None:
    import torch

    for on, alike in (((), True), (("fault_untrained",), False)):
        model = build_model(delta=arm_with(on).delta)
        for name, value in model.teacher.named_parameters():  # as if each had drawn its own
            if name.startswith("backbone.mvvit."):
                value.data.add_(0.5)
        model.init_weights()
        teacher, student = model.teacher.state_dict(), model.student.state_dict()
        fusion = {name for name in student if name.startswith("backbone.mvvit.")}
        assert {name for name in student if not torch.equal(teacher[name], student[name])} == (
            set() if alike else fusion
        )
        assert model.drawn_apart() == (set() if alike else fusion)
        assert {name for name, p in model.student.named_parameters() if not p.requires_grad} == (
            set() if alike else fusion
        )


def test_the_fault_of_pooling_starts_its_queries_alike(build_model: Build) -> None:
    import torch

    off, on = (student.backbone.mvvit.levels[0] for student in both(build_model, "fault_pooling"))
    assert off.queries.std() > 1 and on.queries.std() < 0.05
    for level, places in ((off, True), (on, False)):
        for attention in (level.pool, level.unpool):
            assert all(torch.equal(one.weight, torch.eye(32)) == places for one in (attention.query, attention.key))


@pytest.fixture
def losses_of(build_model: Build, tiny_batch: Build, teach: Build) -> Build:
    """Losses of one batch under a delta; what a model shares with the baseline is alike, so the delta alone differs."""
    weights = build_model().state_dict()

    def losses(delta: dict[str, Any], scores: list[float] | None = None) -> dict[str, Any]:
        import torch

        model = build_model(delta=delta).train()
        own = model.state_dict()
        model.load_state_dict({n: v for n, v in weights.items() if n in own and own[n].shape == v.shape}, strict=False)
        if scores is not None:
            teach(model, scores)
        batch = tiny_batch(model)
        torch.manual_seed(1)
        found: dict[str, Any] = model.parse_losses(model.loss(*batch))[1]
        return {name: float(value.detach()) for name, value in found.items()}

    return losses


NO_LOSS = ("augmentation", "fault_ema", "fault_untrained")  # pipelines, the hook, and gradients, see above


@pytest.mark.parametrize("factor", [name for name in (*FACTOR_NAMES, *further_at("tiny")) if name not in NO_LOSS])
def test_each_model_factor_changes_the_loss_of_the_same_batch(factor: str, losses_of: Build) -> None:
    scores = [0.45] if factor == "pseudo_labels" else None  # one box that only the lower threshold keeps
    off, on = (losses_of(delta, scores)["loss"] for delta in ({}, arm_with([factor]).delta))
    assert off != on


SAMPLED = distributions(SPACES["all"], width=32)


def ends(parameter: str) -> tuple[Any, Any]:
    """The first and the last value that a parameter is drawn from."""
    distribution: Any = SAMPLED[parameter]
    values = getattr(distribution, "choices", None) or (distribution.low, distribution.high)
    return values[0], values[-1]


@pytest.mark.parametrize("parameter", [name for name in SAMPLED if name != "augmentation_strength"])
def test_each_sampled_parameter_changes_the_loss_of_the_same_batch(parameter: str, losses_of: Build) -> None:
    # Of the two boxes, every threshold keeps one or both.
    first, last = (losses_of(translate({parameter: value}), [0.9, 0.6])["loss"] for value in ends(parameter))
    assert first != last


def test_the_same_delta_gives_the_same_loss(losses_of: Build) -> None:
    first, second = (losses_of(translate({"num_layers": 3, "mlp_ratio": 1.5}), [0.9, 0.6]) for _ in range(2))
    assert first == second


BUILT: dict[str, Callable[[Any], Any]] = {  # where the built student holds a sampled value
    "roi_gamma": lambda s: s.roi_head.bbox_head.loss_cls.gamma,
    "roi_loss_weight": lambda s: s.roi_head.bbox_head.loss_cls.loss_weight,
    "rpn_gamma": lambda s: s.rpn_head.loss_cls.gamma,
    "ratios": lambda s: ", ".join(f"{float(r):.4g}" for r in s.rpn_head.prior_generator.ratios),
    "num_heads": lambda s: s.backbone.mvvit.levels[0].layers[0].attention.heads,
    "num_layers": lambda s: len(s.backbone.mvvit.levels[0].layers),
    "mlp_ratio": lambda s: s.backbone.mvvit.levels[0].layers[0].mlp[0].out_features / 32,  # the width at scale tiny
    "num_tokens": lambda s: s.backbone.mvvit.tokens_per_level[0],
}


@pytest.mark.parametrize("parameter", list(BUILT))
def test_the_built_student_holds_the_sampled_value(parameter: str, build_model: Build) -> None:
    expected = {
        "ratios": ["0.2, 0.35, 0.5, 1, 2", "0.2, 0.35, 0.45, 0.55, 0.65, 1, 2"],
        "num_tokens": [6, 102],  # 256 and 4096 of 11520, of 288 cells
    }.get(parameter, list(ends(parameter)))
    built = [build_model(delta=translate({parameter: value})).student for value in ends(parameter)]
    assert [BUILT[parameter](student) for student in built] == expected


def test_every_sampled_parameter_is_checked_where_it_is_built() -> None:
    thresholds = {"pseudo_label_initial_score_thr", "cls_pseudo_thr_rise", "rpn_pseudo_thr_rise"}
    assert set(BUILT) | thresholds | {"augmentation_strength"} == set(SAMPLED)


def test_strength_moves_every_colour_setting_of_the_built_pipelines() -> None:
    weak, half, strong = (colour_steps(translate({"augmentation_strength": s})) for s in (0.0, 0.5, 1.5))
    assert weak == colour_steps({})
    for steps in zip(weak, half, strong, strict=True):
        assert len({step[1:] for step in steps}) == 3, steps[0]


@pytest.mark.parametrize("seed", range(4))
def test_a_random_setting_can_be_built(seed: int, build_model: Build) -> None:
    import optuna

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    delta = suggest(study.ask(), SPACES["all"], width=32)
    assert build_model(delta=delta).student is not None
    assert len(colour_steps(delta)) == 6


def test_the_initial_threshold_sampled_keeps_other_boxes(losses_of: Build) -> None:
    kept = [
        losses_of(translate({"pseudo_label_initial_score_thr": value}), [0.9, 0.6, 0.3])["pseudo_boxes_per_view"]
        for value in (0.2, 0.5, 0.7)
    ]
    assert kept == [3.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("rise", "changes", "stays"),
    [
        ("cls_pseudo_thr_rise", "unsup_loss_cls", "unsup_loss_rpn_cls"),
        ("rpn_pseudo_thr_rise", "unsup_loss_rpn_cls", "sup_loss_cls"),
    ],
)
@pytest.mark.parametrize("initial", [0.3, 0.5])
def test_a_rise_keeps_other_boxes_in_its_own_loss(
    initial: float, rise: str, changes: str, stays: str, losses_of: Build
) -> None:
    # Over 0.3, the rises 0.4, 0.6 and 0.9 are the thresholds 0.5, 0.6 and 0.75; over 0.5 they are 0.62, 0.68 and 0.77.
    scores = [0.9, 0.7, 0.55]
    runs = [
        losses_of(translate({"pseudo_label_initial_score_thr": initial, rise: share}), scores)
        for share in (0.0, 0.4, 0.6, 0.9)
    ]
    boxes = [3, 3, 2, 1] if initial == 0.3 else [3, 2, 2, 1]  # how many of the scores lie above the threshold
    for earlier, later, before, after in zip(runs, runs[1:], boxes, boxes[1:], strict=False):
        assert (earlier[changes] == later[changes]) == (before == after)
        assert earlier[stays] == later[stays]
        assert earlier["pseudo_boxes_per_view"] == later["pseudo_boxes_per_view"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: what two arms share is trained once."""
    return tmp_path_factory.mktemp("runs")


def is_at_fault(factor: str, weights: dict[str, Any]) -> bool:
    """Whether trained weights of teacher and student show that a further factor was on from their start; not of all they do."""
    import torch

    level = "backbone.mvvit.levels.0"
    queries = weights.get(f"student.{level}.queries")
    apart = [
        name
        for name in (name.removeprefix("student.") for name in weights if name.startswith("student."))
        if "running_" not in name  # statistics of BatchNorm, which move much in one step
        and not torch.allclose(weights[f"teacher.{name}"], weights[f"student.{name}"], rtol=0, atol=1e-4)
    ]
    return {
        "banded": lambda: queries is None,
        "fault_ema": lambda: not apart,
        "fault_softmax": lambda: len(weights["student.roi_head.bbox_head.fc_cls.weight"]) == 6,
        # A bias that starts at 0 has stayed there.
        "fault_untrained": lambda: (
            bool((weights[f"student.{level}.out.bias"] == 0).all()) and f"{level}.project.bias" in apart
        ),
        "fault_pooling": lambda: queries is not None and bool(queries.std() < 0.05),
    }[factor]()


@pytest.mark.parametrize("factor", ["", *further_at("tiny")])
def test_an_arm_of_a_further_factor_trains_on_a_burn_in_that_has_it_too(
    factor: str, tiny_data: Path, runs: Path
) -> None:
    import torch

    from experiments.train import train_run

    arm = arm_with([factor] if factor else ())
    record = train_run(
        config="tiny", study="s", arm=arm.name, levels=arm.levels, delta=arm.delta, data=tiny_data, runs_root=runs,
        progress=False,
    )  # fmt: skip
    assert (record.status, record.reason) == ("completed", None)
    burn_ins = {one.identity: folder for folder in (runs / "burn-in").iterdir() for one in [read_record(folder)]}
    burn_in = read_record(burn_ins[record.burn_in or ""])
    assert burn_in.delta == {**load_config("tiny").burn_in, **followed(arm.delta)}
    fusion = [name for name in record.fresh_weights if name.startswith("backbone.mvvit.")]
    assert record.fresh_weights == fusion and bool(fusion) == (factor == "fault_untrained")
    for folder in (burn_ins[burn_in.identity], runs / "s" / f"{arm.name}-seed0"):
        weights = torch.load(folder / "weights.pth", weights_only=True)
        for other in set(further_at("tiny")).difference(UNTOLD_BY_WEIGHTS):
            assert is_at_fault(other, weights) == (other == factor), (folder.name, other)

"""The search space: what is drawn, and the delta that it stands for, against figures worked out by hand."""

import json
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FixedTrial

from ablations.factor import Level
from ablations.factors import COLOUR, FACTOR_NAMES, FACTORS, delta
from ablations.space import SPACES, describe_space, distributions, fixed_params, suggest, translate
from experiments.config import load_config
from experiments.errors import UserError

ALL = SPACES["all"]
SEMI = "model.semi_train_cfg"
INITIAL, CLS, RPN = (f"{SEMI}.{key}" for key in ("pseudo_label_initial_score_thr", "cls_pseudo_thr", "rpn_pseudo_thr"))
MVVIT = "model.detector.backbone.mvvit"
RATIOS_OFF = "0.2, 0.35, 0.5, 1.0, 2.0"
RATIOS_ON = "0.2, 0.35, 0.45, 0.55, 0.65, 1.0, 2.0"
OFF = {
    "roi_gamma": 2.5,
    "roi_loss_weight": 2.0,
    "rpn_gamma": 2.0,
    "ratios": RATIOS_OFF,
    "pseudo_label_initial_score_thr": 0.5,
    "cls_pseudo_thr_rise": 0.0,
    "rpn_pseudo_thr_rise": 0.0,
    "augmentation_strength": 0.0,
    "num_heads": 4,
    "num_layers": 1,
    "mlp_ratio": 2.0,
    "num_tokens": 1024,
}
ON = {
    "roi_gamma": 3.5,
    "roi_loss_weight": 2.5,
    "rpn_gamma": 2.5,
    "ratios": RATIOS_ON,
    "pseudo_label_initial_score_thr": 0.4,
    "cls_pseudo_thr_rise": 0.0,
    "rpn_pseudo_thr_rise": 0.0,
    "augmentation_strength": 1.0,
    "num_heads": 8,
    "num_layers": 2,
    "mlp_ratio": 3.0,
    "num_tokens": 2048,
}


def draws(
    settings: tuple[str, ...], number: int, *, width: int = 64, seed: int = 0
) -> list[tuple[dict[str, Any], Any]]:
    """(parameters, delta) of random trials."""
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    trials = [study.ask() for _ in range(number)]
    deltas = [suggest(trial, settings, width=width) for trial in trials]
    return [(trial.params, drawn) for trial, drawn in zip(trials, deltas, strict=True)]


def levels(level: Level) -> dict[str, Level]:
    return dict.fromkeys(FACTOR_NAMES, level)


def test_spaces() -> None:
    assert SPACES["thresholds"] == (
        "pseudo_label_initial_score_thr", "cls_pseudo_thr", "rpn_pseudo_thr", "roi_gamma", "rpn_gamma",
    )  # fmt: skip
    assert ALL == (
        "roi_gamma", "roi_loss_weight", "rpn_gamma", "ratios", "pseudo_label_initial_score_thr", "cls_pseudo_thr",
        "rpn_pseudo_thr", "augmentation_strength", "num_heads", "num_layers", "mlp_ratio", "num_tokens",
    )  # fmt: skip
    assert set(SPACES["thresholds"]) < set(ALL)


def test_distributions() -> None:
    assert distributions(ALL, width=64) == {
        "roi_gamma": FloatDistribution(1.0, 5.0),
        "roi_loss_weight": FloatDistribution(1.0, 4.0),
        "rpn_gamma": FloatDistribution(1.0, 4.0),
        "ratios": CategoricalDistribution([RATIOS_OFF, RATIOS_ON]),
        "pseudo_label_initial_score_thr": FloatDistribution(0.2, 0.8),
        "cls_pseudo_thr_rise": FloatDistribution(0.0, 1.0),
        "rpn_pseudo_thr_rise": FloatDistribution(0.0, 1.0),
        "augmentation_strength": FloatDistribution(0.0, 1.5),
        "num_heads": CategoricalDistribution([2, 4, 8]),
        "num_layers": IntDistribution(1, 3),
        "mlp_ratio": FloatDistribution(1.0, 4.0),
        "num_tokens": IntDistribution(256, 4096, log=True),
    }


@pytest.mark.parametrize(("width", "heads"), [(256, (2, 4, 8)), (12, (2, 4)), (4, (2, 4)), (6, (2,))])
def test_heads_divide_the_width(width: int, heads: tuple[int, ...]) -> None:
    assert distributions(["num_heads"], width=width) == {"num_heads": CategoricalDistribution(heads)}


def test_rows_to_print_agree_with_what_is_drawn() -> None:
    rows = describe_space(ALL)
    assert [row.name for row in rows] == list(distributions(ALL, width=64))
    by_name = {row.name: row for row in rows}
    assert by_name["roi_gamma"] == (
        "roi_gamma", "real", "1.0 to 5.0", 2.5, 3.5, ("model.detector.roi_head.bbox_head.loss_cls.gamma",),
    )  # fmt: skip
    assert by_name["num_tokens"] == (
        "num_tokens",
        "integer",
        "256 to 4096, log scale",
        1024,
        2048,
        (f"{MVVIT}.num_tokens",),
    )
    assert by_name["num_layers"].range == "1 to 3"
    assert by_name["num_heads"][1:3] == ("choice", "2 | 4 | 8")
    assert by_name["ratios"][1:3] == ("choice", f"{RATIOS_OFF} | {RATIOS_ON}")
    assert by_name["cls_pseudo_thr_rise"][2:] == ("0.0 to 1.0", 0.0, 0.0, (CLS,))
    assert len(by_name["augmentation_strength"].paths) == 14  # seven settings that differ, in two pipelines


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        # 0.4 + 0.5 * (0.8 - 0.4) and 0.4 + 1 * (0.8 - 0.4)
        ((0.4, 0.5, 1.0), {INITIAL: 0.4, CLS: 0.6, RPN: 0.8}),
        ((0.2, 0.25, 0.75), {INITIAL: 0.2, CLS: 0.35, RPN: 0.65}),
        ((0.8, 0.3, 1.0), {INITIAL: 0.8, CLS: 0.8, RPN: 0.8}),
        # The base config's 0.4 would live above 0.3, so a rise of 0 is written there; above 0.6 it is dead anyway.
        ((0.3, 0.0, 0.0), {INITIAL: 0.3, CLS: 0.3, RPN: 0.3}),
        ((0.6, 0.0, 0.5), {INITIAL: 0.6, RPN: 0.7}),
    ],
)
def test_later_thresholds_rise_from_the_initial_one(params: tuple[float, ...], expected: dict[str, float]) -> None:
    names = ("pseudo_label_initial_score_thr", "cls_pseudo_thr_rise", "rpn_pseudo_thr_rise")
    assert translate(dict(zip(names, params, strict=True))) == pytest.approx(expected)


def test_a_later_threshold_alone_rises_from_the_base_configs_initial_one() -> None:
    assert suggest(FixedTrial({"cls_pseudo_thr_rise": 0.5}), ["cls_pseudo_thr"], width=64) == pytest.approx({CLS: 0.65})
    later_first = ["cls_pseudo_thr", "pseudo_label_initial_score_thr"]
    trial = FixedTrial({"cls_pseudo_thr_rise": 0.5, "pseudo_label_initial_score_thr": 0.2})
    assert suggest(trial, later_first, width=64) == pytest.approx({CLS: 0.5, INITIAL: 0.2})


def test_no_drawn_threshold_is_dead() -> None:
    for _, drawn in draws(SPACES["thresholds"], 200):
        assert 0.2 <= drawn[INITIAL] < drawn[CLS] <= 0.8
        assert drawn[INITIAL] < drawn[RPN] <= 0.8


def colours(strength: float) -> dict[str, Any]:
    """The delta of a strength without the prefix, checked to be the same in both pipelines."""
    drawn = translate({"augmentation_strength": strength})
    steps = [{path.removeprefix(f"{step}."): drawn[path] for path in drawn if path.startswith(step)} for step in COLOUR]
    assert steps[0] == steps[1]
    assert len(drawn) == 2 * len(steps[0])
    return steps[0]


def test_strength_goes_from_off_over_on_to_half_as_far_again() -> None:
    assert colours(0.0) == {}
    assert colours(0.5) == {
        "autocontrast.prob": pytest.approx(0.55),
        "equalize.prob": pytest.approx(0.45),
        "brightness.magnitude": pytest.approx([0.75, 1.325]),
        "contrast.magnitude": pytest.approx([0.75, 1.4]),
        "sharpness.prob": pytest.approx(0.4),
        "sharpness.magnitude": pytest.approx([0.75, 1.75]),
        "posterize.prob": pytest.approx(0.15),
    }
    assert colours(1.5) == {
        "autocontrast.prob": pytest.approx(0.65),
        "equalize.prob": pytest.approx(0.55),
        "brightness.magnitude": pytest.approx([0.65, 1.475]),
        "contrast.magnitude": pytest.approx([0.65, 1.6]),
        "sharpness.prob": pytest.approx(0.6),
        "sharpness.magnitude": pytest.approx([0.65, 2.0]),  # not 2.25: mmdet takes no more than 2
        "posterize.prob": pytest.approx(0.45),
    }


def test_strength_one_is_the_factor_on_to_the_last_digit() -> None:
    assert translate({"augmentation_strength": 1.0}) == delta({"augmentation": "on"})


def test_strength_stays_within_what_the_library_takes() -> None:
    far = colours(10.0)
    assert (far["autocontrast.prob"], far["sharpness.prob"]) == (1.0, 1.0)  # not 1.5 and 2.3
    assert far["brightness.magnitude"] == [0.0, 2.0]  # not -0.2 and 2.75


def test_off_and_on_points() -> None:
    assert fixed_params({}, ALL) == fixed_params(levels("off"), ALL) == OFF
    assert fixed_params(levels("on"), ALL) == ON
    assert fixed_params({"fusion": "on", "pooling": "off"}, ["num_layers", "num_tokens"]) == {
        "num_layers": 2,
        "num_tokens": 1024,
    }


def test_points_translate_back_to_the_tables_deltas_up_to_dead_thresholds() -> None:
    assert translate(OFF) == {}
    # 0.35 below the initial 0.4 is as dead as the base config's 0.4.
    assert translate(ON) == {path: v for path, v in delta(levels("on")).items() if path not in (CLS, RPN)}


@pytest.mark.parametrize("factor", FACTOR_NAMES)
def test_points_are_members_of_the_distributions(factor: str) -> None:
    found = distributions(ALL, width=32)
    for name, value in fixed_params({factor: "on"}, ALL).items():
        assert found[name]._contains(found[name].to_internal_repr(value)), name


def test_a_queued_point_is_what_the_trial_draws() -> None:
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    for point in (OFF, ON):
        study.enqueue_trial(point)
    asked = [study.ask(), study.ask()]
    assert [suggest(trial, ALL, width=32) for trial in asked] == [translate(OFF), translate(ON)]
    assert [trial.params for trial in asked] == [OFF, ON]


@pytest.mark.parametrize("setting", ALL)
def test_a_drawn_setting_touches_its_declared_paths_alone(setting: str) -> None:
    declared = {s.name: set(s.paths) for f in FACTORS for s in f.settings}
    declared["augmentation_strength"] = set().union(*(p for name, p in declared.items() if COLOUR[0] in min(p)))
    (row,) = describe_space([setting])
    assert set(row.paths) <= declared[setting]
    drawn: set[str] = set().union(*(d for _, d in draws((setting,), 20)))
    assert drawn == set(row.paths)  # and each of them in at least one draw


@pytest.mark.parametrize("width", [32, 12])
def test_draws_are_plain_typed_and_repeat(width: int) -> None:
    kinds = {f"{MVVIT}.num_heads": int, f"{MVVIT}.num_layers": int, f"{MVVIT}.num_tokens": int, INITIAL: float}
    drawn = draws(ALL, 50, width=width)
    assert drawn == draws(ALL, 50, width=width)
    assert drawn != draws(ALL, 50, width=width, seed=1)
    for params, delta_ in drawn:
        assert json.loads(json.dumps(delta_)) == delta_
        assert {path: type(delta_[path]) for path in kinds if path in delta_}.items() <= kinds.items()
        assert {type(value) for value in delta_.values()} <= {int, float, list}
        assert translate(params) == delta_


def test_every_draw_can_be_loaded_and_its_heads_divide_the_width() -> None:
    for _, drawn in draws(ALL, 200, width=32):
        mvvit = load_config("tiny", drawn).model.detector.backbone.mvvit
        assert mvvit.embed_dims % mvvit.num_heads == 0


def test_values_are_not_shared_between_paths_or_draws() -> None:
    first = translate({"ratios": RATIOS_ON, "augmentation_strength": 1.0})
    lists = [value for value in first.values() if isinstance(value, list)]
    assert len({id(value) for value in lists}) == len(lists)
    for value in lists:
        value.append(9.0)
    assert translate({"augmentation_strength": 1.0}) == delta({"augmentation": "on"})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["roi_gama"], "There is no sampled setting 'roi_gama': did you mean roi_gamma"),
        (["cls_pseudo_thr_rise"], "did you mean cls_pseudo_thr"),
        (["posterize_prob"], "There is no sampled setting 'posterize_prob'"),
        ([], "No setting is named"),
    ],
)
def test_unknown_settings_are_refused(settings: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        distributions(settings, width=64)
    with pytest.raises(UserError, match=message):
        describe_space(settings)
    with pytest.raises(UserError, match=message):
        fixed_params({}, settings)


def test_an_unknown_factor_is_refused() -> None:
    with pytest.raises(UserError, match="There is no factor 'focl': did you mean focal"):
        fixed_params({"focl": "on"}, ALL)

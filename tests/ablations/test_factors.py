"""The factor table against the improvement plan's figures, typed by hand."""

import json
from typing import Any

import pytest

from ablations.factor import Choice, Level, Range, plain
from ablations.factors import COLOUR, FACTOR_NAMES, FACTORS, FURTHER_NAMES, delta, select
from ablations.further import FURTHER
from experiments.errors import UserError

PLAN: dict[str, dict[str, tuple[Any, Any]]] = {  # factor -> setting -> (off, on)
    "focal": {"roi_gamma": (2.5, 3.5), "roi_loss_weight": (2.0, 2.5), "rpn_gamma": (2.0, 2.5)},
    "anchors": {"ratios": ([0.2, 0.35, 0.5, 1.0, 2.0], [0.2, 0.35, 0.45, 0.55, 0.65, 1.0, 2.0])},
    "pseudo_labels": {
        "pseudo_label_initial_score_thr": (0.5, 0.4),
        "cls_pseudo_thr": (0.4, 0.35),
        "rpn_pseudo_thr": (0.4, 0.35),
    },
    "augmentation": {
        "autocontrast_prob": (0.5, 0.6),
        "equalize_prob": (0.4, 0.5),
        "brightness_prob": (0.8, 0.8),
        "brightness_magnitude": ([0.8, 1.25], [0.7, 1.4]),
        "contrast_prob": (0.8, 0.8),
        "contrast_magnitude": ([0.8, 1.3], [0.7, 1.5]),
        "sharpness_prob": (0.3, 0.5),
        "sharpness_magnitude": ([0.8, 1.5], [0.7, 2.0]),
        "posterize_prob": (0.0, 0.3),
    },
    "fusion": {"num_heads": (4, 8), "num_layers": (1, 2), "mlp_ratio": (2.0, 3.0)},
    "pooling": {"num_tokens": (1024, 2048)},
}
SEARCH = {
    "roi_gamma": Range(1.0, 5.0),
    "roi_loss_weight": Range(1.0, 4.0),
    "rpn_gamma": Range(1.0, 4.0),
    "ratios": Choice(((0.2, 0.35, 0.5, 1.0, 2.0), (0.2, 0.35, 0.45, 0.55, 0.65, 1.0, 2.0))),
    "pseudo_label_initial_score_thr": Range(0.2, 0.8),
    "cls_pseudo_thr": Range(0.2, 0.8),
    "rpn_pseudo_thr": Range(0.2, 0.8),
    "num_heads": Choice((2, 4, 8)),
    "num_layers": Range(1, 3),
    "mlp_ratio": Range(1.0, 4.0),
    "num_tokens": Range(256, 4096),
}
LABELLED = "train_dataloader.dataset.labelled.pipeline.2.sup.0"
UNLABELLED = "train_dataloader.dataset.unlabelled.pipeline.1.unsup_student.1"
COLOUR_ON = {
    "autocontrast.prob": 0.6,
    "equalize.prob": 0.5,
    "brightness.magnitude": [0.7, 1.4],
    "contrast.magnitude": [0.7, 1.5],
    "sharpness.prob": 0.5,
    "sharpness.magnitude": [0.7, 2.0],
    "posterize.prob": 0.3,
}
DELTAS: dict[str, dict[str, Any]] = {
    "focal": {
        "model.detector.roi_head.bbox_head.loss_cls.gamma": 3.5,
        "model.detector.roi_head.bbox_head.loss_cls.loss_weight": 2.5,
        "model.detector.rpn_head.loss_cls.gamma": 2.5,
    },
    "anchors": {
        "model.detector.rpn_head.anchor_generator.ratios": [0.2, 0.35, 0.45, 0.55, 0.65, 1.0, 2.0],
    },
    "pseudo_labels": {
        "model.semi_train_cfg.pseudo_label_initial_score_thr": 0.4,
        "model.semi_train_cfg.cls_pseudo_thr": 0.35,
        "model.semi_train_cfg.rpn_pseudo_thr": 0.35,
    },
    "augmentation": {f"{prefix}.{key}": on for key, on in COLOUR_ON.items() for prefix in (LABELLED, UNLABELLED)},
    "fusion": {
        "model.detector.backbone.mvvit.num_heads": 8,
        "model.detector.backbone.mvvit.num_layers": 2,
        "model.detector.backbone.mvvit.mlp_ratio": 3.0,
    },
    "pooling": {"model.detector.backbone.mvvit.num_tokens": 2048},
}


def test_table_holds_the_plans_values() -> None:
    table = {f.name: {s.name: (plain(s.off), plain(s.on)) for s in f.settings} for f in FACTORS}
    assert table == PLAN
    assert list(table) == list(PLAN)


def test_whole_numbers_stay_whole_numbers() -> None:
    values = {s.name: (s.off, s.on) for f in FACTORS for s in f.settings}
    for name in ("num_heads", "num_layers", "num_tokens"):
        assert [type(value) for value in values[name]] == [int, int]


def test_table_holds_the_plans_search_ranges() -> None:
    assert {s.name: s.search for f in FACTORS for s in f.settings if s.search is not None} == SEARCH


def test_no_two_settings_share_a_path() -> None:
    paths = [path for f in FACTORS for s in f.settings for path in s.paths]
    assert len(paths) == len(set(paths)) == 11 + 2 * 9


def test_colour_step_is_set_in_both_pipelines() -> None:
    assert COLOUR == (LABELLED, UNLABELLED)


def test_ratio_convention_is_stated() -> None:
    (anchors,) = select(["anchors"])
    assert "height/width" in anchors.meaning
    assert "width/height" in anchors.meaning


@pytest.mark.parametrize("name", list(DELTAS))
def test_delta_of_each_factor(name: str) -> None:
    levels: dict[str, Level] = {other: "on" if other == name else "off" for other in PLAN}
    assert delta(levels) == DELTAS[name]


def test_delta_of_all_is_the_union_and_of_none_is_empty() -> None:
    union = {path: value for values in DELTAS.values() for path, value in values.items()}
    assert delta(dict.fromkeys(PLAN, "on")) == union
    assert delta(dict.fromkeys(PLAN, "off")) == {}
    assert delta({}) == {}


def test_delta_survives_json_and_is_not_shared() -> None:
    first = delta({"anchors": "on", "augmentation": "on"})
    assert json.loads(json.dumps(first)) == first
    first["model.detector.rpn_head.anchor_generator.ratios"].append(9.0)
    assert delta({"anchors": "on"}) == DELTAS["anchors"]


def test_delta_refuses_an_unknown_factor() -> None:
    with pytest.raises(UserError, match="There is no factor 'pseudo_label': did you mean pseudo_labels"):
        delta({"pseudo_label": "on"})


def test_select_keeps_table_order_and_each_once() -> None:
    assert [f.name for f in select(["pooling", "focal", "pooling"])] == ["focal", "pooling"]
    assert [f.name for f in select(["all"])] == list(PLAN)
    assert [f.name for f in select(["all", "focal"])] == list(PLAN)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["ancors"], "There is no factor 'ancors': did you mean anchors"),
        (["all", "ancors"], "There is no factor 'ancors'"),
        (
            ["xyz"],
            "There is no factor 'xyz': choose one of focal, anchors, pseudo_labels, augmentation, fusion",
        ),
        ([], "No factor is named"),
    ],
)
def test_select_refuses(names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        select(names)


MVVIT = "model.detector.backbone.mvvit"
FURTHER_DELTAS: dict[str, dict[str, Any]] = {
    "banded": {f"{MVVIT}.spatial": "banded"},
    "tall_anchors": {"model.detector.rpn_head.anchor_generator.type": "WidthHeightAnchorGenerator"},
    "bfloat16": {"model.precision": "bfloat16"},
    "float32": {"model.precision": "float32"},
    "fault_ema": {"custom_hooks.0.swapped": True},
    "fault_softmax": {"model.detector.roi_head.bbox_head.loss_cls.type": "FocalLoss"},
    "fault_untrained": {f"{MVVIT}.trained": False},
    "fault_pooling": {f"{MVVIT}.pooling_start": "alike"},
}


def test_delta_of_each_further_factor() -> None:
    assert {name: delta({name: "on"}) for name in FURTHER_NAMES} == FURTHER_DELTAS


def test_all_means_the_plans_six_and_faults_those_of_its_system() -> None:
    def names(*words: str) -> list[str]:
        return [factor.name for factor in select(words)]

    assert names("all") == list(FACTOR_NAMES) == list(PLAN)
    assert names("faults") == ["fault_ema", "fault_softmax", "fault_untrained", "fault_pooling"]
    assert names("fault_ema", "banded", "focal") == ["focal", "banded", "fault_ema"]
    assert names("faults", "all", "focal") == [*FACTOR_NAMES, *names("faults")]
    with pytest.raises(UserError, match="There is no factor 'bandet': did you mean banded"):
        select(["bandet"])


def test_no_further_factor_is_sampled_or_shares_a_path_with_another_of_its_scale() -> None:
    for scale in ("tiny", "cpu", "gpu", "paper"):
        factors = [f for f in (*FACTORS, *FURTHER) if f.scales is None or scale in f.scales]
        paths = [path for f in factors for s in f.settings for path in s.paths]
        assert len(paths) == len(set(paths))
    assert not any(factor.strength or setting.search for factor in FURTHER for setting in factor.settings)


def test_tall_anchors_say_what_the_baseline_carries() -> None:
    (tall,) = select(["tall_anchors"])
    assert "The baseline reads them literally, since the six improvements are tested as stated." in tall.meaning

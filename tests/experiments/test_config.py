"""Settings by dotted path: unknown ones fail with the nearest, values keep their kind, nothing else changes."""

import json
from pathlib import Path

import pytest

from experiments import config as config_module
from experiments.config import leaf_paths, load_config, parse_setting, set_path, to_json
from experiments.errors import UserError

GAMMA = "model.detector.roi_head.bbox_head.loss_cls.gamma"


def test_a_setting_changes_its_path_alone() -> None:
    before, after = (json.loads(to_json(load_config("cpu", delta))) for delta in ({}, {GAMMA: 3.5}))
    assert before["model"]["detector"]["roi_head"]["bbox_head"]["loss_cls"].pop("gamma") == 2.5
    assert after["model"]["detector"]["roi_head"]["bbox_head"]["loss_cls"].pop("gamma") == 3.5
    assert before == after


def test_list_items_go_by_number() -> None:
    config = load_config("cpu", {"param_scheduler.1.T_max": 10})
    assert config.param_scheduler[1].T_max == 10


@pytest.mark.parametrize(
    ("dotted", "nearest"),
    [
        ("model.detector.roi_head.bbox_head.loss_cls.gama", GAMMA),
        ("model.roi_head.bbox_head.loss_cls.gamma", GAMMA),
        ("train_cfg.max_iter", "train_cfg.max_iters"),
        ("semi_train_cfg.cls_pseudo_thr", "model.semi_train_cfg.cls_pseudo_thr"),
        ("param_scheduler.7.end", "param_scheduler.1.end"),
    ],
)
def test_an_unknown_path_names_the_nearest(dotted: str, nearest: str) -> None:
    with pytest.raises(UserError, match=r"There is no setting") as caught:
        load_config("cpu", {dotted: 1})
    assert nearest in str(caught.value)


@pytest.mark.parametrize("value", ["much", [1.0], True])
def test_a_value_of_another_kind_is_refused(value: object) -> None:
    with pytest.raises(UserError, match=rf"{GAMMA} is 2\.5"):
        set_path(load_config("cpu"), GAMMA, value)


def test_a_refused_value_is_shown_beside_the_form_that_set_takes() -> None:
    path = "model.semi_train_cfg.min_pseudo_bbox_wh"
    with pytest.raises(UserError, match=rf'{path} is \[3, 3\]; "4,4" is a str, which cannot stand there'):
        load_config("cpu", {path: "4,4"})
    assert load_config("cpu", dict([parse_setting(f"{path}=[4, 4]")])).model.semi_train_cfg.min_pseudo_bbox_wh == [4, 4]


@pytest.mark.parametrize(
    "dotted",
    [
        "resume",
        "train_dataloader.dataset.data_root",
        "train_dataloader.dataset.split",
        "train_dataloader.sampler.seed",
    ],
)
def test_what_a_run_decides_itself_cannot_be_set(dotted: str) -> None:
    with pytest.raises(UserError, match=rf"{dotted} is set by the program"):
        load_config("cpu", {dotted: "x"})


def test_an_item_of_a_tuple_has_no_path() -> None:
    with pytest.raises(UserError, match="min_pseudo_bbox_wh"):
        load_config("cpu", {"model.semi_train_cfg.min_pseudo_bbox_wh.0": 4})


def test_settings_are_json_or_text() -> None:
    assert parse_setting("a.b=[0.2, 1]") == ("a.b", [0.2, 1])
    assert parse_setting("a.b=true") == parse_setting("a.b=True") == ("a.b", True)
    assert parse_setting("a=SGD") == ("a", "SGD")
    with pytest.raises(UserError, match="path=value"):
        parse_setting("a.b")


def test_an_unknown_config_names_the_shipped_ones() -> None:
    with pytest.raises(UserError, match="cpu, gpu, mixed_views, paper, tiny, views"):
        load_config("cpuu")


def test_a_broken_config_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("model = dict(\n")
    with pytest.raises(UserError, match=r"mine\.py is not a readable config"):
        load_config(str(tmp_path / "mine.py"))


@pytest.mark.parametrize("scale", ["tiny", "cpu", "gpu", "paper"])
def test_no_config_has_settings_that_reach_nothing(scale: str) -> None:
    """Helper variables left standing in a config file would be accepted by --set and change nothing."""
    assert set(load_config(scale)) == {
        "burn_in", "custom_hooks", "custom_imports", "default_hooks", "default_scope", "env_cfg", "from_start", "load_from",
        "log_level", "log_processor", "model", "optim_wrapper", "param_scheduler", "resume", "train_cfg", "train_dataloader",
        "val_cfg", "val_dataloader", "val_evaluator", "visualizer",
    }  # fmt: skip


@pytest.mark.parametrize("scale", ["tiny", "cpu", "gpu", "paper"])
def test_the_burn_in_of_every_scale_fits_its_config(scale: str) -> None:
    config = load_config(scale)
    burnt = load_config(scale, dict(config.burn_in))
    if config.burn_in:
        assert burnt.train_dataloader.sampler.source_ratio == [1, 0]


def test_leaf_paths() -> None:
    tree = {"a": {"b": 1, "c": [1, 2]}, "d": [{"e": 3}]}
    assert list(leaf_paths(tree)) == ["a.b", "a.c", "d.0.e"]


def test_a_folder_of_configs_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_module, "CONFIGS", tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"CONFIGS names .*nowhere, which is no folder"):
        load_config("tiny")

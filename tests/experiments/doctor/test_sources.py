"""Where weights and labelled groups come from."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from experiments.config import load_config
from experiments.data.groups import read_groups
from experiments.data.splits import read_parts
from experiments.doctor.sources import Split, labelled_groups, spread
from experiments.errors import UserError
from experiments.runs import burn_in_folder


def names(data: Path, on: Split, split: int = 0) -> list[str]:
    return [group.name for group in labelled_groups(load_config("tiny"), data=data, on=on, split=split)]


def test_the_unlabelled_groups_come_with_their_boxes(tiny_data: Path) -> None:
    groups = labelled_groups(load_config("tiny"), data=tiny_data, on="train_unlabeled_truth", split=0)
    part = load_config("tiny").val_dataloader.dataset
    truth = tiny_data / "annotations" / "train_unlabeled_truth.json"
    assert groups == read_groups(truth, images=tiny_data / "images", classes=part.metainfo.classes, views=8)
    assert sum(len(view.boxes) for group in groups for view in group.views) > 0


def test_groups_dealt_out_anew_are_those_whose_labels_the_teacher_has_not_seen(tiny_data: Path) -> None:
    source = load_config("tiny").train_dataloader.dataset
    labelled, unlabelled = read_parts(tiny_data, source.labelled, source.unlabelled, split=1)
    assert names(tiny_data, "train_unlabeled_truth", 1) == [group.name for group in unlabelled]
    assert names(tiny_data, "train_labeled", 1) == [group.name for group in labelled]
    assert names(tiny_data, "train_unlabeled_truth", 1) != names(tiny_data, "train_unlabeled_truth")
    groups = labelled_groups(load_config("tiny"), data=tiny_data, on="train_unlabeled_truth", split=1)
    assert all(any(view.boxes for view in group.views) for group in groups)
    assert all(view.path.name.startswith(group.name) for group in groups for view in group.views)


def test_a_missing_truth_is_told(tiny_data: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_data, tmp_path / "data")
    (tmp_path / "data" / "annotations" / "train_unlabeled_truth.json").unlink()
    with pytest.raises(UserError, match=r"truth\.json does not exist.*use --on val"):
        names(tmp_path / "data", "train_unlabeled_truth")


def test_groups_are_spread_evenly(tiny_data: Path) -> None:
    groups = labelled_groups(load_config("tiny"), data=tiny_data, on="train_labeled", split=0)
    assert spread(groups, 2) == [groups[0], groups[2]]
    assert spread(groups, 9) == groups


def test_a_burn_in_is_named_by_config_and_identity(tmp_path: Path) -> None:
    def named(burn_in: dict[str, Any], delta: dict[str, Any]) -> tuple[Path, str]:
        return burn_in_folder(
            config="cpu", burn_in=burn_in, delta=delta, seed=3, split=2, data_fingerprint="f" * 16, runs_root=tmp_path
        )

    folder, identity = named({"a": 1}, {})
    assert folder == tmp_path / "burn-in" / f"cpu-{identity}-seed3"
    assert named({"a": 2}, {})[1] != identity
    assert named({"a": 1}, {"model.semi_train_cfg.cls_pseudo_thr": 0.3}) == (folder, identity)
    banded = {"model.detector.backbone.mvvit.spatial": "banded"}
    own = named({"a": 1}, banded)
    assert own[1] != identity
    assert named({"a": 1}, {**banded, "model.semi_train_cfg.cls_pseudo_thr": 0.3}) == own

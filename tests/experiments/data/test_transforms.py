"""The pipeline of a view against mmdet's own transforms: the same tensors, boxes and draws, whatever takes the short way."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.registry import TRANSFORMS
from mmengine.registry import init_default_scope

import models  # noqa: F401  (installs the operators before mmdet is imported)
from experiments.config import load_config
from experiments.data import cache
from experiments.data.dataset import MultiViewDataset
from experiments.data.transforms import _META_KEYS, EachView

BOXES = {"type": "LoadAnnotations", "with_bbox": True}


@pytest.fixture(autouse=True)
def scope(monkeypatch: pytest.MonkeyPatch) -> None:
    init_default_scope("mmdet")
    monkeypatch.setattr(cache, "_SETTLED", -1.0)


@pytest.fixture
def groups(tiny_data: Path) -> list[dict[str, Any]]:
    """The labelled groups of the tiny set, of 48 x 96 px, before any transform."""
    part = load_config("tiny").train_dataloader.dataset.labelled.to_dict()
    del part["type"]
    dataset = MultiViewDataset(**{**part, "pipeline": [], "data_root": str(tiny_data)})
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def mmdet_load(view: dict[str, Any], scale: tuple[int, int]) -> dict[str, Any]:
    resize = {"type": "Resize", "scale": scale, "keep_ratio": False}
    loaded: dict[str, Any] = Compose([{"type": "LoadImageFromFile"}, BOXES, resize])(view)
    return loaded


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether two views are alike in all that is packed."""
    assert {key for key in _META_KEYS if key in ours} == {key for key in _META_KEYS if key in theirs}
    return (
        np.array_equal(ours["img"], theirs["img"])
        and torch.equal(ours["gt_bboxes"].tensor, theirs["gt_bboxes"].tensor)
        and np.array_equal(ours["gt_bboxes_labels"], theirs["gt_bboxes_labels"])
        and all(np.array_equal(ours[key], theirs[key]) for key in _META_KEYS if key in ours)
    )


@pytest.mark.parametrize("scale", [(48, 96), (24, 40), (96, 200)])
def test_a_view_is_loaded_as_mmdet_loads_and_resizes_it(
    scale: tuple[int, int], groups: list[Any], tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [mmdet_load(dict(view), scale) for group in groups for view in group["views"]]
    assert sum(len(view["gt_bboxes"]) for view in expected) > 0
    for kept in ("off", str(tmp_path), str(tmp_path)):  # without, while views are being kept, from what was kept
        monkeypatch.setenv("VIEW_CACHE", kept)
        load = EachView(transforms=[BOXES, {"type": "LoadView", "scale": scale, "data": str(tiny_data)}])
        for _ in range(2):
            found = [
                view for group in groups for view in load({"views": [dict(view) for view in group["views"]]})["views"]
            ]
            assert all(same(*pair) for pair in zip(found, expected, strict=True))
            for view in found:
                view["img"][:] = 0  # what is done to an image in place stays with it
    assert len(list(tmp_path.glob("*/*"))) == 32


def test_kept_views_are_not_decoded(groups: list[Any], tiny_data: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("VIEW_CACHE", str(tmp_path))
    views = groups[0]["views"]
    for decoded in (8, 0):
        load = TRANSFORMS.build({"type": "LoadView", "scale": (48, 96), "data": str(tiny_data)})
        seen: list[str] = []
        decode = load._decode
        monkeypatch.setattr(load, "_decode", lambda path, decode=decode, seen=seen: seen.append(path) or decode(path))
        for view in views:
            load(Compose([BOXES])(dict(view)))
        assert len(seen) == decoded


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_labelled_group_comes_out_as_mmdets_transforms_make_it(
    mirrored: bool, groups: list[Any], tiny_data: Path
) -> None:
    part = load_config("tiny").train_dataloader.dataset.labelled.to_dict()
    load, flip, branch = part["pipeline"]
    load["transforms"] = [BOXES, {"type": "LoadView", "scale": (24, 40), "data": str(tiny_data)}]
    flip["prob"] = float(mirrored)
    np.random.seed(5)
    ours = Compose([load, flip, branch])({"views": [dict(view) for view in groups[1]["views"]]})

    np.random.seed(5)
    views = [mmdet_load(dict(view), (24, 40)) for view in groups[1]["views"]]
    np.random.rand()  # whether to mirror
    if mirrored:
        mirror = TRANSFORMS.build({"type": "mmdet.RandomFlip", "prob": 1.0, "direction": "horizontal"})
        views = [mirror(view) for view in views]
        views = [views[-i % 8] for i in range(8)]
    setting = branch["sup"][0]
    for view in views:
        for name in ("AutoContrast", "Equalize", "Brightness", "Contrast", "Sharpness", "Posterize"):
            about = setting[name.lower()]
            low, high = about.get("magnitude", (0.1, 1.9))
            change = {"type": f"mmdet.{name}", "prob": about["prob"], "min_mag": low, "max_mag": high}
            view.update(TRANSFORMS.build(change)(view))
    pack = TRANSFORMS.build({"type": "mmdet.PackDetInputs", "meta_keys": _META_KEYS})
    theirs = [pack(view) for view in views]
    samples = ours["data_samples"]["sup"]
    assert len(theirs) == len(samples) == 8
    for image, sample, other in zip(ours["inputs"]["sup"], samples, theirs, strict=True):
        assert image.is_contiguous()
        assert torch.equal(image, other["inputs"])
        assert torch.equal(sample.gt_instances.bboxes.tensor, other["data_samples"].gt_instances.bboxes.tensor)
        assert torch.equal(sample.gt_instances.labels, other["data_samples"].gt_instances.labels)
        assert len(sample.ignored_instances.bboxes) == 0
        assert sorted(sample.metainfo) == sorted(other["data_samples"].metainfo)
        for key in sample.metainfo:
            assert np.array_equal(sample.metainfo[key], other["data_samples"].metainfo[key])

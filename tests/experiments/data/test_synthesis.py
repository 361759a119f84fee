"""The data set: its folder, that it is repeatable, that its boxes are right, and users' mistakes."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from experiments.data import synthesis
from experiments.data.bits import Bit
from experiments.data.defects import CLASSES, SEVERE_RUST, Defect, Difficulty
from experiments.data.specimens import SPLITS, Group, Specimen
from experiments.data.synthesis import PRESETS, group_boxes, make_dataset, plan, render_group
from experiments.errors import UserError

TINY = PRESETS["tiny"]
CPU = PRESETS["cpu"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "tiny"
    make_dataset("tiny", root, workers=1, progress=False)
    return root


def read(root: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((root / "annotations" / f"{name}.json").read_text()))


def rusted(theta: float, helix: float = 2.3) -> Group:
    """A bit with one patch of rust on its plain shank, at the angle ``theta``."""
    bit = Bit(0.16, helix, 0.5, 0.4, 0.45, 0.95, 0.1, 0.0, 3)
    rust = Defect(SEVERE_RUST, 0.25, theta, 0.12, 0.5, 8)
    return Group(Specimen(1, "val", bit, (rust,), (), (("bright", 1),)), "bright", 1, 0)


def test_presets_are_those_of_the_experiments() -> None:
    sizes = {p.name: (p.width, p.height, *(getattr(p, split) for split in SPLITS)) for p in PRESETS.values()}
    assert sizes == {
        "tiny": (48, 96, 4, 4, 2, 2),
        "cpu": (96, 240, 48, 96, 40, 40),
        "views": (96, 240, 48, 848, 40, 40),
        "gpu": (128, 360, 160, 240, 80, 80),
        "paper": (256, 720, 298, 199, 80, 80),
    }


def test_the_folder_holds_what_it_says(tiny: Path) -> None:
    summary = json.loads((tiny / "dataset.json").read_text())
    assert summary["image_size"] == [96, 48]
    assert summary["classes"] == list(CLASSES)
    assert summary["views"] == 8
    assert {split: summary["splits"][split]["groups"] for split in SPLITS} == {
        "train_labeled": 4, "train_unlabeled": 4, "val": 2, "test": 2,
    }  # fmt: skip
    files = sorted(path.name for path in (tiny / "images").iterdir())
    assert len(files) == 12 * 8
    assert "S001_bright_1_crop_1.jpg" in files
    listed = []
    for split in SPLITS:
        content = read(tiny, split)
        assert [c["name"] for c in content["categories"]] == list(CLASSES)
        assert [c["id"] for c in content["categories"]] == [1, 2, 3, 4, 5]
        for image in content["images"]:
            assert image["file_name"].startswith(image["base_img_id"] + "_crop_")
        listed += [image["file_name"] for image in content["images"]]
        assert len(content["images"]) == summary["splits"][split]["images"]
    assert sorted(listed) == files
    picture = cv2.imread(str(tiny / "images" / files[0]))
    assert picture is not None
    assert picture.shape == (96, 48, 3)


def test_unlabelled_images_leak_no_boxes(tiny: Path) -> None:
    shown, truth = read(tiny, "train_unlabeled"), read(tiny, "train_unlabeled_truth")
    assert shown["annotations"] == []
    assert shown["images"] == truth["images"]
    summary = json.loads((tiny / "dataset.json").read_text())
    assert summary["splits"]["train_unlabeled"]["boxes"] == len(truth["annotations"]) > 10


def test_boxes_lie_inside_their_images_and_every_split_has_every_class(tiny: Path) -> None:
    for name in ("train_labeled", "train_unlabeled_truth", "val", "test"):
        content = read(tiny, name)
        known = {image["id"] for image in content["images"]}
        for annotation in content["annotations"]:
            x, y, w, h = annotation["bbox"]
            assert x >= 0
            assert y >= 0
            assert x + w <= 48
            assert y + h <= 96
            assert min(w, h) >= 2
            assert annotation["area"] == pytest.approx(w * h)
            assert annotation["image_id"] in known
        assert {annotation["category_id"] for annotation in content["annotations"]} == {1, 2, 3, 4, 5}


def test_the_same_bytes_with_two_processes(tiny: Path, tmp_path: Path) -> None:
    again = make_dataset("tiny", tmp_path / "again", workers=2, progress=False)
    first = json.loads((tiny / "dataset.json").read_text())
    assert again["fingerprint"] == first["fingerprint"]
    for path in (tiny / "images").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / "images" / path.name).read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["again"]  # the building site is gone


def test_another_seed_gives_other_pictures() -> None:
    first, second = (render_group(plan(TINY, seed)["val"][0], TINY)[0] for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_making_it_again_is_a_no_op(tiny: Path) -> None:
    before = (tiny / "dataset.json").stat().st_mtime_ns
    summary = make_dataset("tiny", tiny, progress=False)
    assert summary["preset"] == "tiny"
    assert (tiny / "dataset.json").stat().st_mtime_ns == before


def test_mistakes_are_told_in_a_sentence(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no data preset 'huge'; choose one of tiny, cpu, views, gpu, paper"):
        make_dataset("huge", tmp_path / "x")
    with pytest.raises(UserError, match=r"another data set.*seed 0.*wanted.*seed 1"):
        make_dataset("tiny", tiny, seed=1)
    with pytest.raises(UserError, match="seed is -1"):
        make_dataset("tiny", tmp_path / "x", seed=-1)
    with pytest.raises(UserError, match="workers is 0"):
        make_dataset("tiny", tmp_path / "x", workers=0)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="is no data set"):
        make_dataset("tiny", tmp_path / "file")
    with pytest.raises(UserError, match="cannot be written"):
        make_dataset("tiny", tmp_path / "file" / "below", progress=False)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    with pytest.raises(UserError, match="is no data set"):
        make_dataset("tiny", tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "thesis"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(synthesis, "_write_group", full)
    with pytest.raises(UserError, match="disk is full"):
        make_dataset("tiny", tmp_path / "tiny", workers=1, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_no_specimen_is_in_two_splits() -> None:
    groups = plan(CPU, 0)
    names = [group.name for split in SPLITS for group in groups[split]]
    assert len(set(names)) == len(names) == 224
    specimens = [{group.specimen.number for group in groups[split]} for split in SPLITS]
    assert len(set.union(*specimens)) == sum(len(own) for own in specimens)
    for split in SPLITS:
        lit = [group.lighting for group in groups[split]]
        assert abs(lit.count("bright") - lit.count("dark")) <= 0.15 * len(lit)


def test_shots_of_a_specimen_share_its_defects_but_not_their_light() -> None:
    first, second = plan(CPU, 0)["val"][:2]
    assert first.specimen == second.specimen
    assert {first.lighting, second.lighting} == {"bright", "dark"}
    assert not np.array_equal(render_group(first, TINY)[0], render_group(second, TINY)[0])


def test_boxes_without_shading_are_those_of_the_pictures() -> None:
    group = plan(TINY, 0)["train_labeled"][1]
    views, boxes = render_group(group, TINY)
    assert views.shape == (8, 96, 48, 3)
    assert views.dtype == np.uint8
    assert boxes == group_boxes(group, TINY)
    assert np.array_equal(views, render_group(group, TINY)[0])


def test_a_defect_is_seen_at_one_height_and_foreshortened_aside() -> None:
    # nearly facing view 3 (90 degrees); views 2 and 4 see it from 45 degrees aside
    boxes = group_boxes(rusted(np.pi / 2), CPU)
    seen = {view + 1: own[0] for view, own in enumerate(boxes) if own}
    assert set(seen) in ({2, 3, 4}, {2, 3, 4, 5}, {1, 2, 3, 4})
    kind, x, y, w, h = seen[3]
    assert kind == SEVERE_RUST
    assert y + h / 2 == pytest.approx(0.25 * 240, abs=8)
    assert x + w / 2 == pytest.approx(48, abs=8)
    for aside in (2, 4):
        assert seen[aside][2] == pytest.approx(y, abs=2)
        assert seen[aside][4] == pytest.approx(h, abs=3)
        # cos 45 = 0.71 of the width, give or take the pose (a few degrees) and the ragged rim
        assert seen[aside][3] / w == pytest.approx(0.71, abs=0.15)
    # the view turns towards larger angles: right of the middle in view 2 is left of it in view 4
    assert seen[2][1] + seen[2][3] / 2 > 48 + 15
    assert seen[4][1] + seen[4][3] / 2 < 48 - 15


def test_the_strength_of_rust_changes_the_picture_not_the_box() -> None:
    faint, strong = Difficulty(rust=(0.1, 0.1)), Difficulty(rust=(0.9, 0.9))
    group = rusted(np.pi / 2)
    kind, x, y, w, h = group_boxes(group, CPU, faint)[2][0]
    assert group_boxes(group, CPU, strong)[2][0] == (kind, x, y, w, h)
    patch = (2, slice(int(y + h / 4), int(y + 3 * h / 4)), slice(int(x + w / 4), int(x + 3 * w / 4)))
    warmth = [
        float(np.diff(render_group(group, CPU, level)[0][patch].astype(float)[..., [2, 0]]).mean())
        for level in (faint, strong)
    ]
    assert warmth[1] > warmth[0] + 10  # red minus blue

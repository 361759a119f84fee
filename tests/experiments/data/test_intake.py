"""Import of users' own data: what is written, splits by specimen, and broken input that leaves nothing behind."""

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.data import export
from experiments.data.groups import Group, read_groups
from experiments.data.intake import import_dataset
from experiments.data.splits import specimen_of
from experiments.errors import UserError
from experiments.goals import read_goals
from experiments.runs import default_split, read_dataset

GROUP_BY, SPECIMEN_BY = r"(?P<group>.+)_crop_(?P<view>\d+)", r"(?P<specimen>S\d+)_"
PARTS = ("train_labeled", "train_unlabeled", "val", "test")
OPTIONS: dict[str, Any] = {"group_by": GROUP_BY, "specimen_by": SPECIMEN_BY, "views": 2, "progress": False}


def bring(source: Path, **options: Any) -> dict[str, Any]:
    """Import to the folder ``out`` beside the source."""
    return import_dataset(source, source.with_name("out"), **{**OPTIONS, **options})


def groups_of(out: Path, part: str) -> list[Group]:
    description = read_dataset(out)
    return read_groups(
        out / "annotations" / f"{part}.json",
        images=out / "images",
        classes=description["classes"],
        views=description["views"],
    )


def write_yolo(root: Path, names: list[str], *, labels: bool = True) -> Path:
    """A YOLO source of one 8 x 16 px image per name, each with one box of class 0 and, in every second one, of class 1."""
    for kind in ("images", "labels")[: 1 + labels]:
        (root / kind).mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        Image.new("L", (8, 16)).save(root / "images" / f"{name}.png")
        if labels:
            (root / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.25 0.25\n" + "1 0.25 0.25 0.5 0.5\n" * (i % 2))
    if labels:
        (root / "classes.txt").write_text("dent\ncrack\n")
    return root


@pytest.mark.parametrize("layout", ["coco", "yolo", "voc"])
def test_the_layouts_are_written_as_training_reads_them(
    layout: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source = request.getfixturevalue(f"{layout}_source")
    description = bring(source)
    assert {path.name for path in tmp_path.iterdir()} == {layout, "out"}
    out = tmp_path / "out"
    stored = json.loads((out / "dataset.json").read_text())
    assert stored == description
    assert {key: stored[key] for key in ("name", "layout", "views", "image_size", "seed")} == {
        "name": "out", "layout": layout, "views": 2, "image_size": [80, 40], "seed": 0,
    }  # fmt: skip
    found = {part: groups_of(out, part) for part in PARTS}
    assert sorted(group.name for part in found.values() for group in part) == [f"S{i}_bright_1" for i in range(1, 7)]
    labels = {name: i for i, name in enumerate(stored["classes"])}
    for part, groups in found.items():
        assert stored["splits"][part] == {"groups": len(groups), "images": 2 * len(groups), "boxes": 2 * len(groups)}
        assert stored["specimens"][part] == len(groups)
        for group in groups:
            boxes = [[(box.label, box.xyxy) for box in view.boxes] for view in group.views]
            whole = [[(labels["Chipped"], (10, 20, 30, 60))], [(labels["Rust"], (0, 0, 40, 80))]]
            assert boxes == ([[], []] if part == "train_unlabeled" else whole)
    truth = groups_of(out, "train_unlabeled_truth")
    assert [group.name for group in truth] == [group.name for group in found["train_unlabeled"]]
    assert all(view.boxes for group in truth for view in group.views)
    assert default_split(3, out) == 3
    assert set(read_goals(out, stored["classes"]).hard) <= set(labels)


def test_images_are_copied_byte_by_byte_and_keep_their_origin(coco_source: Path, tmp_path: Path) -> None:
    file = coco_source / "train" / "S1_bright_1_crop_1.png"
    Image.fromarray(np.arange(9600, dtype=np.uint8).reshape(80, 40, 3)).save(file)
    bring(coco_source)
    assert (tmp_path / "out" / "images" / file.name).read_bytes() == file.read_bytes()
    entries = [
        e for part in PARTS for e in json.loads((tmp_path / f"out/annotations/{part}.json").read_text())["images"]
    ]
    assert {e["file_name"]: e["source"] for e in entries}[file.name] == "train/S1_bright_1_crop_1.png"


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_any_number_of_views_can_be_imported(tmp_path: Path, views: int) -> None:
    names = [f"S{specimen}_1_crop_{45 * view}" for specimen in range(5) for view in range(views)]
    description = bring(write_yolo(tmp_path / "source", names), views=views)
    for part in PARTS:
        for group in groups_of(tmp_path / "out", part):
            assert [view.path.name for view in group.views] == [
                f"{group.name}_crop_{i}.png" for i in range(1, views + 1)
            ]
    assert sum(split["images"] for split in description["splits"].values()) == 5 * views


def test_single_images_need_no_expressions(tmp_path: Path) -> None:
    description = bring(write_yolo(tmp_path / "source", list("abcdefgh")), views=1, group_by=None, specimen_by=None)
    assert {group.name for part in PARTS for group in groups_of(tmp_path / "out", part)} == set("abcdefgh")
    assert any("Every group counts as a specimen of its own" in note for note in description["notes"])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("labelled", "val", "test"), [(0.6, 0.15, 0.15), (0.05, 0.2, 0.2), (0.5, 0.3, 0.0), (1.0, 0.2, 0.1)]
)
def test_no_specimen_is_in_two_splits_and_shares_are_met(
    tmp_path: Path, seed: int, labelled: float, val: float, test: float
) -> None:
    names = [f"S{specimen}_{shot}_crop_1" for specimen in range(30) for shot in range(1 + specimen % 2)]
    source = write_yolo(tmp_path / "source", names)
    description = bring(source, views=1, seed=seed, labelled=labelled, val=val, test=test)
    out = tmp_path / "out"
    assert (out / "annotations" / "test.json").exists() == (test > 0)
    parts = [part for part in PARTS if description["splits"].get(part, {}).get("groups")]
    sides = [{specimen_of(group.name) for group in groups_of(out, part)} for part in parts]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 30
    count = {part: description["splits"][part]["groups"] / 45 for part in parts}
    training = count["train_labeled"] + count.get("train_unlabeled", 0.0)
    assert count["val"] == pytest.approx(val, abs=0.05)
    assert count.get("test", 0.0) == pytest.approx(test, abs=0.05)
    assert count["train_labeled"] / training == pytest.approx(labelled, abs=0.08)


def test_the_seed_decides_the_splits(tmp_path: Path) -> None:
    source = write_yolo(tmp_path / "source", [f"S{i}_1_crop_1" for i in range(20)])
    chosen = []
    for seed in (0, 0, 1):
        bring(source, views=1, seed=seed)
        chosen.append([group.name for group in groups_of(tmp_path / "out", "val")])
        shutil.rmtree(tmp_path / "out")
    assert chosen[0] == chosen[1] != chosen[2]


def test_with_all_labels_nothing_is_left_unlabelled(coco_source: Path, tmp_path: Path) -> None:
    description = bring(coco_source, labelled=1.0)
    assert json.loads((tmp_path / "out/annotations/train_unlabeled.json").read_text())["images"] == []
    assert not (tmp_path / "out/annotations/train_unlabeled_truth.json").exists()
    assert any("training needs groups without labels: give --labelled below 1" in note for note in description["notes"])


def test_images_without_labels_train_unlabelled_and_their_specimens_are_not_held_out(tmp_path: Path) -> None:
    source = write_yolo(tmp_path / "source", [f"S{i}_1_crop_{view}" for i in range(12) for view in (1, 2)])
    further = write_yolo(
        tmp_path / "more", [f"S{i}_2_crop_{view}" for i in range(8, 16) for view in (1, 2)], labels=False
    )
    description = bring(source, unlabelled=further, labelled=1.0)
    out = tmp_path / "out"
    assert {group.name for group in groups_of(out, "train_unlabeled")} == {f"S{i}_2" for i in range(8, 16)}
    held = {specimen_of(group.name) for part in ("val", "test") for group in groups_of(out, part)}
    assert held.isdisjoint(f"S{i}" for i in range(8, 16))
    assert not (out / "annotations/train_unlabeled_truth.json").exists()
    assert default_split(3, out) == 0
    assert (
        "The boxes of images without labels are not known, so that all seeds share one split." in description["notes"]
    )
    entry = json.loads((out / "annotations/train_unlabeled.json").read_text())["images"][0]
    assert entry["source"] == f"images/{entry['base_img_id']}_crop_1.png"


def test_labels_that_are_hidden_beside_images_without_labels_are_told(tmp_path: Path) -> None:
    source = write_yolo(tmp_path / "source", [f"S{i}_1_crop_1" for i in range(10)])
    further = write_yolo(tmp_path / "more", ["S3_2_crop_1"], labels=False)
    description = bring(source, unlabelled=further, views=1, labelled=0.5, val=0.2, test=0.0)
    assert description["splits"]["train_unlabeled"]["groups"] == 5
    assert "Training groups whose labels are not used: 4 (--labelled 1 uses all)." in description["notes"]
    assert not (tmp_path / "out/annotations/train_unlabeled_truth.json").exists()


def test_what_the_splits_lack_is_told(tmp_path: Path) -> None:
    source = write_yolo(tmp_path / "source", [f"S{i}_1_crop_1" for i in range(8)])
    for file in (source / "labels").iterdir():
        file.write_text("0 0.5 0.5 0.25 0.25\n" + "1 0.25 0.25 0.5 0.5\n" * (file.stem == "S3_1_crop_1"))
    notes = bring(source, views=1)["notes"]
    assert "Class 'crack' has no boxes in val: its score there is unknown." in notes
    assert not any("'crack' has no boxes in train_labeled" in note for note in notes)


def test_shares_that_whole_specimens_cannot_make_up_are_told(tmp_path: Path) -> None:
    """Of three specimens of 6, 2 and 2 groups one is held out, one shown and one hidden: 40 % each of 80 % were asked for."""
    names = [f"S{specimen}_{shot}_crop_1" for specimen, shots in enumerate((6, 2, 2)) for shot in range(shots)]
    notes = bring(write_yolo(tmp_path / "source", names), views=1, labelled=0.5, val=0.2, test=0.0)["notes"]
    told = "of the groups, not 40% (--labelled, a share of the 80% for training): specimens are kept whole."
    assert sorted(notes[1:]) == [f"train_labeled holds 20% {told}", f"train_unlabeled holds 60% {told}"]


def test_images_of_several_sizes_are_told_and_the_commonest_stands(tmp_path: Path) -> None:
    source = write_yolo(tmp_path / "source", [f"S{i}_1_crop_1" for i in range(6)])
    Image.new("L", (20, 20)).save(source / "images" / "S3_1_crop_1.png")
    description = bring(source, views=1)
    assert description["image_size"] == [16, 8]
    assert "Images of another size than 8 x 16 px, the commonest: 1; training resizes them." in description["notes"]


def test_an_empty_folder_is_filled(coco_source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    bring(coco_source)
    assert (tmp_path / "out" / "dataset.json").exists()


@pytest.mark.parametrize(
    ("stop", "raised"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.ENOSPC, "No space left on device"), UserError),
        (PermissionError(errno.EACCES, "Permission denied"), UserError),
    ],
)
def test_nothing_is_left_of_an_import_that_stops(
    coco_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException, raised: type[BaseException]
) -> None:
    copied: list[Path] = []

    def copy(path: Path, target: Path) -> None:
        if len(copied) == 5:
            raise stop
        copied.append(target)
        target.write_bytes(path.read_bytes())

    monkeypatch.setattr(export.shutil, "copyfile", copy)
    with pytest.raises(raised):
        bring(coco_source)
    assert len(copied) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["coco"]


@pytest.mark.parametrize("where", ["inside", "same"])
def test_out_may_not_lie_in_the_source(coco_source: Path, where: str) -> None:
    before = sorted(coco_source.rglob("*"))
    out = coco_source / "out" if where == "inside" else coco_source
    with pytest.raises(UserError, match=r"would lie inside|exists already"):
        import_dataset(coco_source, out, **OPTIONS)
    assert sorted(coco_source.rglob("*")) == before


def test_unlabelled_images_may_not_lie_among_the_labelled(coco_source: Path) -> None:
    with pytest.raises(UserError, match=r"lie in one another: move the images without labels to a folder of their own"):
        bring(coco_source, unlabelled=coco_source / "test")


def test_incomplete_groups_are_left_out_on_request(
    coco_source: Path, tmp_path: Path, change_coco: Callable[..., Path]
) -> None:
    change_coco(lambda content: (content["images"].pop(0), content["annotations"].pop(0)))
    description = bring(coco_source, drop_incomplete=True)
    assert sum(split["groups"] for split in description["splits"].values()) == 5
    assert "Groups that lack views, left out of these: 1." in description["notes"]
    assert not list((tmp_path / "out" / "images").glob("S1_*"))

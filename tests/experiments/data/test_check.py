"""Checking a data set folder: one planted fault gives exactly its problem, several are all told, and clipping mends boxes."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from experiments.data.check import check_dataset, clip_boxes
from experiments.errors import UserError

Content = dict[str, Any]


@pytest.fixture
def data(tiny_data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_data, tmp_path / "data")


def change(folder: Path, name: str, how: Callable[[Content], Any]) -> None:
    """Change the content of a JSON file by a function."""
    file = folder / name
    content = json.loads(file.read_text())
    how(content)
    file.write_text(json.dumps(content))


def told(folder: Path) -> list[str]:
    """``severity file: where: what``, without the scarcity of boxes in val, which is so in the tiny set."""
    found = [f"{problem.severity} {problem}" for problem in check_dataset(folder, progress=False)]
    return [line for line in found if not re.match(r"warning annotations/val\.json: class \w+: has \d boxes", line)]


LABELLED, UNLABELLED = "annotations/train_labeled.json", "annotations/train_unlabeled.json"
TRUTH, VAL, TEST = "annotations/train_unlabeled_truth.json", "annotations/val.json", "annotations/test.json"


def image(folder: Path, file: str, number: int = 0) -> Path:
    return folder / "images" / json.loads((folder / file).read_text())["images"][number]["file_name"]


def edit(file: str, key: str, number: int, **fields: Any) -> Callable[[Path], None]:
    """A fault: fields of an entry are replaced."""
    return lambda folder: change(folder, file, lambda c: c[key][number].update(fields))


def drop(file: str, *keys: Any) -> Callable[[Path], None]:
    """A fault: what lies at the end of a path of keys and numbers is gone."""

    def how(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return lambda folder: change(folder, file, how)


def describe(**fields: Any) -> Callable[[Path], None]:
    """A fault: fields of ``dataset.json`` are replaced."""
    return lambda folder: change(folder, "dataset.json", lambda c: c.update(fields))


def write(file: str, text: str) -> Callable[[Path], Any]:
    """A fault: a file holds this text."""
    return lambda folder: (folder / file).write_text(text)


def box(file: str, bbox: Any) -> Callable[[Path], None]:
    return edit(file, "annotations", 0, bbox=bbox)


def again(file: str, key: str, **fields: Any) -> Callable[[Path], None]:
    """A fault: the first entry is listed again, with some fields of its own."""
    return lambda folder: change(folder, file, lambda c: c[key].append({**c[key][0], **fields}))


def without_class(file: str, number: int) -> Callable[[Path], None]:
    def how(content: Content) -> None:
        content["annotations"] = [b for b in content["annotations"] if b["category_id"] != number]

    return lambda folder: change(folder, file, how)


def tidy(fault: Callable[[Path], Any]) -> Callable[[Path], None]:
    """A fault that leaves no images that are not listed."""

    def how(folder: Path) -> None:
        fault(folder)
        listed = {
            entry["file_name"] for f in folder.glob("annotations/*") for entry in json.loads(f.read_text())["images"]
        }
        for path in (folder / "images").iterdir():
            if path.name not in listed:
                path.unlink()

    return how


def move_out(folder: Path) -> None:
    path = image(folder, LABELLED)
    shutil.copy(path, folder / path.name)
    edit(LABELLED, "images", 0, file_name=f"../{path.name}")(folder)
    path.unlink()


def turn(folder: Path) -> None:
    path = image(folder, LABELLED)
    orientation = Image.Exif()
    orientation[0x0112] = 6
    with Image.open(path) as opened:
        opened.save(path, quality=95, exif=orientation)


def shrink(folder: Path) -> None:
    path = image(folder, LABELLED)
    with Image.open(path) as opened:
        opened.resize((40, 90)).save(path)


def cut(folder: Path) -> None:
    path = image(folder, LABELLED)
    path.write_bytes(path.read_bytes()[:-800])


def same_picture(folder: Path) -> None:
    shutil.copy(image(folder, LABELLED), image(folder, VAL))


def like_picture(folder: Path) -> None:
    with Image.open(image(folder, LABELLED)) as opened:
        opened.save(image(folder, TEST), quality=70)


def strip_unlabelled(folder: Path) -> None:
    """The truth lacks the last group of 8 views."""

    def how(content: Content) -> None:
        gone = {entry["id"] for entry in content["images"][-8:]}
        content["images"] = content["images"][:-8]
        content["annotations"] = [b for b in content["annotations"] if b["image_id"] not in gone]

    change(folder, TRUTH, how)


def add_boxes(folder: Path) -> None:
    shutil.copy(folder / TRUTH, folder / UNLABELLED)


def two_sizes(folder: Path) -> None:
    path = image(folder, LABELLED)
    with Image.open(path) as opened:
        opened.resize((96, 192)).save(path)
    edit(LABELLED, "images", 0, width=96, height=192)(folder)


FAULTS: list[tuple[str, Callable[[Path], Any], str]] = [
    ("no description", lambda f: (f / "dataset.json").unlink(), r"error dataset\.json does not exist: make or import"),
    ("description cut", write("dataset.json", "{"), r"error dataset\.json cannot be read as JSON"),
    ("description a list", write("dataset.json", "[]"), r"error dataset\.json is no description"),
    ("views missing", drop("dataset.json", "views"), r"error dataset\.json lacks 'views': add the number of views"),
    ("views as text", describe(views="8"), r"error dataset\.json has 'views' = 8: give the number of views"),
    ("views beyond use", describe(views=10**12), r"'views' = 1000000000000: give the number of .* from 1 to 1000\."),
    (
        "class name with control characters",
        describe(classes=["a\x00"]),
        r"error dataset\.json has 'classes' = \['a\\x00'\]: give a list of class names without control characters",
    ),
    ("views wrong", describe(views=4), r"error dataset\.json says that groups have 4 views, but all have 8"),
    ("size wrong kind", describe(image_size=96), r"error dataset\.json has 'image_size' = 96: give \[height, width\]"),
    ("class twice",
     describe(classes=["Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear", "Broken"]),
     r"error dataset\.json lists the class Broken twice"),
    ("no val", lambda f: (f / VAL).unlink(), r"error annotations/val\.json does not exist"),
    ("val cut", write(VAL, '{"images": ['), r"error annotations/val\.json cannot be read as JSON"),
    ("val a named pipe", lambda f: ((f / VAL).unlink(), os.mkfifo(f / VAL)), r"val\.json cannot be read as JSON .*no regular file"),
    ("dataset.json a named pipe",
     tidy(lambda f: ((f / "dataset.json").unlink(), os.mkfifo(f / "dataset.json"))),
     r"dataset\.json cannot be read as JSON .*no regular file"),
    ("val no COCO", write(VAL, '{"images": []}'), r"error annotations/val\.json has no list 'annotations'"),
    ("val empty",
     tidy(write(VAL, '{"images": [], "annotations": [], "categories": []}')),
     r"error annotations/val\.json lists no images"),
    ("image id twice", again(LABELLED, "images", file_name="S9_a_crop_1.jpg", base_img_id="S9_a"),
     r"error annotations/train_labeled\.json: entry .*S9_a_crop_1.* of 'images': the id 1 is used before"),
    ("box id twice", again(LABELLED, "annotations", bbox=[1, 1, 5, 5]), r"of 'annotations': the id 1 is used before"),
    ("category id twice", again(LABELLED, "categories", name="Dent"), r"of 'categories': the id 1 is used before"),
    ("image id as text", edit(LABELLED, "annotations", 0, image_id="1"), r"'image_id' is '1', where a whole number"),
    ("width as text", edit(LABELLED, "images", 0, width="48"), r"'width' is '48', where a whole number of px from 1 to 1000000"),
    ("width beyond images", edit(LABELLED, "images", 0, width=10**400), r"'width' is '10+', where a whole number of px from"),
    (
        "file name with half a character",
        tidy(edit(LABELLED, "images", 0, file_name="\ud800_crop_1.jpg")),
        r"'file_name' is '\\ud800_crop_1\.jpg', where text without control characters is needed",
    ),
    ("height zero", edit(LABELLED, "images", 0, height=0), r"'height' is '0', where a whole number of px from 1 to 1000000"),
    ("no group", drop(LABELLED, "images", 0, "base_img_id"), r"of 'images': lacks 'base_img_id'"),
    ("entry no object", lambda f: change(f, LABELLED, lambda c: c["annotations"].append(3)), r"entry 3 of 'annotations'"),
    ("no such image", edit(LABELLED, "annotations", 0, image_id=999), r"box 1: is of image 999, which the file does not"),
    ("no such category", edit(LABELLED, "annotations", 0, category_id=9), r"box 1 of \S+: has the category 9, which"),
    ("unknown class", lambda f: change(f, LABELLED, lambda c: (
        c["categories"].append({"id": 9, "name": "Dent"}), c["annotations"][0].update(category_id=9))),
     r"box 1 of \S+: has the unknown class Dent; the classes are Broken, Chipped, Scratched, Severe_Rust, Tip_Wear"),
    ("three numbers", box(LABELLED, [1, 2, 3]), r"box 1 of \S+: has the bbox \[1, 2, 3\]: give four numbers"),
    ("number as text", box(LABELLED, [1, 2, "3", 4]), r"box 1 of \S+: has the bbox \[1, 2, '3', 4\]: give four"),
    ("not a number", box(LABELLED, [1, 2, float("nan"), 4]), r"box 1 of \S+: has the bbox \[1, 2, nan, 4\]: give four"),
    ("infinite", box(LABELLED, [1, 2, float("inf"), 4]), r"box 1 of \S+: has the bbox \[1, 2, inf, 4\]: give four"),
    ("beyond numbers", box(LABELLED, [1, 2, 10**400, 4]), r"box 1 of \S+: has the bbox \[1, 2, 1000"),
    ("box empty", box(LABELLED, [1, 2, 0, 4]), r"box 1 of \S+: \[1, 2, 0, 4\] .* is empty: correct it, or remove"),
    ("box negative", box(LABELLED, [9, 2, -3, 4]), r"box 1 of \S+: \[9, 2, -3, 4\] .* has a negative width or height"),
    ("box outside", box(LABELLED, [40, 2, 11, 4]), r"box 1 of \S+: \[40, 2, 11, 4\] .* the image of 48 x 96 px by 3 px"),
    ("file gone", lambda f: image(f, LABELLED).unlink(), r"image 1: file S\S+_crop_1\.jpg does not exist in \S+images"),
    ("file led out", move_out, r"image 1: file \.\./S\S+_crop_1\.jpg leads out of"),
    ("file of another group", edit(LABELLED, "images", 0, base_img_id="S9"), r"does not begin with its base_img_id 'S9'"),
    ("file name impossible",
     tidy(edit(LABELLED, "images", 0, file_name="a\0_crop_1.jpg")), 
     r"'file_name' is 'a\\x00_crop_1\.jpg', where text without control"),
    ("file no image", lambda f: image(f, LABELLED).write_bytes(b"none"), r"error images/\S+_crop_1\.jpg is not a readable"),
    ("file cut", cut, r"error images/\S+_crop_1\.jpg is damaged"),
    ("file of another size", shrink, r"error images/\S+_crop_1\.jpg is 40 x 90 px, but its annotation says 48 x 96"),
    ("file rotated", turn, r"error images/\S+_crop_1\.jpg is stored rotated"),
    ("view missing", tidy(lambda f: change(f, VAL, lambda c: c.update(images=c["images"][:-1], annotations=[
        b for b in c["annotations"] if b["image_id"] != 16]))),
     r"error annotations/val\.json: group \S+: lacks view \[8\]"),
    ("view twice", again(LABELLED, "images", id=99), r"group S\S+: has view 1 twice \(\S+_crop_1.jpg, \S+_crop_1.jpg\)"),
    ("truth lacks a group", strip_unlabelled, r"train_unlabeled_truth\.json: group S\S+: is not listed, but train_unlabeled"),
    ("picture in train and val", same_picture, r"error annotations/val\.json: image S\S+: is the same picture as S\S+ of train_la"),
    ("picture like a training one", like_picture, r"warning annotations/test\.json: image S\S+: looks like S\S+ of train_la\S+: "
     r"their coarse patterns of light and dark differ in \d+ of 255 places, as in copies\. If it is a copy, remove one; diff"),
    ("boxes without use", add_boxes, r"warning annotations/train_unlabeled\.json has \d+ boxes, which are ignored"),
    ("class without boxes", without_class(TEST, 1), r"warning annotations/test\.json: class Broken: has no boxes in this"),
    ("image not listed", lambda f: Image.new("RGB", (9, 9)).save(f / "images" / "spare.png"),
     r"warning images/spare\.png is listed by no annotation file"),
    ("box twice", again(LABELLED, "annotations", id=99), r"warning \S+: box 99 of \S+: is the same as box 1"),
    ("box tiny", box(LABELLED, [1, 2, 1.5, 4]), r"warning \S+: box 1 of \S+: is 1\.5 x 4 px, less than 2 px"),
    ("images of two sizes", two_sizes, r"warning annotations/train_labeled\.json lists 1 images of another size .*: 96 x 192\)"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "message"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_one_fault_gives_exactly_its_problem(fault: Callable[[Path], Any], message: str, data: Path) -> None:
    fault(data)
    found = told(data)
    assert len(found) == 1, found
    assert re.search(message, found[0]), found[0]


def test_the_shipped_set_has_no_problem_but_few_boxes_in_val(tiny_data: Path) -> None:
    assert told(tiny_data) == []
    assert [p for p in check_dataset(tiny_data, progress=False) if p.severity == "error"] == []


def test_an_image_without_a_view_number_is_told_beside_its_file(data: Path) -> None:
    path = image(data, LABELLED)
    new = path.with_name("S001.jpg")
    path.rename(new)
    edit(LABELLED, "images", 0, file_name=new.name)(data)
    assert [line.partition(": ")[2] for line in told(data)] == [
        "image 1: file_name 'S001.jpg' does not end in _crop_N.jpg: which view is it?"
    ]


def test_a_group_that_is_not_readable_is_not_also_told_to_be_missing(data: Path) -> None:
    """All eight images of the first unlabelled group, which the truth lists soundly."""
    change(data, UNLABELLED, lambda c: [entry.update(width="48") for entry in c["images"][:8]])
    found = told(data)
    assert len(found) == 8
    assert all("'width' is '48'" in line for line in found)


def test_a_picture_in_val_and_test_is_told(data: Path) -> None:
    shutil.copy(image(data, VAL), image(data, TEST))
    found = told(data)
    assert len(found) == 1
    assert found[0].startswith(f"error {TEST}: image {image(data, TEST).name}: is the same picture as")
    assert f"{image(data, VAL).name} of val.json" in found[0]


def test_val_needs_five_boxes_of_a_class_to_conclude_from(data: Path) -> None:
    def keep(content: Content) -> None:
        first = content["annotations"][0]
        fives = [{**first, "id": i, "category_id": 2, "bbox": [i, 1, 9, 9]} for i in range(5)]
        fours = [{**first, "id": 5 + i, "category_id": 3, "bbox": [i, 1, 9, 9]} for i in range(4)]
        content["annotations"] = fives + fours

    change(data, VAL, keep)
    assert [str(p).removeprefix("annotations/val.json: class ") for p in check_dataset(data, progress=False)] == [
        "Broken: has no boxes in this split: it cannot be scored.",
        "Scratched: has 4 boxes, fewer than 5: no conclusion can be drawn from its scores; add some, with more of "
        "`data import --val` for example.",
        "Severe_Rust: has no boxes in this split: it cannot be scored.",
        "Tip_Wear: has no boxes in this split: it cannot be scored.",
    ]


@pytest.mark.parametrize(
    ("file", "severity"), [(UNLABELLED, "warning"), (VAL, "error"), (TEST, "error")], ids=["unlabelled", "val", "test"]
)
def test_a_specimen_in_two_splits_is_told(file: str, severity: str, data: Path) -> None:
    def first(name: str) -> str:
        return image(data, name).name.partition("_")[0]

    shown, moved = first(LABELLED), first(file)
    for name in (UNLABELLED, TRUTH, file):  # the truth lists what train_unlabeled does
        text = (data / name).read_text()
        (data / name).write_text(text.replace(f"{moved}_", f"{shown}_other_"))
    for path in (data / "images").glob(f"{moved}_*"):
        path.rename(path.with_name(path.name.replace(f"{moved}_", f"{shown}_other_")))
    found = told(data)
    assert len(found) == 1
    assert found[0].startswith(f"{severity} {file}: specimen {shown}: is also in train_labeled.json")


@pytest.mark.parametrize("file", [VAL, UNLABELLED], ids=["val", "unlabelled"])
def test_a_group_in_two_splits_is_told_once(file: str, data: Path) -> None:
    change(data, LABELLED, lambda c: c.update(images=c["images"][:8], annotations=c["annotations"][:0]))
    listed = json.loads((data / LABELLED).read_text())["images"]

    def add(content: Content) -> None:
        content["images"] += [{**entry, "id": 100 + entry["id"]} for entry in listed]

    for name in {UNLABELLED: (UNLABELLED, TRUTH), VAL: (VAL,)}[file]:
        change(data, name, add)
    group = listed[0]["base_img_id"]
    errors = [line for line in told(data) if line.startswith("error")]
    assert errors == [f"error {file}: group {group}: is also in train_labeled.json: remove it from one."]


def test_several_faults_are_all_told(data: Path) -> None:
    describe(classes=["Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear", "Broken"])(data)
    box(LABELLED, [40, 2, 11, 4])(data)
    edit(LABELLED, "annotations", 1, image_id=999)(data)
    edit(LABELLED, "images", 9, width=True)(data)
    image(data, VAL, 3).unlink()
    cut(data)
    (data / TEST).write_text("{")
    assert [line.partition(" ")[0] for line in told(data)] == ["error"] * 7


def test_without_a_description_the_rest_is_checked_all_the_same(data: Path) -> None:
    (data / "dataset.json").unlink()
    box(VAL, [40, 2, 11, 4])(data)
    assert [line.partition(": ")[0] for line in told(data)] == ["error dataset.json does not exist", f"error {VAL}"]


def test_a_folder_that_does_not_exist_is_a_mistake(tmp_path: Path) -> None:
    for look in (check_dataset, clip_boxes):
        with pytest.raises(UserError, match=r"none is no folder: name a data set folder"):
            look(tmp_path / "none")


def test_boxes_are_clipped_to_their_image_and_empty_ones_removed(data: Path) -> None:
    outside = {0: [-4, 90, 14, 9.5], 1: [48.75, 2, 5, 5], 2: [3, 3, 0, 7]}
    change(data, VAL, lambda c: [c["annotations"][i].update(bbox=bbox) for i, bbox in outside.items()])
    before = {path: path.read_bytes() for path in sorted(data.glob("annotations/*"))}
    problems = check_dataset(data, progress=False)
    assert [problem.fixable for problem in problems if problem.severity == "error"] == [True, True, True]
    assert clip_boxes(data) == [
        f"{data / VAL}: boxes clipped 1, empty boxes removed 2; the original is kept as val.json.orig."
    ]
    old, new = json.loads(before[data / VAL]), json.loads((data / VAL).read_text())
    assert new["annotations"][0] == {**old["annotations"][0], "bbox": [0, 90, 10, 6], "area": 60}
    assert new["annotations"][1:] == old["annotations"][3:]
    assert {**new, "annotations": 0} == {**old, "annotations": 0}
    assert (data / "annotations/val.json.orig").read_bytes() == before[data / VAL]
    after = {path: path.read_bytes() for path in sorted(data.glob("annotations/*"))}
    assert {p for p in after if after[p] != before.get(p)} == {data / VAL, data / "annotations/val.json.orig"}
    assert [p for p in check_dataset(data, progress=False) if p.severity == "error"] == []
    assert clip_boxes(data) == []


def test_an_older_original_stays(data: Path) -> None:
    (data / "annotations/val.json.orig").write_text("older")
    box(VAL, [40, 2, 11, 4])(data)
    (done,) = clip_boxes(data)
    assert done.endswith("; val.json.orig holds an older original and stays.")
    assert (data / "annotations/val.json.orig").read_text() == "older"
    assert told(data) == []


def wrong_size(folder: Path) -> None:
    """The image that the first box of val is clipped to is not of the size that is told."""
    number = json.loads((folder / VAL).read_text())["annotations"][0]["image_id"] - 1
    with Image.open(image(folder, VAL, number)) as opened:
        larger = opened.resize((60, 96))
    larger.save(image(folder, VAL, number))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (write(VAL, "{"), r"val\.json cannot be read as JSON .* It is left alone\.$"),
        (edit(VAL, "annotations", 1, image_id=999), r"val\.json is left alone, .* box 2: is of image 999"),
        (wrong_size, r"val\.json is left alone, .*\.jpg is 60 x 96 px, but its annotation says 48 x 96"),
    ],
    ids=["unreadable", "dangling box", "size in doubt"],
)
def test_a_file_that_is_not_safe_to_clip_is_left_alone(fault: Callable[[Path], Any], message: str, data: Path) -> None:
    box(VAL, [40, 2, 11, 4])(data)
    fault(data)
    before = (data / VAL).read_bytes()
    done = clip_boxes(data)
    assert len(done) == 1
    assert re.search(message, done[0])
    assert (data / VAL).read_bytes() == before
    assert not (data / "annotations/val.json.orig").exists()


def test_a_folder_of_images_that_is_a_link_in_a_circle_holds_none(data: Path) -> None:
    shutil.rmtree(data / "images")
    (data / "images").symlink_to(data / "images")
    assert any("does not exist in" in line for line in told(data))


def test_an_export_is_no_data_set_and_that_is_told_once(coco_source: Path) -> None:
    for how in (check_dataset, clip_boxes):
        with pytest.raises(
            UserError, match=rf"^{coco_source} holds no data set \(dataset\.json is missing\): if it is an export"
        ):
            how(coco_source)


def test_a_file_that_is_gone_can_be_restored_or_imported_again(data: Path) -> None:
    (data / VAL).unlink()
    assert (
        "error annotations/val.json does not exist: restore it, name a data set folder that has it, or make or import the data "
        "set again." in told(data)
    )

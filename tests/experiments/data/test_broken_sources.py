"""Broken input that real people bring: one message that names the culprit and the remedy, and nothing left behind."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.data.intake import import_dataset
from experiments.errors import UserError

OPTIONS: dict[str, Any] = {
    "group_by": r"(?P<group>.+)_crop_(?P<view>\d+)",
    "specimen_by": r"(?P<specimen>S\d+)_",
    "views": 2,
    "progress": False,
}
Spoil = Callable[[Path], Any]
EXPORT = "train/_annotations.coco.json"


def coco(how: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Change the content of one COCO file."""

    def change(root: Path) -> None:
        content = json.loads((root / EXPORT).read_text())
        how(content)
        (root / EXPORT).write_text(json.dumps(content))

    return change


def box(**values: Any) -> Callable[[Path], None]:
    return coco(lambda content: content["annotations"][0].update(values))


def image(**values: Any) -> Callable[[Path], None]:
    return coco(lambda content: content["images"][0].update(values))


def text(file: str, old: str, new: str) -> Callable[[Path], None]:
    """Replace text in one file."""

    def change(root: Path) -> None:
        content = (root / file).read_text()
        assert old in content
        (root / file).write_text(content.replace(old, new))

    return change


def data(file: str, content: bytes) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / file).parent.mkdir(exist_ok=True)
        (root / file).write_bytes(content)

    return change


def rotate(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 80)).save(root / "train" / "S1_bright_1_crop_1.png", exif=exif)


def truncate(root: Path) -> None:
    file = root / "train" / "S1_bright_1_crop_1.png"
    pixels = np.random.default_rng(0).integers(0, 255, (80, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, format="JPEG")
    file.write_bytes(file.read_bytes()[:2000])


def link(root: Path) -> None:
    file = root / "train" / "S1_bright_1_crop_1.png"
    outside = root.with_name("elsewhere.png")
    file.rename(outside)
    file.symlink_to(outside)


def link_the_folder(root: Path) -> None:
    outside = root.with_name("elsewhere")
    (root / "train").rename(outside)
    (outside / "_annotations.coco.json").rename(root / "_annotations.coco.json")
    (root / "train").symlink_to(outside)


def link_in_a_circle(root: Path) -> None:
    file = root / "train" / "S1_bright_1_crop_1.png"
    file.unlink()
    file.symlink_to(file)


def pipe(root: Path) -> None:
    file = root / "train" / "S1_bright_1_crop_1.png"
    file.unlink()
    os.mkfifo(file)


def annotated_by_a_pipe(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()
    os.mkfifo(root / "annotations.json")


def same_name(root: Path) -> None:
    for kind, suffix in (("images", "png"), ("labels", "txt")):
        shutil.copy(root / kind / "train" / f"S1_bright_1_crop_1.{suffix}", root / kind / "val")


def no_boxes(root: Path) -> None:
    for file in root.rglob("*.json"):
        file.write_text(json.dumps({**json.loads(file.read_text()), "annotations": []}))


def no_images(root: Path) -> None:
    for file in root.rglob("*.json"):
        file.write_text(json.dumps({**json.loads(file.read_text()), "annotations": [], "images": []}))


def empty_folder(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def archive(root: Path) -> None:
    shutil.rmtree(root)
    root.write_bytes(b"PK")


def fill_out(root: Path) -> None:
    (root.parent / "out").mkdir()
    (root.parent / "out" / "mine.txt").touch()


LABEL, XML = "labels/train/S1_bright_1_crop_1.txt", "Annotations/S1_bright_1_crop_1.xml"
BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><annotation><filename>&c;</filename></annotation>'
COCO: list[tuple[str, Spoil, str]] = [
    ("no source", shutil.rmtree, r"coco does not exist: name a folder"),
    ("archive as source", archive, r"coco is neither a folder nor a \.json file: unpack archives"),
    ("empty folder", empty_folder, r"holds no annotations that are known: looked for COCO .*; YOLO .*; Pascal VOC"),
    (
        "truncated JSON",
        data(EXPORT, b'{"images": [{"id"'),
        r"train/_annotations\.coco\.json: cannot be read as JSON.*export",
    ),
    (
        "JSON not UTF-8",
        data(EXPORT, b'{"images": "\xff\xfe\x80"}'),
        r"_annotations\.coco\.json: cannot be read as JSON",
    ),
    ("JSON nested too deep", data(EXPORT, b"[" * 200_000), r"_annotations\.coco\.json: cannot be read as JSON"),
    ("JSON of another kind", data(EXPORT, b'{"shapes": []}'), r"has no list 'images' of entries: export it as COCO"),
    ("bbox as text", box(bbox=["10", "20", "20", "40"]), r"box 0 has the bbox \['10'.*: give four numbers"),
    ("bbox of three numbers", box(bbox=[10, 20, 20]), r"box 0 has the bbox \[10, 20, 20\]: give four numbers"),
    ("bbox missing", box(bbox=None), r"box 0 has the bbox None: give four numbers"),
    ("bbox NaN", box(bbox=[10, float("nan"), 5, 5]), r"box 0 has the bbox \[10, nan, 5, 5\]: give four numbers"),
    ("bbox beyond numbers", box(bbox=[10, 10**400, 5, 5]), r"box 0 has the bbox .*: give four numbers"),
    ("negative width", box(bbox=[30, 20, -20, 40]), r"box 0 of S1_bright_1_crop_1\.png .* is empty: correct it, or"),
    ("box outside", box(bbox=[30, 20, 20, 40]), r"box 0 of S1_.*sticks out of the image of 40 x 80 px.*--clip"),
    ("box of a crowd", box(iscrowd=1), r"box 0 marks a crowd \(iscrowd\): draw one box per defect, or remove"),
    ("unknown category", box(category_id=9), r"box 0 has the category 9, which is not listed: correct it or"),
    ("category id as list", box(category_id=[1]), r"box 0 has the category \[1\], which is not listed"),
    ("unknown image", box(image_id=99), r"box 0 is of image 99, which is not listed: remove it or"),
    ("image id twice", image(id=1), r"the image id 1 is used twice \(S1_bright_1_crop_2\.png\): renumber one"),
    ("category id twice", coco(lambda c: c["categories"][2].update(id=1)), r"category id 1 is used twice: renumber"),
    (
        "class name twice",
        coco(lambda c: c["categories"][2].update(name="Rust")),
        r"the class 'Rust' is listed twice: ren",
    ),
    ("class name empty", coco(lambda c: c["categories"][2].update(name=" ")), r"json: a class has no name: name every"),
    (
        "class name with control characters",
        coco(lambda c: c["categories"][2].update(name="Chip\x00\n\x1b[31m")),
        r"'Chip\\x00\\n\\x1b\[31m' holds control characters: rename the class",
    ),
    (
        "class name with half a character",
        coco(lambda c: c["categories"][2].update(name="Chip\ud800")),
        r"the class name 'Chip\\ud800' holds control characters: rename",
    ),
    ("no file name", image(file_name=None), r"the image \{.* needs a whole number 'id' and a text 'file_name'"),
    ("file name leads out", image(file_name="../../x.png"), r"'\.\./\.\./x\.png', which leads out of the source: name"),
    ("file name absolute", image(file_name="/etc/x.png"), r"'/etc/x\.png', which leads out of the source: name"),
    ("file name of a drive", image(file_name="C:\\x.png"), r"which leads out of the source: name images inside it"),
    (
        "image missing",
        lambda root: (root / "test/S6_bright_1_crop_2.png").unlink(),
        r"'S6_bright_1_crop_2\.png' does not exist",
    ),
    (
        "image listed twice",
        coco(lambda c: c["images"].append({**c["images"][0], "id": 99})),
        r"annotated more than once: leave",
    ),
    ("image truncated", truncate, r"train/S1_bright_1_crop_1\.png: is not a readable image: restore"),
    ("image is text", data("train/S1_bright_1_crop_1.png", b"hello"), r"crop_1\.png: is not a readable image: restore"),
    ("image rotated by EXIF", rotate, r"train/S1_bright_1_crop_1\.png: is stored rotated .*: save it upright"),
    ("image linked from outside", link, r"crop_1\.png: is a link that leads out of the source: put the file"),
    (
        "folder linked from outside",
        link_the_folder,
        r"crop_1\.png' does not exist: add the file or remove its entry\. train is a link to a folder, which is not followed: put",
    ),
    ("image linked in a circle", link_in_a_circle, r"'S1_bright_1_crop_1\.png' does not exist: add the file"),
    ("image is a pipe", pipe, r"'S1_bright_1_crop_1\.png' does not exist: add the file"),
    ("annotations are a pipe", annotated_by_a_pipe, r"holds no annotations that are known: looked for COCO"),
    (
        "size differs",
        image(width=80, height=40),
        r"crop_1\.png: is 40 x 80 px, but its annotation says 80 x 40: export",
    ),
    ("size as text", image(width="wide"), r"S1_bright_1_crop_1\.png has a 'width' and 'height' that are no numbers"),
    ("no boxes at all", no_boxes, r"no image has a box: export the annotations with their boxes"),
    ("no images listed", no_images, r"no annotated images were found: name a folder"),
    (
        "incomplete group",
        coco(lambda c: (c["images"].pop(0), c["annotations"].pop(0))),
        r"S1_bright_1 .* lacks view 1: add",
    ),
    ("too few specimens", lambda root: [shutil.rmtree(root / p) for p in ("train", "test")], r"There are 1 specimens"),
    ("out is in use", fill_out, r"out exists already: delete it or choose another folder"),
]
YOLO: list[tuple[str, Spoil, str]] = [
    ("images only", lambda root: shutil.rmtree(root / "labels"), r"holds no annotations that are known: looked for"),
    (
        "YOLO class out of range",
        data(LABEL, b"2 .5 .5 .1 .1"),
        r"crop_1\.txt: line 1 .* has the class 2: give .* 0 to 1",
    ),
    ("YOLO class as a name", data(LABEL, b"Rust .5 .5 .1 .1"), r"line 1 .* has the class Rust: give a whole number"),
    (
        "YOLO class beyond numbers",
        data(LABEL, b"9" * 5000 + b" .5 .5 .1 .1"),
        r"has the class 9{60}: give a whole number",
    ),
    ("YOLO in pixels", data(LABEL, b"\n1 20 40 20 40"), r"txt: line 2 \(1 20 40 20 40\) is in pixels: divide by the"),
    ("YOLO with a score", data(LABEL, b"1 .5 .5 .1 .1 .9"), r"line 1 .* has 5 numbers after the class: give cx cy"),
    ("YOLO class alone", data(LABEL, b"1"), r"line 1 \(1\) has 0 numbers after the class: give cx cy"),
    ("YOLO words", data(LABEL, b"1 a b c d"), r"line 1 .* holds something that is not a number: correct it"),
    ("YOLO infinite", data(LABEL, b"1 .5 .5 inf nan"), r"line 1 .* holds something that is not a number"),
    ("YOLO box outside", data(LABEL, b"1 .9 .5 .5 .5"), r"line 1 of S1_.*\(26, 20 to 46, 60 px\) sticks out.*--clip"),
    ("YOLO not UTF-8", data(LABEL, b"1 .5 .5 .1 .1 \xff"), r"S1_bright_1_crop_1\.txt: is not UTF-8 text: export"),
    (
        "YOLO label of no image",
        data("labels/train/S9.txt", b"1 .5 .5 .1 .1"),
        r"labels/train/S9\.txt: belongs to no image",
    ),
    ("YOLO without names", lambda root: (root / "data.yaml").unlink(), r"no class names were found: add data\.yaml"),
    ("YOLO names not in order", text("data.yaml", "0: Rust", "7: Rust"), r"data\.yaml: 'names' must list class names"),
    ("YOLO name that is a boolean", text("data.yaml", "0: Rust", "0: no"), r"'names' must list .* quoted"),
    ("YOLO number of classes differs", text("data.yaml", "names:", "nc: 3\nnames:"), r"'nc' is 3, but 'names' has 2"),
    ("YAML malformed", text("data.yaml", "names:", "names: ["), r"data\.yaml: cannot be read .*: save it again"),
    (
        "YAML that runs code",
        text("data.yaml", "0: Rust", "0: !!python/object/apply:os.getcwd []"),
        r"yaml: cannot be read",
    ),
    ("two images of one name", same_name, r"train/S1_\S+ and images/val/S1_\S+ are both view 1 of group .*: remove"),
]
VOC: list[tuple[str, Spoil, str]] = [
    (
        "VOC without a name",
        text(XML, "<name>Chipped</name>", ""),
        r"crop_1\.xml: object 1 has no <name>: name its class",
    ),
    ("VOC without corners", text(XML, "<xmax>30</xmax>", ""), r"xml: object 1 \(Chipped\) needs a <bndbox> with the"),
    ("VOC size differs", text(XML, "<width>40<", "<width>44<"), r"is 40 x 80 px, but its annotation says 44 x 80"),
    ("VOC size empty", text(XML, "<width>40<", "<width><"), r"xml: <size> needs whole numbers <width> and <height>"),
    ("VOC corners swapped", text(XML, "<xmax>30", "<xmax>3"), r"object 1 of S1_bright_1_crop_1\.png .* is empty"),
    ("XML malformed", text(XML, "</annotation>", ""), r"crop_1\.xml: is not a plain XML file .*: export it again"),
    ("XML entity bomb", data(XML, BOMB), r"is not a plain XML file \(it has a DOCTYPE, which may define entities\)"),
    ("XML entity bomb in UTF-16", data(XML, BOMB.decode().encode("utf-16")), r"it has a DOCTYPE"),
    ("XML of another kind", data(XML, b"<svg/>"), r"is not Pascal VOC \(it begins with <svg>, not <annotation>\)"),
    (
        "VOC of no image",
        lambda r: (r / "JPEGImages/S1_bright_1_crop_1.png").unlink(),
        r"xml: the image 'S1_\S+' does not exist",
    ),
]
CHOICES: list[tuple[str, dict[str, Any], str]] = [
    ("wrong layout", {"layout": "voc"}, r"no image has a box"),
    ("no regular expression", {"group_by": "(?P<group>"}, r"is not a regular expression \(.*\): correct it"),
    (
        "expression nested too deep",
        {"group_by": "(" * 2000 + ")" * 2000},
        r"is not a regular expression \(.*\): correct",
    ),
    (
        "expression beyond numbers",
        {"group_by": "(?P<group>.){99999999999}"},
        r"is not a regular expression \(.*\): corr",
    ),
    ("expression without names", {"group_by": r"(.+)_crop_(\d+)"}, r"has no part that is named group: write it as"),
    (
        "expression that fits nothing",
        {"group_by": r"(?P<group>.+)-v(?P<view>\d+)"},
        r"matches none of \d+ names, for example 'S\d_.*correct the",
    ),
    ("specimen that fits nothing", {"specimen_by": r"(?P<specimen>T\d+)"}, r"--specimen-by .* matches none of"),
    ("no expression", {"group_by": None}, r"Which of the 2 views .* Tell with --group-by"),
    ("wrong number of views", {"views": 8}, r"2 different views occur \(1, 2\), not 8: correct --views"),
    ("no view", {"views": 0}, r"--views is 0: give the number of views per group, 1 or more"),
    ("one specimen", {"specimen_by": "(?P<specimen>S)"}, r"There are 1 specimens .* --specimen-by"),
    ("nothing to train on", {"val": 0.5, "test": 0.5}, r"--val 0\.5 and --test 0\.5 leave .* less than 1"),
    ("nothing to validate on", {"val": 0.0}, r"--val 0 and --test 0\.15 leave .* --val above 0"),
    ("share that is no number", {"val": float("nan")}, r"--val nan and --test 0\.15 leave"),
    ("labelled share in percent", {"labelled": 60}, r"--labelled is 60: give a share .* from 0\.05 to 1"),
    ("negative seed", {"seed": -1}, r"--seed is -1: give a whole number from 0 up"),
    ("no unlabelled folder", {"unlabelled": Path("none")}, r"none is not a folder: name the folder"),
]
FAULTS = [
    *(
        (name, layout, spoil, {}, message)
        for layout, faults in (("coco", COCO), ("yolo", YOLO), ("voc", VOC))
        for name, spoil, message in faults
    ),
    *((name, "coco", lambda root: None, options, message) for name, options, message in CHOICES),
]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault[0] for fault in FAULTS])
def test_broken_input_is_told_in_one_message_and_leaves_nothing(
    fault: tuple[str, str, Spoil, dict[str, Any], str], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    _, layout, spoil, options, message = fault
    source = request.getfixturevalue(f"{layout}_source")
    spoil(source)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=message):
        import_dataset(source, tmp_path / "out", **{**OPTIONS, **options})
    assert sorted(tmp_path.rglob("*")) == before


def test_there_are_thirty_kinds_of_broken_input_at_least() -> None:
    assert len({fault[0] for fault in FAULTS}) == len(FAULTS) >= 30


def test_problems_of_files_and_of_groups_are_told_together(coco_source: Path) -> None:
    box(bbox=[0, 0, 0, 0])(coco_source)
    (coco_source / "train" / "S1_bright_1_crop_2.png").write_bytes(b"")
    coco(lambda content: (content["images"].pop(7), content["annotations"].pop(7)))(coco_source)
    with pytest.raises(UserError) as caught:
        import_dataset(coco_source, coco_source.with_name("out"), **OPTIONS)
    first, *problems = str(caught.value).splitlines()
    assert first.endswith("cannot be imported, correct 3 problems:")
    assert [
        word in line for word, line in zip(("is empty", "not a readable", "lacks view 2"), problems, strict=True)
    ] == [True] * 3

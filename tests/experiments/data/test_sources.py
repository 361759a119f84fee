"""Users' annotated images: three layouts read alike, boxes by hand, and what is told of what was left out."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from experiments.data.sources import Source, SourceBox, collect, refuse
from experiments.errors import UserError

CHIPPED = (SourceBox("Chipped", (10.0, 20.0, 30.0, 60.0)),)
RUST = (SourceBox("Rust", (0.0, 0.0, 40.0, 80.0)),)
Change = Callable[[Callable[[dict[str, Any]], Any]], Path]


def read_source(source: Path, *, layout: Any = "auto", clip: bool = False) -> Source:
    found, problems = collect(source, layout=layout, clip=clip, progress=False)
    refuse(source, problems)
    return found


def boxes_of(source: Path, name: str, **options: Any) -> tuple[SourceBox, ...]:
    return next(image.boxes for image in read_source(source, **options).images if image.path.stem == name)


@pytest.mark.parametrize(
    ("layout", "classes"), [("coco", ("Rust", "Chipped")), ("yolo", ("Rust", "Chipped")), ("voc", ("Chipped", "Rust"))]
)
@pytest.mark.parametrize("named", [True, False], ids=["named", "auto"])
def test_the_layouts_give_the_same_images_and_boxes(
    layout: Any, classes: tuple[str, ...], named: bool, request: pytest.FixtureRequest
) -> None:
    source = read_source(request.getfixturevalue(f"{layout}_source"), layout=layout if named else "auto")
    assert source.layout == layout
    assert source.classes == classes
    assert source.notes[0] == f"Read as {layout.upper()}: 12 images, 12 boxes."
    assert {image.path.stem: image.boxes for image in source.images} == {
        f"S{specimen}_bright_1_crop_{view}": CHIPPED if view == 1 else RUST
        for specimen in range(1, 7)
        for view in (1, 2)
    }
    assert {(image.width, image.height) for image in source.images} == {(40, 80)}


def test_a_category_without_boxes_is_left_out_with_a_note(coco_source: Path) -> None:
    assert read_source(coco_source).notes[1:] == ("Class 'defects' has no boxes and is left out.",)


def test_a_single_coco_file_is_read_with_the_images_of_its_folder(coco_source: Path) -> None:
    source = read_source(coco_source / "train" / "_annotations.coco.json")
    assert len(source.images) == 8


def test_of_images_of_one_name_the_one_beside_the_coco_file_is_meant(coco_source: Path) -> None:
    (coco_source / "valid" / "S1_bright_1_crop_1.png").write_bytes(b"another image of that name")
    assert boxes_of(coco_source, "S1_bright_1_crop_1") == CHIPPED


def test_coco_files_in_annotations_take_images_of_the_folder_they_name(coco_source: Path) -> None:
    (coco_source / "annotations").mkdir()
    for part in ("train", "valid", "test"):
        shutil.move(
            coco_source / part / "_annotations.coco.json", coco_source / "annotations" / f"instances_{part}.json"
        )
    (coco_source / "valid" / "S1_bright_1_crop_1.png").write_bytes(b"another image of that name")
    source = read_source(coco_source)
    assert {image.path.parent.name for image in source.images if image.path.stem == "S1_bright_1_crop_1"} == {"train"}
    assert source.notes[-1] == "Images that no annotation file lists, left out: 1."
    single = read_source(coco_source / "annotations" / "instances_train.json")
    assert len(single.images) == 8


def test_classes_of_several_coco_files_are_matched_by_name(coco_source: Path, change_coco: Change) -> None:
    def swap(content: dict[str, Any]) -> None:
        content["categories"][1]["name"], content["categories"][2]["name"] = "Chipped", "Rust"
        for box in content["annotations"]:
            box["category_id"] = 3 - box["category_id"]

    change_coco(swap)
    assert boxes_of(coco_source, "S1_bright_1_crop_1") == boxes_of(coco_source, "S6_bright_1_crop_1") == CHIPPED


@pytest.mark.parametrize("name", ["./{}", "images\\{}", "images/{}", "../images/{}"])
def test_coco_file_names_may_hold_folders(tmp_path: Path, name: str) -> None:
    root = tmp_path / "source"
    (root / "images").mkdir(parents=True)
    (root / "json").mkdir()
    Image.new("L", (40, 80)).save(root / "images" / "a.png")
    entry = {"id": 1, "file_name": name.format("a.png")}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 20, 40]}
    content = {"images": [entry], "annotations": [box], "categories": [{"id": 1, "name": "Chipped"}]}
    file = root / ("json" if name.startswith("..") else "") / "labels.json"
    file.write_text(json.dumps(content))
    if name.startswith(".."):
        with pytest.raises(UserError, match=r"labels\.json: names the image '\.\./images/a\.png', which leads out"):
            read_source(file)
        file = file.rename(root / "annotations.json")
        file.write_text(json.dumps(content).replace("../images", "json/../images"))
    assert read_source(file).images[0].boxes == CHIPPED


def test_yolo_polygons_count_by_their_bounding_box(yolo_source: Path) -> None:
    (yolo_source / "labels/train/S1_bright_1_crop_1.txt").write_text("1 0.25 0.5 0.75 0.5 0.5 0.75\n\n")
    assert boxes_of(yolo_source, "S1_bright_1_crop_1") == (SourceBox("Chipped", (10.0, 40.0, 30.0, 60.0)),)


def test_yolo_labels_may_lie_beside_the_images_with_classes_txt(yolo_source: Path) -> None:
    flat = yolo_source.with_name("flat")
    flat.mkdir()
    for file in [*yolo_source.rglob("*.png"), *yolo_source.rglob("*.txt")]:
        shutil.copy(file, flat)
    (flat / "classes.txt").write_text("Rust\nChipped\n")
    (flat / "S2_bright_1_crop_1.txt").unlink()
    source = read_source(flat)
    assert source.classes == ("Rust", "Chipped")
    assert boxes_of(flat, "S1_bright_1_crop_1") == CHIPPED
    assert boxes_of(flat, "S2_bright_1_crop_1") == ()
    assert source.notes[1:] == ("Images without an annotation file, taken to be free of defects: 1.",)


@pytest.mark.parametrize("layout", [("train/images", "train/labels"), ("images", "labels")])
def test_yolo_trees_may_be_nested_either_way(yolo_source: Path, layout: tuple[str, str]) -> None:
    other = yolo_source.with_name("other")
    for kind, target in zip(("images", "labels"), layout, strict=True):
        shutil.copytree(yolo_source / kind / "train", other / target)
    (other / "data.yaml").write_text("nc: 2\nnames: ['Rust', 'Chipped']\n")
    assert boxes_of(other, "S3_bright_1_crop_1") == CHIPPED


def test_voc_files_may_lie_beside_the_images_and_name_an_old_file(voc_source: Path) -> None:
    for file in (voc_source / "Annotations").iterdir():
        shutil.move(file, voc_source / "JPEGImages")
    file = voc_source / "JPEGImages" / "S1_bright_1_crop_1.xml"
    file.write_text(file.read_text().replace("S1_bright_1_crop_1.png", "/home/me/DSC_01.JPG"))
    assert boxes_of(voc_source, "S1_bright_1_crop_1") == CHIPPED


def test_files_that_macs_hide_are_not_read(voc_source: Path) -> None:
    (voc_source / "__MACOSX").mkdir()
    (voc_source / "__MACOSX" / "S1.xml").write_bytes(b"\0")
    (voc_source / "JPEGImages" / "._S1_bright_1_crop_1.png").write_bytes(b"\0")
    assert len(read_source(voc_source).images) == 12


@pytest.mark.parametrize(
    ("bbox", "expected"),
    [
        ([-1, -0.5, 21, 40], (0, 0, 20, 39.5)),
        ([20, 20, 21, 61], (20, 20, 40, 80)),
    ],
)
def test_boxes_that_stick_out_by_a_pixel_are_clipped(
    coco_source: Path, change_coco: Change, bbox: list[float], expected: tuple[float, ...]
) -> None:
    change_coco(lambda content: content["annotations"][0].update(bbox=bbox))
    assert boxes_of(coco_source, "S1_bright_1_crop_1") == (SourceBox("Chipped", tuple(map(float, expected))),)  # type: ignore[arg-type]


@pytest.mark.parametrize("bbox", [[-1.5, 0, 9, 9], [0, -1.5, 9, 9], [32.5, 0, 9, 9], [0, 72.5, 9, 9]])
def test_boxes_that_stick_out_further_are_problems(coco_source: Path, change_coco: Change, bbox: list[float]) -> None:
    change_coco(lambda content: content["annotations"][0].update(bbox=bbox))
    with pytest.raises(UserError, match=r"box 0 .* sticks out of the image of 40 x 80 px"):
        read_source(coco_source)


def test_clip_cuts_what_sticks_out_and_leaves_out_what_is_empty(coco_source: Path, change_coco: Change) -> None:
    def spoil(content: dict[str, Any]) -> None:
        for i, bbox in enumerate(([30, 20, 30, 40], [5, 5, 0, 9], [5, 5, 9, -9], [50, 5, 9, 9])):
            content["annotations"][i]["bbox"] = bbox

    change_coco(spoil)
    with pytest.raises(UserError, match="correct 4 problems"):
        read_source(coco_source)
    source = read_source(coco_source, clip=True)
    assert [image.boxes for image in source.images[2:6]] == [
        (SourceBox("Chipped", (30.0, 20.0, 40.0, 60.0)),),
        (),
        (),
        (),
    ]
    assert "Boxes that stuck out of their images, clipped: 1." in source.notes
    assert "Empty boxes, left out: 3." in source.notes


def test_all_problems_are_told_at_once_and_twenty_in_words(coco_source: Path, change_coco: Change) -> None:
    def spoil(content: dict[str, Any]) -> None:
        content["annotations"] += [
            {"id": 100 + i, "image_id": 0, "category_id": 2, "bbox": [0, 0, 0, 0]} for i in range(30)
        ]

    change_coco(spoil)
    (coco_source / "test" / "S6_bright_1_crop_1.png").unlink()
    with pytest.raises(UserError) as caught:
        read_source(coco_source)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{coco_source} cannot be imported, correct 31 problems:"
    assert lines[1].startswith("- test/_annotations.coco.json: the image 'S6_bright_1_crop_1.png' does not exist")
    assert lines[2] == (
        "- train/_annotations.coco.json: box 100 of S1_bright_1_crop_1.png (0, 0 to 0, 0 px) is empty: correct it, or leave out "
        "empty boxes (--clip)."
    )
    assert lines[21:] == ["- and 11 more"]


def test_a_folder_of_two_layouts_is_not_guessed(yolo_source: Path, voc_source: Path) -> None:
    shutil.copytree(voc_source / "Annotations", yolo_source / "Annotations")
    with pytest.raises(UserError, match=r"may be read as yolo or voc: choose one with --layout"):
        read_source(yolo_source)
    assert read_source(yolo_source, layout="yolo").layout == "yolo"
    with pytest.raises(UserError, match=r"There is no layout 'csv': choose auto, coco, yolo, voc"):
        read_source(yolo_source, layout="csv")  # type: ignore[arg-type]


def test_folders_that_are_links_are_not_followed_and_told(coco_source: Path) -> None:
    (coco_source / "valid").rename(coco_source.with_name("elsewhere"))
    (coco_source / "valid").symlink_to(coco_source.with_name("elsewhere"))
    source = read_source(coco_source)
    assert len(source.images) == 10
    assert "valid is a link to a folder, which was not followed." in source.notes


def test_notes_of_label_studio_beside_yolo_labels_are_no_coco_file(yolo_source: Path) -> None:
    (yolo_source / "notes.json").write_text('{"categories": [], "info": {}}')
    assert read_source(yolo_source).layout == "yolo"


def test_an_image_that_is_listed_twice_is_one_problem(change_coco: Callable[..., Path]) -> None:
    file = change_coco(lambda content: content["images"].append({**content["images"][0], "id": 99}))
    found, problems = collect(file.parent.parent, layout="auto", clip=False, progress=False)
    assert len(problems) == 1 and "is annotated more than once" in problems[0]
    assert len(found.images) == len({image.path for image in found.images})

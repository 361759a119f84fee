"""Grouped COCO files: order of views, and every mistake named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from experiments.data.groups import Box, View, check_image, read_groups
from experiments.errors import UserError

CLASSES = ["Broken", "Chipped"]


@pytest.fixture
def coco(tmp_path: Path) -> dict[str, Any]:
    """Two groups of two views of 40 x 60 px (width x height); files exist, out of order."""
    (tmp_path / "images").mkdir()
    images = []
    for i, (group, view) in enumerate([("S2_dark_1", 2), ("S1_bright_4", 1), ("S2_dark_1", 1), ("S1_bright_4", 2)]):
        name = f"{group}_crop_{view}.jpg"
        (tmp_path / "images" / name).touch()
        images.append({"id": i, "file_name": name, "width": 40, "height": 60, "base_img_id": group})
    box = {"id": 7, "image_id": 1, "category_id": 12, "bbox": [5, 6, 10, 20]}
    categories = [{"id": 11, "name": "Broken"}, {"id": 12, "name": "Chipped"}]
    return {"images": images, "annotations": [box], "categories": categories}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Any]:
    def run(content: Any, views: int = 2) -> Any:
        path = tmp_path / "train.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return read_groups(path, images=tmp_path / "images", classes=CLASSES, views=views)

    return run


def test_groups_and_views_are_in_order(coco: dict[str, Any], read: Callable[..., Any]) -> None:
    groups = read(coco)
    assert [group.name for group in groups] == ["S1_bright_4", "S2_dark_1"]
    assert [[view.path.name[-5] for view in group.views] for group in groups] == [["1", "2"], ["1", "2"]]
    assert [view.image_id for view in groups[1].views] == [2, 0]


def test_boxes_are_corners_and_labels_follow_the_class_list(coco: dict[str, Any], read: Callable[..., Any]) -> None:
    assert read(coco)[0].views[0].boxes == (Box((5.0, 6.0, 15.0, 26.0), 1),)


def test_ten_views_are_ordered_by_number_not_by_text(tmp_path: Path, read: Callable[..., Any]) -> None:
    (tmp_path / "images").mkdir()
    images = []
    for view in range(10, 0, -1):
        (tmp_path / "images" / f"a_crop_{view}.png").touch()
        images.append({"id": view, "file_name": f"a_crop_{view}.png", "width": 4, "height": 4, "base_img_id": "a"})
    groups = read({"images": images, "annotations": [], "categories": []}, views=10)
    assert [view.image_id for view in groups[0].views] == list(range(1, 11))


def _drop_view(coco: dict[str, Any], images: Path) -> None:
    coco["images"].pop(0)


def _drop_file(coco: dict[str, Any], images: Path) -> None:
    (images / "S1_bright_4_crop_2.jpg").unlink()


def _twice(coco: dict[str, Any], images: Path) -> None:
    coco["images"].append({**coco["images"][0], "id": 99})


def _outside(coco: dict[str, Any], images: Path) -> None:
    coco["annotations"][0]["bbox"] = [35, 6, 10, 20]


def _empty_box(coco: dict[str, Any], images: Path) -> None:
    coco["annotations"][0]["bbox"] = [5, 6, 0, 20]


def _negative_box(coco: dict[str, Any], images: Path) -> None:
    coco["annotations"][0]["bbox"] = [15, 6, -10, 20]


def _text_box(coco: dict[str, Any], images: Path) -> None:
    coco["annotations"][0]["bbox"] = [5, 6, "wide", 20]


def _class(coco: dict[str, Any], images: Path) -> None:
    coco["categories"][1]["name"] = "Chiped"


def _no_image(coco: dict[str, Any], images: Path) -> None:
    coco["annotations"][0]["image_id"] = 1234


def _no_view_number(coco: dict[str, Any], images: Path) -> None:
    coco["images"][0]["file_name"] = "S2_dark_1.jpg"


def _escape(coco: dict[str, Any], images: Path) -> None:
    coco["images"][0]["file_name"] = "../S2_dark_1_crop_2.jpg"


def _no_group(coco: dict[str, Any], images: Path) -> None:
    del coco["images"][0]["base_img_id"]


def _no_images(coco: dict[str, Any], images: Path) -> None:
    coco["images"], coco["annotations"] = [], []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (_drop_view, r"train\.json: group S2_dark_1: lacks view \[2\] \(files S2_dark_1_crop_N, N = 1 to 2\)"),
        (_drop_file, r"train\.json: image 3: file S1_bright_4_crop_2\.jpg does not exist"),
        (_twice, r"group S2_dark_1: has view 2 twice"),
        (_outside, r"box 7 of S1_bright_4_crop_1\.jpg: \[35, 6, 10, 20\].*out of the image of 40 x 60 px by 5 px"),
        (_empty_box, r"box 7 of S1_bright_4_crop_1\.jpg: \[5, 6, 0, 20\].*empty"),
        (_negative_box, r"box 7 of S1_bright_4_crop_1\.jpg: \[15, 6, -10, 20\].*has a negative width or height"),
        (_text_box, r"box 7 of S1_bright_4_crop_1\.jpg: has the bbox \[5, 6, 'wide', 20\]: give four numbers"),
        (_class, r"unknown class Chiped; the classes are Broken, Chipped"),
        (_no_image, r"box 7: is of image 1234, which the file does not list"),
        (_no_view_number, r"'S2_dark_1\.jpg' does not end in _crop_N"),
        (_escape, r"leads out of"),
        (_no_group, r"lacks 'base_img_id'"),
        (_no_images, r"lists no images"),
    ],
)
def test_each_fault_is_one_clear_sentence(
    fault: Callable[[dict[str, Any], Path], None], message: str, coco: dict[str, Any], read: Callable[..., Any],
    tmp_path: Path,
) -> None:  # fmt: skip
    fault(coco, tmp_path / "images")
    with pytest.raises(UserError, match=message) as error:
        read(coco)
    assert "more" not in str(error.value)


def test_of_several_faults_the_first_is_told_and_how_to_see_all(
    coco: dict[str, Any], read: Callable[..., Any], tmp_path: Path
) -> None:
    for fault in (_drop_view, _drop_file, _outside):
        fault(coco, tmp_path / "images")
    with pytest.raises(UserError) as error:
        read(coco)
    told = str(error.value)
    assert told.startswith(f"{tmp_path}/train.json: image 3: file S1_bright_4_crop_2.jpg does not exist")
    assert told.endswith(f" And 2 more: python -m experiments data check {tmp_path} lists all.")


@pytest.mark.parametrize(("text", "message"), [("{", "cannot be read as JSON"), ("[]", "no list 'images'")])
def test_what_is_no_coco_file_is_refused(text: str, message: str, read: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match=message):
        read(text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"val\.json does not exist"):
        read_groups(tmp_path / "val.json", images=tmp_path, classes=CLASSES, views=2)


def test_half_a_pixel_of_rounding_is_clipped(coco: dict[str, Any], read: Callable[..., Any]) -> None:
    coco["annotations"][0]["bbox"] = [-0.4, 6, 10, 54.4]
    assert read(coco)[0].views[0].boxes[0].xyxy == (0.0, 6.0, pytest.approx(9.6), 60.0)


def test_images_are_checked_by_their_headers(tmp_path: Path) -> None:
    path = tmp_path / "a_crop_1.png"
    Image.new("RGB", (6, 4)).save(path)
    check_image(View(1, path, 6, 4, ()))
    with pytest.raises(UserError, match=r"a_crop_1\.png is 6 x 4 px, but its annotation says 8 x 4"):
        check_image(View(1, path, 8, 4, ()))
    orientation = Image.Exif()
    orientation[0x0112] = 6  # to be turned by 90 degrees
    Image.new("RGB", (6, 4)).save(path, exif=orientation)
    with pytest.raises(UserError, match=r"a_crop_1\.png is stored rotated \(its EXIF orientation is not 1\)"):
        check_image(View(1, path, 6, 4, ()))
    path.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"a_crop_1\.png is not a readable image"):
        check_image(View(1, path, 6, 4, ()))

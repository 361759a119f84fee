"""Grouped COCO files: read, check, and hand over as groups of views. Torch-free.

A group is one photograph cut into V views: the images that share ``base_img_id``. The views are ordered by the number after
``_crop_`` in their file names (``S110_bright_4_crop_1.jpg``), counted from 1.
"""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from experiments.errors import UserError

_VIEW = re.compile(r"_crop_(\d+)\.[A-Za-z]+$")
# Boxes may overlap the border by the rounding of an export, not by more.
_BORDER_TOLERANCE = 0.5


@dataclass(frozen=True)
class Box:
    """One annotated defect: ``xyxy`` in px of its view, ``label`` an index into the class list."""

    xyxy: tuple[float, float, float, float]
    label: int


@dataclass(frozen=True)
class View:
    """One image of a group; sizes in px."""

    image_id: int
    path: Path
    width: int
    height: int
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Group:
    """The views of one photograph, in order of rotation."""

    name: str
    views: tuple[View, ...]


def read_groups(annotations: Path, *, images: Path, classes: Sequence[str], views: int) -> list[Group]:
    """Read a grouped COCO file, sorted by group name.

    Args:
        annotations: the COCO JSON file.
        images: folder that ``file_name`` is relative to.
        classes: class names in the order of the labels; every category used in the file must be one of them.
        views: how many views each group must have, numbered 1 to ``views``.

    Raises:
        UserError: the file is missing or not COCO, a group lacks a view, an image file is missing, a box is not inside its
            image or its class is unknown; the message names the file and says what to do.
    """
    coco = _load(annotations)
    labels = {}
    for category in coco["categories"]:
        if category["name"] in classes:
            labels[category["id"]] = list(classes).index(category["name"])
    names = {category["id"]: category["name"] for category in coco["categories"]}
    sizes = {image["id"]: image for image in coco["images"]}
    boxes: dict[int, list[Box]] = defaultdict(list)
    for annotation in coco["annotations"]:
        boxes[annotation["image_id"]].append(_box(annotation, sizes, labels, names, classes, annotations))
    members: dict[str, dict[int, View]] = defaultdict(dict)
    for image in coco["images"]:
        number = _view_number(image, annotations)
        group = members[str(image["base_img_id"])]
        if number in group:
            raise UserError(
                f"{annotations}: group {image['base_img_id']} has view {number} twice ({group[number].path.name}, "
                f"{image['file_name']}): remove one."
            )
        path = images / image["file_name"]
        if images.resolve() not in path.resolve().parents:
            raise UserError(
                f"{annotations}: file_name {image['file_name']!r} leads out of {images}: keep images inside it."
            )
        if not path.is_file():
            raise UserError(
                f"{path} does not exist, but {annotations.name} lists it: restore the file or remove its entry."
            )
        group[number] = View(image["id"], path, image["width"], image["height"], tuple(boxes[image["id"]]))
    wanted = set(range(1, views + 1))
    for name, group in members.items():
        if set(group) != wanted:
            missing, extra = sorted(wanted - set(group)), sorted(set(group) - wanted)
            problem = f"lacks view {missing}" if missing else f"has unexpected view {extra}"
            raise UserError(
                f"{annotations}: group {name} {problem} (files {name}_crop_N, N = 1 to {views}): complete the group or remove it."
            )
    if not members:
        raise UserError(f"{annotations} lists no images: this split is empty.")
    return [Group(name, tuple(view for _, view in sorted(members[name].items()))) for name in sorted(members)]


def check_image(view: View, size: tuple[int, int]) -> None:
    """Check from its header that an image is one, and of the (width, height) that annotation and model expect.

    Raises:
        UserError: it is no image, or of another size; the message names the file.
    """
    try:
        with Image.open(view.path) as image:
            found = image.size
    except OSError:
        raise UserError(f"{view.path} is not a readable image: restore the file.") from None
    if found != (view.width, view.height):
        raise UserError(
            f"{view.path} is {found[0]} x {found[1]} px, but its annotation says {view.width} x {view.height}: correct one of them."
        )
    if found != size:
        raise UserError(
            f"{view.path} is {found[0]} x {found[1]} px, but the config is made for {size[0]} x {size[1]} "
            f"(model.detector.backbone.mvvit.image_size): resize the images, or use a scale of their size."
        )


def _load(path: Path) -> dict[str, Any]:
    try:
        coco = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist: name a data set folder that has it, or make one (make data)."
        ) from None
    except (ValueError, OSError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}): export it again.") from None
    for key, fields in _FIELDS.items():
        if not isinstance(coco, dict) or not isinstance(coco.get(key), list):
            raise UserError(f"{path} has no list {key!r}: it is not a COCO detection file.")
        for entry in coco[key]:
            lacking = [field for field in fields if not isinstance(entry, dict) or field not in entry]
            if lacking:
                raise UserError(f"{path}: an entry of {key!r} lacks {lacking[0]!r}: {str(entry)[:80]}.")
    return coco


_FIELDS = {
    "images": ("id", "file_name", "width", "height", "base_img_id"),
    "annotations": ("id", "image_id", "category_id", "bbox"),
    "categories": ("id", "name"),
}


def _view_number(image: dict[str, Any], annotations: Path) -> int:
    match = _VIEW.search(image["file_name"])
    if match is None:
        raise UserError(
            f"{annotations}: file_name {image['file_name']!r} does not end in _crop_N.jpg: which view is it?"
        )
    return int(match[1])


def _box(
    annotation: dict[str, Any], sizes: dict[int, Any], labels: dict[int, int], names: dict[int, str], classes: Sequence[str],
    annotations: Path,
) -> Box:  # fmt: skip
    image = sizes.get(annotation["image_id"])
    where = f"{annotations}: box {annotation['id']}"
    if image is None:
        raise UserError(
            f"{where} belongs to image {annotation['image_id']}, which the file does not list: remove the box."
        )
    where += f" of {image['file_name']}"
    if annotation["category_id"] not in labels:
        name = names.get(annotation["category_id"], f"category {annotation['category_id']}")
        raise UserError(
            f"{where} has the unknown class {name}; the classes are {', '.join(classes)}: correct it or the list."
        )
    try:
        x, y, width, height = (float(value) for value in annotation["bbox"])
    except (TypeError, ValueError):
        raise UserError(
            f"{where} has the bbox {annotation['bbox']}; four numbers x, y, width, height are needed."
        ) from None
    right, bottom = x + width, y + height
    inside = (
        width > 0
        and height > 0
        and min(x, y) >= -_BORDER_TOLERANCE
        and right <= image["width"] + _BORDER_TOLERANCE
        and bottom <= image["height"] + _BORDER_TOLERANCE
    )
    if not inside:
        raise UserError(
            f"{where} is {annotation['bbox']} (x, y, width, height), which is empty or not inside the image of "
            f"{image['width']} x {image['height']} px: correct it."
        )
    clipped = (
        max(x, 0.0),
        max(y, 0.0),
        min(right, float(image["width"])),
        min(bottom, float(image["height"])),
    )
    return Box(clipped, labels[annotation["category_id"]])

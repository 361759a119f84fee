"""Grouped COCO files: read, check, and hand over as groups of views. Torch-free.

A group is one photograph cut into V views: the images that share ``base_img_id``. The views are ordered by the number after
``_crop_`` in their file names (``S110_bright_4_crop_1.jpg``), counted from 1.
"""

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image

from experiments.data.annotations import BoxEntry, ImageEntry, group_problems, read_annotations
from experiments.errors import UserError

_ORIENTATION = ExifTags.Base.Orientation


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
            image or its class is unknown; the message tells the first problem, how many more there are, and how to see all.
    """
    found = read_annotations(annotations, images=images, classes=classes)
    problems = found.problems + group_problems(found, views)
    if problems:
        more = f" And {len(problems) - 1} more: python -m experiments data check {images.parent} lists all."
        raise UserError(f"{problems[0]}{more if len(problems) > 1 else ''}")
    boxes: dict[int, list[Box]] = defaultdict(list)
    for box in found.boxes:
        boxes[box.image.id].append(Box(_clip(box), list(classes).index(box.class_name)))
    return [
        Group(name, tuple(_view(image, boxes[image.id]) for _, image in sorted(members.items())))
        for name, members in sorted(found.groups.items())
    ]


def image_fault(path: Path, width: int, height: int) -> str | None:
    """What is wrong with an image file, from its header; ``None`` for an upright one of the px that its annotation says."""
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            # PNG files are decoded whole where no orientation is found before their pixels.
            warnings.simplefilter("ignore")
            orientation = (
                1 if image.format == "PNG" and "exif" not in image.info else image.getexif().get(_ORIENTATION, 1)
            )
            found = image.size
    except Exception:  # Pillow raises errors of many kinds on corrupt files
        return "is not a readable image: restore the file."
    if orientation not in (0, 1):
        return "is stored rotated (its EXIF orientation is not 1), so boxes may be turned: save it upright and check its boxes."
    if found != (width, height):
        return f"is {found[0]} x {found[1]} px, but its annotation says {width} x {height}: correct one of them."
    return None


def check_image(view: View) -> None:
    """Check from its header that an image is one, upright, and of the width and height that its annotation says.

    Raises:
        UserError: it is not; the message names the file.
    """
    fault = image_fault(view.path, view.width, view.height)
    if fault:
        raise UserError(f"{view.path} {fault}")


def _view(image: ImageEntry, boxes: Sequence[Box]) -> View:
    assert image.path is not None, "A missing file is a problem."
    return View(image.id, image.path, image.width, image.height, tuple(boxes))


def _clip(box: BoxEntry) -> tuple[float, float, float, float]:
    """Corners without the rounding by which a box may overlap the border."""
    x, y, width, height = box.bbox
    return max(x, 0.0), max(y, 0.0), min(x + width, float(box.image.width)), min(y + height, float(box.image.height))

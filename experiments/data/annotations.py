"""The rules of a grouped COCO file: what is sound in it, and all its problems at once. Torch-free."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.data.drafts import number
from experiments.data.entries import entry_fault, entry_ids, load_coco
from experiments.data.problems import Problem

_VIEW = re.compile(r"(.*)_crop_(\d{1,9})\.[A-Za-z]+$", re.DOTALL)
# Boxes may overlap the border by the rounding of an export, not by more; in px.
_BORDER_TOLERANCE = 0.5

Bbox = tuple[float, float, float, float]


@dataclass(frozen=True)
class ImageEntry:
    """A listed image; sizes in px. ``path`` is ``None`` where there is no such file in the images' folder."""

    id: int
    file_name: str
    path: Path | None
    width: int
    height: int
    group: str
    view: int


@dataclass(frozen=True)
class BoxEntry:
    """A listed box inside its image; ``bbox`` is x, y, width, height in px as the file says."""

    id: int
    image: ImageEntry
    class_name: str
    bbox: Bbox


@dataclass(frozen=True)
class Annotations:
    """What is sound in an annotation file, and the problems of the rest.

    Attributes:
        listed: every file name that it states; ``None`` for a file that cannot be read.
        images: by id.
        groups: group -> view number -> image.
        uncertain: groups that may lack a view only because the entry of an image has a problem.
    """

    file: Path
    listed: set[str] | None
    images: dict[int, ImageEntry]
    boxes: list[BoxEntry]
    groups: dict[str, dict[int, ImageEntry]]
    uncertain: set[str]
    problems: list[Problem]


def read_annotations(file: Path, *, images: Path, classes: Sequence[str] | None) -> Annotations:
    """Read a grouped COCO file, whatever state it is in. Groups are not looked at: see :func:`group_problems`.

    Args:
        file: the COCO JSON file.
        images: folder that ``file_name`` is relative to.
        classes: names that the category of a box may have; ``None``: any.
    """
    return _Reader(file, images, classes).read()


def group_problems(found: Annotations, views: int) -> list[Problem]:
    """The groups that have not exactly the views 1 to ``views``."""
    problems = []
    wanted = set(range(1, views + 1))
    for name in sorted(found.groups.keys() - found.uncertain):
        missing, extra = sorted(wanted - found.groups[name].keys()), sorted(found.groups[name].keys() - wanted)
        faults = [f"lacks view {missing}"] * bool(missing) + [f"has unexpected view {extra}"] * bool(extra)
        if faults:
            what = f"{' and '.join(faults)} (files {name}_crop_N, N = 1 to {views}): complete the group or remove it."
            problems.append(Problem(found.file, f"group {name}", what))
    return problems


def box_fault(bbox: Bbox, image: ImageEntry) -> tuple[str, bool] | None:
    """What is wrong with the place of a box, and whether clipping mends it; ``None`` for a box inside its image."""
    x, y, width, height = bbox
    shown = f"[{', '.join(f'{value:.6g}' for value in bbox)}] (x, y, width, height)"
    if min(width, height) < 0:
        return f"{shown} has a negative width or height: correct it.", False
    if min(width, height) == 0:
        return f"{shown} is empty: correct it, or remove it (--fix clip).", True
    excess = max(-x, -y, x + width - image.width, y + height - image.height)
    if excess > _BORDER_TOLERANCE:
        size = f"{image.width} x {image.height} px"
        return (
            f"{shown} sticks out of the image of {size} by {excess:.4g} px: correct it, or clip it (--fix clip).",
            True,
        )
    return None


class _Reader:
    """Reads one file entry by entry; an entry with a problem is left out, and what refers to it is not blamed."""

    def __init__(self, file: Path, images: Path, classes: Sequence[str] | None) -> None:
        self.file = file
        self.folder = images
        self.root = Path(os.path.realpath(images))
        self.classes = classes
        self.problems: list[Problem] = []
        self.uncertain: set[str] = set()

    def read(self) -> Annotations:
        content = load_coco(self.file)
        if isinstance(content, Problem):
            return Annotations(self.file, None, {}, [], {}, set(), [content])
        names = {entry["id"]: entry["name"] for entry in self._entries(content, "categories")}
        images: dict[int, ImageEntry] = {}
        groups: dict[str, dict[int, ImageEntry]] = defaultdict(dict)
        for entry in self._entries(content, "images"):
            image = self._image(entry)
            if image is None:
                continue
            images[image.id] = image
            twin = groups[image.group].setdefault(image.view, image)
            if twin is not image:
                what = f"has view {image.view} twice ({twin.file_name}, {image.file_name}): remove one."
                self._problem(f"group {image.group}", what)
        if not content["images"]:
            self._problem("", "lists no images: this split is empty, add groups to it.")
        known = (entry_ids(content["images"]), entry_ids(content["categories"]))
        boxes = [self._box(entry, images, names, *known) for entry in self._entries(content, "annotations")]
        sound = [box for box in boxes if box is not None]
        listed = {str(entry.get("file_name")) for entry in content["images"] if isinstance(entry, dict)}
        return Annotations(self.file, listed, images, sound, dict(groups), self.uncertain, self.problems)

    def _problem(self, where: str, what: str, *, fixable: bool = False) -> None:
        self.problems.append(Problem(self.file, where, what, fixable=fixable))

    def _entries(self, content: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
        """The entries of a list that have all their fields, and an id that no entry before them has."""
        seen = set()
        for entry in content[key]:
            fault = entry_fault(entry, key)
            if fault is None and entry["id"] in seen:
                fault = f"the id {entry['id']} is used before: renumber one."
            if fault is None:
                seen.add(entry["id"])
                yield entry
                continue
            self._problem(f"entry {str(entry)[:80]} of {key!r}", fault)
            if key == "images":
                self._doubt(entry)

    def _doubt(self, entry: object) -> None:
        """Do not blame the group of a faulty image for lacking it."""
        if isinstance(entry, dict):
            match = _VIEW.match(str(entry.get("file_name")))
            self.uncertain |= {str(entry.get("base_img_id")), *([match[1]] if match else [])}

    def _image(self, entry: dict[str, Any]) -> ImageEntry | None:
        name = entry["file_name"]
        match = _VIEW.match(name)
        if match is None:
            self._problem(f"image {entry['id']}", f"file_name {name!r} does not end in _crop_N.jpg: which view is it?")
            self._doubt(entry)
            return None
        path = self.folder / name
        fault = self._path_fault(path)
        if fault:
            self._problem(f"image {entry['id']}", f"file {name} {fault}")
        elif match[1].rpartition("/")[2] != str(entry["base_img_id"]):
            what = f"file_name {name!r} does not begin with its base_img_id {str(entry['base_img_id'])!r}: correct one of them."
            self._problem(f"image {entry['id']}", what)
            self._doubt(entry)
        return ImageEntry(
            entry["id"],
            name,
            None if fault else path,
            entry["width"],
            entry["height"],
            str(entry["base_img_id"]),
            int(match[2]),
        )

    def _path_fault(self, path: Path) -> str | None:
        try:
            if self.root not in path.resolve().parents:
                return f"leads out of {self.folder}: keep images inside it."
            if path.is_file():
                return None
        except (OSError, ValueError, RuntimeError):  # what cannot be the name of a file, or links in a circle
            pass
        return f"does not exist in {self.folder}: restore it, or remove its entry."

    def _box(
        self, entry: dict[str, Any], images: dict[int, ImageEntry], names: dict[int, str], known_images: set[int],
        known_categories: set[int],
    ) -> BoxEntry | None:  # fmt: skip
        image, name = images.get(entry["image_id"]), names.get(entry["category_id"])
        where = f"box {entry['id']}" + (f" of {image.file_name}" if image else "")
        if entry["image_id"] not in known_images:
            self._problem(where, f"is of image {entry['image_id']}, which the file does not list: remove the box.")
        if entry["category_id"] not in known_categories:
            what = f"has the category {entry['category_id']}, which the file does not list: correct it or list the category."
            self._problem(where, what)
        elif name is not None and self.classes is not None and name not in self.classes:
            what = f"has the unknown class {name}; the classes are {', '.join(self.classes)}: correct it or the list."
            self._problem(where, what)
            name = None
        try:
            x, y, width, height = (number(value) for value in entry["bbox"])
        except (TypeError, ValueError, OverflowError):
            self._problem(
                where, f"has the bbox {str(entry['bbox'])[:80]}: give four numbers x, y, width, height in px."
            )
            return None
        fault = box_fault((x, y, width, height), image) if image else None
        if fault:
            self._problem(where, fault[0], fixable=fault[1])
        if image is None or name is None or fault:
            return None
        return BoxEntry(entry["id"], image, name, (x, y, width, height))

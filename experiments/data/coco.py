"""COCO JSON as annotation tools export it.

A box is ``bbox`` = x, y, width, height in px; polygons beside it are not looked at. Boxes of crowds are refused: training
would take a region of many defects for one.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, TypeGuard

from experiments.data.drafts import Draft, DraftBox, Folder, number

LOOKED_FOR = "COCO (a .json file, _annotations.coco.json beside images, annotations/*.json, or *.json)"


def coco_files(folder: Folder) -> list[Path]:
    """The annotation files: the one that is named, or the first kind of :data:`LOOKED_FOR` that is there."""
    if folder.annotation is not None:
        return [folder.annotation]
    # Label Studio writes a notes.json beside YOLO labels.
    documents = [file for file in folder.files if file.suffix.lower() == ".json" and file.name != "notes.json"]
    exports = [file for file in documents if file.name == "_annotations.coco.json"]
    listed = [file for file in documents if file.parent == folder.root / "annotations"]
    return exports or listed or [file for file in documents if file.parent == folder.root]


def read_coco(folder: Folder) -> tuple[list[str], list[Draft]]:
    """Classes, in order of their ids and of the files, and images; categories of several files are matched by name."""
    classes: list[str] = []
    drafts: list[Draft] = []
    for file in coco_files(folder):
        content = _load(folder, file)
        if content is None:
            continue
        names = _names(folder, file, content["categories"])
        classes += [name for name in names.values() if name not in classes]
        drafts += _drafts(folder, file, content, names)
    return classes, drafts


def _load(folder: Folder, file: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        folder.problem(file, f"cannot be read as JSON ({error}): export it again.")
        return None
    for key in ("images", "annotations", "categories"):
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            folder.problem(file, f"has no list {key!r} of entries: export it as COCO detection.")
            return None
    return dict(content)


def _names(folder: Folder, file: Path, categories: list[dict[str, Any]]) -> dict[int, str]:
    """Class names by category id, in order of the ids."""
    names: dict[int, str] = {}
    listed = []
    for entry in categories:
        key, name = entry.get("id"), entry.get("name")
        if not _is_id(key) or not isinstance(name, str):
            folder.problem(
                file, f"the category {str(entry)[:80]} needs a whole number 'id' and a text 'name': correct it."
            )
        elif key in names:
            folder.problem(file, f"the category id {key} is used twice: renumber one.")
        else:
            names[key] = name.strip()
            listed.append(name.strip())
    folder.check_classes(file, listed)
    return dict(sorted(names.items()))


def _drafts(folder: Folder, file: Path, content: dict[str, Any], names: dict[int, str]) -> list[Draft]:
    known = {entry["id"] for entry in content["images"] if _is_id(entry.get("id"))}
    boxes: dict[int, list[DraftBox]] = defaultdict(list)
    for i, entry in enumerate(content["annotations"], start=1):
        key = entry.get("image_id")
        box = _box(folder, file, f"box {entry.get('id', f'number {i}')}", entry, names)
        if not _is_id(key) or key not in known:
            text = f"box {entry.get('id', f'number {i}')} is of image {key!r}, which is not listed: remove it or list the image."
            folder.problem(file, text)
        elif box is not None:
            boxes[key].append(box)
    drafts = []
    seen = set()
    for entry in content["images"]:
        key, stated = entry.get("id"), entry.get("file_name")
        if not _is_id(key) or not isinstance(stated, str) or not stated:
            folder.problem(
                file, f"the image {str(entry)[:80]} needs a whole number 'id' and a text 'file_name': correct it."
            )
            continue
        if key in seen:
            folder.problem(file, f"the image id {key} is used twice ({stated}): renumber one.")
            continue
        seen.add(key)
        path = folder.find(stated, annotation=file)
        if path is not None:
            drafts.append(Draft(path, file, _size(folder, file, entry), tuple(boxes[key])))
    return drafts


def _box(folder: Folder, file: Path, where: str, entry: dict[str, Any], names: dict[int, str]) -> DraftBox | None:
    key, bbox = entry.get("category_id"), entry.get("bbox")
    if not _is_id(key) or key not in names:
        folder.problem(file, f"{where} has the category {key!r}, which is not listed: correct it or list the category.")
        return None
    if entry.get("iscrowd"):
        folder.problem(file, f"{where} marks a crowd (iscrowd): draw one box per defect, or remove it.")
        return None
    try:
        x, y, width, height = (number(value) for value in (bbox if isinstance(bbox, list) else ()))
    except (ValueError, OverflowError):
        folder.problem(file, f"{where} has the bbox {str(bbox)[:80]}: give four numbers x, y, width, height in px.")
        return None
    return DraftBox(where, names[key], (x, y, x + width, y + height))


def _size(folder: Folder, file: Path, entry: dict[str, Any]) -> tuple[int, int] | None:
    """(width, height) in px as the entry states them, if it does."""
    if entry.get("width") is None and entry.get("height") is None:
        return None
    try:
        return int(number(entry.get("width"))), int(number(entry.get("height")))
    except (ValueError, OverflowError):
        text = f"the image {entry['file_name']} has a 'width' and 'height' that are no numbers: correct or remove them."
        folder.problem(file, text)
        return None


def _is_id(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)

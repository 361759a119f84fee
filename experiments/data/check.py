"""Check all of a data set folder: description, annotations, images, splits; and clip boxes that stick out. Torch-free."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.data.annotations import Annotations, Bbox, ImageEntry, box_fault, group_problems, read_annotations
from experiments.data.description import read_description
from experiments.data.entries import load_coco
from experiments.data.files import write_file
from experiments.data.groups import image_fault
from experiments.data.overlaps import copy_problems, overlap_problems
from experiments.data.pictures import read_pictures, size_warnings, unlisted_warnings
from experiments.data.problems import Problem
from experiments.data.shortages import box_warnings, class_warnings
from experiments.errors import UserError
from experiments.goals import TARGETS_NAME, read_goals
from experiments.runs import DATASET_NAME, read_dataset

NEEDED = ("train_labeled", "train_unlabeled", "val")
OPTIONAL = ("train_unlabeled_truth", "test")


def check_dataset(folder: Path, *, progress: bool = True) -> list[Problem]:
    """Find all problems of a data set folder; files are named relative to it.

    Raises:
        UserError: there is no such folder, or nothing of a data set in it.
    """
    _check_begun(folder)
    description, problems = read_description(folder)
    found = _read_parts(folder, description.get("classes"))
    problems += [problem for part in found.values() for problem in part.problems]
    if "classes" in description:
        problems += _target_problems(folder, description["classes"])
    if "views" in description:
        problems += _group_problems(folder / DATASET_NAME, found, description["views"])
    problems += overlap_problems(found)
    pictures, faults = read_pictures(found.values(), progress=progress)
    problems += faults + copy_problems(found, pictures)
    problems += class_warnings(found, description.get("classes", []))
    problems += box_warnings(found.values())
    if "image_size" in description:
        problems += size_warnings(found.values(), description["image_size"])
    problems += unlisted_warnings(folder / "images", found.values())
    return [replace(problem, file=problem.file.relative_to(folder)) for problem in problems]


def _check_begun(folder: Path) -> None:
    """Refuse a folder that has nothing of a data set, an export say, instead of listing all that it lacks."""
    parts = (folder / "annotations" / f"{name}.json" for name in NEEDED + OPTIONAL)
    if folder.is_dir() and not any(path.exists() for path in (folder / DATASET_NAME, *parts)):
        read_dataset(folder)


def _target_problems(folder: Path, classes: Sequence[str]) -> list[Problem]:
    try:
        read_goals(folder, classes)
    except UserError as error:
        return [Problem(folder / TARGETS_NAME, "goals", str(error).partition(": ")[2])]
    return []


def clip_boxes(folder: Path) -> list[str]:
    """Clip boxes that stick out of their images, and remove empty ones; the original is kept as ``<name>.json.orig``.

    Only files with such boxes are written, and an original that is kept already stays. A file with other problems is left
    alone: where ids or sizes are in doubt, clipping would do harm.

    Returns:
        What was done, or why not, one sentence for each file with such boxes, and for each that cannot be read.

    Raises:
        UserError: there is no such folder or nothing of a data set in it, or a file cannot be written.
    """
    _check_begun(folder)
    parts = _read_parts(folder, read_description(folder)[0].get("classes"))
    return [told for part in parts.values() if (told := _clip_file(part))]


def _clip_file(part: Annotations) -> str | None:
    content = load_coco(part.file)
    if isinstance(content, Problem):
        return f"{content} It is left alone."
    if not any(problem.fixable for problem in part.problems):
        return None
    others = [str(problem) for problem in part.problems if not problem.fixable] or _image_faults(part, content)
    if others:
        more = f" And {len(others) - 1} more." if len(others) > 1 else ""
        return f"{part.file.name} is left alone, as clipping is not safe before its other problems are solved: {others[0]}{more}"
    kept, clipped = [], 0
    for entry in content["annotations"]:
        image = part.images[entry["image_id"]]
        if box_fault(entry["bbox"], image) is None:
            kept.append(entry)
        elif box := _clip(entry["bbox"], image):
            clipped += 1
            kept.append({**entry, "bbox": box, "area": box[2] * box[3]})
    removed = len(content["annotations"]) - len(kept)
    original = part.file.with_name(f"{part.file.name}.orig")
    keeps = f"the original is kept as {original.name}"
    if original.exists():
        keeps = f"{original.name} holds an older original and stays"
    else:
        write_file(part.file.read_bytes(), original)
    write_file(f"{json.dumps({**content, 'annotations': kept}, separators=(',', ':'))}\n".encode(), part.file)
    return f"{part.file}: boxes clipped {clipped}, empty boxes removed {removed}; {keeps}."


def _image_faults(part: Annotations, content: Mapping[str, Any]) -> list[str]:
    """What is wrong with the images that boxes would be clipped to; their sizes are taken from the annotations."""
    images = [
        part.images[e["image_id"]] for e in content["annotations"] if box_fault(e["bbox"], part.images[e["image_id"]])
    ]
    faults = [(i.path, image_fault(i.path, i.width, i.height)) for i in images if i.path is not None]
    return [f"{path} {fault}" for path, fault in dict(faults).items() if fault]


def _clip(bbox: Bbox, image: ImageEntry) -> list[float] | None:
    x, y, width, height = bbox
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, image.width), min(y + height, image.height)
    return [left, top, right - left, bottom - top] if left < right and top < bottom else None


def _read_parts(folder: Path, classes: list[str] | None) -> dict[str, Annotations]:
    """The annotation files by name without suffix; of the optional ones those that are there."""
    files = {name: folder / "annotations" / f"{name}.json" for name in NEEDED + OPTIONAL}
    return {
        name: read_annotations(file, images=folder / "images", classes=classes)
        for name, file in files.items()
        if name in NEEDED or file.exists()
    }


def _group_problems(description: Path, found: Mapping[str, Annotations], views: int) -> list[Problem]:
    """Groups that lack views; or one problem of the description, where it alone differs from all of them."""
    shown = {frozenset(group) for part in found.values() for group in part.groups.values()}
    if len(shown) == 1:
        numbers = shown.pop()
        if numbers == set(range(1, len(numbers) + 1)) and len(numbers) != views:
            what = f"says that groups have {views} views, but all have {len(numbers)}: correct 'views'."
            return [Problem(description, "", what)]
    return [problem for part in found.values() for problem in group_problems(part, views)]

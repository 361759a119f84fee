"""YOLO text labels: one file per image, one line per box or polygon.

A line is ``class cx cy width height``, or ``class x1 y1 x2 y2 x3 y3 ...`` whose bounding box counts; all in shares of the
image's width and height. Labels of ``.../images/a.jpg`` are ``.../labels/a.txt``, or ``a.txt`` beside the image. Which folders
the YAML file calls train and val does not matter: every image of the source is read, and split anew.
"""

import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from experiments.data.drafts import Corners, Draft, DraftBox, Folder, number

LOOKED_FOR = "YOLO (images/ and labels/, or .txt beside images, with data.yaml, dataset.yaml or classes.txt)"
# Above this a coordinate is in pixels; a share that sticks out a little is judged as a box.
_LARGEST_SHARE = 2.0


def label_file(image: Path, folder: Folder) -> Path | None:
    """The label file of an image, if there is one."""
    parts = list(image.relative_to(folder.root).with_suffix(".txt").parts)
    places = [image.with_suffix(".txt")]
    if "images" in parts[:-1]:
        last = max(i for i, part in enumerate(parts[:-1]) if part == "images")
        places.insert(0, folder.root.joinpath(*parts[:last], "labels", *parts[last + 1 :]))
    return next((place for place in places if place.is_file()), None)


def read_yolo(folder: Folder) -> tuple[list[str], list[Draft]]:
    """Classes in order of their numbers, and images; one without a label file is taken to be free of defects."""
    classes = _classes(folder)
    drafts = []
    used = set()
    for image in folder.images:
        file = label_file(image, folder)
        if file is not None:
            used.add(file)
        boxes = _boxes(folder, file, classes) if file is not None and classes is not None else []
        drafts.append(Draft(image, file, None, tuple(boxes), relative=True))
    for file in folder.files:
        inside = "labels" in file.relative_to(folder.root).parts[:-1]
        if inside and file.suffix.lower() == ".txt" and file not in used and file.name != "classes.txt":
            folder.problem(file, "belongs to no image: add the image or remove this file.")
    return classes or [], drafts


def _classes(folder: Folder) -> list[str] | None:
    """Class names from the first file that has them; None, and a problem, if there is none."""
    top = [file for file in folder.files if file.parent == folder.root and file.suffix.lower() in (".yaml", ".yml")]
    lists = [file for file in folder.files if file.name == "classes.txt"]
    named = [file for file in top if file.stem in ("data", "dataset")]
    for file in [*(named or top), *lists]:
        try:
            text = file.read_text(encoding="utf-8-sig")
            content = yaml.safe_load(text) if file.suffix != ".txt" else {"names": text.strip().splitlines()}
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            folder.problem(file, f"cannot be read ({' '.join(str(error).split())[:120]}): save it again as UTF-8 text.")
            return None
        if isinstance(content, dict) and "names" in content:
            return _names(folder, file, content)
    text = "no class names were found: add data.yaml with a list 'names', or classes.txt with one name per line."
    folder.problems.append(text)
    return None


def _names(folder: Folder, file: Path, content: dict[Any, Any]) -> list[str] | None:
    names = content["names"]
    if isinstance(names, dict) and all(type(key) is int for key in names) and sorted(names) == list(range(len(names))):
        names = [names[key] for key in range(len(names))]
    # An unquoted `no` is a boolean to YAML, not a class.
    if not isinstance(names, list) or not names or not all(type(name) in (str, int) for name in names):
        folder.problem(
            file, "'names' must list class names, or map 0, 1, 2, ... to them, quoted where YAML needs it: correct it."
        )
        return None
    if content.get("nc", len(names)) != len(names):
        folder.problem(file, f"'nc' is {content['nc']}, but 'names' has {len(names)} classes: correct one of them.")
    names = [str(name).strip() for name in names]
    folder.check_classes(file, names)
    return names


def _boxes(folder: Folder, file: Path, classes: list[str]) -> list[DraftBox]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError):
        folder.problem(file, "is not UTF-8 text: export the labels again.")
        return []
    boxes = []
    for i, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            label, corners = _parse(line.split(), classes)
        except ValueError as error:
            folder.problem(file, f"line {i} ({line.strip()[:60]}) {error}")
            continue
        boxes.append(DraftBox(f"line {i}", classes[label], corners))
    return boxes


def _parse(words: list[str], classes: list[str]) -> tuple[int, Corners]:
    """Class number and corners of a line.

    Raises:
        ValueError: what is wrong with the line and what to do.
    """
    if not re.fullmatch(r"\d{1,9}", words[0]) or int(words[0]) >= len(classes):
        raise ValueError(f"has the class {words[0][:60]}: give a whole number from 0 to {len(classes) - 1}.")
    try:
        values = [number(float(word)) for word in words[1:]]
    except ValueError:
        raise ValueError("holds something that is not a number: correct it.") from None
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        text = (
            f"has {len(values)} numbers after the class: give cx cy width height, or the x y of three or more points."
        )
        raise ValueError(text)
    if max(abs(value) for value in values) > _LARGEST_SHARE:
        raise ValueError("is in pixels: divide by the image's width and height, so that numbers are from 0 to 1.")
    if len(values) == 4:
        x, y, width, height = values
        return int(words[0]), (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return int(words[0]), (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))

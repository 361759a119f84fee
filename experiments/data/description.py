"""The rules of ``dataset.json``. Torch-free."""

import json
import unicodedata
from pathlib import Path
from typing import Any

from experiments.data.files import read_file
from experiments.data.problems import Problem
from experiments.errors import UserError
from experiments.goals import OVERALL
from experiments.runs import DATASET_NAME

CARD_NAME = "CARD.md"
_MOST_VIEWS = 1000


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def can_be_shown(name: str) -> bool:
    """Whether a name can stand in files, tables and pictures: no control characters, and no halves of characters."""
    return all(unicodedata.category(character) not in ("Cc", "Cs") for character in name)


def _are_names(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(name, str) and name not in ("", OVERALL) and can_be_shown(name) for name in value)
    )


def _is_size(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is_count(side) for side in value)


_FIELDS = {
    "name": (lambda value: isinstance(value, str) and value != "", "text"),
    "classes": (
        _are_names,
        f"a list of class names without control characters, none of them {OVERALL!r}, which stands for their mean",
    ),
    "views": (
        lambda value: _is_count(value) and value <= _MOST_VIEWS,
        f"the number of views of a group, a whole number from 1 to {_MOST_VIEWS}",
    ),
    "image_size": (_is_size, "[height, width] of the images in px"),
    "splits": (lambda value: isinstance(value, dict), "the numbers of groups, images and boxes of each split"),
}


def field_faults(content: dict[str, Any]) -> dict[str, str]:
    """What is wrong with each faulty field of a description."""
    faults = {}
    for field, (is_sound, needed) in _FIELDS.items():
        if field not in content:
            faults[field] = f"lacks {field!r}: add {needed}."
        elif not is_sound(content[field]):
            faults[field] = f"has {field!r} = {str(content[field])[:60]}: give {needed}."
    return faults


def read_description(folder: Path) -> tuple[dict[str, Any], list[Problem]]:
    """The sound fields of ``dataset.json``, and the problems of the others."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: name a data set folder, like data/cpu, or make one (make data).")
    file = folder / DATASET_NAME
    try:
        content = json.loads(read_file(file))
    except FileNotFoundError:
        return {}, [Problem(file, "", "does not exist: make or import the data set again.")]
    except (ValueError, OSError, RecursionError) as error:
        return {}, [Problem(file, "", f"cannot be read as JSON ({error}): make or import the data set again.")]
    if not isinstance(content, dict):
        return {}, [Problem(file, "", "is no description of a data set: make or import the data set again.")]
    faults = field_faults(content)
    sound = {field: content[field] for field in _FIELDS if field not in faults}
    problems = [Problem(file, "", fault) for fault in faults.values()]
    classes = sound.get("classes", [])
    for name in sorted({name for name in classes if classes.count(name) > 1}):
        problems.append(Problem(file, "", f"lists the class {name} twice: remove one."))
    return sound, problems

"""The entries of a COCO file, each by itself: are all its fields there, and of the right kind?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.data.description import can_be_shown
from experiments.data.files import read_file
from experiments.data.problems import Problem

_LONGEST_SIDE = 1_000_000  # px


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LONGEST_SIDE


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != "" and can_be_shown(value)


def _is_group(value: object) -> bool:
    return _is_text(value) or _is_id(value)


_Rule = tuple[Callable[[object], bool], str]
_ID: _Rule = (_is_id, "a whole number")
_SIDE: _Rule = (_is_side, f"a whole number of px from 1 to {_LONGEST_SIDE}")
_TEXT: _Rule = (_is_text, "text without control characters")
_GROUP: _Rule = (_is_group, f"a number or {_TEXT[1]}")
_FIELDS: dict[str, dict[str, _Rule]] = {
    "images": {"id": _ID, "file_name": _TEXT, "width": _SIDE, "height": _SIDE, "base_img_id": _GROUP},
    "annotations": {"id": _ID, "image_id": _ID, "category_id": _ID, "bbox": (lambda _: True, "")},
    "categories": {"id": _ID, "name": _TEXT},
}  # fmt: skip


def load_coco(file: Path) -> dict[str, Any] | Problem:
    """The content of a COCO file, its three lists at least; or why there is none."""
    try:
        content = json.loads(read_file(file))
    except FileNotFoundError:
        return Problem(
            file,
            "",
            "does not exist: restore it, name a data set folder that has it, or make or import the data set again.",
        )
    except (ValueError, OSError, RecursionError) as error:
        return Problem(file, "", f"cannot be read as JSON ({error}): export it again.")
    for key in _FIELDS:
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            return Problem(file, "", f"has no list {key!r}: it is not a COCO detection file, export it again.")
    return dict(content)


def entry_ids(entries: list[Any]) -> set[int]:
    """The ids of some entries, sound or not."""
    return {entry["id"] for entry in entries if isinstance(entry, dict) and _is_id(entry.get("id"))}


def entry_fault(entry: object, key: str) -> str | None:
    """Which field of an entry is missing or of the wrong kind."""
    for field, (is_sound, needed) in _FIELDS[key].items():
        if not isinstance(entry, dict) or field not in entry:
            return f"lacks {field!r}: add it, or remove the entry."
        if not is_sound(entry[field]):
            return f"{field!r} is {str(entry[field])[:40]!r}, where {needed} is needed: correct it."
    return None

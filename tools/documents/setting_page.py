"""Every setting of the shipped configs, with its value at each scale."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ablations.factors import FACTORS
from ablations.further import FURTHER
from ablations.request import SCALES
from experiments.config import SET_BY_PROGRAM, load_config, to_json
from tools.documents.markdown import code, page, table

_ORDER = tuple(reversed(SCALES))  # the plan's own first: the others differ from it
_ABSENT = "-"


def setting_page() -> str:
    """The page."""
    values = {scale: settings_of(scale) for scale in _ORDER}
    paths = list(dict.fromkeys(path for scale in _ORDER for path in values[scale]))
    sections: dict[str, list[tuple[str, ...]]] = {}
    for path in sorted(paths, key=lambda one: paths.index(one.split(".")[0]) if one.split(".")[0] in paths else 0):
        sections.setdefault(path.split(".")[0], []).append((code(path), *_cells(path, values), _note(path)))
    parts = [f"## `{name}`\n\n" + table(("setting", *_ORDER, "note"), rows) for name, rows in sections.items()]
    return page(
        "Settings",
        "What `--set path=value` and a config file of one's own may change: dotted paths, list items by number. Values are JSON. "
        f"`{_ORDER[0]}`, the plan's setting, comes first: an empty cell is as there, `{_ABSENT}` is a setting that the scale has "
        "not. What each of mmdet's and mmengine's own settings means stands in their documents; ours are explained where they are "
        "defined, in `experiments/configs/base.py` and `models/`. `python -m experiments config SCALE` prints a whole config.",
        parts,
    )


def settings_of(scale: str) -> dict[str, Any]:
    """Dotted path -> value, as JSON has it, of all that a scale's config states."""
    return dict(leaves(json.loads(to_json(load_config(scale)))))


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """``(dotted path, value)`` of all that is no section; empty sections are values."""
    if isinstance(node, Mapping) and node:
        items: Any = node.items()
    elif isinstance(node, list) and any(isinstance(item, Mapping | list) for item in node):
        items = enumerate(node)
    else:
        yield prefix, node
        return
    for key, child in items:
        yield from leaves(child, f"{prefix}.{key}" if prefix else str(key))


def _cells(path: str, values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    first, *others = (_text(values[scale], path) for scale in _ORDER)
    return [code(first) if first != _ABSENT else first, *("" if one == first else code(one) for one in others)]


def _text(values: Mapping[str, Any], path: str) -> str:
    return json.dumps(values[path]) if path in values else _ABSENT


def _note(path: str) -> str:
    for factor in (*FACTORS, *FURTHER):
        if any(path == changed for setting in factor.settings for changed in setting.paths):
            return f"factor {code(factor.name)}"
    told = [text for name, text in SET_BY_PROGRAM.items() if path == name or path.startswith(f"{name}.")]
    return f"set by the program: {told[0]}" if told else ""

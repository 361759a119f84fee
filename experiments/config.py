"""Config files: find, load, change by dotted paths, print. Nothing is merged that the file does not already state."""

import contextlib
import difflib
import io
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import UserError
from experiments.paths import CONFIGS

if TYPE_CHECKING:
    from mmengine import Config


# Settings that a run decides itself; as a change they would be accepted and do nothing.
SET_BY_PROGRAM = {
    "train_dataloader.dataset.data_root": "give the data set folder with --data",
    "val_dataloader.dataset.data_root": "give the data set folder with --data",
    "train_dataloader.dataset.split": "use --split",
    "train_dataloader.sampler.seed": "use --seed",
    **dict.fromkeys(
        (
            "model.detector.roi_head.bbox_head.num_classes",
            "model.detector.backbone.mvvit.num_views",
            "val_evaluator.num_views",
            *(
                f"{part}.{setting}"
                for part in (
                    "train_dataloader.dataset.labelled",
                    "train_dataloader.dataset.unlabelled",
                    "val_dataloader.dataset",
                )
                for setting in ("num_views", "metainfo", "metainfo.classes", "metainfo.palette")
            ),
        ),
        "classes and number of views are those of the data set, --data",
    ),
    "resume": "an interrupted run goes on by itself",
}


def config_path(config: str) -> Path:
    """The file of a config given by name (``cpu``) or by path.

    Raises:
        UserError: there is no such file; the message names the shipped ones.
    """
    path = Path(config) if config.endswith(".py") else CONFIGS / f"{config}.py"
    if not config.endswith(".py") and not CONFIGS.is_dir():
        raise UserError(f"CONFIGS names {CONFIGS}, which is no folder: name the one that has the scales' configs.")
    if not path.is_file():
        names = sorted(p.stem for p in CONFIGS.glob("*.py") if p.stem != "base")
        near = difflib.get_close_matches(config, names, n=1)
        guess = f"did you mean {near[0]}? Otherwise " if near else ""
        raise UserError(
            f"There is no config {config!r}: {guess}give one of {', '.join(names)}, or the path of a .py file."
        )
    return path


def load_config(config: str, delta: Mapping[str, Any] | None = None) -> "Config":
    """Load a config file with its bases and apply ``delta`` (dotted paths -> values) to it.

    Raises:
        UserError: the file is missing or not a config, or a path or value in ``delta`` does not fit it.
    """
    from mmengine import Config

    path = config_path(config)
    try:
        loaded = Config.fromfile(path, import_custom_modules=False)
    except (SyntaxError, KeyError, TypeError, AttributeError, NameError, ValueError, ImportError, OSError) as error:
        raise UserError(f"{path} is not a readable config ({type(error).__name__}: {error}): correct it.") from error
    for dotted, value in (delta or {}).items():
        set_path(loaded, dotted, value)
    return loaded


def import_components(config: "Config") -> None:
    """Import the modules whose components a config names; the first import of torch and mmdet takes seconds."""
    from mmengine.utils import import_modules_from_strings

    with contextlib.redirect_stdout(io.StringIO()):  # mmdet says twice that an optional data source is missing
        import_modules_from_strings(**config.custom_imports)


def set_path(config: Any, dotted: str, value: Any) -> None:
    """Set the value at a dotted path (list items by number) that must exist already.

    Raises:
        UserError: no such path, with the nearest valid ones; or the new value is of another kind than the old one.
    """
    if dotted in SET_BY_PROGRAM:
        raise UserError(f"{dotted} is set by the program: {SET_BY_PROGRAM[dotted]}.")
    old = value_at(config, dotted)
    if not _same_kind(old, value):
        raise UserError(
            f"{dotted} is {_as_json(old)}; {_as_json(value)} is a {type(value).__name__}, which cannot stand there: give a "
            f"value of the same kind, in the same form."
        )
    above, _, key = dotted.rpartition(".")
    parent = value_at(config, above) if above else config
    parent[int(key) if isinstance(parent, list) else key] = value


def value_at(config: Any, dotted: str) -> Any:
    """The value at a dotted path, list items by number.

    Raises:
        UserError: no such path, with the nearest valid ones.
    """
    node = config
    for part in dotted.split("."):
        try:
            node = node[int(part)] if isinstance(node, list) else node[part]
        except (KeyError, IndexError, ValueError, TypeError):
            raise UserError(_unknown(config, dotted)) from None
    return node


_WORDS = {"True": True, "False": False, "None": None}  # as Python, and our own tables, spell them


def parse_setting(text: str) -> tuple[str, Any]:
    """Split ``path=value``; the value is JSON (``0.4``, ``[1, 2]``, ``true``, ``"text"``) or ``True``, or else taken as text.

    Raises:
        UserError: there is no ``=``, or a number is not finite.
    """
    dotted, equals, value = text.partition("=")
    if not equals or not dotted:
        raise UserError(f"--set {text!r} is not of the form path=value, for example train_cfg.max_iters=100.")
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = _WORDS.get(value, value)
    if not _is_finite(found):
        raise UserError(f"--set {text!r} holds a number that is not finite: give one that is.")
    return dotted.strip(), found


def setting_words(delta: Mapping[str, Any]) -> list[str]:
    """The words of a command line that make these changes: ``["--set", "train_cfg.max_iters=100", ...]``."""
    return [word for path, value in delta.items() for word in ("--set", f"{path}={json.dumps(value)}")]


def _is_finite(value: Any) -> bool:
    if isinstance(value, list | dict):
        return all(_is_finite(item) for item in (value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


def to_json(config: "Config") -> str:
    """The fully resolved config as JSON; tuples become lists."""
    return json.dumps(config.to_dict(), indent=2, default=str)


def leaf_paths(node: Any, prefix: str = "") -> Iterator[str]:
    """All dotted paths of a config that hold a value, not a section."""
    if isinstance(node, Mapping):
        items: Any = node.items()
    elif isinstance(node, list | tuple) and any(isinstance(item, Mapping | list) for item in node):
        items = enumerate(node)
    else:
        yield prefix
        return
    for key, child in items:
        yield from leaf_paths(child, f"{prefix}.{key}" if prefix else str(key))


def _unknown(config: Any, dotted: str) -> str:
    paths = [
        path for path in leaf_paths(_plain(config)) if not path.startswith("burn_in.")
    ]  # its keys are paths themselves
    leaf = dotted.rsplit(".", 1)[-1]
    same_leaf = [path for path in paths if path.rsplit(".", 1)[-1] == leaf]
    near = difflib.get_close_matches(dotted, paths, n=3, cutoff=0.4)
    nearest = list(dict.fromkeys(difflib.get_close_matches(dotted, same_leaf, n=3, cutoff=0.0) + near))[:3]
    hint = f": the nearest are {', '.join(nearest)}." if nearest else "; see `python -m experiments config` for all."
    return f"There is no setting {dotted!r}{hint}"


def _same_kind(old: Any, new: Any) -> bool:
    kinds: tuple[tuple[type, ...], ...] = ((bool,), (int, float), (str,), (list, tuple), (dict,))
    kind = next((k for k in kinds if isinstance(old, k)), None)
    if old is None or kind is None:
        return True
    return isinstance(new, kind) and (isinstance(new, bool) == (kind == (bool,)))


def _as_json(value: Any) -> str:
    return json.dumps(_plain(value), default=str)


def _plain(value: Any) -> Any:
    return value.to_dict() if hasattr(value, "to_dict") else value

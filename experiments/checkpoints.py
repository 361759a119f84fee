"""The checkpoints of a run, ``iter_<n>.pth``: which one to go on from, and reading one without running what it holds."""

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from numpy._core import multiarray

from experiments.errors import UserError

_PATTERN = "iter_*.pth"
# What pickles a class's methods by name: of the figures' histories, and of nothing else.
_METHODS = ("min", "max", "current", "mean")


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run folder, the oldest first, whole or not."""
    found = [path for path in folder.glob(_PATTERN) if path.stem.removeprefix("iter_").isdecimal()]
    return sorted(found, key=lambda path: int(path.stem.removeprefix("iter_")))


def last_whole(folder: Path) -> tuple[Path | None, list[str]]:
    """The newest checkpoint that is whole, or ``None``, and the names of newer ones that are not, the newest first."""
    damaged: list[str] = []
    for path in reversed(checkpoints(folder)):
        if _is_whole(path):
            return path, damaged
        damaged.append(path.name)
    return None, damaged


def _is_whole(path: Path) -> bool:
    """Whether it is a zip file, as torch writes them, of which every byte is as it was written."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError):
        return False


def read_checkpoint(path: Path, *, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint of mmengine's runner: tensors, plain values and histories of figures, nothing else.

    The library's own reader falls back to one that runs code where a file asks for it.

    Raises:
        UserError: it holds anything else; nothing of it has been run.
    """
    numbers = [type(np.dtype(kind)) for kind in (np.uint32, np.float64, np.int64)]
    arrays = [np.ndarray, np.dtype, *(getattr(multiarray, name) for name in ("_reconstruct", "scalar"))]
    known: list[Any] = [HistoryBuffer, *arrays, *numbers, (_method, "builtins.getattr")]
    try:
        with torch.serialization.safe_globals(known):
            content: dict[str, Any] = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"The checkpoint {path.name} in {path.parent} holds more than weights and figures and could run code, so it is not "
            f"loaded ({_culprit(error)}): remove it, and the run goes on from the one before."
        ) from None
    content["meta"].pop("config", None)  # the library would run it: a config is Python
    return content


def _method(owner: object, name: str) -> object:
    """Stands in for ``getattr`` while a checkpoint is read."""
    if owner is not HistoryBuffer or name not in _METHODS:
        raise pickle.UnpicklingError(f"Unsupported attribute {name!r}")
    return getattr(HistoryBuffer, name)


def _culprit(error: pickle.UnpicklingError) -> str:
    """What torch says that a file asks for, without its advice on how to load it all the same."""
    found = re.search(r"(?:GLOBAL|attribute) '?([\w.]+)", str(error))
    return found[1] if found else " ".join(str(error).split())[:120]

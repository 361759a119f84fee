"""Weights that arms continue from."""

import io
import pickle
from collections.abc import Set
from pathlib import Path

import torch
from torch import Tensor, nn

from experiments.data.files import write_file
from experiments.errors import UserError
from experiments.runs import WEIGHTS_NAME


def save_weights(model: nn.Module, folder: Path) -> Path:
    """Write the model's state (teacher and student) to ``weights.pth``, atomically.

    Raises:
        UserError: it cannot be written.
    """
    path, content = folder / WEIGHTS_NAME, io.BytesIO()
    torch.save(model.state_dict(), content)
    write_file(content.getvalue(), path)
    return path


def load_weights(model: nn.Module, path: Path, *, leave: Set[str] = frozenset()) -> list[str]:
    """Load what fits of a file of weights into a teacher-student model; the rest keeps its initialisation.

    The file holds a state dict, or a checkpoint with one under ``state_dict``: of a teacher-student model, or of a plain
    detector, which both then start from.

    A teacher's weight that does not fit becomes a copy of the student's: both start from the same values.

    Args:
        model: with ``student`` and ``teacher``.
        path: of the file.
        leave: names, without prefix, of what is not loaded and stays as it is in both.

    Returns:
        The sorted names, without the ``student.`` prefix, of the parameters and buffers that start fresh.

    Raises:
        UserError: the file is missing or damaged, or holds anything but tensors: such a file could run code.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        saved = saved.get("state_dict", saved)
        if not all(isinstance(value, Tensor) for value in saved.values()):
            raise TypeError("not all of its values are tensors")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: name an existing checkpoint in load_from.") from None
    except (RuntimeError, EOFError, OSError, AttributeError, TypeError, ValueError, KeyError) as error:
        what = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path} is not a file of weights ({what}): restore it, or name another; to train a burn-in again, remove its folder."
        ) from None
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds more than weights and could run code, so it is not loaded: save its state_dict alone "
            f"(torch.save(checkpoint['state_dict'], ...)). {str(error).splitlines()[0]}"
        ) from None
    if not any(name.startswith(("student.", "teacher.")) for name in saved):  # a plain detector: both start from it
        saved = {f"{model}.{name}": value for model in ("student", "teacher") for name, value in saved.items()}
    own = model.state_dict()
    fitting = {
        name: value
        for name, value in saved.items()
        if name in own and own[name].shape == value.shape and name.partition(".")[2] not in leave
    }
    fresh = sorted(name.removeprefix("student.") for name in own if name.startswith("student.") and name not in fitting)
    for name in set(fresh) - leave:
        fitting[f"teacher.{name}"] = own[f"student.{name}"]
    model.load_state_dict(fitting, strict=False)
    return fresh

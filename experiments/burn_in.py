"""Weights that arms continue from."""

from pathlib import Path

import torch
from torch import nn

WEIGHTS_NAME = "weights.pth"


def save_weights(model: nn.Module, folder: Path) -> Path:
    """Write the model's state (teacher and student) to ``weights.pth``, atomically."""
    path = folder / WEIGHTS_NAME
    temporary = path.with_name(f".{WEIGHTS_NAME}")
    torch.save(model.state_dict(), temporary)
    temporary.replace(path)
    return path


def load_weights(model: nn.Module, path: Path) -> list[str]:
    """Load what fits of ``weights.pth`` into a teacher-student model; the rest keeps its initialisation.

    A teacher's weight that does not fit becomes a copy of the student's: both start from the same values.

    Returns:
        The sorted names, without the ``student.`` prefix, of the parameters and buffers that start fresh.
    """
    saved = torch.load(path, map_location="cpu", weights_only=True)
    own = model.state_dict()
    fitting = {name: value for name, value in saved.items() if name in own and own[name].shape == value.shape}
    fresh = sorted(name.removeprefix("student.") for name in own if name.startswith("student.") and name not in fitting)
    for name in fresh:
        fitting[f"teacher.{name}"] = own[f"student.{name}"]
    model.load_state_dict(fitting, strict=False)
    return fresh

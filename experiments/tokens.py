"""Fewer MVViT tokens for a run that ran out of memory: the next lower K, and checkpoints of a higher one made to fit."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from experiments.errors import UserError

NUM_TOKENS = "model.detector.backbone.mvvit.num_tokens"
STEPS = (2048, 1536, 1024)  # the plan's rule: from 2048 to 1536, and 1024 is the baseline's

_QUERIES = ".queries"


def cells_per_level(settings: Any) -> list[int]:
    """H*W of the map at each level that MVViT fuses, of a config that is fitted to its data."""
    fusion = settings.model.detector.backbone.mvvit
    height, width = fusion.image_size
    return [math.ceil(height / stride) * math.ceil(width / stride) for stride in fusion.strides]


def tokens_of(settings: Any) -> int | None:
    """K of a config, in the plan's units; ``None`` where all cells are tokens, in bands of rows."""
    fusion = settings.model.detector.backbone.mvvit
    return None if fusion.get("spatial") == "banded" else fusion.num_tokens


def fewer_tokens(num_tokens: int) -> int | None:
    """The next step below ``num_tokens``, or ``None`` where there is none; both in the plan's units (K at its P2)."""
    return next((step for step in STEPS if step < num_tokens), None)


def fit_checkpoint(checkpoint: dict[str, Any], model: nn.Module) -> list[str]:
    """Make a checkpoint of more tokens fit a teacher-student model of fewer, in place; one that fits stays as it is.

    Of the learned pooling queries, (K, D) at each level that pools, evenly spaced rows are kept, and the same rows of what the
    optimiser keeps of them. A level that has more cells than the new K but not than the old one begins to pool: what it needs
    for that keeps its initial values.

    Args:
        checkpoint: of mmengine's runner: ``state_dict`` and ``optimizer``.
        model: the model that it will be loaded into.

    Returns:
        The sorted names, without the ``student.`` prefix, of the parameters that the checkpoint lacks.

    Raises:
        UserError: a level begins to pool, and the optimiser has parameter groups of its own making.
    """
    saved: dict[str, Tensor] = checkpoint["state_dict"]
    parameters = dict(model.named_parameters())
    buffers = {name for name, _ in model.named_buffers()}
    # The optimiser numbers parameters in the model's order, and so does a state dict name them.
    before = {name: number for number, name in enumerate(name for name in saved if name not in buffers)}
    rows = {
        name: _spaced(len(saved[name]), len(parameters[name]))
        for name in before
        if name.endswith(_QUERIES) and len(saved[name]) != len(parameters[name])
    }
    fresh = [name for name in parameters if name not in before]
    if not rows and not fresh:
        return []
    state, groups = checkpoint["optimizer"]["state"], checkpoint["optimizer"]["param_groups"]
    if fresh:
        if len(groups) > 1:
            raise UserError(
                f"A level of MVViT begins to pool with fewer tokens, which a checkpoint of several parameter groups cannot "
                f"follow: set {NUM_TOKENS} lower from the start."
            )
        groups[0]["params"] = list(range(len(parameters)))
    kept = {}
    for number, name in enumerate(parameters):
        entry = state.get(before.get(name))
        if entry is not None:
            shape = saved[name].shape
            kept[number] = {
                key: value[rows[name]] if name in rows and isinstance(value, Tensor) and value.shape == shape else value
                for key, value in entry.items()
            }
    checkpoint["optimizer"]["state"] = kept
    for name, index in rows.items():
        saved[name] = saved[name][index]
    return sorted(name.removeprefix("student.") for name in fresh if name.startswith("student."))


def _spaced(old: int, new: int) -> Tensor:
    """Indices (new,) of evenly spaced rows out of ``old``, the first and the last among them."""
    return torch.linspace(0, old - 1, new).round().long()

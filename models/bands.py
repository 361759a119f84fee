"""Bands of rows: attention over all the tokens of a group, in pieces of a few rows of all its views.

Shape legend as in :mod:`models.mvvit`: B groups, V views, H x W the map, D width.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Stretch(NamedTuple):
    """``number`` bands of ``rows`` rows each, one below the other, from row ``first`` on."""

    first: int
    number: int
    rows: int


def stretches(height: int, rows: int, *, shifted: bool) -> list[Stretch]:
    """Cut ``height`` rows into bands of ``rows``, as few stretches of equal bands as do; what is left over is a smaller band.

    Shifted, the first band has half the rows, so that each band lies across the border of two that are not shifted. Unlike
    Swin's, bands do not wrap around: the top of a bit is no neighbour of its bottom.
    """
    first = min(rows // 2, height) if shifted else 0
    count, left = divmod(height - first, rows)
    cut = [Stretch(0, 1, first), Stretch(first, count, rows), Stretch(height - left, 1, left)]
    return [stretch for stretch in cut if stretch.number and stretch.rows]


def in_bands(layer: Callable[[Tensor], Tensor], group: Tensor, rows: int, *, shifted: bool) -> Tensor:
    """Apply a layer over sequences (n, tokens, D) to each band of (B, V, H, W, D); the tokens of a band are those of all views.

    Uneven heights need neither padding nor a mask: each kind of band is a call of its own.
    """
    done = []
    for first, count, size in stretches(group.shape[2], rows, shifted=shifted):
        part = group[:, :, first : first + count * size].unflatten(2, (count, size)).transpose(1, 2)
        attended = layer(part.flatten(2, 4).flatten(0, 1)).reshape(part.shape)  # (B, count, V, size, W, D)
        done.append(attended.transpose(1, 2).flatten(2, 3))
    return torch.cat(done, dim=2)

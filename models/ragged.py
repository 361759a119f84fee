"""Views with different numbers of boxes, in tensors of all views. What is counted is known on the host, so that no GPU is asked."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def view_numbers(counts: Sequence[int], device: torch.device) -> Tensor:
    """(n,) numbers of the views, each as many times as the view counts."""
    return torch.from_numpy(np.repeat(np.arange(len(counts)), counts)).to(device)


def padded(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Boxes (N, n, 4) of N views, n the most of a view and at least 1, zeros behind them; and their rows (N, n), -1 there.

    Args:
        parts: boxes (., 4) of each view; rows are counted through all of them.
    """
    counts = np.array([len(part) for part in parts])
    places = np.arange(max(1, counts.max()))
    rows = np.where(places < counts[:, None], places + (counts.cumsum() - counts)[:, None], -1)
    there = torch.from_numpy(rows).to(parts[0].device)
    return torch.cat([*parts, parts[0].new_zeros(1, 4)])[there], there  # the last one is zeros

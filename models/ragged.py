"""Views with different numbers of boxes, in tensors of all views, so that what is done takes as few operations as for one view.

Shape legend: N views, n boxes of all views, one view after the other. How many each view has is known on the host.
"""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor


def sent(values: np.ndarray | Tensor, device: torch.device) -> Tensor:
    """What the host has worked out, on a device. It may go at once, and up to 64 KB nothing waits: CUDA has copied it by then."""
    return torch.as_tensor(values).to(device, non_blocking=True)


def view_numbers(counts: Sequence[int], device: torch.device) -> Tensor:
    """(n,) numbers of the views, each as many times as it has boxes."""
    return torch.repeat_interleave(sent(np.array(counts, dtype=np.int64), device), output_size=sum(counts))


def padded(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Boxes (N, m, 4) of the views, m the most of a view and at least 1, zeros behind them; and their rows (N, m), -1 there.

    Args:
        parts: boxes (., 4) of each view; rows are counted through all of them.
    """
    sizes = np.array([len(part) for part in parts])
    counts, ends = sent(np.stack([sizes, sizes.cumsum()])[..., None], parts[0].device)
    places = torch.arange(max(1, sizes.max()), device=counts.device)
    rows = torch.where(places < counts, ends - counts + places, -1)
    return torch.cat([*parts, parts[0].new_zeros(1, 4)])[rows], rows  # the last one is zeros


def joined(parts: Sequence[InstanceData]) -> tuple[InstanceData, list[int]]:
    """The boxes of all views, field by field, and how many each view has."""
    whole = InstanceData(**{name: torch.cat([part[name] for part in parts]) for name in parts[0].keys()})  # noqa: SIM118
    return whole, [len(part) for part in parts]


def parted(whole: InstanceData, counts: Sequence[int], keep: Tensor | None = None) -> list[InstanceData]:
    """The boxes of each view again; of them those that ``keep`` (n,) marks, if it is given."""
    sizes, fields = list(counts), dict(whole.items())
    if keep is not None:
        rows = keep.nonzero().squeeze(1)
        sizes = rows_of_views(rows, counts)
        fields = {name: values[rows] for name, values in fields.items()}
    split = [values.split(sizes) for values in fields.values()]
    return [InstanceData(**dict(zip(fields, view, strict=True))) for view in zip(*split, strict=True)]


def rows_of_views(rows: Tensor, counts: Sequence[int]) -> list[int]:
    """How many of some rows, rising, lie in each view; a GPU is waited for."""
    below = (
        torch.searchsorted(rows, sent(np.cumsum(counts), rows.device)).cpu().numpy()
    )  # rows up to the end of each view
    counted: list[int] = np.diff(below, prepend=0).tolist()
    return counted


def projected(
    boxes: Tensor, counts: Sequence[int], matrices: Sequence[Tensor], sizes: Sequence[tuple[int, int]]
) -> Tensor:
    """The boxes around what becomes of boxes' corners, within the images; :func:`mmdet.structures.bbox.bbox_project` of each view.

    Args:
        boxes: (n, 4), px.
        counts: how many of them each view has.
        matrices: homographies (3, 3) of each view, on the host.
        sizes: height and width of each view's image, px.
    """
    views = view_numbers(counts, boxes.device)
    x, y = boxes[:, 0::2].repeat(1, 2), boxes[:, 1::2].repeat_interleave(2, dim=1)
    corners = torch.stack([x, y, torch.ones_like(x)], dim=1)  # (n, 3, 4)
    moved = sent(torch.stack(list(matrices)), boxes.device)[views] @ corners
    places = moved[:, :2] / moved[:, 2:]
    limits = sent(np.array([size[1::-1] for size in sizes], dtype=np.float32), boxes.device)[views].repeat(1, 2)
    return torch.cat([places.amin(dim=2), places.amax(dim=2)], dim=1).clamp(min=0).minimum(limits)

"""How well anchors cover boxes: best IoU of each box with the anchors that lie over a view. Torch-free.

Boxes are (x1, y1, x2, y2) in px of the view as the model is fed it. Anchor ratios are height / width everywhere, as mmdet's
``AnchorGenerator`` reads them ("the list of ratios between the height and width of anchors"); our aspects are width / height.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.errors import UserError

Floats = NDArray[np.float64]

PLAN_RATIOS = (0.2, 0.35, 0.45, 0.55, 0.65, 1.0, 2.0)  # as the plan lists them
LEVELS = (0.5, 0.7)  # IoU that coverage is told at

_READ = {"type", "ratios", "scales", "strides"}
_WIDTH_HEIGHT = "WidthHeightAnchorGenerator"  # ours: mmdet's, with ratios that are width / height


@dataclass(frozen=True)
class AnchorGrid:
    """Where anchors lie, whatever their ratios.

    Attributes:
        strides: of each level, px.
        scales: an anchor of a level has the area (scale * stride)^2.
        size: (height, width) of a view, px; a level has ceil(size / stride) positions, the first at (0, 0).
    """

    strides: tuple[int, ...]
    scales: tuple[float, ...]
    size: tuple[int, int]


@dataclass(frozen=True)
class Coverage:
    """Shares of boxes whose best anchor has an IoU above each of ``LEVELS``.

    Attributes:
        title: which ratios these are.
        ratios: height / width.
        overall: over all boxes.
        of_class: by class name; classes without boxes are left out.
    """

    title: str
    ratios: tuple[float, ...]
    overall: tuple[float, ...]
    of_class: dict[str, tuple[float, ...]]


def read_grid(generator: Mapping[str, Any], size: tuple[int, int]) -> AnchorGrid:
    """The grid of the config of an ``AnchorGenerator``, or of ours that reads ratios the other way round.

    Raises:
        UserError: it is another generator, or has settings besides ratios, scales and one stride per level.
    """
    strides = generator.get("strides", [])
    other = sorted(set(generator) - _READ)
    plain = generator.get("type") in ("AnchorGenerator", _WIDTH_HEIGHT) and not other and "scales" in generator
    if not plain or not all(isinstance(stride, int) for stride in strides):
        raise UserError(
            f"The anchors of {generator.get('type')} with {', '.join(other) or 'these settings'} are not known to the doctor: "
            f"it reads an AnchorGenerator's ratios, scales and strides."
        )
    return AnchorGrid(tuple(strides), tuple(float(scale) for scale in generator["scales"]), (size[0], size[1]))


def read_ratios(generator: Mapping[str, Any]) -> tuple[float, ...]:
    """The ratios of a config as height / width, whichever way round it reads them; a ratio of 0 stays 0."""
    ratios = [float(ratio) for ratio in generator["ratios"]]
    return tuple(1 / ratio if ratio and generator.get("type") == _WIDTH_HEIGHT else ratio for ratio in ratios)


def ratios_to(ratios: Sequence[float], generator: Mapping[str, Any]) -> str:
    """How to set a config's ratios to these, of height / width: ``model...ratios to [1, 2]``."""
    to = f"model.detector.rpn_head.anchor_generator.ratios to {listed(ratios)}"
    return to + (" and its type to AnchorGenerator" if generator.get("type") == _WIDTH_HEIGHT else "")


def listed(values: Sequence[float]) -> str:
    """``[0.5, 1, 2]``, as in a setting."""
    return f"[{', '.join(f'{value:g}' for value in values)}]"


def anchor_sizes(ratios: Sequence[float], scales: Sequence[float], stride: int) -> Floats:
    """Widths and heights (A, 2) in px of a level's anchors, in mmdet's order: the scales of a ratio next to each other."""
    root = np.sqrt(np.asarray(ratios, dtype=np.float64))[:, None]
    side = stride * np.asarray(scales, dtype=np.float64)[None, :]
    return np.stack([(side / root).ravel(), (side * root).ravel()], axis=1)


def best_iou(boxes: Floats, ratios: Sequence[float], grid: AnchorGrid) -> Floats:
    """Best IoU (N,) of each box (N, 4) with any anchor of any level.

    For an anchor of given size, overlap along an axis never grows with the distance between the centres: the position nearest
    to the box's centre is the best one, so that no other needs to be looked at. Anchors may reach over the border, as with
    mmdet's ``allowed_border=-1``.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    best = np.zeros(len(boxes))
    for stride in grid.strides:
        last = np.ceil(np.array(grid.size[::-1]) / stride) - 1  # of the positions along x and y
        nearest = np.clip(np.round(centres / stride), 0, last) * stride
        for size in anchor_sizes(ratios, grid.scales, stride):
            low = np.maximum(boxes[:, :2], nearest - size / 2)
            high = np.minimum(boxes[:, 2:], nearest + size / 2)
            shared = np.prod(np.maximum(high - low, 0), axis=1)
            best = np.maximum(best, shared / (areas + np.prod(size) - shared))
    return best


def fitted_ratios(boxes: Floats, count: int) -> tuple[float, ...]:
    """At most ``count`` ratios (height / width), ascending, to two significant digits, fitted to the boxes by k-means on IoU.

    Ratios alone are fitted, scales stay: the distance is 1 - IoU of two boxes of one area and one centre. With q the root of
    the smaller ratio over the larger one, their IoU is q / (2 - q): the distance grows with the difference of the ratios'
    logarithms, and for near ones in proportion to it, so that the median of a cluster's logarithms is its centre. Centres
    start at quantiles: nothing is drawn. (k-means on IoU: Redmon and Farhadi, "YOLO9000", arXiv 1612.08242.)
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    logs = np.sort(np.log(sides[:, 1] / sides[:, 0]))
    centres = np.quantile(logs, (np.arange(count) + 0.5) / count)
    for _ in range(100):
        nearest = np.argmin(np.abs(logs[:, None] - centres), axis=1)  # 1 - IoU grows with this difference
        moved = [np.median(logs[nearest == i]) if np.any(nearest == i) else centres[i] for i in range(count)]
        if np.allclose(moved, centres):
            break
        centres = np.array(moved)
    return tuple(dict.fromkeys(float(f"{ratio:.2g}") for ratio in np.exp(centres)))


def scale_sets(low: float, high: float, strides: Sequence[int]) -> list[tuple[float, ...]]:
    """Scales whose anchors reach from ``low`` to ``high`` px, roots of areas: one, two and three an octave, to two digits.

    Strides double from level to level, so that a level has one octave to fill, and more only where boxes reach beyond the last.
    ``strides`` are those of the levels, ascending, px.
    """
    first = low / strides[0]
    octaves = 1 + max(0, math.ceil(math.log2(high / (first * strides[-1]))))
    return [tuple(float(f"{first * 2 ** (i / n):.2g}") for i in range(n * octaves)) for n in (1, 2, 3)]


def inverted(ratios: Sequence[float]) -> tuple[float, ...]:
    """The ratios read the other way round, ascending: 1 / r, to three significant digits."""
    return tuple(sorted(float(f"{1 / ratio:.3g}") for ratio in ratios))


def cover(
    title: str, ratios: Sequence[float], *, boxes: Floats, labels: NDArray[np.intp], classes: Sequence[str], grid: AnchorGrid
) -> Coverage:  # fmt: skip
    """Coverage of at least one box (N, 4) with labels (N,) by anchors of these ratios."""
    best = best_iou(boxes, ratios, grid)

    def shares(values: Floats) -> tuple[float, ...]:
        return tuple(float(np.mean(values > level)) for level in LEVELS)

    own = {name: best[labels == label] for label, name in enumerate(classes)}
    return Coverage(
        title, tuple(ratios), shares(best), {name: shares(values) for name, values in own.items() if len(values)}
    )


def ratio_sets(configured: Sequence[float], boxes: Floats) -> dict[str, tuple[float, ...]]:
    """The sets to compare, by title: the configured ratios, the plan's, both also read as width / height, and fitted ones."""
    return {
        "configured": tuple(configured),
        "configured as width/height": inverted(configured),
        "plan": PLAN_RATIOS,
        "plan as width/height": inverted(PLAN_RATIOS),
        "fitted": fitted_ratios(boxes, len(configured)),
    }

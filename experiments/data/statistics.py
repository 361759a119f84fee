"""Box statistics of groups of views, beside those of the plan's real data set. Pure.

Aspect is width / height of a box in pixels; area is a box's share of its image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.data.defects import CLASSES
from experiments.data.groups import Group


@dataclass(frozen=True)
class AspectStatistics:
    """Quartiles of width / height, and the share of boxes below 0.5."""

    p25: float
    median: float
    p75: float
    below_half: float


@dataclass(frozen=True)
class BoxStatistics:
    """Statistics over boxes, keyed by class name; ``areas`` (means) and ``aspects`` leave out classes without boxes."""

    boxes: int
    boxes_per_view: float
    most_per_view: int
    shares: dict[str, float]
    areas: dict[str, float]
    aspects: dict[str, AspectStatistics]


@dataclass(frozen=True)
class Row:
    """One line of the comparison: the ``value`` (``None``: no boxes), the plan's, and how far apart they may be.

    ``percent`` says how a reader wants the three written; they are fractions all the same.
    """

    measure: str
    value: float | None
    reference: float
    tolerance: float
    ok: bool
    percent: bool

    def written(self) -> tuple[str, str, str]:
        """Value, reference and tolerance as a reader wants them."""
        if not self.tolerance:
            return f"{self.value:.0f}", f"{self.reference:.0f}", "at most"
        factor, digits, unit = (1, 2, "") if not self.percent else (100, 1 if self.tolerance >= 0.02 else 2, " %")
        value = "no boxes" if self.value is None else f"{factor * self.value:.{digits}f}{unit}"
        tolerance = f"±{factor * self.tolerance:.{digits}f}{' points' if self.percent else ''}"
        return value, f"{factor * self.reference:.{digits}f}{unit}", tolerance


# The improvement plan's figures for its real data. The number of boxes is no aim, the most per view a limit.
REFERENCE = BoxStatistics(
    boxes=1448,
    boxes_per_view=1.4,
    most_per_view=6,
    shares=dict(zip(CLASSES, (0.141, 0.182, 0.275, 0.328, 0.074), strict=True)),
    areas=dict(zip(CLASSES, (0.0708, 0.0147, 0.0320, 0.0652, 0.0177), strict=True)),
    aspects={
        "Chipped": AspectStatistics(0.39, 0.51, 0.67, 0.47),
        "Severe_Rust": AspectStatistics(0.33, 0.44, 0.61, 0.60),
    },
)


def measure(groups: Sequence[Group], classes: Sequence[str]) -> BoxStatistics:
    """Measure the boxes of some groups; ``classes`` are the names in the order of the labels."""
    views = [view for group in groups for view in group.views]
    boxes = [(index, box) for index, view in enumerate(views) for box in view.boxes]
    xyxy = np.array([box.xyxy for _, box in boxes], dtype=np.float64).reshape(-1, 4)
    own_views = np.array([index for index, _ in boxes], dtype=np.intp)
    pixels = np.array([view.width * view.height for view in views], dtype=np.float64)
    return summarise(
        labels=np.array([box.label for _, box in boxes], dtype=np.intp),
        sizes=xyxy[:, 2:] - xyxy[:, :2],
        pixels=pixels[own_views],
        views=own_views,
        images=len(views),
        classes=classes,
    )


def summarise(
    *,
    labels: NDArray[np.intp],
    sizes: NDArray[np.float64],
    pixels: NDArray[np.float64],
    views: NDArray[np.intp],
    images: int,
    classes: Sequence[str],
) -> BoxStatistics:
    """Compute the statistics of N boxes.

    Args:
        labels: (N,) class indices.
        sizes: (N, 2) widths and heights in pixels.
        pixels: (N,) area of each box's image in pixels.
        views: (N,) image of each box.
        images: number of images, with or without boxes.
        classes: names in the order of the labels.
    """
    shares, areas, aspects = {}, {}, {}
    for index, name in enumerate(classes):
        own = labels == index
        shares[name] = float(own.sum()) / max(len(labels), 1)
        if own.any():
            aspect = sizes[own, 0] / sizes[own, 1]
            p25, median, p75 = (float(q) for q in np.percentile(aspect, (25, 50, 75)))
            aspects[name] = AspectStatistics(p25, median, p75, float(np.mean(aspect < 0.5)))
            areas[name] = float(np.mean(sizes[own, 0] * sizes[own, 1] / pixels[own]))
    most = int(np.unique(views, return_counts=True)[1].max()) if len(views) else 0
    return BoxStatistics(len(labels), len(labels) / max(images, 1), most, shares, areas, aspects)


def compare(found: BoxStatistics, reference: BoxStatistics = REFERENCE) -> list[Row]:
    """Lay the statistics beside the reference; both must be of the same classes. Tolerances are absolute."""
    rows = []

    def add(measure: str, value: float | None, aim: float, tolerance: float, *, percent: bool = False) -> None:
        ok = value is not None and abs(value - aim) <= tolerance
        rows.append(Row(measure, value, aim, tolerance, ok, percent))

    for name, share in reference.shares.items():
        add(f"{name} share of boxes", found.shares[name], share, 0.02, percent=True)
    for name, aim in reference.aspects.items():
        own = found.aspects.get(name)
        p25, median, p75, below = (None,) * 4 if own is None else (own.p25, own.median, own.p75, own.below_half)
        add(f"{name} width/height median", median, aim.median, 0.03)
        add(f"{name} width/height P25", p25, aim.p25, 0.05)
        add(f"{name} width/height P75", p75, aim.p75, 0.05)
        add(f"{name} share below 0.5", below, aim.below_half, 0.05, percent=True)
    for name, area in reference.areas.items():
        add(f"{name} mean area", found.areas.get(name), area, 0.2 * area, percent=True)
    add("boxes per view", found.boxes_per_view, reference.boxes_per_view, 0.15)
    most, limit = found.most_per_view, reference.most_per_view
    rows.append(Row("most boxes in a view", most, limit, 0, most <= limit, percent=False))
    return rows

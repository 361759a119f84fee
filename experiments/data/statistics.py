"""Box statistics of a COCO folder, beside those of the real data set.

Aspect is width / height of a box in pixels; area is a box's share of its crop.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.data.defects import CLASSES
from experiments.errors import UserError

TRAINING = ("train_labeled", "train_unlabeled_truth")


@dataclass(frozen=True)
class AspectStatistics:
    """Quartiles of width / height, and the share of boxes below 0.5."""

    p25: float
    median: float
    p75: float
    below_half: float


@dataclass(frozen=True)
class BoxStatistics:
    """Statistics over boxes; ``shares``, ``areas`` and ``aspects`` are keyed by class name."""

    boxes: int
    boxes_per_view: float
    most_per_view: int
    shares: dict[str, float]
    areas: dict[str, float]
    aspects: dict[str, AspectStatistics]


class Row(NamedTuple):
    """One line of the comparison; ``tolerance`` is absolute."""

    measure: str
    value: float
    reference: float
    tolerance: float
    ok: bool


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


def summarise(
    kinds: NDArray[np.intp],
    sizes: NDArray[np.float64],
    views: NDArray[np.intp],
    crop: tuple[int, int],
    images: int,
) -> BoxStatistics:
    """Compute the statistics of N boxes.

    Args:
        kinds: (N,) class indices.
        sizes: (N, 2) widths and heights in pixels.
        views: (N,) image of each box.
        crop: height and width of an image in pixels.
        images: number of images, with or without boxes.
    """
    shares, areas, aspects = {}, {}, {}
    for index, name in enumerate(CLASSES):
        own = sizes[kinds == index]
        shares[name] = len(own) / max(len(sizes), 1)
        if len(own):
            aspect = own[:, 0] / own[:, 1]
            p25, median, p75 = (float(q) for q in np.percentile(aspect, (25, 50, 75)))
            aspects[name] = AspectStatistics(p25, median, p75, float(np.mean(aspect < 0.5)))
            areas[name] = float(np.mean(own[:, 0] * own[:, 1]) / (crop[0] * crop[1]))
    most = int(np.unique(views, return_counts=True)[1].max()) if len(views) else 0
    return BoxStatistics(len(sizes), len(sizes) / images, most, shares, areas, aspects)


def measure(root: Path, splits: Sequence[str] = TRAINING) -> BoxStatistics:
    """Measure the boxes of some splits (names of annotation files) of a data set folder.

    Raises:
        UserError: an annotation file is missing or cannot be read, or holds no images.
    """
    kinds: list[int] = []
    sizes: list[tuple[float, float]] = []
    views: list[int] = []
    images, crop = 0, (0, 0)
    for split in splits:
        content = _read(root / "annotations" / f"{split}.json")
        for annotation in content["annotations"]:
            kinds.append(annotation["category_id"] - 1)
            sizes.append((annotation["bbox"][2], annotation["bbox"][3]))
            views.append(images + annotation["image_id"])
        images += len(content["images"])
        crop = (content["images"][0]["height"], content["images"][0]["width"])
    shaped = np.array(sizes, dtype=np.float64).reshape(-1, 2)
    return summarise(np.array(kinds, dtype=np.intp), shaped, np.array(views, dtype=np.intp), crop, images)


def compare(found: BoxStatistics, reference: BoxStatistics = REFERENCE) -> list[Row]:
    """Lay the statistics beside the reference; fractions throughout, tolerances absolute."""
    rows = []

    def add(measure: str, value: float, aim: float, tolerance: float) -> None:
        rows.append(Row(measure, value, aim, tolerance, bool(abs(value - aim) <= tolerance)))

    for name, share in reference.shares.items():
        add(f"{name} share of boxes", found.shares[name], share, 0.02)
    nothing = AspectStatistics(*(float("nan"),) * 4)
    for name, aim in reference.aspects.items():
        aspect = found.aspects.get(name, nothing)
        add(f"{name} width/height median", aspect.median, aim.median, 0.03)
        add(f"{name} width/height P25", aspect.p25, aim.p25, 0.05)
        add(f"{name} width/height P75", aspect.p75, aim.p75, 0.05)
        add(f"{name} share below 0.5", aspect.below_half, aim.below_half, 0.05)
    for name, area in reference.areas.items():
        add(f"{name} mean area", found.areas.get(name, float("nan")), area, 0.2 * area)
    add("boxes per view", found.boxes_per_view, reference.boxes_per_view, 0.15)
    rows.append(
        Row(
            "most boxes in a view",
            found.most_per_view,
            reference.most_per_view,
            0,
            found.most_per_view <= reference.most_per_view,
        )
    )
    return rows


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        if content["images"]:
            return content
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; make the data set first or name another folder.") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path} is not a readable COCO file; make the data set again.") from None
    raise UserError(f"{path} holds no images; make the data set again.")

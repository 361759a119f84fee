"""The boxes of groups as arrays, in px of the views that the model is fed. Torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.data.groups import Group


@dataclass(frozen=True)
class Boxes:
    """N boxes (N, 4) = (x1, y1, x2, y2) in px, and their labels (N,)."""

    xyxy: NDArray[np.float64]
    labels: NDArray[np.intp]

    @property
    def sides(self) -> NDArray[np.float64]:
        """Widths and heights (N, 2) in px."""
        return self.xyxy[:, 2:] - self.xyxy[:, :2]

    @property
    def areas(self) -> NDArray[np.float64]:
        """(N,) in square px."""
        return np.prod(self.sides, axis=1)


def median_shares(groups: Sequence[Group], classes: Sequence[str]) -> dict[str, float]:
    """The share (0 to 1) of its view that the median box of each class takes; classes without boxes are left out."""
    boxes = fed_boxes(groups, (1, 1))
    return {
        name: float(np.median(boxes.areas[boxes.labels == label]))
        for label, name in enumerate(classes)
        if np.any(boxes.labels == label)
    }


def fed_boxes(groups: Sequence[Group], size: tuple[int, int]) -> Boxes:
    """The boxes of all views, resized with their view to ``size`` = (height, width) in px; shapes are not kept."""
    xyxy, labels = [], []
    for view in (view for group in groups for view in group.views):
        across, down = size[1] / view.width, size[0] / view.height
        for box in view.boxes:
            xyxy.append(np.array(box.xyxy) * (across, down, across, down))
            labels.append(box.label)
    return Boxes(np.array(xyxy, dtype=np.float64).reshape(-1, 4), np.array(labels, dtype=np.intp))

"""What a tracker is told. Torch-free, and free of the trackers' own packages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Plain = str | float | int | None


@dataclass(frozen=True)
class Notice:
    """Something that happened in a run: an alarm, or the verdict of a gate.

    Attributes:
        title: a few words; one notice of a title is enough for a reader.
        says: one sentence with the figures.
        bad: whether somebody should be alerted.
    """

    title: str
    says: str
    iteration: int
    bad: bool


@dataclass(frozen=True)
class Sheet:
    """What the teacher found in one group: a picture, RGB (H, W, 3), and how many boxes it shows.

    ``annotated`` is ``None`` where nobody knows the group's boxes.
    """

    group: str
    picture: NDArray[np.uint8]
    annotated: int | None
    found: int


class Tracker(Protocol):
    """One place that figures go to. Iterations count from 1; what these raise switches the tracker off, not the run.

    ``wants_sheets`` says whether sheets are worth drawing.
    """

    wants_sheets: bool

    def scalars(self, figures: Mapping[str, float], iteration: int) -> None:
        """Figures of an iteration by name, like ``train/loss``; NaN where one is not known. Iterations never go down."""

    def sheets(self, name: str, sheets: Sequence[Sheet], iteration: int) -> None:
        """What the teacher found in a few groups, always the same ones; ``name`` says what they show."""

    def notice(self, notice: Notice) -> None:
        """An alarm or a verdict, told once."""

    def finish(self, summary: Mapping[str, Plain], *, ended: bool) -> None:
        """The last call: final figures, and whether the run came to its own end; otherwise it failed or was stopped."""

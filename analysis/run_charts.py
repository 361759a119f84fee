"""One run's frames drawn on an axis: AP of teacher and student over iterations, and lines over the windows of its history."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from experiments.style import INK, PALETTE

_STYLES: dict[str, dict[str, Any]] = {
    "teacher": {"color": PALETTE[1], "marker": "o", "markersize": 5, "linewidth": 2},
    "student": {"color": PALETTE[6], "marker": "s", "markersize": 4, "linewidth": 1.5, "linestyle": (0, (4, 2))},
}
_MARKERS = ("o", "s", "^", "D", "v", "P", "*", "X")
_COLOURS = (INK, *PALETTE[1:])


def plot_learning(learning: pd.DataFrame, class_name: str, ax: Axes, *, start: float | None = None) -> None:
    """AP of one class (:func:`analysis.run_frames.learning_frame`): teacher solid, student dashed, ``start`` a dotted line.

    Args:
        start: AP of the burn-in that the run continued from; ``None`` draws no line.
    """
    own = learning[learning["class"] == class_name]
    if start is not None:
        ax.axhline(start, color=INK, linewidth=1, linestyle=(0, (1, 2)), label="burn-in")
    for model, style in _STYLES.items():
        points = own[own["model"] == model]
        if len(points):
            ax.plot(points["iteration"], points["AP"], label=model, **style)
    drawn = [*own["AP"].dropna(), *([] if start is None else [start])]
    ax.set_title(class_name, loc="left", fontsize=11)
    ax.set_ylim(0, 1.2 * max(drawn, default=0) or 1)
    ax.margins(x=0.08)
    ax.grid(axis="y")


def plot_windows(
    frame: pd.DataFrame, ax: Axes, *, ylabel: str, hollow: Sequence[str] = (), nested: bool = False, log: bool = False,
    goal: float | None = None,
) -> None:  # fmt: skip
    """A line per column over iterations, the first in ink, each with its marker; where there are no values, it is said.

    Args:
        hollow: columns that are drawn dashed, without markers.
        nested: each line is thinner than the one before, so that lines which lie on each other are all seen.
        log: a logarithmic axis; otherwise it begins at 0.
        goal: value of a dashed horizontal line, which the axis holds; ``None`` draws none.
    """
    for place, name in enumerate(frame):
        colour = _COLOURS[place % len(_COLOURS)]
        width = max(1.2, 3.6 - 0.6 * place) if nested else 2 if place == 0 else 1.5
        style: dict[str, Any] = {"linewidth": width, "marker": _MARKERS[place % 8], "markersize": 1 + 2 * width}
        if name in hollow and len(frame) > 1:  # a single point draws no dash
            style = {"linewidth": 1.2, "linestyle": (0, (4, 2))}
        ax.plot(frame.index, frame[name], color=colour, label=str(name), **style)
    if goal is not None:
        ax.axhline(goal, color=INK, linewidth=1, linestyle="--")
    ax.set_xlabel("iteration")
    ax.set_ylabel(ylabel)
    if log:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        ax.set_ylim(bottom=0)
    ax.grid(axis="y")
    if frame.dropna(how="all").empty:
        ax.text(0.5, 0.5, "The run is too short for a curve.", transform=ax.transAxes, ha="center", va="center")

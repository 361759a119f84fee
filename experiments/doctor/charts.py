"""Anchor coverage as a chart."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from experiments.data.marks import class_colours
from experiments.doctor.anchors import LEVELS, AnchorGrid, Coverage, anchor_sizes
from experiments.doctor.boxes import Boxes
from experiments.style import INK, RC, add_title, bar_style, save_figure

_BARS = 0.8  # width of the bars of a class, of which 1 is from class to class


def plot_coverage(sets: Sequence[Coverage], level: int, ax: Axes) -> None:
    """Bars of the share of boxes with an anchor above ``LEVELS[level]``: for all boxes and each class, one bar per set."""
    names, width = list(sets[0].of_class), _BARS / len(sets)
    for place, entry in enumerate(sets):
        shares = [entry.overall[level], *(entry.of_class[name][level] for name in names)]
        offset = (place - (len(sets) - 1) / 2) * width
        heights, title = [100 * share for share in shares], textwrap.fill(entry.title, 44)
        ax.bar(np.arange(len(shares)) + offset, heights, width, label=title, **bar_style(place))
    ax.set_xticks(range(len(names) + 1), ["all", *names])
    ax.set_ylim(0, 100)
    ax.set_ylabel(f"boxes with an anchor\nabove IoU {LEVELS[level]:g} (%)")
    ax.grid(axis="y")


def plot_shapes(boxes: Boxes, classes: Sequence[str], ratios: Sequence[float], grid: AnchorGrid, ax: Axes) -> None:
    """Width and height of every box in the colour of its class, and those of all levels' anchors as crosses; logarithmic axes."""
    for label, (name, colour) in enumerate(zip(classes, class_colours(classes), strict=True)):
        own = boxes.sides[boxes.labels == label]
        face = tuple(value / 255 for value in colour)
        ax.scatter(own[:, 0], own[:, 1], s=12, alpha=0.7, color=face, linewidth=0, label=name)
    anchors = np.concatenate([anchor_sizes(ratios, grid.scales, stride) for stride in grid.strides])
    ax.scatter(anchors[:, 0], anchors[:, 1], s=45, marker="x", color=INK, linewidth=1.4, label="anchor", zorder=4)
    low, high = float(min(anchors.min(), boxes.sides.min())), float(anchors.max())
    ax.plot([low, high], [low, high], color=INK, linewidth=0.8, linestyle=(0, (1, 2)), label="square", zorder=1)
    ax.set(xscale="log", yscale="log", xlabel="width (px)", ylabel="height (px)", aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    ax.grid(visible=True)


def write_coverage_chart(sets: Sequence[Coverage], folder: Path, *, of: str) -> list[Path]:
    """Write ``anchor_coverage.png`` and ``.svg``, a panel for each IoU; ``of``: whose. Returns both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    with rc_context(RC):
        width = max(7.0, 2.5 + 1.25 * (1 + len(sets[0].of_class)))
        figure = Figure(figsize=(width, 6.6), dpi=150, layout="constrained")
        axes = figure.subplots(len(LEVELS), 1, sharex=True, squeeze=False).ravel()
        for level, ax in enumerate(axes):
            plot_coverage(sets, level, ax)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
        add_title(figure, "Best anchor of each labelled box, by set of ratios", of)
        return save_figure(figure, folder, "anchor_coverage")

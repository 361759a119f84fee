"""Anchor coverage as a chart."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.doctor.anchors import LEVELS, Coverage
from experiments.style import RC, bar_style, save_figure

_BAR = 0.16


def plot_coverage(sets: Sequence[Coverage], level: int, ax: Axes) -> None:
    """Bars of the share of boxes with an anchor above ``LEVELS[level]``: for all boxes and each class, one bar per set."""
    names = list(sets[0].of_class)
    for place, entry in enumerate(sets):
        shares = [entry.overall[level], *(entry.of_class[name][level] for name in names)]
        offset = (place - (len(sets) - 1) / 2) * _BAR
        ax.bar(
            np.arange(len(shares)) + offset, [100 * share for share in shares], _BAR, label=entry.title, **bar_style(place)
        )  # fmt: skip
    ax.set_xticks(range(len(names) + 1), ["all", *names])
    ax.set_ylim(0, 100)
    ax.set_ylabel(f"boxes with an anchor\nabove IoU {LEVELS[level]:g} (%)")
    ax.grid(axis="y")


def write_coverage_chart(sets: Sequence[Coverage], folder: Path) -> list[Path]:
    """Write ``anchor_coverage.png`` and ``.svg``, a panel for each IoU; returns both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    with rc_context(RC):
        width = max(7.0, 2.5 + 1.25 * (1 + len(sets[0].of_class)))
        figure = Figure(figsize=(width, 6.6), dpi=150, layout="constrained")
        axes = figure.subplots(len(LEVELS), 1, sharex=True, squeeze=False).ravel()
        for level, ax in enumerate(axes):
            plot_coverage(sets, level, ax)
        axes[0].set_title("Best anchor of each labelled box, by set of ratios", loc="left")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        return save_figure(figure, folder, "anchor_coverage")

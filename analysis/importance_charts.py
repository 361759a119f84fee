"""Charts of a sampled study: importances of its parameters, and a score over two of them, beside what they do not say."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.heat_map import file_names
from analysis.importance import (
    WARNING,
    Contour,
    Importance,
    complete_trials,
    contour_of,
    figures_of,
    importance_of,
)
from analysis.refusals import Refusal
from analysis.sheet import panel_column, refusal_notes, write_beside, write_sheet
from experiments.style import INK, PALETTE, bar_style

if TYPE_CHECKING:
    import optuna

_THRESHOLD = "thr"
_ROW = 0.2  # inches
_LEVELS, _RESOLUTION = 9, 200


def plot_importance(found: Importance, ax: Axes) -> None:
    """Draw the shares of one figure, the largest at the top; they add up to 1."""
    names, shares = list(found.shares), list(found.shares.values())
    ax.barh(range(len(names)), shares, height=0.62, **bar_style(1))
    for place, share in enumerate(shares):
        write_beside(ax, f"{100 * share:.0f} %", place)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(0, 1)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    ax.set_title(_figure_name(found.figure))


def plot_contour(found: Contour, ax: Axes) -> None:
    """Draw the interpolated surface, a dot per setting, and a star at the highest; nothing beyond what settings enclose."""
    points = found.points
    if not found.flat:
        surface = np.ma.masked_invalid(found.surface)
        drawn = ax.contourf(found.xs, found.ys, surface, levels=_LEVELS, cmap="cividis")
        bar = ax.figure.colorbar(drawn, ax=ax, pad=0.02, aspect=25)
        bar.set_label(_figure_name(found.figure))
    ax.scatter(
        points[:, 0], points[:, 1], s=16, facecolor="white", edgecolor=INK, linewidth=0.7, zorder=3, label="setting"
    )
    best = points[int(np.argmax(points[:, 2]))]
    ax.scatter(
        [best[0]], [best[1]], marker="*", s=170, facecolor=PALETTE[2], edgecolor=INK, linewidth=0.8, zorder=4,
        label=f"highest, {best[2]:.3f}",
    )  # fmt: skip
    ax.set_xlabel(found.parameters[0])
    ax.set_ylabel(found.parameters[1])
    for axis, limit in ((0, ax.set_xlim), (1, ax.set_ylim)):
        low, high = float(points[:, axis].min()), float(points[:, axis].max())
        limit(low - 0.04 * (high - low), high + 0.04 * (high - low))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, borderaxespad=0.2)


def write_importance_charts(ledger: "optuna.Study", study: str, folder: Path) -> list[Path]:
    """Write ``importance`` and ``contour_<class>``, each as PNG and SVG, as far as the settings tell them; returns the paths."""
    figures = figures_of(ledger)
    found = [importance_of(ledger, figure) for figure in figures]
    told = [part for part in found if isinstance(part, Importance)]
    files: list[Path] = []
    if told:
        notes = [WARNING, *refusal_notes(part for part in found if isinstance(part, Refusal))]
        sampled = f"{told[0].evaluator}, {told[0].settings} settings, teacher on val"
        title = f"Study {study}: importance of the sampled settings\n{sampled}"
        counts = [len(part.shares) for part in told]

        def draw(figure: Figure) -> None:
            axes = panel_column(figure, counts)
            for part, ax in zip(told, axes, strict=True):
                plot_importance(part, ax)
            axes[-1].set_xlabel("share of importance")

        height = _ROW * sum(counts) + 0.48 * len(counts) + 0.2
        files += write_sheet(folder, "importance", title=title, notes=notes, height=height, draw=draw)
    parameters = contour_parameters(ledger)
    if parameters is not None:
        for figure, name in file_names(figures).items():
            contour = contour_of(ledger, figure, parameters, resolution=_RESOLUTION)
            if isinstance(contour, Contour):
                files += _write_contour(contour, study, folder, f"contour_{name}")
    return files


def contour_parameters(ledger: "optuna.Study") -> tuple[str, str] | None:
    """The first two thresholds that were sampled as numbers, else the first two numbers; ``None`` of fewer."""
    trials = complete_trials(ledger, needed=())
    names = dict.fromkeys(
        name for trial in trials for name, value in trial.params.items() if isinstance(value, int | float)
    )
    ordered = sorted(names, key=lambda name: _THRESHOLD not in name)
    return (ordered[0], ordered[1]) if len(ordered) >= 2 else None


def describe_importance(ledger: "optuna.Study") -> list[str]:
    """The importances in lines, the evaluator named, and what they do not say."""
    lines: list[str] = []
    for figure in figures_of(ledger):
        found = importance_of(ledger, figure)
        if isinstance(found, Refusal):
            lines += refusal_notes([found])
            continue
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in found.shares.items())
        lines.append(f"{figure}: {shares} ({found.evaluator}, {found.settings} settings)")
    return [*lines, WARNING]


def _write_contour(contour: Contour, study: str, folder: Path, name: str) -> list[Path]:
    def draw(figure: Figure) -> None:
        plot_contour(contour, figure.add_subplot())

    title = f"Study {study}: {_figure_name(contour.figure)} over two sampled settings\nteacher on val"
    notes: Sequence[str] = (
        f"Linear between {len(contour.points)} settings, which may differ in other parameters as well; blank where no settings "
        "enclose a point. Scores have no interval here: of many settings the highest is too high on average.",
    )
    if contour.flat:
        notes = (f"All {len(contour.points)} settings have the same score.",)
    return write_sheet(folder, name, title=title, notes=notes, height=3.8, draw=draw)


def _figure_name(figure: str) -> str:
    return "ratio to the baseline" if figure == "ratio" else f"AP of {figure}"

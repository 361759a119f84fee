"""The Pareto chart of a search: every judged setting by its AP in the two classes searched for."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.search import Setting
from analysis.summary import Summary
from experiments.style import INK, PALETTE, RC, save_figure

_NAME_WIDTH = 28  # characters
_LOWEST_TOP = 0.01  # of AP: a lower axis would make much of nothing
_SAME = 1e-9  # of AP
Kind = Literal["infeasible", "feasible", "front", "arm", "chosen"]
_LEGEND: dict[Kind, str] = {
    "infeasible": "overall mAP down by more than it may",
    "feasible": "feasible setting",
    "front": "on the Pareto front",
    "arm": "arm of the design",
    "chosen": "chosen",
}
_STYLES: dict[Kind, dict[str, Any]] = {
    "infeasible": {"marker": "x", "s": 30, "color": PALETTE[0], "linewidth": 1.4},
    "feasible": {"marker": "o", "s": 34, "facecolor": "white", "edgecolor": PALETTE[1], "linewidth": 1.4},
    "front": {"marker": "o", "s": 46, "facecolor": PALETTE[1], "edgecolor": INK, "linewidth": 0.6},
    "arm": {"marker": "s", "s": 46, "facecolor": PALETTE[0], "edgecolor": INK, "linewidth": 0.6},
    "chosen": {"marker": "*", "s": 230, "facecolor": PALETTE[2], "edgecolor": INK, "linewidth": 0.8},
}


@dataclass(frozen=True)
class Point:
    """One setting: its APs in the first and second class, how it is drawn, and its name where that is written."""

    x: float
    y: float
    kind: Kind
    label: str | None


@dataclass(frozen=True)
class Front:
    """What the Pareto chart shows; ``steps`` are the corners of the front by rising ``x``, which ``y`` falls along."""

    title: str
    axes: tuple[str, str]
    points: tuple[Point, ...]
    steps: tuple[tuple[float, float], ...]


def pareto_front(summary: Summary) -> Front | None:
    """Numbers of the Pareto chart; pure. ``None`` where the study was not searched for two classes."""
    search = summary.search
    if search is None or len(search.classes) != 2:
        return None
    first, second = search.classes
    points = tuple(
        Point(
            x=setting.aps[first],
            y=setting.aps[second],
            kind=_kind(setting),
            label=_label(setting, search.settings, search.classes),
        )
        for setting in search.settings
    )
    return Front(
        title=(
            f"Study {summary.study}: sampled settings by AP of {first} and {second}\n"
            f"{', '.join(summary.scales)} scale, teacher on val, means over seeds"
        ),
        axes=(first, second),
        points=points,
        steps=tuple(sorted((s.aps[first], s.aps[second]) for s in search.settings if s.front)),
    )


def plot_pareto(front: Front, ax: Axes) -> None:
    """Draw the chart: one mark per setting, a staircase along the front, names at the arms and the chosen setting."""
    ax.margins(0.12)
    ax.plot(
        [x for x, _ in front.steps],
        [y for _, y in front.steps],
        drawstyle="steps-pre",
        color=PALETTE[1],
        linewidth=1.2,
        zorder=2,
    )
    for order, (kind, words) in enumerate(_LEGEND.items()):
        marks = [point for point in front.points if point.kind == kind]
        if marks:
            xs, ys = [point.x for point in marks], [point.y for point in marks]
            ax.scatter(xs, ys, label=words, zorder=3 + order, clip_on=False, **_STYLES[kind])
    for bounds, draw in ((ax.get_xlim(), ax.set_xlim), (ax.get_ylim(), ax.set_ylim)):
        draw(max(0.0, bounds[0]), max(bounds[1], _LOWEST_TOP))
    for point in front.points:
        if point.label:
            _write_name(point, point.label, ax)
    ax.set_xlabel(f"AP of {front.axes[0]} (IoU 0.50:0.95)")
    ax.set_ylabel(f"AP of {front.axes[1]} (IoU 0.50:0.95)")
    ax.set_title(front.title, loc="left")
    ax.grid()
    ax.tick_params(pad=9)  # room for a mark at AP 0


def write_pareto(summary: Summary, folder: Path) -> list[Path]:
    """Write ``pareto.png`` and ``.svg`` into a folder; no file where there is no such chart (see `pareto_front`)."""
    front = pareto_front(summary)
    if front is None:
        return []
    with rc_context(RC):
        figure = Figure(figsize=(8.4, 6.2), dpi=150, layout="constrained")
        ax = figure.add_subplot()
        plot_pareto(front, ax)
        handles, labels = ax.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        return save_figure(figure, folder, "pareto")


def _write_name(point: Point, label: str, ax: Axes) -> None:
    """The name beside its point, towards the middle of the chart, in lines of a few factors each."""
    left, right = ax.get_xlim()
    towards = 1 if point.x < (left + right) / 2 else -1
    ax.annotate(
        textwrap.fill(label.replace("+", "+ "), _NAME_WIDTH).replace("+ ", "+"),
        (point.x, point.y),
        xytext=(9 * towards, 5),
        textcoords="offset points",
        ha="left" if towards == 1 else "right",
        fontsize=9.5,
        zorder=9,
    )


def _label(setting: Setting, others: Sequence[Setting], classes: Sequence[str]) -> str | None:
    """The name of the chosen setting and of arms; the chosen one's, whose mark is on top, with how many lie below it."""
    if not setting.chosen:
        return None if setting.sampled else setting.label
    same = sum(
        other is not setting and all(abs(other.aps[name] - setting.aps[name]) < _SAME for name in classes)
        for other in others
    )
    return f"{setting.label} and {same} other{'s' * (same > 1)} at this spot" if same else setting.label


def _kind(setting: Setting) -> Kind:
    if setting.chosen:
        return "chosen"
    if not setting.sampled:
        return "arm"
    if setting.front:
        return "front"
    return "feasible" if setting.feasible else "infeasible"

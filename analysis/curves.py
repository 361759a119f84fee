"""Curves, a line per arm: AP over iterations with the monitoring checklist's milestones, kept boxes, precision over recall."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.charts import highlighted
from analysis.results import SPLIT, Model, Run, Study
from analysis.targets import BASELINE
from experiments.exhibits_file import Exhibits, read_exhibits
from experiments.goals import OVERALL
from experiments.records import Gate, Verdict
from experiments.style import INK, PALETTE, RC, save_figure

_COLOURED = 7  # arms that get a colour of their own; the others are drawn thin and grey
_OTHERS = "#c4c4c4"
_MOST_MARKERS = 20  # on a line
_MARKERS: dict[Verdict, str] = {"passed": "o", "failed": "X"}
_MARKERS_OF_LINES = ("", "", "s", "^", "D", "v", "P", "*")
Points = dict[int, float]


@dataclass(frozen=True)
class Line:
    """One arm's curve: means over seeds by iteration, or by recall. ``colour`` is its place in the palette, ``None`` for grey."""

    arm: str
    dashed: bool
    colour: int | None
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Mark:
    """How a gate ended for an arm with a colour, drawn on its curve at the first point from the milestone on."""

    arm: str
    iteration: int
    height: float
    verdict: Verdict


@dataclass(frozen=True)
class Panel:
    """One axis; ``milestones`` are the iterations from which on its gates are judged."""

    title: str
    lines: tuple[Line, ...]
    milestones: tuple[int, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Curves:
    """A chart of several panels; ``dashed`` says what a dashed line is, ``None`` where there is none."""

    name: str
    title: str
    ylabel: str
    panels: tuple[Panel, ...]
    dashed: str | None
    xlabel: str = "iteration"


def learning_curves(study: Study) -> Curves | None:
    """AP on val over iterations, of the hard classes and of all: teachers solid, students dashed; pure.

    ``None`` where no arm was validated twice: there is no curve to draw.
    """
    arms = _coloured(study)
    panels = []
    for name in _classes(study):
        solid = _mean_curves(study.completed, partial(_aps, model="teacher", name=name))
        dashed = _mean_curves(study.completed, partial(_aps, model="student", name=name))
        gates = _gates(study, name)
        marks = tuple(
            mark
            for arm, points in solid.items()
            for gate in gates.get(arm, [])
            if arm in arms and (mark := _mark(arm, gate, points))
        )
        milestones = tuple(sorted({gate.milestone for found in gates.values() for gate in found}))
        lines = (*_lines(dashed, arms, dashed=True), *_lines(solid, arms, dashed=False))
        panels.append(Panel("all (mean over classes)" if name == OVERALL else name, lines, milestones, marks))
    if not any(len(line.points) > 1 for panel in panels for line in panel.lines):
        return None
    return Curves(
        name="learning_curves",
        title=f"Study {study.name}: AP on {SPLIT} over iterations\n{_seeds(study)}",
        ylabel="AP (IoU 0.50:0.95)",
        panels=tuple(panels),
        dashed="student",
    )


def kept_curves(study: Study) -> Curves | None:
    """The share of the teacher's boxes that the thresholds keep, over iterations, all and of the hard classes; pure.

    ``None`` where no run's history holds it.
    """
    arms = _coloured(study)
    panels = []
    for name in (OVERALL, *(name for name in study.goals.hard if name in study.classes)):
        key = "kept_ratio" if name == OVERALL else f"kept_ratio/{name}"
        curves = _mean_curves(study.completed, partial(_figures, key=key))
        if curves:
            title = "all classes" if name == OVERALL else name
            panels.append(Panel(title, tuple(_lines(curves, arms, dashed=False)), (), ()))
    if not panels:
        return None
    return Curves(
        name="kept_ratio",
        title=f"Study {study.name}: share of the teacher's boxes that the thresholds keep\n{_seeds(study)}",
        ylabel="kept / all boxes",
        panels=tuple(panels),
        dashed=None,
    )


def plot_panel(curves: Curves, panel: Panel, ax: Axes) -> None:
    """Draw one panel: lines, dotted verticals at milestones, a ring where a gate was passed, a cross where it failed.

    Rings and crosses are drawn over the edges of the axes, so that they are whole.
    """
    for line in sorted(panel.lines, key=lambda line: (line.colour is not None, not line.dashed)):
        xs, ys = zip(*line.points, strict=True)
        ax.plot(xs, ys, **_stroke(line))
    for milestone in panel.milestones:
        ax.axvline(milestone, color=INK, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    for mark in panel.marks:
        ax.plot([mark.iteration], [mark.height], **_marker(mark.verdict), zorder=6, clip_on=False)
    ax.set_title(panel.title, loc="left", fontsize=12)
    ax.set_xlabel(curves.xlabel)
    ax.set_ylim(bottom=0)
    ax.margins(x=0.04)
    ax.grid(axis="y")


def precision_curves(study: Study) -> Curves | None:
    """Precision of the teacher at IoU 0.50 over recall on val, of the hard classes, for the arms that are exhibited; pure but for
    reading their ``exhibits.json``. ``None`` where there is none.
    """
    found = {run.arm: exhibits.precision for run, exhibits in exhibited(study)}
    order = {arm: place for place, arm in enumerate(sorted(found, key=lambda arm: arm != BASELINE))}
    panels = tuple(
        Panel(
            name,
            tuple(_recall_line(arm, found[arm][name], place) for arm, place in order.items() if name in found[arm]),
            (),
            (),
        )
        for name in study.goals.searched
        if any(name in curves for curves in found.values())
    )
    if not panels:
        return None
    return Curves(
        name="precision_recall",
        title=f"Study {study.name}: precision of the teacher over recall on {SPLIT}\nIoU 0.50, the first seed alone",
        ylabel="precision",
        panels=panels,
        dashed=None,
        xlabel="recall",
    )


def exhibited(study: Study) -> list[tuple[Run, Exhibits]]:
    """The completed runs that have curves and pictures beside their record."""
    found = [(run, read_exhibits(run.folder)) for run in study.completed]
    return [(run, exhibits) for run, exhibits in found if exhibits is not None]


def _recall_line(arm: str, precision: Sequence[float], colour: int) -> Line:
    return Line(
        arm, False, colour, tuple((place / (len(precision) - 1), value) for place, value in enumerate(precision))
    )


def draw(curves: Curves) -> Figure:
    """The whole chart: its panels side by side, a legend of arms and marks below."""
    with rc_context(RC):
        handles = _legend(curves)
        columns = 4 if max(len(str(handle.get_label())) for handle in handles) <= 24 else 2
        rows = math.ceil(len(handles) / columns)
        figure = Figure(figsize=(10, 3.6 + 0.24 * rows), dpi=150, layout="constrained")
        axes = figure.subplots(1, len(curves.panels), squeeze=False)[0]
        for panel, ax in zip(curves.panels, axes, strict=True):
            plot_panel(curves, panel, ax)
        axes[0].set_ylabel(curves.ylabel)
        figure.suptitle(curves.title, x=0.01, ha="left", fontsize=13)
        figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
        return figure


def write_curves(curves: Curves, folder: Path) -> list[Path]:
    """Write ``<name>.png`` and ``.svg`` into a folder, each atomically; returns both paths."""
    figure = draw(curves)
    with rc_context(RC):
        return save_figure(figure, folder, curves.name)


def _classes(study: Study) -> tuple[str, ...]:
    return (*(name for name in study.goals.hard if name in study.classes), OVERALL)


def _coloured(study: Study) -> dict[str, int]:
    """Places in the palette by arm: the baseline's is the first."""
    finals: dict[str, list[float | None]] = {arm: [] for arm in study.arms}
    for run in study.completed:
        last = run.record.final("teacher", SPLIT)
        names = [name for name in _classes(study) if name != OVERALL] or [OVERALL]
        finals[run.arm] += [score.ap for name in names if last and (score := last.scores.get(name))]
    arms = highlighted(finals, limit=_COLOURED)
    free = iter(range(1, len(PALETTE)))
    return {arm: 0 if arm == BASELINE else next(free) for arm in arms}


def _aps(run: Run, *, model: Model, name: str) -> Points:
    found = [v for v in run.record.validations if v.model == model and v.split == SPLIT]
    return {v.iteration: s.ap for v in found if (s := v.scores.get(name)) and s.ap is not None}


def _figures(run: Run, *, key: str) -> Points:
    figures = {window.iteration: window.figures.get(key) for window in run.record.history}
    return {iteration: value for iteration, value in figures.items() if value is not None}


def _mean_curves(runs: Iterable[Run], points_of: Callable[[Run], Points]) -> dict[str, Points]:
    """Means over an arm's runs, at the iterations that all of those runs have which have any."""
    curves: dict[str, list[Points]] = defaultdict(list)
    for run in runs:
        if points := points_of(run):
            curves[run.arm].append(points)
    means = {}
    for arm, found in curves.items():
        shared = sorted(set.intersection(*(set(points) for points in found)))
        if shared:
            means[arm] = {at: sum(points[at] for points in found) / len(found) for at in shared}
    return means


def _lines(curves: Mapping[str, Points], colours: Mapping[str, int], *, dashed: bool) -> list[Line]:
    """Of arms without a colour there is no dashed line: grey on grey tells nothing."""
    return [
        Line(arm, dashed, colours.get(arm), tuple(sorted(points.items())))
        for arm, points in curves.items()
        if arm in colours or not dashed
    ]


def _gates(study: Study, name: str) -> dict[str, list[Gate]]:
    """Each arm's gates on a class's AP, one per milestone: failed if it is for any seed, passed if for none and some."""
    found: dict[str, dict[int, list[Gate]]] = defaultdict(lambda: defaultdict(list))
    for run in study.completed:
        for gate in run.record.gates:
            about = OVERALL if gate.name == "overall_ap" else gate.subject if gate.name == "class_ap" else None
            if about == name:
                found[run.arm][gate.milestone].append(gate)
    rank: dict[Verdict, int] = {"failed": 0, "passed": 1, "not_reached": 2}
    return {
        arm: [min(gates, key=lambda gate: rank[gate.verdict]) for _, gates in sorted(at.items())]
        for arm, at in found.items()
    }


def _mark(arm: str, gate: Gate, points: Points) -> Mark | None:
    reached = [iteration for iteration in sorted(points) if iteration >= gate.milestone]
    if gate.verdict == "not_reached" or not reached:
        return None
    return Mark(arm, reached[0], points[reached[0]], gate.verdict)


def _seeds(study: Study) -> str:
    seeds = sorted({run.seed for run in study.completed})
    scales = ", ".join(dict.fromkeys(Path(run.record.config).stem for run in study.completed))
    return f"{scales} scale, " + (f"seed {seeds[0]}" if len(seeds) == 1 else f"means over {len(seeds)} seeds")


def _stroke(line: Line) -> dict[str, Any]:
    if len(line.points) == 1:  # which draws no line
        colour = _OTHERS if line.colour is None else PALETTE[line.colour]
        return {"color": colour, "marker": ".", "markersize": 9, "linestyle": "none", "zorder": 3}
    if line.colour is None:
        return {"color": _OTHERS, "linewidth": 0.7, "zorder": 2}
    style: dict[str, Any] = {"color": PALETTE[line.colour], "linewidth": 1.3 if line.dashed else 2.0}
    if line.dashed:
        return {**style, "linestyle": (0, (4, 2)), "zorder": 3}
    every = max(1, len(line.points) // _MOST_MARKERS)
    return {**style, "marker": _MARKERS_OF_LINES[line.colour], "markersize": 4, "markevery": every, "zorder": 4}


def _marker(verdict: Verdict) -> dict[str, Any]:
    face = "white" if verdict == "passed" else INK
    return {
        "marker": _MARKERS[verdict], "markersize": 9, "markerfacecolor": face, "markeredgecolor": INK,
        "markeredgewidth": 1.2, "linestyle": "none",
    }  # fmt: skip


def _legend(curves: Curves) -> list[Line2D]:
    lines = [line for panel in curves.panels for line in panel.lines]
    solid = {line.arm: line for line in lines if not line.dashed and line.colour is not None}
    # A label that begins with an underscore would be left out of a legend that matplotlib collects, not of this one.
    handles = [Line2D([], [], label=arm, **_stroke(line)) for arm, line in solid.items()]
    others = {line.arm for line in lines if line.colour is None}
    if others:
        handles.append(Line2D([], [], label=f"{len(others)} other arms", color=_OTHERS, linewidth=0.7))
    if curves.dashed and any(line.dashed for line in lines):
        handles.append(Line2D([], [], label=curves.dashed, color=INK, linewidth=1.3, linestyle=(0, (4, 2))))
    verdicts = {mark.verdict for panel in curves.panels for mark in panel.marks}
    handles += [
        Line2D([], [], label=f"gate {verdict}", **_marker(verdict)) for verdict in _MARKERS if verdict in verdicts
    ]
    if any(panel.milestones for panel in curves.panels):
        handles.append(Line2D([], [], label="milestone", color=INK, linewidth=0.9, linestyle=(0, (1, 2))))
    return handles

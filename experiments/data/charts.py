"""A chart of box shapes and sizes per class: numbers first, then drawing on axes, then a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from experiments.data.groups import Group
from experiments.data.marks import class_colours
from experiments.data.statistics import BoxStatistics
from experiments.style import INK, RC

Spread = tuple[float, float, float, float, float]  # 5, 25, 50, 75 and 95 % quantiles


@dataclass(frozen=True)
class BoxChart:
    """Per class the spread of width / height and of the share of the image, ``None`` for a class without boxes.

    ``plan_aspects`` are the plan's quartiles and ``plan_areas`` its means, by class name, where it gives them.
    """

    classes: tuple[str, ...]
    aspects: tuple[Spread | None, ...]
    areas: tuple[Spread | None, ...]
    plan_aspects: dict[str, tuple[float, float, float]]
    plan_areas: dict[str, float]


def box_chart(groups: Sequence[Group], classes: Sequence[str], *, plan: BoxStatistics | None) -> BoxChart:
    """Numbers of the chart; pure."""
    aspects: list[Spread | None] = []
    areas: list[Spread | None] = []
    for label in range(len(classes)):
        own = np.array(
            [
                (box.xyxy[2] - box.xyxy[0], box.xyxy[3] - box.xyxy[1], view.width * view.height)
                for group in groups
                for view in group.views
                for box in view.boxes
                if box.label == label
            ]
        ).reshape(-1, 3)
        aspects.append(_spread(own[:, 0] / own[:, 1]))
        areas.append(_spread(own[:, 0] * own[:, 1] / own[:, 2]))
    quartiles = {} if plan is None else {name: (a.p25, a.median, a.p75) for name, a in plan.aspects.items()}
    return BoxChart(tuple(classes), tuple(aspects), tuple(areas), quartiles, {} if plan is None else plan.areas)


def plot_spreads(
    chart: BoxChart, spreads: Sequence[Spread | None], marks: dict[str, tuple[float, ...]], ax: Axes, *, percent: bool
) -> None:
    """A bar from 25 to 75 %, a line from 5 to 95 % and the median per class, on a logarithmic axis; the plan's as diamonds."""
    for row, (name, colour) in enumerate(zip(chart.classes, class_colours(chart.classes), strict=True)):
        spread = spreads[row]
        if spread is not None:
            low, first, median, third, high = spread
            fill = tuple(value / 255 for value in colour)
            ax.plot([low, high], [row, row], color=INK, linewidth=1.2, zorder=2)
            ax.barh(row, third - first, left=first, height=0.5, facecolor=fill, edgecolor=INK, linewidth=0.8, zorder=3)
            ax.plot([median, median], [row - 0.25, row + 0.25], color=INK, linewidth=2, zorder=4)
        own = marks.get(name, ())
        style = {"linestyle": "", "marker": "D", "markerfacecolor": "white", "markeredgecolor": INK, "markersize": 5}
        ax.plot(own, [row + 0.36] * len(own), zorder=5, **style)  # type: ignore[arg-type]
    ax.set_xscale("log")
    drawn = [value for spread in spreads if spread is not None for value in spread]
    drawn += [value for values in marks.values() for value in values]
    low, high = min(drawn, default=0.1) / 1.15, max(drawn, default=1) * 1.15
    ax.set_xlim(low, high)
    ticks = [t for t in (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10) if low <= t <= high]
    if len(ticks) < 2:  # between two of these: at a third and two thirds of the axis, which spans 1.3 at least
        ticks = [float(f"{tick:.2g}") for tick in np.geomspace(low, high, 4)[1:3]]
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %" if percent else f"{value:g}"))
    ax.set_ylim(len(chart.classes) - 0.4, -0.6)
    ax.set_yticks(range(len(chart.classes)), chart.classes)
    ax.grid(axis="x")


def draw_box_chart(chart: BoxChart) -> NDArray[np.uint8]:
    """The chart as an RGB picture (H, W, 3): shapes on the left, sizes on the right."""
    with rc_context(RC):
        figure = Figure(figsize=(11, 1.6 + 0.55 * len(chart.classes)), layout="constrained", dpi=110)
        canvas = FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, sharey=True)
        plot_spreads(chart, chart.aspects, dict(chart.plan_aspects), left, percent=False)
        left.set_xlabel("width / height")
        plot_spreads(chart, chart.areas, {n: (a,) for n, a in chart.plan_areas.items()}, right, percent=True)
        right.set_xlabel("share of the image")
        legend = "line: 5 to 95 %, bar: 25 to 75 %, stroke: median"
        if chart.plan_areas:
            legend += "; diamonds: the plan's quartiles of shape, means of size"
        figure.suptitle(f"Training boxes by class\n{legend}", fontsize=11, x=0.01, ha="left")
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _spread(values: NDArray[np.float64]) -> Spread | None:
    if not len(values):
        return None
    low, first, median, third, high = (float(q) for q in np.percentile(values, (5, 25, 50, 75, 95)))
    return low, first, median, third, high

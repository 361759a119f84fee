"""The chart of box shapes and sizes."""

from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.data.charts import box_chart, draw_box_chart, plot_spreads
from experiments.data.groups import Box, Group, View
from experiments.data.statistics import REFERENCE


def test_spreads_are_quantiles_of_aspect_and_area() -> None:
    # aspects 0.5, 1, 1.5 and areas 50, 100, 150 of 1000 px
    boxes = tuple(Box((0, 0, width, 10), 1) for width in (5, 10, 15))
    chart = box_chart([Group("a", (View(1, Path("a"), 20, 50, boxes),))], ["dent", "crack"], plan=None)
    assert chart.aspects[0] is None and chart.areas[0] is None
    assert chart.aspects[1] == pytest.approx((0.55, 0.75, 1.0, 1.25, 1.45))
    assert chart.areas[1] == pytest.approx((0.055, 0.075, 0.1, 0.125, 0.145))
    assert chart.plan_aspects == {} and chart.plan_areas == {}
    picture = draw_box_chart(chart)
    assert picture.ndim == 3 and picture.shape[2] == 3 and picture.min() < 60


def test_the_plans_figures_stand_beside_its_classes() -> None:
    chart = box_chart([], list(REFERENCE.shares), plan=REFERENCE)
    assert chart.plan_aspects["Chipped"] == (0.39, 0.51, 0.67)
    assert chart.plan_areas["Broken"] == 0.0708
    assert draw_box_chart(chart).shape[1] == 1210


@pytest.mark.parametrize("sides", [(17.5, 17.5), (10, 30), (31, 31.2), (0.9, 1.0), (99, 100)])
def test_an_axis_between_two_decades_has_two_labelled_ticks(sides: tuple[float, float]) -> None:
    # On views of 100 x 100 px: shares of 3.1 % alone, of 1 to 9 %, ...
    boxes = tuple(Box((0, 0, side, side), 0) for side in sides)
    chart = box_chart([Group("a", (View(1, Path("a"), 100, 100, boxes),))], ["dent"], plan=None)
    figure = Figure()
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    plot_spreads(chart, chart.areas, {}, ax, percent=True)
    low, high = ax.get_xlim()
    ticks = [float(tick) for tick in ax.xaxis.get_majorticklocs()]
    assert len(set(ticks)) >= 2 and all(low <= tick <= high for tick in ticks)
    figure.canvas.draw()
    assert len({label.get_text() for label in ax.get_xticklabels()}) == len(ticks)

"""The chart of box shapes and sizes."""

from pathlib import Path

import pytest

from experiments.data.charts import box_chart, draw_box_chart
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

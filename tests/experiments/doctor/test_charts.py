import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.doctor.anchors import AnchorGrid
from experiments.doctor.boxes import Boxes
from experiments.doctor.charts import plot_shapes


def test_shapes_are_dots_by_class_and_anchors_crosses():
    boxes = Boxes(np.array([[0, 0, 10, 40], [5, 5, 25, 15.0], [0, 0, 8, 8]]), np.array([0, 1, 0]))
    grid = AnchorGrid(strides=(4, 8), scales=(2.0,), size=(96, 48))
    ax = Figure().add_subplot()
    plot_shapes(boxes, ["rust", "chip"], [1.0, 4.0], grid, ax)
    points = {part.get_label(): np.asarray(part.get_offsets()).tolist() for part in ax.collections}
    assert points["rust"] == [[10, 40], [8, 8]]
    assert points["chip"] == [[20, 10]]
    # Sides 4 * 2 and 8 * 2 px; ratio 4 = height / width halves the width and doubles the height.
    assert points["anchor"] == [pytest.approx(size) for size in ([8, 8], [4, 16], [16, 16], [8, 32])]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")

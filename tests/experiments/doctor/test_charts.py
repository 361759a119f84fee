from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.doctor import audit_files, charts
from experiments.doctor.anchors import AnchorGrid, Coverage
from experiments.doctor.audit import audit_views
from experiments.doctor.boxes import Boxes
from experiments.doctor.charts import plot_coverage, plot_shapes, write_coverage_chart
from experiments.doctor.matching import ViewBoxes


def sets(classes, number=6):
    shares = {name: (0.9, 0.5) for name in classes}
    return [Coverage(f"set {place}, scales {list(range(20))}", (1.0,), (0.9, 0.5), shares) for place in range(number)]


def audit(classes):
    box, label = np.array([[0.0, 0, 10, 10]]), np.array([0])
    view = ViewBoxes(
        group="S1_a", view=1, truth=box, truth_labels=label, boxes=box, labels=label, scores=np.array([0.5]),
        uncertainties=np.zeros(1),
    )  # fmt: skip
    return audit_views([view], classes, configured=0.5, floor=0.05, generator=np.random.default_rng(0))


@pytest.mark.parametrize("classes", [1, 3, 5])
@pytest.mark.parametrize("data", ["m", 12 * "a_long_name_"])
def test_titles_and_legends_lie_within_the_picture(classes, data, monkeypatch):
    drawn = []
    for module in (charts, audit_files):
        monkeypatch.setattr(module, "save_figure", lambda figure, folder, name: drawn.append(figure) or [])
    names = ["dent", "stain", "hairline crack", "Severe_Rust", "Tip_Wear"][:classes]
    write_coverage_chart(sets(names), Path(), of=f"config cpu, data set {data}")
    audit_files.write_chart(audit(names), Path(), of=f"config cpu, val of data set {data}")
    assert len(drawn) == 2
    for figure in drawn:
        figure.draw_without_rendering()
        assert figure.get_suptitle().replace("\n", "").endswith(data)
        titles = [ax.title for ax in figure.axes] + [ax._left_title for ax in figure.axes]
        for part in (*figure.texts, *figure.legends, *titles):
            extent = part.get_window_extent()
            assert extent.x0 >= 0 and extent.x1 <= figure.bbox.x1 and extent.y1 <= figure.bbox.y1


def test_bars_of_a_class_stay_clear_of_the_next_ones():
    for number in (5, 6):
        ax = Figure().add_subplot()
        plot_coverage(sets(["dent"], number), 0, ax)
        spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches]
        own = [max(end for _, end in spans[::2]), min(start for start, _ in spans[1::2])]  # of all, of dent
        assert own == pytest.approx([0.4, 0.6])


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

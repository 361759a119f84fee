import pytest
from matplotlib.figure import Figure

from experiments.style import add_title

LONG = "config cpu, data set inspection_of_blades_" + 40 * "W" + "_resized"


@pytest.mark.parametrize("width", [3, 7, 11])
def test_a_title_is_folded_where_the_figure_ends_and_loses_nothing(width):
    figure = Figure(figsize=(width, 4), dpi=150, layout="constrained")
    figure.add_subplot()
    add_title(figure, "Best anchor", LONG)
    (title,) = [text for text in figure.texts if text.get_text()]
    assert title.get_text().split("\n")[0] == "Best anchor"
    assert title.get_text().replace("\n", "").replace(" ", "") == f"Bestanchor{LONG}".replace(" ", "")
    figure.draw_without_rendering()
    extent = title.get_window_extent()
    assert extent.x0 >= 0 and extent.x1 <= figure.bbox.x1 and extent.y1 <= figure.bbox.y1


def test_lines_that_fit_stay_as_they_are():
    figure = Figure(figsize=(7, 4))
    add_title(figure, "Best anchor of each", "config cpu, data set m")
    assert figure.get_suptitle() == "Best anchor of each\nconfig cpu, data set m"

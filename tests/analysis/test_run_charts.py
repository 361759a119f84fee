import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.run_charts import plot_learning, plot_windows


@pytest.fixture
def ax():
    return Figure().add_subplot()


def test_learning_draws_both_models_and_the_start(ax):
    learning = pd.DataFrame(
        [(80, "teacher", "Chipped", 0.1), (80, "student", "Chipped", 0.05), (160, "teacher", "Chipped", 0.2),
         (80, "teacher", "all", 0.9)],
        columns=["iteration", "model", "class", "AP"],
    )  # fmt: skip
    plot_learning(learning, "Chipped", ax, start=0.15)
    lines = {line.get_label(): line for line in ax.lines}
    assert list(lines) == ["burn-in", "teacher", "student"]
    assert list(lines["burn-in"].get_ydata()) == [0.15, 0.15]
    assert lines["teacher"].get_xydata().tolist() == [[80, 0.1], [160, 0.2]]
    assert lines["student"].get_xydata().tolist() == [[80, 0.05]]
    assert ax.get_title(loc="left") == "Chipped"


def test_a_model_that_was_not_validated_has_no_line(ax):
    learning = pd.DataFrame([(80, "teacher", "all", 0.9)], columns=["iteration", "model", "class", "AP"])
    plot_learning(learning, "all", ax)
    assert [line.get_label() for line in ax.lines] == ["teacher"]


def test_windows_draw_a_line_per_column(ax):
    frame = pd.DataFrame({"all": [0.2, 0.4], "annotated": [0.1, 0.1]}, index=[8, 16])
    plot_windows(frame, ax, ylabel="boxes per view", hollow=("annotated",))
    first, second = ax.lines
    assert (first.get_label(), first.get_xydata().tolist()) == ("all", [[8, 0.2], [16, 0.4]])
    assert (first.get_marker(), second.get_marker()) == ("o", "None")
    assert ax.get_ylim()[0] == 0


def test_a_run_without_windows_says_so_in_place_of_a_curve(ax):
    plot_windows(pd.DataFrame(columns=["loss"], dtype=float), ax, ylabel="loss")
    assert [text.get_text() for text in ax.texts] == ["The run is too short for a curve."]


@pytest.mark.parametrize("goal", [3.0, 0.5])
def test_the_axis_holds_the_goal(ax, goal):
    plot_windows(pd.DataFrame({"loss": [1.8, 2.2]}, index=[8, 16]), ax, ylabel="%", goal=goal)
    assert list(ax.lines[-1].get_ydata()) == [goal, goal]
    assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > max(goal, 2.2)

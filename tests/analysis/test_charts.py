import pytest
from matplotlib.figure import Figure

from analysis.charts import class_map, highlighted, plot_class_map, write_class_map
from analysis.results import load_study
from analysis.summary import summarise
from experiments.style import bar_style


def summary_of(folder):
    return summarise(load_study(folder), model="teacher")


def test_numbers_and_target_heights(study, add_run):
    add_run("baseline", 0.5, 0.10, 0.3, 0.25, 0.4, seed=0)
    add_run("baseline", 0.7, 0.20, 0.3, 0.35, 0.4, seed=1)
    add_run("focal", 0.8, None, 0.3, 0.2, 0.5, seed=0)
    chart = class_map(summary_of(study))
    assert chart.groups == ("Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear", "all")
    assert chart.heights["baseline"] == pytest.approx([0.6, 0.15, 0.3, 0.3, 0.4, 0.35])  # all: 0.31 and 0.39
    assert chart.heights["focal"] == [0.8, None, 0.3, 0.2, 0.5, pytest.approx(0.45)]
    assert chart.dots["baseline"][:2] == [[0.5, 0.7], [0.1, 0.2]]
    assert chart.dots["focal"] == [[]] * 6  # one seed: the bar is the seed
    rust, chipped = chart.targets
    assert (rust.group, rust.label, rust.height, rust.visible) == (3, "5x target", pytest.approx(1.5), False)
    assert (chipped.group, chipped.label, chipped.height, chipped.visible) == (
        1, "2.5x target", pytest.approx(0.375), True,
    )  # fmt: skip
    assert chart.top == pytest.approx(1.3 * 0.8)
    assert chart.title == "Study focal: AP per class\ncpu scale, teacher on val, seeds 0, 1"


def test_a_target_stretches_the_axis_by_a_half_at_most(study, add_run):
    add_run("baseline", 0.2, 0.1, 0.1, 0.09, 0.1)  # 2.5x: 0.25 within 0.3; 5x: 0.45 beyond it
    chart = class_map(summary_of(study))
    assert [(mark.label, mark.visible) for mark in chart.targets] == [
        ("5x target", False),
        ("2.5x target", True),
    ]
    assert chart.top == pytest.approx(0.2875)  # 1.15 * 0.25, above 1.3 * 0.2


def test_of_many_arms_the_baseline_and_the_highest_are_shown(study, add_run):
    finals = {"baseline": [0.0], **{f"arm{n}": [n / 10, None] for n in range(8)}, "lost": [None]}
    assert highlighted(finals, limit=7) == ["baseline", "arm2", "arm3", "arm4", "arm5", "arm6", "arm7"]
    assert highlighted({"arm1": [None], "arm0": [1.0]}, limit=7) == ["arm1", "arm0"]
    for number in range(17):
        add_run(f"arm{number}" if number else "baseline", 0.5, 0.1, 0.3, number / 20, 0.4, levels={})
    chart = class_map(summary_of(study))
    assert list(chart.heights) == ["baseline", *(f"arm{number}" for number in range(2, 17))]
    assert chart.title.endswith("seed 0\nof 17 arms the baseline and those highest in Severe_Rust and Chipped")


def test_a_smaller_k_is_told_in_the_legend(study, add_run):
    add_run("baseline", 0.2, 0.1, 0.1, 0.09, 0.1)
    add_run("pooling", 0.2, 0.1, 0.1, 0.09, 0.1, num_tokens=1536, tokens_reduced_from=2048)
    assert list(class_map(summary_of(study)).heights) == ["baseline", "pooling (K=1536)"]


def drawn_words(folder):
    ax = Figure().add_subplot()
    plot_class_map(class_map(summary_of(folder)), ax)
    return [text.get_text() for text in ax.texts]


def test_targets_are_written_with_their_numbers(study, add_run):
    add_run("baseline", 0.8, 0.1, 0.3, 0.3, 0.4)
    assert drawn_words(study) == ["5x target 1.500\n(above 1)", "2.5x target 0.250"]


def test_an_undefined_target_is_written_as_such(study, add_run):
    add_run("baseline", 0.8, 0.1, 0.3, 0.0, 0.4)
    assert drawn_words(study) == ["5x target undefined\n(baseline near 0)", "2.5x target 0.250"]


def test_no_baseline_or_no_hard_class_means_no_target(study, add_run):
    add_run("focal", 0.8, 0.1, 0.3, 0.3, 0.4)
    assert class_map(summary_of(study)).targets == ()


def test_files_are_the_same_twice_and_svg_text_is_text(study, add_run):
    add_run("baseline", 0.8, 0.1, 0.3, 0.3, 0.4)
    add_run("focal", 0.8, 0.2, 0.3, 0.3, 0.4)
    summary = summary_of(study)
    png, svg = write_class_map(summary, study)
    assert png.read_bytes().startswith(b"\x89PNG")
    first = svg.read_text()
    assert "Severe_Rust</text>" in first
    assert "2.5x target 0.250</text>" in first
    write_class_map(summary, study)
    assert svg.read_text() == first
    assert not list(study.glob(".per_class_map*"))


def test_all_zero_study_still_draws(study, add_run):
    add_run("baseline", 0.0, 0.0, 0.0, 0.0, 0.0)
    assert class_map(summary_of(study)).top == pytest.approx(0.013)
    write_class_map(summary_of(study), study)


def test_bar_styles_differ_for_a_full_factorial():
    styles = {(style["facecolor"], style["hatch"]) for style in map(bar_style, range(64))}
    assert len(styles) == 64

import pytest
from matplotlib.figure import Figure

from analysis.curves import Mark, draw, kept_curves, learning_curves, plot_panel, write_curves
from analysis.results import load_study

TWO = {"classes": ["Chipped", "Dent"]}


def validation(iteration, model, chipped, dent):
    scores = {"Chipped": chipped, "Dent": dent, "all": (chipped + dent) / 2}
    plain = {name: {"ap": ap, "ap50": ap, "boxes": 3} for name, ap in scores.items()}
    return {"iteration": iteration, "model": model, "split": "val", "scores": plain}


def gate(milestone, verdict, name="class_ap", subject="Chipped"):
    return {"name": name, "subject": subject, "milestone": milestone, "verdict": verdict, "says": "so it was."}


def window(iteration, ratio, chipped):
    return {"iteration": iteration, "figures": {"kept_ratio": ratio, "kept_ratio/Chipped": chipped}}


def curve(*steps):
    return [validation(iteration, "teacher", ap, ap) for iteration, ap in steps]


def test_means_over_seeds_at_shared_iterations(study, add_run):
    add_run("baseline", seed=0, validations=curve((100, 0.1), (200, 0.2), (300, 0.5)), **TWO)
    add_run("baseline", seed=1, validations=curve((100, 0.3), (200, 0.4)), **TWO)
    chart = learning_curves(load_study(study))
    assert [panel.title for panel in chart.panels] == ["Chipped", "all (mean over classes)"]
    (line,) = chart.panels[0].lines
    assert (line.arm, line.dashed, line.colour) == ("baseline", False, 0)
    assert line.points == ((100, pytest.approx(0.2)), (200, pytest.approx(0.3)))
    assert chart.title == "Study focal: AP on val over iterations\ncpu scale, means over 2 seeds"


def test_students_are_dashed_and_a_single_validation_is_no_curve(study, add_run):
    add_run("baseline", 0.2, 0.3, validations=[validation(100, "teacher", 0.2, 0.3)], **TWO)
    assert learning_curves(load_study(study)) is None
    steps = [
        *curve((100, 0.1), (200, 0.2)),
        validation(100, "student", 0.05, 0.1),
        validation(200, "student", 0.1, 0.1),
    ]
    add_run("focal", validations=steps, **TWO)
    lines = learning_curves(load_study(study)).panels[0].lines
    assert [(line.arm, line.dashed, len(line.points)) for line in lines] == [
        ("focal", True, 2), ("baseline", False, 1), ("focal", False, 2),
    ]  # fmt: skip


def test_gates_are_marked_where_they_were_judged(study, add_run):
    steps = curve((100, 0.1), (200, 0.2))
    told = [
        gate(150, "passed"),
        gate(400, "not_reached"),
        gate(50, "failed", "overall_ap", None),
        gate(9, "failed", "memory"),
    ]
    add_run("baseline", seed=0, validations=steps, gates=told, **TWO)
    add_run("baseline", seed=1, validations=steps, gates=[gate(150, "not_reached")], **TWO)
    chipped, overall = learning_curves(load_study(study)).panels
    assert chipped.milestones == (150, 400)
    assert chipped.marks == (Mark("baseline", 200, 0.2, "passed"),)  # of the seeds that reached it, none failed
    assert overall.marks == (Mark("baseline", 100, 0.1, "failed"),)


def test_grey_arms_are_not_marked(study, add_run):
    for number in range(8):
        steps = curve((1, 0.0), (2, number / 10))
        add_run(f"arm{number}", validations=steps, gates=[gate(1, "passed")], levels={}, **TWO)
    marks = learning_curves(load_study(study)).panels[0].marks
    assert [mark.arm for mark in marks] == [f"arm{number}" for number in range(2, 8)]


def test_one_failing_seed_fails_the_mark(study, add_run):
    for seed, verdict in enumerate(("passed", "failed")):
        add_run("baseline", seed=seed, validations=curve((1, 0.1), (2, 0.2)), gates=[gate(2, verdict)], **TWO)
    (mark,) = learning_curves(load_study(study)).panels[0].marks
    assert (mark.iteration, mark.verdict) == (2, "failed")


def test_kept_ratios_leave_out_what_is_unknown(study, add_run):
    add_run("baseline", 0.1, 0.2, history=[window(50, 0.1, None), window(100, 0.3, 0.25)], **TWO)
    all_classes, chipped = kept_curves(load_study(study)).panels
    assert (all_classes.title, all_classes.lines[0].points) == ("all classes", ((50, 0.1), (100, 0.3)))
    assert (chipped.title, chipped.lines[0].points) == ("Chipped", ((100, 0.25),))


def test_without_history_there_are_no_kept_curves(study, add_run):
    add_run("baseline", 0.1, 0.2, **TWO)
    assert kept_curves(load_study(study)) is None


def test_the_legend_counts_the_grey_arms(study, add_run):
    for number in range(10):
        add_run(f"arm{number}", validations=curve((1, 0.0), (2, number / 10)), levels={}, **TWO)
    chart = learning_curves(load_study(study))
    words = [text.get_text() for text in draw(chart).legends[0].get_texts()]
    assert words == ["arm4", "arm5", "arm6", "arm7", "arm8", "arm9", "4 other arms"]


def test_a_passed_gate_is_a_ring_and_a_failed_one_a_cross(study, add_run):
    told = [gate(1, "passed"), gate(2, "failed")]
    add_run("baseline", validations=curve((1, 0.1), (2, 0.2)), gates=told, **TWO)
    chart = learning_curves(load_study(study))
    ax = Figure().add_subplot()
    plot_panel(chart, chart.panels[0], ax)
    marks = {line.get_marker(): line.get_xydata().tolist() for line in ax.lines if len(line.get_xydata()) == 1}
    assert marks == {"o": [[1.0, 0.1]], "X": [[2.0, 0.2]]}
    assert not any(line.get_clip_on() for line in ax.lines if len(line.get_xydata()) == 1)  # whole at the edge too
    assert ax.get_ylim()[0] == 0


def test_files_are_the_same_twice_and_a_dollar_is_a_dollar(study, add_run):
    add_run("baseline", validations=curve((1, 0.1), (2, 0.2)), **TWO)
    add_run("_$a$", validations=curve((1, 0.1), (2, 0.2)), levels={}, **TWO)
    chart = learning_curves(load_study(study))
    png, svg = write_curves(chart, study)
    assert png.read_bytes().startswith(b"\x89PNG")
    first = svg.read_text()
    assert "_$a$</text>" in first
    write_curves(chart, study)
    assert svg.read_text() == first


def test_a_single_point_is_drawn_as_one(study, add_run):
    for arm in ("baseline", "focal"):
        add_run(arm, 0.2, 0.3, history=[window(8, 0.04, 0.02)], **TWO)
    chart = kept_curves(load_study(study))
    ax = Figure().subplots()
    plot_panel(chart, chart.panels[0], ax)
    drawn = [line for line in ax.lines if len(line.get_xdata()) == 1]
    assert [line.get_marker() for line in drawn] == [".", "."]

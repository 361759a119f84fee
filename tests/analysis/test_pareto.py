import pytest
from matplotlib.figure import Figure

from analysis.pareto import Front, Point, pareto_front, plot_pareto, write_pareto
from analysis.results import load_study
from analysis.summary import summarise
from experiments.search_file import Candidate, read_search


def judged(name, rust, chipped, **changes):
    given = {"seeds": [0], "overall": 0.3, "ratio": 1.0, "constraint": 0.0, "feasible": True, **changes}
    return Candidate(name=name, values=[rust, chipped], **given)


@pytest.fixture
def searched(study, add_run, make_search):
    settings = [
        judged("baseline", 0.1, 0.1),
        judged("trial-0", 0.4, 0.2, front=True),
        judged("trial-1", 0.2, 0.4, front=True, chosen=True),
        judged("trial-2", 0.15, 0.1),
        judged("trial-3", 0.9, 0.9, feasible=False, constraint=0.1),
    ]
    for setting in settings:
        add_run(setting.name, 0.5, 0.1, 0.3, 0.1, 0.4, sampled=setting.name != "baseline")
    make_search(*settings)
    return summarise(load_study(study), model="teacher", result=read_search(study))


def test_points_and_front(searched):
    front = pareto_front(searched)
    assert front.axes == ("Severe_Rust", "Chipped")
    assert [(point.x, point.y, point.kind, point.label) for point in front.points] == [
        (0.1, 0.1, "arm", "baseline"),
        (0.4, 0.2, "front", None),
        (0.2, 0.4, "chosen", "trial-1"),
        (0.15, 0.1, "feasible", None),
        (0.9, 0.9, "infeasible", None),
    ]
    assert front.steps == ((0.2, 0.4), (0.4, 0.2))  # by rising x, without the infeasible one above all
    assert front.title == (
        "Study focal: sampled settings by AP of Severe_Rust and Chipped\ncpu scale, teacher on val, means over seeds"
    )


def test_names_stand_towards_the_middle_in_short_lines():
    long = "focal+anchors+pseudo_labels+augmentation+fusion+pooling (K=1536)"
    points = (Point(0.0, 0.0, "arm", long), Point(1.0, 1.0, "chosen", "trial-1"), Point(0.5, 0.5, "front", None))
    ax = Figure().add_subplot()
    plot_pareto(Front(title="", axes=("Severe_Rust", "Chipped"), points=points, steps=((0.5, 0.5), (1.0, 1.0))), ax)
    assert [(text.get_text(), text.get_ha()) for text in ax.texts] == [
        ("focal+anchors+\npseudo_labels+augmentation+\nfusion+pooling (K=1536)", "left"),
        ("trial-1", "right"),
    ]


def test_no_ap_is_below_zero_and_marks_that_hide_others_say_so(study, add_run, make_search):
    settings = [judged("baseline", 0.0, 0.0, chosen=True), judged("trial-0", 0.0, 0.0), judged("trial-1", 0.0, 0.0)]
    for setting in settings:
        add_run(setting.name, 0.5, 0.0, 0.3, 0.0, 0.4, sampled=setting.name != "baseline")
    make_search(*settings)
    front = pareto_front(summarise(load_study(study), model="teacher", result=read_search(study)))
    assert [point.label for point in front.points] == ["baseline and 2 others at this spot", None, None]
    ax = Figure().add_subplot()
    plot_pareto(front, ax)
    assert (ax.get_xlim()[0], ax.get_ylim()[0]) == (0.0, 0.0)
    assert not any(marks.get_clip_on() for marks in ax.collections)
    assert ax.get_xlabel() == "AP of Severe_Rust (IoU 0.50:0.95)"


def test_files_are_the_same_twice(searched, tmp_path):
    png, svg = write_pareto(searched, tmp_path)
    assert png.read_bytes().startswith(b"\x89PNG")
    first = svg.read_text()
    assert ">trial-1</text>" in first
    write_pareto(searched, tmp_path)
    assert svg.read_text() == first


def test_one_class_has_no_front(study, add_run, make_search, tmp_path):
    add_run("baseline", 0.5, classes=["Chipped"])
    alone = Candidate(name="baseline", seeds=[0], values=[0.5], overall=0.5, ratio=1.0, constraint=0.0, feasible=True)
    make_search(alone, classes=("Chipped",))
    summary = summarise(load_study(study), model="teacher", result=read_search(study))
    assert pareto_front(summary) is None
    assert write_pareto(summary, tmp_path / "nowhere") == []

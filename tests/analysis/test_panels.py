import pytest

from analysis.panels import Bar, Column, Line, specification, switched_factors
from experiments.goals import Goals, Multiples
from experiments.studies import Search, Study, StudyRun

AP = "${val/teacher/Severe_Rust/AP}"


def run(arm, *on, sampled=False, **delta):
    levels = {} if sampled else {name: "on" if name in on else "off" for name in ("focal", "anchors", "fusion")}
    return StudyRun.model_validate(
        {"arm": arm, "levels": levels, "seed": 0, "split": 0, "identity": arm, "sampled": sampled, "delta": delta}
    )


def make(*runs, **changes):
    given = {
        "study": "s",
        "scale": "cpu",
        "data": None,
        "data_fingerprint": "f00d",
        "hard_classes": [],
        "runs": list(runs),
    }
    return Study(**{**given, **changes})


def group(spec, title):
    return next(group.panels for group in spec.groups if group.title == title)


def test_targets_are_level_lines_where_the_baseline_is_known():
    spec = specification(make(), baseline={"Severe_Rust": 0.02, "Chipped": 0.0005})
    rust, chipped = group(spec, "Hard classes against their targets")
    assert rust.title == "AP of Severe_Rust (teacher, val): 5x is 0.100, 8x is 0.160"
    assert rust.expressions == (AP, f"{AP} * 0 + 0.1", f"{AP} * 0 + 0.16")
    assert chipped.title == (
        "AP of Chipped (teacher, val): 2.5x undefined, baseline near zero, 3.7x undefined, baseline near zero"
    )
    assert chipped.expressions == ("${val/teacher/Chipped/AP}",)
    unknown = group(specification(make(), baseline={}), "Hard classes against their targets")[0]
    assert unknown.title.endswith("5x of a baseline not yet known, 8x of a baseline not yet known")


def test_hard_classes_and_targets_are_the_studys():
    goals = Goals(hard={"Crack": Multiples(conservative=2, optimistic=3)})
    spec = specification(make(goals=goals), baseline={"Crack": 0.1})
    (panel,) = group(spec, "Hard classes against their targets")
    assert panel.title == "AP of Crack (teacher, val): 2x is 0.200, 3x is 0.300"
    own = Goals(hard={"Severe_Rust": Multiples(conservative=5, optimistic=8, before=0.006)})
    (absolute,) = group(specification(make(goals=own), baseline={}), "Hard classes against their targets")
    assert (
        absolute.title == "AP of Severe_Rust (teacher, val): 0.030, 0.048"
    )  # the plan's own data: no baseline is needed
    assert absolute.expressions == (AP, f"{AP} * 0 + 0.03", f"{AP} * 0 + 0.048")
    none = specification(make(goals=Goals()), baseline={"all": 0.2})
    assert (
        group(none, "Hard classes against their targets")[0].title
        == "AP of all classes (teacher, val): ≥ 0.95x is 0.190"
    )


def test_effects_are_of_the_factors_that_are_switched():
    study = make(run("baseline"), run("focal", "focal"), run("both", "focal", "anchors"), run("trial-0", sampled=True))
    assert switched_factors(study) == ["focal", "anchors"]
    assert group(specification(study, baseline={}), "Factor effects") == (
        Bar("Severe_Rust: AP by focal", "final/teacher/Severe_Rust/AP", by="levels.focal"),
        Bar("Chipped: AP by focal", "final/teacher/Chipped/AP", by="levels.focal"),
        Bar("Severe_Rust: AP by anchors", "final/teacher/Severe_Rust/AP", by="levels.anchors"),
        Bar("Chipped: AP by anchors", "final/teacher/Chipped/AP", by="levels.anchors"),
    )


def test_kept_ratios_are_kept_over_given_boxes():
    overall, rust, _ = group(specification(make(), baseline={}), "Kept pseudo-labels")
    assert overall.expressions == ("${train/pseudo_boxes_per_view} / ${train/teacher_boxes_per_view}",)
    assert rust == Line(
        "Severe_Rust: share that is kept",
        ("${train/pseudo_boxes_per_view/Severe_Rust} / ${train/teacher_boxes_per_view/Severe_Rust}",),
    )


def test_groups_stand_in_the_order_of_what_is_asked_first():
    study = make(run("baseline"), run("focal", "focal"))
    assert [group.title for group in specification(study, baseline={}).groups] == [
        "Hard classes against their targets", "Factor effects", "Kept pseudo-labels", "Stability", "Memory",
        "Parameters and outcome",
    ]  # fmt: skip
    assert "Factor effects" not in [group.title for group in specification(make(), baseline={}).groups]


@pytest.mark.parametrize("searched", [True, False])
def test_parallel_coordinates_go_from_settings_to_outcomes(searched):
    drawn = run("trial-0", sampled=True, **{"model.loss.gamma": 3.0})
    search = Search(space=["roi_gamma"], objective="pareto", trials=1)
    study = make(run("baseline"), run("focal", "focal"), drawn, search=search if searched else None)
    (panel,) = group(specification(study, baseline={}), "Parameters and outcome")
    first = (
        Column("config", "delta.model.loss.gamma", "loss.gamma")
        if searched
        else Column("config", "levels.focal", "focal")
    )
    assert panel.columns == (
        first,
        Column("summary", "final/teacher/Severe_Rust/AP", "AP of Severe_Rust"),
        Column("summary", "final/teacher/Chipped/AP", "AP of Chipped"),
        Column("summary", "final/teacher/all/AP", "AP of all"),
    )

"""What is an alarm and what is not, in hand-worked numbers."""

from pathlib import Path

import pytest

from experiments.alarms import (
    Truth,
    box_count,
    keep,
    loss_flat,
    loss_ratio,
    loss_variance,
    memory_short,
    missing_classes,
    overall_down,
    patience_of,
    settled_after,
    teacher_worse,
    truth_of,
    up_to,
    window_of,
)
from experiments.data.groups import Box, Group, View
from experiments.records import Alarm, Score

TRUTH = {"Broken": Truth(boxes=0.5, groups=1.0), "Chipped": Truth(boxes=0.1, groups=0.25)}


def make_group(*views: list[int]) -> Group:
    """A group whose views hold a box of each of these labels."""
    return Group(name="S1_a", views=tuple(
        View(image_id=i, path=Path("x.jpg"), width=9, height=9, boxes=tuple(Box((0, 0, 1, 1), label) for label in labels))
        for i, labels in enumerate(views)
    ))  # fmt: skip


def make_alarm(*, iteration: int = 8, last: int | None = None, subject: str | None = None) -> Alarm:
    return Alarm(
        kind="no_pseudo_boxes" if subject else "loss_ratio",
        subject=subject,
        iteration=iteration,
        last=last or iteration,
        says="Oh.",
        figures={},
    )


def test_what_labelled_groups_hold_of_each_class() -> None:
    groups = [make_group([0, 0], [1]), make_group([], [0])]
    assert truth_of(groups, ["Broken", "Chipped", "Dented"]) == {
        "Broken": Truth(boxes=0.75, groups=1.0),
        "Chipped": Truth(boxes=0.25, groups=0.5),
        "Dented": Truth(boxes=0.0, groups=0.0),
    }


@pytest.mark.parametrize(("iterations", "window"), [(4, 8), (160, 8), (400, 20), (3000, 150), (35700, 500)])
def test_a_window_is_a_twentieth_of_the_run_within_bounds(iterations: int, window: int) -> None:
    assert window_of(iterations) == window


def test_a_class_is_missed_after_two_windows_or_ten_groups_of_it() -> None:
    assert patience_of(8, groups=2.0) == 16
    assert patience_of(8, groups=0.5) == 20
    assert patience_of(8, groups=0.3) == 34  # 33.3, rounded up


def test_a_teacher_is_judged_once_it_has_taken_in_two_thirds_of_the_student() -> None:
    assert settled_after(0.01, interval=1) == 100
    assert settled_after(0.001, interval=2) == 2000


def missing(broken: list[float], chipped: list[float]) -> list[Alarm]:
    found = {"Broken": broken, "Chipped": chipped}
    return missing_classes(found, TRUTH, iteration=len(broken), window=8, views=8, groups=1.0)


def test_a_class_without_pseudo_boxes_is_named_with_what_was_to_be_expected() -> None:
    (alarm,) = missing([1.0] + [0.0] * 16, [0.0] * 17)  # Chipped, in a quarter of the groups, has 40 iterations
    assert (alarm.kind, alarm.subject, alarm.iteration, alarm.last) == ("no_pseudo_boxes", "Broken", 17, 17)
    assert alarm.figures == {"iterations": 16, "expected_boxes": 64.0}  # 0.5 per view, 8 views, 16 iterations
    assert alarm.says.startswith("the teacher gave no pseudo-box of Broken for 16 iterations")


def test_each_class_has_its_own_patience() -> None:
    assert [a.subject for a in missing([0.0] * 39, [0.0] * 39)] == ["Broken"]
    assert [a.subject for a in missing([0.0] * 40, [0.0] * 40)] == ["Broken", "Chipped"]
    assert [a.subject for a in missing([0.0] * 40, [0.125] + [0.0] * 40)] == ["Broken", "Chipped"]


def test_one_pseudo_box_or_too_short_a_time_is_no_alarm() -> None:
    assert missing([0.0] * 15, [0.0] * 15) == []
    assert missing([0.125] + [0.0] * 15, [0.125] + [0.0] * 15) == []


def test_a_class_that_labelled_groups_lack_is_not_missed() -> None:
    truth = {"Broken": Truth(boxes=0.0, groups=0.0)}
    assert missing_classes({"Broken": [0.0] * 500}, truth, iteration=500, window=8, views=8, groups=1.0) == []


@pytest.mark.parametrize(("unsupervised", "says"), [(30.0, "more than 10"), (0.02, "less than 0.01"), (0.0, "less")])
def test_a_loss_out_of_proportion_is_told(unsupervised: float, says: str) -> None:
    (alarm,) = loss_ratio(unsupervised=unsupervised, supervised=2.5, iteration=8)
    assert (alarm.kind, alarm.iteration) == ("loss_ratio", 8)
    assert says in alarm.says
    assert alarm.figures == {"unsupervised": unsupervised, "supervised": 2.5, "ratio": unsupervised / 2.5}


@pytest.mark.parametrize(
    ("unsupervised", "supervised"), [(25.0, 2.5), (0.025, 2.5), (2.5, 2.5), (float("nan"), 2.5), (1.0, 0.0)]
)
def test_a_loss_within_bounds_or_unknown_is_no_alarm(unsupervised: float, supervised: float) -> None:
    assert loss_ratio(unsupervised=unsupervised, supervised=supervised, iteration=8) == []


@pytest.mark.parametrize(
    ("broken", "chipped", "advice"), [(0.1, 0.0, "lower"), (1.0, 1.0, "raise"), (0.0, 0.0, "lower")]
)
def test_a_count_far_from_the_truth_is_told_with_each_class(broken: float, chipped: float, advice: str) -> None:
    (alarm,) = box_count({"Broken": broken, "Chipped": chipped}, TRUTH, iteration=8)
    assert (alarm.kind, alarm.subject) == ("pseudo_box_count", None)
    assert f"{advice} model.semi_train_cfg.pseudo_label_initial_score_thr" in alarm.says
    assert alarm.figures == {
        "found": broken + chipped, "truth": 0.6, "found/Broken": broken, "found/Chipped": chipped, "truth/Broken": 0.5,
        "truth/Chipped": 0.1,
    }  # fmt: skip


@pytest.mark.parametrize("total", [0.21, 0.6, 1.79])  # 0.6 / 3 = 0.2 and 0.6 * 3 = 1.8
def test_a_count_near_the_truth_is_no_alarm(total: float) -> None:
    assert box_count({"Broken": total, "Chipped": 0.0}, TRUTH, iteration=8) == []


def test_a_settled_teacher_far_below_its_student_is_told() -> None:
    (alarm,) = teacher_worse(teacher=0.3, student=0.35, iteration=100, settled=100)
    assert (alarm.kind, alarm.iteration, alarm.figures) == ("teacher_worse", 100, {"teacher": 0.3, "student": 0.35})
    assert "0.300 is below the student's of 0.350" in alarm.says


@pytest.mark.parametrize(
    ("teacher", "student", "iteration"),
    [(0.3, 0.35, 99), (0.3, 0.32, 100), (0.35, 0.3, 100), (float("nan"), 0.3, 100)],
    ids=["too early", "within the margin", "better", "unknown"],
)
def test_a_teacher_that_may_be_as_good_is_no_alarm(teacher: float, student: float, iteration: int) -> None:
    assert teacher_worse(teacher=teacher, student=student, iteration=iteration, settled=100) == []


def test_what_still_holds_is_told_once_and_its_end_is_kept() -> None:
    told = [make_alarm(iteration=8, subject="Broken")]
    again, other, ratio = (make_alarm(iteration=24, subject="Broken"), make_alarm(iteration=24, subject="Chipped"),
                           make_alarm(iteration=24))  # fmt: skip
    assert keep(told, [again, other, ratio]) == [other, ratio]
    assert [(a.subject, a.iteration, a.last) for a in told] == [("Broken", 8, 24), ("Chipped", 24, 24), (None, 24, 24)]
    assert keep(told, []) == []


def test_a_run_that_continues_knows_what_its_checkpoint_knew() -> None:
    alarms = [make_alarm(iteration=8, last=32), make_alarm(iteration=8, last=8), make_alarm(iteration=24)]
    assert [(a.iteration, a.last) for a in up_to(alarms, 16)] == [(8, 16), (8, 8)]
    assert alarms[0].last == 32


def test_when_an_alarm_held_is_read_first() -> None:
    assert make_alarm(iteration=8).line == "iteration 8: Oh."
    assert make_alarm(iteration=8, last=32).line == "iteration 8 to 32: Oh."


def test_a_loss_that_varies_by_more_than_ten_percent_is_told() -> None:
    (alarm,) = loss_variance(0.11, iteration=8)
    assert (alarm.kind, alarm.figures) == ("loss_variance", {"loss_cv": 0.11})
    assert "varies by 11.0%, more than 10%" in alarm.says
    assert loss_variance(0.1, iteration=8) == loss_variance(None, iteration=8) == []


def test_a_loss_that_has_not_moved_for_long_is_told() -> None:
    (alarm,) = loss_flat([9.0] * 50 + [2.0] * 100, iteration=150, iterations=160)
    assert (alarm.kind, alarm.figures) == ("loss_flat", {"iterations": 100})
    assert loss_flat([2.0] * 99, iteration=99, iterations=160) == []
    assert loss_flat([9.0] * 51 + [2.0] * 99, iteration=150, iterations=160) == []


def test_memory_near_its_budget_is_told() -> None:
    (alarm,) = memory_short(1844.0, 2048.0, iteration=8)
    assert (alarm.kind, alarm.figures) == ("memory", {"peak_mb": 1844.0, "budget_mb": 2048.0})
    assert "peaks at 1.80 GiB, above 90% of the budget of 2.00 GiB" in alarm.says
    assert memory_short(1843.0, 2048.0, iteration=8) == []  # 90 % are 1843.2


@pytest.mark.parametrize(("overall", "told"), [(0.37, True), (0.38, False), (0.5, False), (None, False)])
def test_an_overall_ap_below_its_floor_is_told(overall: float | None, told: bool) -> None:
    now, before = ({"all": Score(ap=ap, ap50=ap, boxes=9)} for ap in (overall, 0.4))
    found = overall_down(now, before, hard=[], floor=0.95, iteration=8)
    assert [alarm.figures for alarm in found] == ([{"overall": 0.37, "baseline": 0.4}] if told else [])
    assert all("7.5% below the baseline's 0.400" in alarm.says for alarm in found)
    assert (
        overall_down(
            {"all": Score(ap=0.0, ap50=0.0, boxes=9)},
            {"all": Score(ap=0.0009, ap50=0.1, boxes=9)},
            hard=[],
            floor=0.95,
            iteration=8,
        )
        == []
    )
    assert overall_down(before, {"all": Score(ap=0.0, ap50=0.0, boxes=9)}, hard=[], floor=0.95, iteration=8) == []


@pytest.mark.parametrize(
    ("chipped", "says"),
    [
        (0.11, "while Chipped rose: it may overfit to the hard classes; take back in part what this arm changes."),
        (0.1, "and no hard class rose instead; take back what this arm changes."),
        (None, "and no hard class rose instead; take back what this arm changes."),
    ],
)
def test_an_overall_ap_that_fell_is_overfitting_only_where_a_hard_class_rose(chipped: float | None, says: str) -> None:
    now, before = (
        {
            name: Score(ap=ap, ap50=ap, boxes=9)
            for name, ap in {"all": overall, "Chipped": hard, "Scratched": 0.9}.items()
        }
        for overall, hard in ((0.3, chipped), (0.4, 0.1))
    )
    (alarm,) = overall_down(now, before, hard=["Chipped"], floor=0.95, iteration=8)
    assert alarm.says == f"the overall AP of 0.300 is 25.0% below the baseline's 0.400, {says}"

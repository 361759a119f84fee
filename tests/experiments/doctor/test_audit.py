"""Proposals, intervals and missed boxes, by hand."""

import dataclasses

import numpy as np
import pytest

from experiments.doctor.audit import ALL, Audit, audit_views, missed_boxes, proposed_settings
from experiments.doctor.matching import ViewBoxes

BOX = (0.0, 0.0, 10.0, 10.0)


def view(group: str, *, right: list[float], wrong: list[float], unseen: int = 0, label: int = 0) -> ViewBoxes:
    """A view in which boxes of some scores are right, others wrong, and some annotated boxes are not found."""
    places = np.arange(len(right) + unseen)[:, None] * np.array([20.0, 0, 20, 0])
    truth = np.array(BOX) + places
    elsewhere = np.array(BOX) + np.arange(len(wrong))[:, None] * np.array([20.0, 0, 20, 0]) + [0, 50, 0, 50]
    scores = np.array([*right, *wrong])
    return ViewBoxes(
        group=group, view=1, truth=truth, truth_labels=np.full(len(truth), label, dtype=np.intp),
        boxes=np.concatenate([truth[: len(right)], elsewhere]), labels=np.full(len(scores), label, dtype=np.intp),
        scores=scores, uncertainties=np.zeros(len(scores)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def audited() -> Audit:
    """Class A: 20 annotated, 10 right at .8 and 6 at .4 (specimen S1), wrong: 2 at .6 and 12 at .2 (S2). Class B: 9."""
    views = [
        view("S1_bright_1", right=[0.8] * 10 + [0.4] * 6, wrong=[]),
        view("S2_bright_1", right=[], wrong=[0.6] * 2 + [0.2] * 12, unseen=4),
        view("S2_dark_1", right=[0.9] * 9, wrong=[], label=1),
    ]
    return audit_views(views, ["A", "B"], configured=0.5, floor=0.05, generator=np.random.default_rng(0))


def test_what_is_kept_at_the_configured_threshold(audited: Audit) -> None:
    assert (audited.views, audited.groups, audited.specimens) == (3, 3, 2)
    found = audited.operation("A", "configured")
    assert found is not None
    assert (found.kept, found.correct, found.truths) == (12, 10, 20)
    assert (found.precision, found.recall) == (10 / 12, 0.5)
    together = audited.operation(ALL, "configured")
    assert together is not None
    assert (together.kept, together.correct, together.truths) == (21, 19, 29)


def test_proposals_have_the_best_f1_and_the_lowest_threshold_of_the_precision_aimed_at(audited: Audit) -> None:
    best, precise = audited.operation("A", "F1"), audited.operation("A", "precision")
    assert best is not None and precise is not None
    # Below .2: 16 right of 30; from .2 on 16 of 18; from .4 on 10 of 12.
    assert (best.threshold, best.kept, best.correct) == (0.2, 18, 16)
    assert (precise.threshold, precise.precision) == (0.2, 16 / 18)
    curve = audited.curves["A"]
    assert curve.f1.max() == 2 * 16 / (18 + 20)
    assert curve.thresholds[0] == 0.05 and curve.thresholds[-1] == 0.99


def test_a_class_with_fewer_than_ten_boxes_gets_no_proposal(audited: Audit) -> None:
    assert audited.operation("B", "configured") is not None
    assert audited.operation("B", "F1") is None
    assert audited.operation("B", "precision") is None


def test_a_precision_out_of_reach_or_of_few_boxes_is_not_proposed() -> None:
    views = [view("S1_bright_1", right=[0.9] * 9 + [0.3] * 5, wrong=[0.3] * 10)]
    found = audit_views(views, ["A"], configured=0.5, floor=0.05, generator=np.random.default_rng(0))
    assert found.operation("A", "precision") is None  # nine boxes of precision 1 are too few
    assert found.operation("A", "F1") is not None


def test_intervals_are_over_specimens(audited: Audit) -> None:
    found = audited.operation("A", "configured")
    assert found is not None
    # Draws of two specimens: S1 twice (10 of 10, recall 10/16), S2 twice (0 of 2, recall 0), or both.
    assert found.precision_interval == (0.0, 1.0)
    assert found.recall_interval == (0.0, 10 / 16)
    alone = audit_views(
        [view("S1_bright_1", right=[0.8] * 10, wrong=[])], ["A"], configured=0.5, floor=0.05,
        generator=np.random.default_rng(0),
    ).operation("A", "configured")  # fmt: skip
    assert alone is not None
    assert (alone.precision_interval, alone.recall_interval) == (None, None)


def test_settings_lower_what_would_still_take_boxes_out(audited: Audit) -> None:
    key = "model.semi_train_cfg."
    assert proposed_settings(audited, "F1", classify=0.4, propose=0.1) == [
        f"{key}pseudo_label_initial_score_thr=0.2",
        f"{key}cls_pseudo_thr=0.2",
    ]
    assert proposed_settings(dataclasses.replace(audited, operations=()), "F1", classify=0.4, propose=0.4) == []


def test_missed_boxes_are_counted_per_group_and_class() -> None:
    views = [
        view("S1_bright_1", right=[0.8, 0.4], wrong=[0.9], unseen=1),
        view("S1_bright_1", right=[], wrong=[], unseen=2, label=1),
        view("S2_bright_1", right=[0.9], wrong=[]),
    ]
    assert missed_boxes(views, [0], threshold=0.5) == {"S1_bright_1": 2, "S2_bright_1": 0}
    assert missed_boxes(views, [0, 1], threshold=0.5) == {"S1_bright_1": 4, "S2_bright_1": 0}

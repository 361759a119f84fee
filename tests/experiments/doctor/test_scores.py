"""Thresholds against a teacher's scores: what keeps nothing or everything is named, what is sound is not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from experiments.doctor.findings import Finding
from experiments.doctor.matching import ViewBoxes
from experiments.doctor.scores import Thresholds, class_scores, matching_threshold, threshold_findings

SOUND = Thresholds(initial=0.5, classify=0.4, propose=0.4, regress=0.05)


def planted() -> list[ViewBoxes]:
    """Ten views; each has a box of A, found at .8 with two false ones at .1, and every second a box of B, found at .6.

    Uncertain are the false boxes and the last of B.
    """
    views = []
    for number in range(10):
        labels = [0, 0, 0, 1] if number % 2 else [0, 0, 0]
        truths = [0, 1, 1] if number % 2 else [0]
        views.append(
            ViewBoxes(
                group="S1_bright_1", view=number + 1, truth=np.zeros((len(truths), 4)),
                truth_labels=np.array(truths, dtype=np.intp), boxes=np.zeros((len(labels), 4)),
                labels=np.array(labels, dtype=np.intp), scores=np.array([0.8, 0.1, 0.1, 0.6][: len(labels)]),
                uncertainties=np.array([0.01, 0.2, 0.2, 0.2 if number == 9 else 0.04][: len(labels)]),
            )
        )  # fmt: skip
    return views


def findings(views: list[ViewBoxes] | None = None, **changes: float) -> list[Finding]:
    thresholds = replace(SOUND, **changes)
    counted = class_scores(views or planted(), ["A", "B", "Rare"], thresholds)
    return threshold_findings(counted, thresholds, about="Boxes", views=10, config="cpu")


def test_what_each_threshold_keeps_is_counted_in_soft_teachers_order() -> None:
    a, b, rare = class_scores(
        planted(), ["A", "B", "Rare"], Thresholds(initial=0.5, classify=0.7, propose=0.2, regress=0.02)
    )
    assert (a.truths, a.found, a.initial, a.classify, a.propose, a.regress) == (10, 30, 10, 10, 10, 10)
    assert (b.truths, b.found, b.initial, b.classify, b.propose, b.regress) == (10, 5, 5, 0, 5, 0)
    assert (a.median_uncertainty, b.median_uncertainty) == (0.01, 0.04)
    assert (a.matching, b.matching) == (0.79, None)
    assert (rare.truths, rare.found, rare.matching, rare.median_uncertainty) == (0, 0, None, None)


def test_sound_thresholds_are_not_named() -> None:
    assert findings() == []


def test_a_threshold_of_099_keeps_nothing() -> None:
    (finding,) = findings(initial=0.99)
    assert finding.level == "warning"
    assert finding.says == "model.semi_train_cfg.pseudo_label_initial_score_thr=0.99 keeps almost no box of A, B."
    assert "--set model.semi_train_cfg.pseudo_label_initial_score_thr=0.79" in finding.remedy
    rows = [line.split() for line in finding.evidence.splitlines()]
    assert rows[2] == ["A", "1.000", "3.000", "0.000", "0%", "0.000", "0.000", "0.000", "0.79"]
    assert rows[3] == ["B", "1.000", "0.500", "0.000", "0%", "0.000", "0.000", "0.000", "-"]


def test_classes_that_no_one_threshold_suits_are_told_of_with_the_remedy_of_either() -> None:
    """A is found at .8 with two false boxes at .1 a view, Rare at .6 with two at .5: as many as there are at .79 and at .59."""
    views = [
        replace(
            view, truth=np.zeros((2, 4)), truth_labels=np.array([0, 2]), boxes=np.zeros((6, 4)),
            labels=np.array([0, 0, 0, 2, 2, 2]), scores=np.array([0.8, 0.1, 0.1, 0.6, 0.5, 0.5]), uncertainties=np.full(6, 0.01),
        )
        for view in planted()
    ]  # fmt: skip
    apart = "(classes differ, from 0.59 for Rare to 0.79 for A: where no threshold suits all, take one between, or"
    (raising,) = findings(views, initial=0.45, regress=0.005)[:1]
    assert raising.says.endswith("=0.45 keeps more than twice as many boxes of Rare as there are.")
    assert apart in raising.remedy
    (lowering,) = findings(views, initial=0.7)[:1]
    assert lowering.says.endswith("=0.7 keeps almost no box of Rare.") and apart in lowering.remedy


def test_a_threshold_of_001_keeps_everything() -> None:
    (finding,) = findings(initial=0.01, classify=0.01, propose=0.01)
    assert finding.says.endswith("=0.01 keeps more than twice as many boxes of A as there are.")
    assert "--set model.semi_train_cfg.pseudo_label_initial_score_thr=0.79" in finding.remedy
    assert "100%" in finding.evidence


@pytest.mark.parametrize(("field", "setting"), [("classify", "cls_pseudo_thr"), ("propose", "rpn_pseudo_thr")])
def test_a_second_threshold_that_keeps_nothing_is_named(field: str, setting: str) -> None:
    (finding,) = findings(None, **{field: 0.7})
    assert finding.says.startswith(f"model.semi_train_cfg.{setting}=0.7 keeps almost no box of B that")
    assert f"--set model.semi_train_cfg.{setting}=0.5" in finding.remedy


def test_a_bound_on_uncertainty_that_keeps_nothing_or_everything_is_named() -> None:
    (nothing,) = findings(regress=0.001)
    assert nothing.level == "warning"
    assert "reg_pseudo_thr=0.001 keeps almost no box of A, B" in nothing.says
    assert "--set model.semi_train_cfg.reg_pseudo_thr=0.04" in nothing.remedy
    (everything,) = findings(regress=0.5)
    assert everything.level == "note"
    assert "keeps 15 of the 15 boxes" in everything.says


def test_a_teacher_that_finds_too_little_is_not_cured_by_a_threshold() -> None:
    silent = [replace(view, scores=np.zeros_like(view.scores), labels=np.zeros_like(view.labels)) for view in planted()]
    (finding,) = findings(silent)
    assert finding.says.endswith("keeps almost no box of A, B.")
    lost: Any = [replace(view, labels=np.full_like(view.labels, 2)) for view in planted()]
    (finding,) = findings(lost)
    assert finding.remedy.startswith("The teacher finds too few of them at any threshold")


def test_classes_with_few_annotated_boxes_are_not_judged() -> None:
    (note,) = findings(planted()[:9], initial=0.99)
    assert (note.level, note.says) == ("note", "No class has 10 annotated boxes there: thresholds were not judged.")


def test_a_finding_names_the_classes_that_it_leaves_out() -> None:
    (finding,) = findings(initial=0.99)
    assert finding.evidence.endswith("Not judged, with fewer than 10 annotated boxes there: Rare.")


def test_a_matching_threshold_keeps_as_many_boxes_as_there_are() -> None:
    scores = np.array([0.9, 0.75, 0.5, 0.3])
    assert matching_threshold(scores, 2) == 0.74
    assert matching_threshold(scores, 3) == 0.49  # a score at the threshold is not kept
    assert matching_threshold(scores, 4) == 0.29
    assert matching_threshold(scores, 5) is None
    assert matching_threshold(scores, 0) is None

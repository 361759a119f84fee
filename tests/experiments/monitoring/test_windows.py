"""Figures of a window, worked out by hand."""

from typing import Any

import pytest

from experiments.monitoring.windows import branch_loss, figures_of, kept_ratio

LOGGED: dict[str, list[float]] = {
    "loss": [9.0, 4.0, 6.0], "sup_loss_cls": [5.0, 1.0, 3.0], "sup_acc": [90.0, 90.0, 90.0], "sup_loss_bbox": [1.0, 1.0, 1.0],
    "unsup_loss_cls": [3.0, 2.0, 2.0], "lr": [0.1, 0.1, 0.1],
    "teacher_boxes_per_view": [5.0, 10.0, 6.0],
    "teacher_boxes_per_view_0": [5.0, 8.0, 4.0], "teacher_boxes_per_view_1": [0.0, 2.0, 2.0],
    "pseudo_boxes_per_view": [0.0, 3.0, 1.0],
    "pseudo_boxes_per_view_0": [0.0, 3.0, 1.0], "pseudo_boxes_per_view_1": [0.0, 0.0, 0.0],
    "pseudo_boxes_for_cls_per_view": [0.0, 2.0, 1.0], "pseudo_boxes_for_rpn_per_view": [0.0, 1.0, 1.0],
    "pseudo_boxes_for_reg_per_view": [0.0, 1.0, 0.0], "pseudo_score_per_view": [0.0, 2.0, 0.8],
    "pseudo_uncertainty_per_view": [0.0, 0.1, 0.1],
}  # fmt: skip


def figures(logged: Any, window: int = 2) -> dict[str, float | None]:
    return figures_of(logged, window=window, stretch=3, classes=["Broken", "Chipped"], truth=1.4)


def test_the_figures_of_a_semi_supervised_window() -> None:
    assert figures(LOGGED) == pytest.approx({
        "loss": 5.0, "loss/sup_loss_cls": 2.0, "loss/sup_loss_bbox": 1.0, "loss/unsup_loss_cls": 2.0,
        "loss_cv": 0.056196, "loss_cv/sup_loss_cls": 2 / 3 / 50**0.5, "loss_cv/sup_loss_bbox": 0.0,
        "loss_cv/unsup_loss_cls": 0.034993,
        "unsup_sup_ratio": 2 / 3, "boxes/teacher": 8.0, "boxes/initial": 2.0, "boxes/cls": 1.5, "boxes/rpn": 1.0, "boxes/reg": 0.5,
        "boxes/truth": 1.4, "kept_ratio": 0.25, "kept_ratio/Broken": 1 / 3, "kept_ratio/Chipped": 0.0,
        "boxes/teacher/Broken": 6.0, "boxes/teacher/Chipped": 2.0, "boxes/initial/Broken": 2.0, "boxes/initial/Chipped": 0.0,
        "score": 0.7, "uncertainty": 0.05,
    }, abs=1e-5)  # fmt: skip


def test_where_nothing_is_kept_there_is_no_mean_score() -> None:
    silent = {name: [0.0] * 3 if "boxes" in name or "pseudo" in name else values for name, values in LOGGED.items()}
    found = figures(silent)
    assert [found[name] for name in ("kept_ratio", "kept_ratio/Broken", "score", "uncertainty")] == [None] * 4
    assert found["boxes/initial"] == 0.0


def test_a_supervised_window_has_losses_alone() -> None:
    supervised = {name: LOGGED[name] for name in ("loss", "sup_loss_cls", "lr")}
    assert set(figures(supervised)) == {"loss", "loss/sup_loss_cls", "loss_cv", "loss_cv/sup_loss_cls"}


def test_losses_of_a_branch_are_summed_and_averaged_over_the_window() -> None:
    assert branch_loss(LOGGED, "sup", 2) == 3.0
    assert branch_loss(LOGGED, "unsup", 3) == pytest.approx(7 / 3)


def test_kept_boxes_are_counted_over_the_stretch_and_not_averaged_by_iteration() -> None:
    assert kept_ratio([1.0, 0.0], [1.0, 9.0]) == 0.1
    assert kept_ratio([0.0], [0.0]) is None

"""The figures of docs/explanation/findings.md, at scale tiny: each shows the fault that it is about."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.benchmarks import findings


def test_anchors_read_both_ways_are_told_in_order(tiny_data: Path) -> None:
    assert [entry.title for entry in findings.anchors("tiny", tiny_data)] == [
        "configured", "configured as width/height", "plan", "plan as width/height",
    ]  # fmt: skip


@pytest.mark.parametrize(("momentum", "left"), [(0.001, 0.999), (0.999, 0.001), (0.25, 0.75)])
def test_one_update_leaves_what_momentum_does_not_take(
    momentum: float, left: float, build_model: Callable[..., Any]
) -> None:
    assert findings.teacher_left(build_model(), momentum) == pytest.approx(left, rel=1e-3)


def test_a_softmax_over_sigmoids_finds_boxes_in_pure_background() -> None:
    # Six equal logits share a softmax of 1: each class has 1/6, above 0.05. Five sigmoids of -4 leave (1 - 0.01799)^5.
    assert findings.background_boxes("tiny", "FocalLoss") == (5, pytest.approx(1 / 6))
    assert findings.background_boxes("tiny", "SigmoidFocalLoss") == (0, pytest.approx(0.9132, abs=1e-4))


def test_mvvit_is_a_real_share_of_the_student(build_model: Callable[..., Any]) -> None:
    fusion, everything = findings.fusion_parameters(build_model())
    assert 0 < fusion < everything


def test_equal_queries_pool_equal_tokens(build_model: Callable[..., Any], tiny_data: Path) -> None:
    model = build_model()
    views = findings.read_batch("tiny", tiny_data)(model)[0]["sup"]
    assert len(views) == 8
    built, alike = findings.token_variances(model, views)
    assert built > 0.01
    assert alike < 1e-9


@pytest.mark.parametrize("name", ["cls_pseudo_thr", "rpn_pseudo_thr"])
def test_a_threshold_acts_above_the_initial_one_alone(name: str, tiny_data: Path) -> None:
    losses = findings.losses_at("tiny", findings.read_batch("tiny", tiny_data), name, (0.1, 0.5, 0.6))
    assert losses[0.1] == losses[0.5] != losses[0.6]

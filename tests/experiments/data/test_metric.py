"""COCO average precision per class, by hand."""

import math

import numpy as np
import pytest
import torch

import models  # noqa: F401
from experiments.data.metric import GroupCocoMetric, PrecisionRecallMetric, average_precision, precision_of

CLASSES = ["Broken", "Chipped", "Scratched"]


def view(
    image_id: int, truth: list[tuple[int, list[float]]], found: list[tuple[int, float, list[float]]]
) -> dict[str, object]:
    return {
        "image_id": image_id,
        "truth_boxes": np.array([box for _, box in truth], dtype=float).reshape(-1, 4),
        "truth_labels": np.array([label for label, _ in truth], dtype=int),
        "boxes": np.array([box for *_, box in found], dtype=float).reshape(-1, 4),
        "scores": np.array([score for _, score, _ in found]),
        "labels": np.array([label for label, *_ in found], dtype=int),
    }


BOX = [10.0, 10.0, 30.0, 50.0]


def test_by_hand() -> None:
    views = [
        # Broken: exact. Chipped: 20 x 40 against 20 x 30 inside it, IoU 0.75: right at 0.50 ... 0.75, 6 of 10 thresholds.
        view(1, [(0, BOX), (1, BOX)], [(0, 0.9, BOX), (1, 0.8, [10.0, 10.0, 30.0, 40.0])]),
        view(2, [], []),
    ]
    scores = average_precision(views, CLASSES)
    assert scores["Broken/AP"] == pytest.approx(1.0)
    assert scores["Chipped/AP"] == pytest.approx(0.6)
    assert scores["Chipped/AP50"] == pytest.approx(1.0)
    assert math.isnan(scores["Scratched/AP"])  # no box of it: no score, not a zero
    assert scores["all/AP"] == pytest.approx(0.8)
    assert (scores["Broken/boxes"], scores["Scratched/boxes"], scores["all/boxes"]) == (1, 0, 2)


def test_a_false_alarm_above_the_hit_halves_the_precision() -> None:
    far = [60.0, 60.0, 70.0, 70.0]
    scores = average_precision([view(1, [(0, BOX)], [(0, 0.9, far), (0, 0.5, BOX)])], CLASSES)
    assert scores["Broken/AP50"] == pytest.approx(0.5)


def test_no_detections_score_zero() -> None:
    scores = average_precision([view(1, [(0, BOX)], [])], CLASSES)
    assert (scores["Broken/AP"], scores["all/AP"]) == (0.0, 0.0)


def test_small_scores_are_not_rounded() -> None:
    # 150 boxes, one of them found: recall reaches 1/150, only the first of 101 recall points.
    views = [view(i, [(0, BOX)], [(0, 0.9, BOX)] if i == 0 else []) for i in range(150)]
    assert average_precision(views, CLASSES)["Broken/AP"] == pytest.approx(1 / 101)


def test_every_view_of_every_group_counts() -> None:
    """mmengine cuts results to the length of the data set, which counts groups, not views."""
    from mmengine.structures import InstanceData

    metric = GroupCocoMetric(num_views=2)
    metric.dataset_meta = {"classes": CLASSES}
    samples = []
    for image_id in range(4):
        truth = InstanceData(bboxes=torch.tensor([BOX]), labels=torch.tensor([0]))
        hit = InstanceData(bboxes=torch.tensor([BOX]), labels=torch.tensor([0]), scores=torch.tensor([0.9]))
        samples.append({"img_id": image_id, "gt_instances": truth, "pred_instances": hit})
    metric.process({}, samples)
    scores = metric.evaluate(size=2)  # two groups
    assert scores["Broken/boxes"] == 4
    assert scores["Broken/AP"] == pytest.approx(1.0)


def test_curves_are_kept_of_classes_with_boxes() -> None:
    metric = PrecisionRecallMetric(num_views=2)
    metric.dataset_meta = {"classes": CLASSES}
    views = [view(1, [(0, BOX)], [(0, 0.9, BOX)]), view(2, [], [(1, 0.9, BOX)])]
    assert metric.compute_metrics([views])["Broken/AP"] == pytest.approx(1.0)
    assert metric.curves == [{"Broken": pytest.approx([1.0] * 101)}]


def test_precision_by_recall_at_half_overlap() -> None:
    """Two boxes: a hit, a false alarm, a hit: precision 1 up to recall .5, then 2 of 3."""
    far = [60.0, 60.0, 70.0, 70.0]
    views = [view(1, [(0, BOX)], [(0, 0.9, BOX), (0, 0.8, far)]), view(2, [(0, BOX)], [(0, 0.7, BOX)])]
    precision, boxes = precision_of(views, CLASSES)
    assert precision[0, :, 0].tolist() == pytest.approx([1.0] * 51 + [2 / 3] * 50)
    assert boxes.tolist() == [2, 0, 0]

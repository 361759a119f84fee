"""Training, prediction and background score of the focal classification agree."""

import math

import pytest
import torch
from mmdet.registry import MODELS

import models  # noqa: F401


def build(**options: float) -> torch.nn.Module:
    return MODELS.build({"type": "SigmoidFocalLoss", "gamma": 2.5, "alpha": 0.75, "loss_weight": 2.0, **options})


def test_scores_are_sigmoids_with_the_background_last() -> None:
    # sigmoid(0) = 0.5 and sigmoid(log 3) = 0.75: the background is 0.5 * 0.25.
    scores = build().get_activation(torch.tensor([[0.0, math.log(3)]]))
    assert scores[0].tolist() == pytest.approx([0.5, 0.75, 0.125])


def test_a_confident_class_leaves_no_background() -> None:
    scores = build().get_activation(torch.tensor([[20.0, -20.0], [-20.0, -20.0]]))
    assert scores[:, -1].tolist() == pytest.approx([0.0, 1.0], abs=1e-6)


def test_the_loss_trains_the_same_sigmoids() -> None:
    # One box of class 1 of two, both probabilities 0.5:
    # 2.0 * (0.75 * 0.5^2.5 * ln 2 for the class + 0.25 * 0.5^2.5 * ln 2 for the other)
    loss = build()(torch.zeros(1, 2), torch.tensor([1]), avg_factor=1)
    assert loss.item() == pytest.approx(2.0 * (0.75 + 0.25) * 0.5**2.5 * math.log(2))


def test_background_trains_every_class_down() -> None:
    loss = build()(torch.zeros(1, 2), torch.tensor([2]), avg_factor=1)
    assert loss.item() == pytest.approx(2.0 * (0.25 + 0.25) * 0.5**2.5 * math.log(2))


def test_the_box_head_uses_the_seam_in_training_and_prediction() -> None:
    from mmengine.config import ConfigDict
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet")
    head = MODELS.build({
        "type": "Shared2FCBBoxHead", "in_channels": 4, "fc_out_channels": 4, "roi_feat_size": 1, "num_classes": 2,
        "loss_cls": {"type": "SigmoidFocalLoss", "gamma": 2.5, "alpha": 0.75, "loss_weight": 2.0},
        "reg_class_agnostic": True,
    })  # fmt: skip
    assert head.fc_cls.out_features == 2
    rois = torch.tensor([[0.0, 0.0, 0.0, 8.0, 8.0]])
    logits = (torch.tensor([[0.0, math.log(3)]]),)
    found = head.predict_by_feat(
        (rois,), logits, (torch.zeros(1, 4),), [{"img_shape": (16, 16), "scale_factor": (1.0, 1.0)}],
        rcnn_test_cfg=ConfigDict(score_thr=0.05, nms={"type": "nms", "iou_threshold": 0.5}, max_per_img=10),
    )[0]  # fmt: skip
    assert found.labels.tolist() == [1, 0]
    assert found.scores.tolist() == pytest.approx([0.75, 0.5])


def test_mmdets_plain_loss_trains_sigmoids_of_all_classes_and_the_background_but_predicts_with_a_softmax() -> None:
    """The fault that SigmoidFocalLoss is there to mend, as the factor fault_softmax switches it on."""
    from mmengine.config import ConfigDict
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet")
    head = MODELS.build({
        "type": "Shared2FCBBoxHead", "in_channels": 4, "fc_out_channels": 4, "roi_feat_size": 1, "num_classes": 2,
        "loss_cls": {"type": "FocalLoss", "gamma": 2.5, "alpha": 0.75, "loss_weight": 2.0}, "reg_class_agnostic": True,
    })  # fmt: skip
    assert head.fc_cls.out_features == 3
    # One background box, all three probabilities 0.5: the background's own sigmoid is trained up, the classes' down.
    loss = head.loss_cls(torch.zeros(1, 3), torch.tensor([2]), avg_factor=1)
    assert loss.item() == pytest.approx(2.0 * (0.75 + 0.25 + 0.25) * 0.5**2.5 * math.log(2))
    # Logits log 2, 0 and 0 are the sigmoids 2/3, 1/2 and 1/2, and the softmax 1/2, 1/4 and 1/4 (of the background).
    found = head.predict_by_feat(
        (torch.tensor([[0.0, 0.0, 0.0, 8.0, 8.0]]),), (torch.tensor([[math.log(2), 0.0, 0.0]]),), (torch.zeros(1, 4),),
        [{"img_shape": (16, 16), "scale_factor": (1.0, 1.0)}],
        rcnn_test_cfg=ConfigDict(score_thr=0.05, nms={"type": "nms", "iou_threshold": 0.5}, max_per_img=10),
    )[0]  # fmt: skip
    assert found.scores.tolist() == pytest.approx([0.5, 0.25])


def test_accuracy_counts_boxes_of_a_class_only() -> None:
    logits = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    accuracy = build().get_accuracy(logits, torch.tensor([0, 1, 2]))
    assert accuracy["acc_classes"].item() == 50.0
    assert build().get_accuracy(logits, torch.tensor([2, 2, 2]))["acc_classes"].item() == 0.0
    assert build().get_accuracy(logits[:0], torch.tensor([], dtype=torch.long))["acc_classes"].item() == 0.0


def test_gamma_and_weight_change_the_loss() -> None:
    logits, labels = torch.tensor([[0.3, -0.2]]), torch.tensor([0])
    losses = {build(**option)(logits, labels).item() for option in ({}, {"gamma": 3.5}, {"loss_weight": 2.5})}
    assert len(losses) == 3

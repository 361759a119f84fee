"""Heads over all views at once give what the library's heads give, bit for bit."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox2roi
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from models.batched import BatchedBBoxHead, BatchedRPNHead, _best, batched, rois_of
from tests.models.conftest import DEVICES, sampled_by_the_library

Build = Callable[..., Any]

SIZE = (60, 92)  # of the views, px; levels of stride 4 and 8, whose cells fill no processor's registers evenly
WHOLE = {"img_shape": SIZE, "pad_shape": SIZE, "scale_factor": (0.5, 2.0)}
NARROW = {"img_shape": (60, 76), "pad_shape": (60, 76), "scale_factor": (1.0, 1.0)}


@pytest.fixture(scope="module")
def detector() -> Any:
    """The config of the detector at scale tiny."""
    from experiments.config import load_config

    return load_config("tiny").model.detector


def rpn_heads(detector: Any, **train: Any) -> tuple[Any, BatchedRPNHead]:
    """The library's head, and ours."""
    config = {
        **detector.rpn_head, "in_channels": 4, "feat_channels": 4, "train_cfg": ConfigDict({**detector.train_cfg.rpn, **train}),
        "test_cfg": detector.test_cfg.rpn, "anchor_generator": {**detector.rpn_head.anchor_generator, "strides": [4, 8]},
    }  # fmt: skip
    theirs, ours = MODELS.build(config), MODELS.build({**config, "type": "BatchedRPNHead"})
    assert type(theirs).__name__ == "RPNHead"
    assert isinstance(ours, BatchedRPNHead)
    return theirs, ours


def outputs(head: Any, views: int, seed: int = 1) -> tuple[list[Tensor], list[Tensor]]:
    """Made-up logits and deltas of two levels, as a network would give them."""
    draw = torch.Generator().manual_seed(seed)
    anchors = head.num_base_priors
    maps = [(SIZE[0] // stride, SIZE[1] // stride) for stride in (4, 8)]
    return (
        [torch.randn(views, anchors * head.cls_out_channels, *size, generator=draw).requires_grad_() for size in maps],
        [(0.5 * torch.randn(views, 4 * anchors, *size, generator=draw)).requires_grad_() for size in maps],
    )


def truth(*boxes: Sequence[float]) -> InstanceData:
    """Boxes of a view as the RPN has them, for which all classes are one."""
    return InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), labels=torch.zeros(len(boxes), dtype=torch.long)
    )


TRUTH = [
    truth((4, 4, 20, 40), (50, 8, 60, 30)), truth(), truth((0, 0, 96, 64), (30, 30, 40, 60), (31, 30, 44, 60)),
]  # fmt: skip


def same(one: Any, other: Any) -> None:
    """Compare what heads give: nested sequences of tensors, figures and instances."""
    if isinstance(one, InstanceData):
        assert set(one.keys()) == set(other.keys())
        for key in one.keys():  # noqa: SIM118  it is no mapping
            same(one[key], other[key])
    elif isinstance(one, Tensor):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            same(left, right)
    else:
        assert one == other


@pytest.mark.parametrize("metas", [[WHOLE] * 3, [WHOLE, NARROW, WHOLE]], ids=["one size", "two sizes"])
@pytest.mark.parametrize(
    "changes",
    [
        {}, {"nms_pre": 60}, {"nms_pre": 100_000}, {"min_bbox_size": 14}, {"min_bbox_size": 1000}, {"min_bbox_size": -1},
        {"max_per_img": 7}, {"max_per_img": -1}, {"nms": {"type": "nms", "iou_threshold": 0.7, "class_agnostic": True}},
    ],
    ids=str,
)  # fmt: skip
def test_proposals(detector: Any, metas: list[dict[str, Any]], changes: dict[str, Any]) -> None:
    theirs, ours = rpn_heads(detector)
    cfg = ConfigDict({**detector.train_cfg.rpn_proposal, **changes})
    for seed in range(1, 5):
        made = outputs(theirs, 3, seed)
        expected = theirs.predict_by_feat(*made, batch_img_metas=metas, cfg=cfg)
        found = ours.predict_by_feat(*made, batch_img_metas=metas, cfg=cfg)
        same(found, expected)
        assert not any(one.bboxes.requires_grad or one.scores.requires_grad for one in found)
    least, most = (7, 7) if changes.get("max_per_img") == 7 else (0, 999) if "min_bbox_size" in changes else (8, 999)
    assert least <= len(expected[0]) <= most


def test_anchors_are_those_of_the_maps_and_images_at_hand(detector: Any) -> None:
    theirs, ours = rpn_heads(detector)
    small = [(8, 10), (4, 5)]
    for sizes, meta in (
        ([(15, 23), (7, 11)], WHOLE),
        (small, WHOLE),
        (small, {**WHOLE, "pad_shape": (28, 40)}),
        (small, WHOLE),
    ):
        same(ours.get_anchors(sizes, [meta] * 2, "cpu"), theirs.get_anchors(sizes, [meta] * 2, "cpu"))
        assert ours.get_anchors(sizes, [meta], "cpu")[0][0][0] is ours.get_anchors(sizes, [meta], "cpu")[0][0][0]


@pytest.mark.parametrize("device", DEVICES)
def test_scores_of_a_view_do_not_depend_on_the_views_beside_it(detector: Any, device: str) -> None:
    _, ours = rpn_heads(detector)
    logits, deltas = (levels[0].to(device) for levels in outputs(ours, 5))
    anchors = ours.prior_generator.grid_priors([logits.shape[-2:], (7, 11)], device=device)[0]
    together = _best(logits, deltas, anchors, -1)
    for view in range(5):
        alone = _best(logits[view : view + 1], deltas[view : view + 1], anchors, -1)
        same(tuple(values[view] for values in together), tuple(values[0] for values in alone))


def test_proposals_in_px_of_the_stored_image(detector: Any) -> None:
    theirs, ours = rpn_heads(detector)
    made, metas = outputs(theirs, 2), [WHOLE] * 2
    same(
        ours.predict_by_feat(*made, batch_img_metas=metas, rescale=True),
        theirs.predict_by_feat(*made, batch_img_metas=metas, rescale=True),
    )


def test_proposals_of_a_softmax(detector: Any) -> None:
    changed = {**detector.rpn_head, "loss_cls": {"type": "CrossEntropyLoss"}}
    theirs, ours = rpn_heads(ConfigDict({**detector, "rpn_head": changed}))
    made, metas = outputs(theirs, 2), [WHOLE] * 2
    cfg = detector.train_cfg.rpn_proposal
    same(
        ours.predict_by_feat(*made, batch_img_metas=metas, cfg=cfg),
        theirs.predict_by_feat(*made, batch_img_metas=metas, cfg=cfg),
    )


@pytest.mark.parametrize("metas", [[WHOLE] * 3, [WHOLE, NARROW, WHOLE]], ids=["one size", "two sizes"])
@pytest.mark.parametrize("train", [{}, {"allowed_border": 0}, {"pos_weight": 2.0}], ids=str)
def test_losses_and_targets_of_the_rpn(detector: Any, metas: list[dict[str, Any]], train: dict[str, Any]) -> None:
    losses, targets = [], []
    for head in rpn_heads(detector, **train):
        made = outputs(head, 3)
        torch.manual_seed(5)  # of the samplers
        anchors = head.get_anchors([level.shape[-2:] for level in made[0]], metas, "cpu")
        targets.append((*anchors, head.get_targets(*anchors, TRUTH, metas)))
        torch.manual_seed(6)
        losses.append(head.loss_by_feat(*made, TRUTH, metas))
    same(targets[1], targets[0])
    assert losses[1].keys() == losses[0].keys()
    for name in losses[0]:
        same(losses[1][name], losses[0][name])
    assert sum(int((labels == 0).sum()) for labels in targets[0][2][0]) > 0  # class 0 is an object


def test_targets_of_decoded_boxes(detector: Any) -> None:
    changed = {**detector.rpn_head, "reg_decoded_bbox": True}
    found = []
    for head in rpn_heads(ConfigDict({**detector, "rpn_head": changed})):
        torch.manual_seed(5)
        anchors = head.get_anchors([(15, 23), (7, 11)], [WHOLE] * 3, "cpu")
        found.append(head.get_targets(*anchors, TRUTH, [WHOLE] * 3))
    same(found[1], found[0])


def test_views_without_boxes_have_no_targets(detector: Any) -> None:
    theirs, ours = rpn_heads(detector)
    found = []
    for head in (theirs, ours):
        torch.manual_seed(5)
        anchors = head.get_anchors([(15, 23), (7, 11)], [WHOLE] * 2, "cpu")
        found.append(head.get_targets(*anchors, [truth(), truth()], [WHOLE] * 2))
    same(found[1], found[0])
    assert all(weights.sum() == 0 for weights in found[1][3])


def box_heads(detector: Any, **changes: Any) -> tuple[Any, BatchedBBoxHead]:
    """The library's head, and ours, of two channels."""
    config = {**detector.roi_head.bbox_head, "in_channels": 2, "fc_out_channels": 8, "roi_feat_size": 1, **changes}
    theirs, ours = MODELS.build(config), MODELS.build({**config, "type": "BatchedBBoxHead"})
    assert type(theirs).__name__ == "Shared2FCBBoxHead"
    assert isinstance(ours, BatchedBBoxHead)
    return theirs, ours


def predictions(head: Any, counts: Sequence[int], seed: int) -> tuple[Any, ...]:
    """Made-up RoIs, logits and deltas of views."""
    draw = torch.Generator().manual_seed(seed)
    corners = 60 * torch.rand(sum(counts), 2, generator=draw)
    boxes = torch.cat([corners, corners + 4 + 30 * torch.rand(sum(counts), 2, generator=draw)], dim=1)
    rois = bbox2roi(list(boxes.split(list(counts))))
    logits = 2 * torch.randn(len(boxes), head.fc_cls.out_features, generator=draw)
    deltas = torch.randn(len(boxes), head.fc_reg.out_features, generator=draw)
    return tuple(values.split(list(counts)) for values in (rois, logits, deltas))


@pytest.mark.parametrize(
    "metas",
    [[WHOLE] * 3, [WHOLE, NARROW, WHOLE], [WHOLE, {**WHOLE, "scale_factor": (0.7, 1.5)}, WHOLE]],
    ids=["one size", "two sizes", "stored in two sizes"],
)
@pytest.mark.parametrize("counts", [(40, 3, 17), (12, 0, 5)], ids=str)
@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize(
    "nms",
    [
        None,
        {},
        {"score_thr": 0.95},
        {"nms": {"type": "nms", "iou_threshold": 0.3, "class_agnostic": True}},
        {"max_per_img": 3},
    ],
    ids=str,
)
def test_predicted_boxes(
    detector: Any, metas: list[dict[str, Any]], counts: tuple[int, ...], rescale: bool, nms: dict[str, Any] | None
) -> None:
    cfg = ConfigDict({**detector.test_cfg.rcnn, **nms}) if nms is not None else None
    for changes in ({}, {"reg_class_agnostic": True}, {"loss_cls": {"type": "CrossEntropyLoss"}}):
        theirs, ours = box_heads(detector, **changes)
        for seed in range(2, 6):
            made = predictions(theirs, counts, seed)
            expected = theirs.predict_by_feat(*made, metas, cfg, rescale)
            same(ours.predict_by_feat(*made, metas, cfg, rescale), expected)
            assert len(expected[0].scores) > 1 or "score_thr" in (nms or {})


@pytest.mark.parametrize("weight", [-1, 3.0])
@pytest.mark.parametrize("positive", [(3, 0, 5), (0, 0, 0)], ids=str)
def test_targets_of_sampled_boxes(detector: Any, weight: float, positive: tuple[int, ...]) -> None:
    draw = torch.Generator().manual_seed(3)
    sampled = []
    for many, few in zip((6, 4, 0), positive, strict=True):
        corners = 40 * torch.rand(many + 2 * few, 2, generator=draw)
        boxes = torch.cat([corners, corners + 5 + 20 * torch.rand(len(corners), 2, generator=draw)], dim=1)
        sampled.append(
            InstanceData(
                metainfo={
                    "neg_priors": boxes[:many], "pos_priors": boxes[many : many + few], "pos_gt_bboxes": boxes[many + few :],
                    "pos_gt_labels": torch.arange(few) % 5,
                }
            )
        )  # fmt: skip
    cfg = ConfigDict(pos_weight=weight)
    for changes in ({}, {"reg_decoded_bbox": True}):
        theirs, ours = box_heads(detector, **changes)
        same(ours.get_targets(sampled, cfg), theirs.get_targets(sampled, cfg))
        same(ours.get_targets(sampled, cfg, False), theirs.get_targets(sampled, cfg, False))


def test_only_the_librarys_own_heads_are_replaced(detector: Any) -> None:
    changed = batched(detector)
    assert changed["rpn_head"]["type"] == "BatchedRPNHead"
    assert changed["roi_head"]["type"] == "BatchedRoIHead"
    assert changed["roi_head"]["bbox_head"]["type"] == "BatchedBBoxHead"
    assert detector.rpn_head.type == "RPNHead"
    other = {"rpn_head": {"type": "GARPNHead"}, "roi_head": {"type": "GridRoIHead", "bbox_head": {"type": "SABLHead"}}}
    assert batched(other) == other


def test_rois_are_the_librarys() -> None:
    boxes = [torch.rand(3, 4), torch.rand(0, 4), torch.rand(2, 4).double()]
    same(rois_of(boxes[:2]), bbox2roi(boxes[:2]))
    same(rois_of(boxes), bbox2roi(boxes))
    same(rois_of([torch.rand(0, 4)]), torch.empty(0, 5))


@pytest.mark.parametrize(
    ("delta", "most"),
    [
        ({}, 1 / 3),
        ({f"model.detector.train_cfg.{part}.assigner.ignore_iof_thr": 0.5 for part in ("rpn", "rcnn")}, 2 / 3),
    ],
    ids=["as configured", "with options left to the library"],
)
def test_a_step_is_the_librarys_with_a_third_of_the_operations(
    delta: dict[str, Any],
    most: float,
    build_model: Build,
    tiny_batch: Build,
    operations: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = build_model("tiny", delta).train()
    monkeypatch.setattr("models.soft_teacher.batched", dict)
    theirs = build_model("tiny", delta).train()
    theirs.load_state_dict(ours.state_dict())
    assert type(theirs.student.rpn_head).__name__ == "RPNHead"
    losses, counts = [], []
    for model in (theirs, ours):
        batch = tiny_batch(model)
        torch.manual_seed(4)
        with monkeypatch.context() as patched, operations() as called:
            if model is theirs:
                patched.setattr("models.soft_teacher.Shared", list)
                patched.setattr("models.soft_teacher.sample_views", sampled_by_the_library)
                patched.setattr("models.soft_teacher.rois_of", bbox2roi)
            losses.append(model.loss(*batch))
        counts.append(len(called.names))
        model.parse_losses(losses[-1])[0].backward()
    assert losses[1].keys() == losses[0].keys()
    for name in losses[0]:
        same(losses[1][name], losses[0][name])
    for (name, mine), other in zip(ours.student.named_parameters(), theirs.student.parameters(), strict=True):
        if mine.grad is not None:
            assert torch.equal(mine.grad, other.grad), name
    assert counts[1] < most * counts[0]

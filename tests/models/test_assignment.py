"""The assigner without loops gives what the library's gives."""

from typing import Any

import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData
from torch import Tensor

from models.assignment import WholeMaxIoUAssigner

RPN = {"pos_iou_thr": 0.5, "neg_iou_thr": 0.3, "min_pos_iou": 0.3, "match_low_quality": True}
ROI = {"pos_iou_thr": 0.5, "neg_iou_thr": 0.5, "min_pos_iou": 0.5, "match_low_quality": False}


def same(one: Any, other: Any) -> None:
    assert one.num_gts == other.num_gts
    for field in ("gt_inds", "max_overlaps", "labels"):
        mine, theirs = getattr(one, field), getattr(other, field)
        assert mine.dtype == theirs.dtype
        assert torch.equal(mine, theirs), field


def boxes(count: int, draw: torch.Generator) -> Tensor:
    """On a coarse grid, so that many IoUs are equal."""
    corners = torch.randint(0, 8, (count, 2), generator=draw)
    return torch.cat([corners, corners + torch.randint(1, 5, (count, 2), generator=draw)], dim=1).float()


@pytest.mark.parametrize("truths", [0, 1, 7])
@pytest.mark.parametrize(
    "options",
    [
        RPN, ROI, RPN | {"min_pos_iou": 0.0}, RPN | {"gt_max_assign_all": False}, RPN | {"neg_iou_thr": (0.1, 0.3)},
        RPN | {"ignore_iof_thr": 0.5},
    ],
    ids=str,
)  # fmt: skip
def test_anchors_get_the_boxes_that_the_library_gives_them(options: dict[str, Any], truths: int) -> None:
    draw = torch.Generator().manual_seed(truths)
    low_quality = 0
    for anchors in (0, 1, 60, 60, 60, 60):
        priors = InstanceData(priors=boxes(anchors, draw))
        truth = InstanceData(bboxes=boxes(truths, draw), labels=torch.randint(0, 5, (truths,), generator=draw))
        ignored = InstanceData(bboxes=boxes(2, draw))
        expected = TASK_UTILS.build({"type": "MaxIoUAssigner", **options}).assign(priors, truth, ignored)
        found = WholeMaxIoUAssigner(**options).assign(priors, truth, ignored)
        same(found, expected)
        low_quality += int(((found.gt_inds > 0) & (found.max_overlaps < options["pos_iou_thr"])).sum())
    if truths and options["match_low_quality"]:
        assert low_quality > 0  # the case that the loop is for is among them


def test_the_last_of_two_boxes_that_share_their_best_anchor_has_it() -> None:
    # Columns: the anchor is the best of both boxes; above the threshold; below the lower one; between them.
    overlaps = torch.tensor([[0.4, 0.3, 0.1, 0.35], [0.45, 0.0, 0.2, 0.4], [0.1, 0.6, 0.0, 0.0]])
    found = WholeMaxIoUAssigner(**RPN).assign_wrt_overlaps(overlaps, torch.tensor([7, 8, 9]))
    assert found.gt_inds.tolist() == [2, 3, 0, -1]
    assert found.labels.tolist() == [8, 9, -1, -1]
    assert found.max_overlaps.tolist() == pytest.approx([0.45, 0.6, 0.2, 0.4])


def test_no_value_is_asked_for_and_more_boxes_are_no_more_operations(operations: Any) -> None:
    called = []
    for truths in (2, 50):
        with operations() as mode:
            WholeMaxIoUAssigner(**RPN).assign_wrt_overlaps(torch.rand(truths, 100), torch.zeros(truths).long())
        called.append(mode.names)
    assert called[0] == called[1]
    assert not {"aten._local_scalar_dense.default", "aten.nonzero.default"} & set(called[0])

"""Suppression in all views at once keeps what mmcv keeps view by view."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from models.suppression import batched_nms, suppress, suppresses_whole

NMS = {"type": "nms", "iou_threshold": 0.5}


def made(counts: Sequence[int], draw: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes of which many overlap, scores of which some are equal, and three kinds."""
    total = sum(counts)
    corners = 800 * torch.rand(total, 2, generator=draw)
    boxes = torch.cat([corners, corners + 100 + 600 * torch.rand(total, 2, generator=draw)], dim=1)
    return (
        boxes, (20 * torch.rand(total, generator=draw)).round() / 20, torch.randint(0, 3, (total,), generator=draw),
    )  # fmt: skip


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("most", [-1, 4, 1000])
@pytest.mark.parametrize("counts", [(300, 7, 30), (12, 0, 1), (0, 0), (25,)], ids=str)
@pytest.mark.parametrize("split", [10_000, 20])
def test_what_is_kept_is_what_mmcv_keeps(
    counts: Sequence[int], most: int, split: int, kind: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.suppression._SPLIT", split)
    boxes, scores, kinds = made(counts, torch.Generator().manual_seed(len(counts)))
    boxes, scores = boxes.to(kind), scores.to(kind)
    rows, sizes = suppress(boxes, scores, kinds, counts, cfg={**NMS, "split_thr": split}, most=most)
    first, taken = 0, 0
    for count, size in zip(counts, sizes, strict=True):
        some = slice(first, first + count)
        expected = torch.empty(0, dtype=torch.long)
        if count:
            expected = batched_nms(boxes[some], scores[some], kinds[some], {**NMS, "split_thr": split})[1]
        assert torch.equal(rows[taken : taken + size] - first, expected[: most if most > 0 else None])
        first, taken = first + count, taken + size
    assert len(rows) == taken <= sum(counts)


def test_a_view_of_great_boxes_does_not_change_another() -> None:
    """Boxes are moved by the extent of their own view: moved by 10^7 px, these two would no longer meet in float32."""
    small = torch.tensor([[0.0, 0.0, 10.0, 10.0], [4.0, 0.0, 14.0, 10.0]])  # IoU 60 / 140
    boxes = torch.cat([small, torch.tensor([[0.0, 0.0, 1e7, 1e7]])])
    cfg = {**NMS, "iou_threshold": 0.4}
    rows, sizes = suppress(boxes, torch.tensor([0.9, 0.8, 0.7]), torch.tensor([7, 7, 0]), [2, 1], cfg=cfg, most=0)
    assert (rows.tolist(), sizes) == ([0, 2], [1, 1])


def test_boxes_suppress_those_of_their_view_and_kind_alone() -> None:
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    rows, sizes = suppress(
        box.repeat(5, 1),
        torch.tensor([0.1, 0.2, 0.3, 0.5, 0.4]),
        torch.tensor([0, 0, 1, 0, 0]),
        [3, 2],
        cfg=NMS,
        most=0,
    )
    assert (rows.tolist(), sizes) == ([2, 1, 3], [2, 1])  # the first and the last have a better one beside them


@pytest.mark.parametrize(
    "cfg", [{"type": "soft_nms", "iou_threshold": 0.5}, {**NMS, "class_agnostic": True}, {**NMS, "max_num": 5}], ids=str
)
def test_other_options_are_left_to_the_library(cfg: dict[str, Any]) -> None:
    assert suppresses_whole(NMS)
    assert not suppresses_whole(cfg)

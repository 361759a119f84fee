"""Samples of all views at once are those that the library draws view by view."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData
from torch import Tensor

from models.assignment import Sampled, sample_views, samples_whole
from tests.models.conftest import sampled_by_the_library

RPN = {"pos_iou_thr": 0.5, "neg_iou_thr": 0.3, "min_pos_iou": 0.3, "match_low_quality": True}
ROI = {"pos_iou_thr": 0.5, "neg_iou_thr": 0.5, "min_pos_iou": 0.5, "match_low_quality": False}
FEW = {"num": 16, "pos_fraction": 0.25}  # fewer than there are, of both kinds


def assigner(**options: Any) -> Any:
    return TASK_UTILS.build({"type": "MaxIoUAssigner", **options})


def sampler(**options: Any) -> Any:
    return TASK_UTILS.build({"type": "RandomSampler", **options})


def boxes(count: int, draw: torch.Generator) -> Tensor:
    """On a coarse grid, so that many IoUs are equal."""
    corners = torch.randint(0, 8, (count, 2), generator=draw)
    return torch.cat([corners, corners + torch.randint(1, 5, (count, 2), generator=draw)], dim=1).float()


def truths_of(counts: Sequence[int], draw: torch.Generator) -> list[InstanceData]:
    return [InstanceData(bboxes=boxes(n, draw), labels=torch.randint(0, 5, (n,), generator=draw)) for n in counts]


def same(found: Sequence[Sampled], expected: Sequence[Any]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for field in ("priors", "pos_priors", "neg_priors", "pos_gt_bboxes", "pos_gt_labels", "avg_factor"):
            mine, theirs = getattr(one, field), getattr(other, field)
            if isinstance(theirs, Tensor):
                assert mine.dtype == theirs.dtype
                assert torch.equal(mine, theirs), field
            else:
                assert mine == theirs, field


@pytest.mark.parametrize("counts", [(3, 0, 7, 1), (0, 0), (2,)], ids=str)
@pytest.mark.parametrize("assigned", [RPN, ROI], ids=["RPN", "RoI"])
@pytest.mark.parametrize(
    "sampled",
    [
        FEW, {"num": 16, "pos_fraction": 0.75, "neg_pos_ub": 1}, {"num": 16, "pos_fraction": 0.5, "neg_pos_ub": 0},
        {"num": 1000, "pos_fraction": 0.5},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("added", [False, True], ids=["candidates alone", "boxes too"])
@pytest.mark.parametrize("pairs", [2**22, 900, 1])
def test_what_is_drawn_is_what_the_library_draws(
    counts: tuple[int, ...], assigned: dict[str, Any], sampled: dict[str, Any], added: bool, pairs: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("models.assignment._PAIRS", pairs)  # views together, by twos, and one by one
    draw = torch.Generator().manual_seed(len(counts))
    how = (assigner(**assigned), sampler(**sampled, add_gt_as_proposals=added))
    truths = truths_of(counts, draw)
    anchors = boxes(60, draw)
    proposals = [boxes(count, draw) for count in (40, 60, 0, 25)[: len(counts)]]
    nothing = torch.empty(0, 4)
    for priors in ([anchors] * len(counts), proposals, [nothing] * len(counts)):
        torch.manual_seed(3)
        expected = sampled_by_the_library(*how, priors, truths)
        state = torch.get_rng_state()
        torch.manual_seed(3)
        found = sample_views(*how, priors, truths)
        same(found, expected)
        assert torch.equal(torch.get_rng_state(), state)  # as many random numbers
    if not added:
        for view, (one, other) in enumerate(
            zip(sample_views(*how, [anchors] * len(counts), truths), truths, strict=True)
        ):
            assert torch.equal(one.priors, anchors[one.rows - 60 * view])
            assert len(other) or not one.positives


def test_low_quality_matches_are_among_what_is_compared() -> None:
    draw = torch.Generator().manual_seed(1)
    truths, anchors = truths_of((7, 5), draw), boxes(60, draw)
    drawn = sample_views(
        assigner(**RPN), sampler(num=1000, pos_fraction=0.5, add_gt_as_proposals=False), [anchors] * 2, truths
    )
    without = sample_views(
        assigner(**RPN | {"match_low_quality": False}),
        sampler(num=1000, pos_fraction=0.5, add_gt_as_proposals=False),
        [anchors] * 2,
        truths,
    )
    assert sum(one.positives for one in drawn) > sum(one.positives for one in without) > 0


def test_the_last_of_two_boxes_that_share_their_best_anchor_has_it() -> None:
    # IoUs of the anchors, 10 px wide and high, with the boxes: 0.5 and 0.5; 0; 0.25 and 0.
    anchors = torch.tensor([[0, 0, 10, 10], [50, 50, 60, 60], [-6, 0, 4, 10]]).float()
    truth = InstanceData(bboxes=torch.tensor([[0, 0, 10, 5], [0, 5, 10, 10]]).float(), labels=torch.tensor([7, 8]))
    drawn = sample_views(
        assigner(**RPN | {"neg_iou_thr": 0.1}),
        sampler(num=9, pos_fraction=0.5, add_gt_as_proposals=False),
        [anchors],
        [truth],
    )[0]
    assert drawn.rows.tolist() == [0, 1]  # the third is neither
    assert drawn.pos_gt_labels.tolist() == [8]
    assert drawn.pos_gt_bboxes.tolist() == [[0, 5, 10, 10]]
    assert drawn.avg_factor == 2


@pytest.mark.parametrize("shared", [True, False], ids=["anchors", "proposals"])
def test_the_gpu_is_asked_once_however_many_views_and_boxes_there_are(operations: Any, shared: bool) -> None:
    draw = torch.Generator().manual_seed(1)
    how = (assigner(**RPN), sampler(**FEW, add_gt_as_proposals=not shared))
    called = []
    for views, count in ((2, 3), (9, 40)):
        anchors = boxes(50, draw)
        priors = [anchors] * views if shared else [boxes(50, draw) for _ in range(views)]
        truths = truths_of([count] * views, draw)
        with operations() as mode:
            sample_views(*how, priors, truths)
        by_view = {"aten.slice.Tensor", "aten.randperm.default", "aten.detach.default"}  # no work; the host's
        called.append([name for name in mode.names if name not in by_view])
    assert called[0] == called[1]
    assert not {"aten._local_scalar_dense.default", "aten.nonzero.default", "aten._unique2.default"} & set(called[0])


@pytest.mark.parametrize(
    "options",
    [
        RPN | {"min_pos_iou": 0.0}, RPN | {"gt_max_assign_all": False}, RPN | {"neg_iou_thr": (0.1, 0.3)},
        RPN | {"ignore_iof_thr": 0.5}, RPN | {"gpu_assign_thr": 50}, RPN | {"neg_iou_thr": 0.0}, ROI | {"pos_iou_thr": 0.0},
        RPN | {"perm_repeat_gt_cfg": {"iou_thr": 0.9}}, RPN | {"iou_calculator": {"type": "BboxOverlaps2D_GLIP"}},
        RPN | {"iou_calculator": {"type": "BboxOverlaps2D", "dtype": "fp16"}},
    ],
    ids=str,
)  # fmt: skip
def test_other_options_are_left_to_the_library(options: dict[str, Any]) -> None:
    assert not samples_whole(assigner(**options), sampler(**FEW))
    assert samples_whole(assigner(**RPN), sampler(**FEW))
    assert samples_whole(assigner(**ROI), sampler(**FEW))
    assert not samples_whole(assigner(**RPN), TASK_UTILS.build({"type": "PseudoSampler"}))

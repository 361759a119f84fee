"""Views with different numbers of boxes, worked out by hand."""

import pytest
import torch
from mmdet.structures.bbox import bbox_project
from mmengine.structures import InstanceData

from models.ragged import joined, padded, parted, projected, rows_of_views, view_numbers

CPU = torch.device("cpu")


def test_numbers_of_views() -> None:
    assert view_numbers([2, 0, 3], CPU).tolist() == [0, 0, 2, 2, 2]
    assert view_numbers([], CPU).tolist() == []


def test_boxes_of_views_with_fewer_are_followed_by_zeros() -> None:
    one, two = torch.ones(1, 4), torch.tensor([[2.0] * 4, [3.0] * 4])
    boxes, rows = padded([one, torch.empty(0, 4), two])
    assert boxes[..., 0].tolist() == [[1, 0], [0, 0], [2, 3]]
    assert rows.tolist() == [[0, -1], [-1, -1], [1, 2]]


def test_no_boxes_are_padded_too() -> None:
    boxes, rows = padded([torch.empty(0, 4)] * 2)
    assert boxes.tolist() == [[[0] * 4]] * 2
    assert rows.tolist() == [[-1]] * 2


def boxes_of_views() -> list[InstanceData]:
    return [
        InstanceData(bboxes=torch.arange(4.0 * n).reshape(n, 4), scores=torch.linspace(0.2, 0.8, n)) for n in (3, 0, 2)
    ]


def test_boxes_that_are_joined_are_parted_again() -> None:
    views = boxes_of_views()
    whole, counts = joined(views)
    assert counts == [3, 0, 2]
    assert whole.scores.tolist() == pytest.approx([0.2, 0.5, 0.8, 0.2, 0.8])
    whole.labels = torch.arange(5)
    parts = parted(whole, counts)
    assert [part.labels.tolist() for part in parts] == [[0, 1, 2], [], [3, 4]]
    assert all(torch.equal(part.bboxes, view.bboxes) for part, view in zip(parts, views, strict=True))
    assert "labels" not in views[0]


def test_only_what_is_marked_is_kept() -> None:
    whole, counts = joined(boxes_of_views())
    parts = parted(whole, counts, whole.scores > 0.4)
    assert [part.scores.tolist() for part in parts] == [pytest.approx([0.5, 0.8]), [], pytest.approx([0.8])]
    assert [len(part.bboxes) for part in parted(whole, counts, whole.scores > 1)] == [0, 0, 0]
    one = InstanceData(scores=torch.ones(2))
    assert joined([one])[0] is not one


def test_rows_are_counted_by_view() -> None:
    assert rows_of_views(torch.tensor([0, 2, 5, 6]), [3, 2, 2]) == [2, 0, 2]
    assert rows_of_views(torch.empty(0, dtype=torch.long), [3, 0]) == [0, 0]


def test_boxes_are_projected_as_mmdet_projects_them() -> None:
    draw = torch.Generator().manual_seed(1)
    counts, sizes = [4, 0, 7], [(60, 40), (50, 50), (30, 90)]
    matrices = [torch.eye(3) + 0.2 * torch.rand(3, 3, generator=draw) for _ in counts]
    for matrix in matrices:
        matrix[2, :2] *= 0.01
        matrix[:2, 2] -= 20 * torch.rand(2, generator=draw)  # some boxes leave the image
    corners = 40 * torch.rand(sum(counts), 2, generator=draw)
    boxes = torch.cat([corners, corners + 20 * torch.rand(sum(counts), 2, generator=draw)], dim=1)
    found = projected(boxes, counts, matrices, sizes)
    views = zip(boxes.split(counts), matrices, sizes, strict=True)
    expected = torch.cat([bbox_project(one, matrix, size) for one, matrix, size in views])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert (expected == 0).any()
    assert (expected[:4, 0::2] == 40).any() or (expected[4:, 1::2] == 30).any()


def test_a_mirrored_box() -> None:
    mirror = torch.tensor([[-1.0, 0.0, 48.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    boxes = torch.tensor([[4.0, 10.0, 14.0, 40.0], [40.0, 10.0, 60.0, 20.0]])
    assert projected(boxes, [2], [mirror], [(96, 48, 3)]).tolist() == [[34, 10, 44, 40], [0, 10, 8, 20]]

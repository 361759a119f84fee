"""Views with different numbers of boxes, worked out by hand."""

import torch

from models.ragged import padded, view_numbers

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

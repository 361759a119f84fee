"""Boxes at the size that the model is fed."""

from pathlib import Path

import numpy as np

from experiments.data.groups import Box, Group, View
from experiments.doctor.boxes import fed_boxes, median_shares


def test_boxes_are_resized_with_their_view_along_each_axis() -> None:
    boxes = (Box((10, 20, 30, 60), 1), Box((0, 0, 200, 100), 0))
    group = Group("S1_a", (View(1, Path("1.jpg"), 200, 100, boxes), View(2, Path("2.jpg"), 100, 100, ())))
    found = fed_boxes([group], (50, 40))  # a fifth across, half down
    np.testing.assert_allclose(found.xyxy, [[2, 10, 6, 30], [0, 0, 40, 50]])
    np.testing.assert_array_equal(found.labels, [1, 0])
    np.testing.assert_allclose(found.areas, [80, 2000])


def test_views_without_boxes_give_none() -> None:
    assert fed_boxes([Group("S1_a", (View(1, Path("1.jpg"), 200, 100, ()),))], (50, 40)).xyxy.shape == (0, 4)


def test_the_share_of_a_view_that_the_median_box_of_a_class_takes() -> None:
    small = (Box((0, 0, 10, 10), 1), Box((0, 0, 40, 10), 1))  # of 200 x 100 px: 0.005 and 0.02
    large = (Box((0, 0, 50, 50), 1), Box((0, 0, 100, 50), 0))  # of 100 x 100 px: 0.25 and 0.5
    group = Group("S1_a", (View(1, Path("1.jpg"), 200, 100, small), View(2, Path("2.jpg"), 100, 100, large)))
    shares = median_shares([group], ["Broken", "Chipped", "Scratched"])
    np.testing.assert_allclose(list(shares.values()), [0.5, 0.02])
    assert list(shares) == ["Broken", "Chipped"]

"""Anchors of ratios that are width / height."""

import pytest

from models import WidthHeightAnchorGenerator


def test_a_ratio_is_width_over_height() -> None:
    generator = WidthHeightAnchorGenerator(strides=[8], scales=[4], ratios=[0.25, 1.0])
    (boxes,) = generator.base_anchors
    sides = [((box[2] - box[0]).item(), (box[3] - box[1]).item()) for box in boxes]
    assert sides == [pytest.approx((16.0, 64.0)), pytest.approx((32.0, 32.0))]  # areas of (4 * 8)^2

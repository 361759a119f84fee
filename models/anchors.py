"""Anchors whose ratios are read the way round in which the plan quotes its boxes."""

from collections.abc import Sequence
from typing import Any

from mmdet.models.task_modules.prior_generators import AnchorGenerator
from mmdet.registry import TASK_UTILS


@TASK_UTILS.register_module()
class WidthHeightAnchorGenerator(AnchorGenerator):
    """mmdet's ``AnchorGenerator`` with ratios that are width / height, so that 0.2 is five times as high as wide."""

    def __init__(self, *, ratios: Sequence[float], **options: Any) -> None:
        super().__init__(ratios=[1 / ratio for ratio in ratios], **options)

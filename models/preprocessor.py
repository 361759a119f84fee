"""Images on their way to the GPU."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.registry import MODELS


def stacked(preprocessor: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a preprocessor of branches with ours in place of the library's that it is for."""
    changed: dict[str, Any] = deepcopy(dict(preprocessor))
    if changed["data_preprocessor"]["type"] == DetDataPreprocessor.__name__:
        changed["data_preprocessor"]["type"] = StackedDataPreprocessor.__name__
    return changed


@MODELS.register_module()
class StackedDataPreprocessor(DetDataPreprocessor):
    """The library's, but images of one size are normalised together, and the host goes on while they are copied to the GPU.

    CUDA has read pageable memory before such a copy returns, and torch keeps pinned memory until it is done.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "non_blocking": True})

    def cast_data(self, data: Any) -> Any:
        """The data on the device; images of one size as one tensor (N, 3, H, W)."""
        moved = super().cast_data(data)
        if isinstance(data, Mapping) and len({tuple(image.shape) for image in data["inputs"]}) == 1:
            moved["inputs"] = torch.stack(list(moved["inputs"]))
        return moved

"""Backbone and fusion together."""

import pytest
import torch
from mmdet.registry import MODELS

from models import MultiViewBackbone


def build() -> MultiViewBackbone:
    torch.manual_seed(0)
    return MODELS.build({
        "type": "MultiViewBackbone",
        "backbone": {
            "type": "mmdet.ResNet", "depth": 18, "base_channels": 8, "stem_channels": 8, "num_stages": 2,
            "strides": (1, 2), "dilations": (1, 1), "out_indices": (0, 1),
        },
        "mvvit": {
            "type": "MVViT", "in_channels": [8, 16], "strides": [4, 8], "image_size": (32, 16), "num_views": 2,
            "embed_dims": 8, "num_tokens": 4, "num_heads": 2,
        },
    })  # fmt: skip


def test_levels_keep_the_shapes_of_the_backbone() -> None:
    out = build()(torch.randn(4, 3, 32, 16))
    assert [tuple(level.shape) for level in out] == [(4, 8, 8, 4), (4, 16, 4, 2)]


def test_a_batch_that_is_no_whole_number_of_groups_is_refused() -> None:
    with pytest.raises(ValueError, match="3 images cannot be cut into groups of 2 views"):
        build()(torch.randn(3, 3, 32, 16))

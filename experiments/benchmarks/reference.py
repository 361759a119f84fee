"""MVViT written out plainly: the same function of the same weights, with every softmax matrix formed.

It is what the fused kernel is measured against and, in float64, what its results are tested against. It shares no code with
:mod:`models.mvvit` but the sine codes of places and the weights.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.mvvit import Attention, EncoderLayer, LevelFusion, MVViT, grid_places, position_codes


class ReferenceMVViT(nn.Module):
    """Stands in for an :class:`models.mvvit.MVViT` and holds its weights.

    Raises:
        ValueError: it attends in bands, which is another function.
    """

    def __init__(self, fused: MVViT) -> None:
        super().__init__()
        if any(level.band_rows is not None for level in fused.levels):
            raise ValueError(
                "The plain form attends over pooled tokens, not in bands: build MVViT with spatial='pooled'."
            )
        self.levels = fused.levels
        self.num_views = fused.num_views
        self.tokens_per_level = fused.tokens_per_level

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps of the levels, each (B*V, C_l, H_l, W_l); shapes are kept."""
        return [_fuse(level, x) for level, x in zip(self.levels, maps, strict=True)]


def matrix_bytes(images: int, *, cells: int, tokens: int, views: int, heads: int, layers: int, size: int = 4) -> float:
    """Bytes of the softmax matrices of a level: those kept for the backward pass, and the largest's two that are made from it."""
    pooling = images * heads * tokens * cells if tokens < cells else 0
    encoding = images // views * heads * (views * tokens) ** 2
    return size * (2 * pooling + layers * encoding + 2 * max(pooling, encoding))


def _fuse(level: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(level, LevelFusion)
    images, _, height, width = x.shape
    cells = x.flatten(2).transpose(1, 2)
    codes = position_codes(grid_places(height, width, x.device), level.width).to(x)
    content = _normal(level.norm, _linear(level.project, cells))
    placed = content + codes
    pooled = height * width > level.tokens
    if pooled:
        queries = level.queries
        tokens = _attend(level.pool, queries.expand(images, -1, -1), placed, content)
        tokens = tokens + queries / queries.norm(dim=-1, keepdim=True) * math.sqrt(level.width / 2)
    else:
        tokens = placed
    count = tokens.shape[1]
    group = (tokens.reshape(-1, level.views, count, level.width) + level.view_embedding).flatten(1, 2)
    for layer in level.layers:
        group = _encode(layer, group)
    group = _normal(level.out_norm, group).reshape(images, count, level.width)
    if pooled:
        group = _attend(level.unpool, placed, group + queries, group)
    return x + _linear(level.out, group).transpose(1, 2).reshape(x.shape)


def _encode(layer: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(layer, EncoderLayer)
    normal = _normal(layer.attention_norm, x)
    x = x + _attend(layer.attention, normal, normal, normal)
    first, second = layer.mlp[0], layer.mlp[2]
    assert isinstance(first, nn.Linear) and isinstance(second, nn.Linear)
    return x + _linear(second, F.gelu(_linear(first, _normal(layer.mlp_norm, x))))


def _attend(attention: Attention, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(B, Nq, D), (B, Nk, D), (B, Nk, D) -> (B, Nq, D); the matrix (B, heads, Nq, Nk) is formed and kept."""
    batch, count, width = query.shape
    each = width // attention.heads
    q, k, v = (
        _linear(layer, x).reshape(batch, -1, attention.heads, each).permute(0, 2, 1, 3)
        for layer, x in ((attention.query, query), (attention.key, key), (attention.value, value))
    )
    weights = torch.softmax((q / math.sqrt(each)) @ k.transpose(2, 3), dim=-1)
    return _linear(attention.out, (weights @ v).permute(0, 2, 1, 3).reshape(batch, count, width))


def _linear(layer: nn.Linear, x: Tensor) -> Tensor:
    return x @ layer.weight.T + layer.bias


def _normal(layer: nn.LayerNorm, x: Tensor) -> Tensor:
    return F.layer_norm(x, layer.normalized_shape, layer.weight, layer.bias, layer.eps)

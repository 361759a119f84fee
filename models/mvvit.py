"""MVViT: the views of one group exchange information at every level of the backbone.

Shape legend: B groups, V views, C channels of a level, H x W its map, N = H*W tokens, D width, K pooled tokens per view.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from models.bands import in_bands

SPATIAL = ("pooled", "banded")
POOLING_STARTS = ("places", "alike")

# Logit by which a query prefers its own place at the start: sharp enough to tell neighbouring places apart.
_PLACE_LOGIT = 10.0
# Logit by which a token prefers tokens of its own height, in all views, at the start: rotated views of one bit share the vertical
# axis, so a defect lies at the same height in neighbouring views. Without it, attention over thousands of tokens starts uniform.
_HEIGHT_LOGIT = 4.0


def position_codes(places: Tensor, width: int) -> Tensor:
    """Sine codes (N, width) of places (N, 2) = (y, x) in [0, 1]; the squared norm of each code is width / 2.

    Frequencies run geometrically from half a cycle to 32 cycles per map. They are interleaved so that each of up to 8 equal
    slices of the width (one attention head) holds frequencies of the whole range, for both axes.
    """
    count = width // 4
    frequencies = math.pi * 64 ** torch.linspace(0, 1, count, device=places.device)
    slices = math.gcd(count, 8)
    frequencies = frequencies.reshape(-1, slices).T.reshape(-1)
    angles = places[:, :, None] * frequencies  # (N, 2, count)
    codes = torch.stack([angles.sin(), angles.cos()], dim=-1)  # (N, 2, count, 2)
    return codes.transpose(1, 2).reshape(len(places), -1)


def grid_places(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Centres (height*width, 2) = (y, x) in [0, 1] of the cells of a grid, row by row."""
    y = (torch.arange(height, device=device) + 0.5) / height
    x = (torch.arange(width, device=device) + 0.5) / width
    return torch.cartesian_prod(y, x)


def spread_places(count: int, height: int, width: int) -> Tensor:
    """``count`` distinct places (count, 2) spread evenly over a map of height x width cells."""
    rows = max(1, min(count, round(math.sqrt(count * height / width))))
    columns = math.ceil(count / rows)
    grid = grid_places(rows, columns)
    return grid[torch.linspace(0, len(grid) - 1, count).round().long()]


class Attention(nn.Module):
    """Multi-head attention on the fused kernel; the attention matrix is never formed.

    With ``places`` the query and key projections start as the identity: what is compared is places.
    """

    def __init__(self, width: int, heads: int, *, places: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        if places:
            for layer in (self.query, self.key):
                nn.init.eye_(layer.weight)
                nn.init.zeros_(layer.bias)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend from (B, Nq, D) over (B, Nk, D); returns (B, Nq, D)."""
        q, k, v = self._split(self.query(query)), self._split(self.key(key)), self._split(self.value(value))
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.out(attended.transpose(1, 2).flatten(2))


class EncoderLayer(nn.Module):
    """Pre-norm transformer encoder layer; the hidden width of its MLP is ``mlp_ratio`` times the width."""

    def __init__(self, width: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        hidden = int(width * mlp_ratio)
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        # Layer norm shrinks a code, which comes beside content of unit variance, by a third in square.
        gain = math.sqrt(6 * _HEIGHT_LOGIT / math.sqrt(width / heads))
        with torch.no_grad():
            for layer in (self.attention.query, self.attention.key):
                layer.weight += gain * torch.diag(torch.tensor([1.0, 1.0, 0.0, 0.0]).repeat(width // 4))
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        normed = self.attention_norm(x)
        x = x + self.attention(normed, normed, normed)
        return x + self.mlp(self.mlp_norm(x))


class LevelFusion(nn.Module):
    """Fusion of one level's maps across the V views of a group.

    Where the level has no more than K cells, or attends in bands, nothing is pooled, and neither pooling nor its parameters exist.

    Args:
        channels: C of the level.
        size: (H, W) of the level at the nominal image size; decides whether the level pools.
        tokens: K.
        band_rows: rows of a band, over all the cells; ``None`` to attend over K pooled tokens of all rows.
        distinct: whether pooling starts at distinct places.
        views, width, heads, layers, mlp_ratio: as in :class:`MVViT`.
    """

    def __init__(
        self, *, channels: int, size: tuple[int, int], tokens: int, band_rows: int | None, distinct: bool, views: int, width: int,
        heads: int, layers: int, mlp_ratio: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.views, self.tokens, self.width, self.band_rows = views, tokens, width, band_rows
        self.distinct = distinct
        self.pools = band_rows is None and size[0] * size[1] > tokens
        self._codes: tuple[Any, Tensor] = (None, torch.empty(0))  # what the last codes of places are of, and they
        self.project = nn.Linear(channels, width)
        self.norm = nn.LayerNorm(width)
        self.view_embedding = nn.Parameter(torch.empty(views, 1, width))
        nn.init.normal_(self.view_embedding, std=0.02)
        if self.pools:
            # A query meets the key of its own place with the logit |query| * |code| / sqrt(width / heads) / heads per head.
            scale = _PLACE_LOGIT * 2 * math.sqrt(heads / width)
            start = scale * position_codes(spread_places(tokens, *size), width)
            self.queries = nn.Parameter(start if distinct else 0.02 * torch.randn(tokens, width))
            self.pool = Attention(width, heads, places=distinct)
            self.unpool = Attention(width, heads, places=distinct)
        self.layers = nn.ModuleList(EncoderLayer(width, heads, mlp_ratio) for _ in range(layers))
        self.out_norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, channels)
        # Near-identity at the start, and still with a gradient for everything before it.
        nn.init.normal_(self.out.weight, std=0.05 / math.sqrt(width))
        nn.init.zeros_(self.out.bias)

    def tokens_at(self, cells: int) -> int:
        """K = min(K, H*W), in bands H*W: tokens per view for a map of ``cells`` = H*W cells.

        Raises:
            ValueError: the level was built without pooling, has no bands, and the map has more than K cells.
        """
        if self.band_rows is not None:
            return cells
        if cells > self.tokens and not self.pools:
            raise ValueError(
                f"A feature map of {cells} cells must be pooled to {self.tokens} tokens, but this level was built without "
                f"pooling: set model.detector.backbone.mvvit.image_size to the size of the images that are fed."
            )
        return min(self.tokens, cells)

    def _codes_of(self, size: tuple[int, int], like: Tensor) -> Tensor:
        """Codes (N, D) of the places of a map, as ``like`` is; made anew where its size changes."""
        key = (size, like.dtype, like.device)
        if self._codes[0] != key:
            with torch.inference_mode(False):  # what is kept has to serve in training too
                self._codes = (key, position_codes(grid_places(*size, like.device), self.width).to(like))
        return self._codes[1]

    def forward(self, x: Tensor) -> Tensor:
        """(B*V, C, H, W) -> the same shape: the input plus what the other views say."""
        height, width = x.shape[-2:]
        cells = height * width
        per_view = self.tokens_at(cells)
        content = self.norm(self.project(x.flatten(2).transpose(1, 2)))  # (B*V, N, D)
        placed = content + self._codes_of((height, width), content)
        pooling = per_view < cells
        if pooling:
            queries = self.queries.to(content)
            tokens = self.pool(queries.expand(len(x), -1, -1), placed, content)  # (B*V, K, D)
            if self.distinct:  # the places of pooled tokens are those of their queries, at the scale of the codes
                tokens = tokens + F.normalize(queries, dim=-1) * math.sqrt(self.width / 2)
        else:
            tokens = placed
        group = tokens.unflatten(0, (-1, self.views)) + self.view_embedding.to(content)  # (B, V, K, D)
        rows = self.band_rows
        group = group.unflatten(2, (height, width)) if rows else group.flatten(1, 2)
        for number, layer in enumerate(self.layers):
            group = in_bands(layer, group, rows, shifted=number % 2 == 1) if rows else layer(group)
        group = self.out_norm(group).reshape(len(x), per_view, -1)
        if pooling:
            group = self.unpool(placed, group + queries, group)
        fused = self.out(group)
        return x + fused.transpose(1, 2).reshape(x.shape)


@MODELS.register_module()
class MVViT(BaseModule):
    """Multi-view vision transformer between a backbone and its neck.

    Per level: project to D channels, pool each view's H*W cells to K tokens by attention with learned queries that start at
    distinct places, encode the V*K tokens of the group, attend back to H*W, add to the input. In bands nothing is pooled: all
    V*H*W tokens are encoded, each with those of its own rows in all views, since views of one bit share the vertical axis.
    Every parameter exists after construction.

    Args:
        in_channels: channels of each level.
        strides: stride of each level against the image, px.
        image_size: (height, width) of the images, px; decides which levels pool.
        num_views: V.
        embed_dims: D; ``num_heads`` must divide it.
        spatial: ``pooled``, or ``banded`` for attention in bands of rows over all the cells.
        band_rows: rows of a band, at every level; the bands of every other layer are shifted by half of it, so that
            neighbouring ones meet. Without effect where cells are pooled.
        num_tokens: K, tokens per view after pooling; each level uses min(K, H*W). Without effect in bands.
        reference_tokens: the H*W of the first level at which ``num_tokens`` is quoted. At other image sizes K keeps the
            same share of the first level, so that K=1024 means the same at every scale. ``None`` takes K literally.
        num_heads, num_layers, mlp_ratio: of the transformer encoder.
        pooling_start: ``places``, or the fault ``alike``, to be measured: queries near zero and usual query and key layers, so
            that every query attends to all of the map and every pooled token is its mean. Without effect in bands.
        trained: ``False`` is the fault of layers made in the first forward pass, to be measured: nothing here gets a gradient, and
            teacher and student start apart (:meth:`models.soft_teacher.MultiViewSoftTeacher.drawn_apart`).
        with_checkpoint: recompute activations in the backward pass: less memory, more time.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int],
        strides: Sequence[int],
        image_size: tuple[int, int],
        num_views: int = 8,
        embed_dims: int = 256,
        spatial: Literal["pooled", "banded"] = "pooled",
        band_rows: int = 4,
        num_tokens: int = 1024,
        reference_tokens: int | None = None,
        num_heads: int = 4,
        num_layers: int = 1,
        mlp_ratio: float = 2.0,
        pooling_start: Literal["places", "alike"] = "places",
        trained: bool = True,
        with_checkpoint: bool = False,
    ) -> None:
        super().__init__()
        if embed_dims % num_heads or embed_dims % 4:
            raise ValueError(
                f"mvvit.num_heads={num_heads} does not divide mvvit.embed_dims={embed_dims} (which must be a multiple of 4 "
                f"too): choose a number of heads that does."
            )
        if len(in_channels) != len(strides):
            raise ValueError(
                f"mvvit has {len(in_channels)} in_channels but {len(strides)} strides: give one of each per level."
            )
        if spatial not in SPATIAL:
            raise ValueError(f"mvvit.spatial is {spatial!r}: choose {' or '.join(SPATIAL)}.")
        if pooling_start not in POOLING_STARTS:
            raise ValueError(f"mvvit.pooling_start is {pooling_start!r}: choose {' or '.join(POOLING_STARTS)}.")
        if min(num_views, num_tokens, num_layers, band_rows) < 1:
            raise ValueError("mvvit.num_views, num_tokens, num_layers and band_rows must be at least 1.")
        sizes = [(math.ceil(image_size[0] / s), math.ceil(image_size[1] / s)) for s in strides]
        share = 1.0 if reference_tokens is None else sizes[0][0] * sizes[0][1] / reference_tokens
        tokens = max(1, round(num_tokens * share))
        self.num_views = num_views
        self.trained = trained
        self.with_checkpoint = with_checkpoint
        banded = spatial == "banded"
        self.tokens_per_level = [h * w if banded else min(tokens, h * w) for h, w in sizes]
        self.levels = nn.ModuleList(
            LevelFusion(
                channels=channels, size=size, tokens=tokens, band_rows=band_rows if banded else None,
                distinct=pooling_start == "places", views=num_views, width=embed_dims, heads=num_heads, layers=num_layers,
                mlp_ratio=mlp_ratio,
            )
            for channels, size in zip(in_channels, sizes, strict=True)
        )  # fmt: skip
        self.requires_grad_(trained)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps of the levels, each (B*V, C_l, H_l, W_l) with the views of a group next to each other; shapes are kept."""
        if self.with_checkpoint and self.training:
            return [checkpoint(level, x, use_reentrant=False) for level, x in zip(self.levels, maps, strict=True)]
        return [level(x) for level, x in zip(self.levels, maps, strict=True)]

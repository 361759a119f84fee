"""MVViT: shapes, tokens, places, parameters, gradients."""

import pytest
import torch
from torch import Tensor

from models.bands import stretches
from models.mvvit import EncoderLayer, LevelFusion, MVViT, grid_places, position_codes, spread_places

SMALL = {"in_channels": [6, 10], "strides": [4, 8], "image_size": (32, 16), "num_views": 4, "embed_dims": 16}


def build(**options: object) -> MVViT:
    torch.manual_seed(0)
    return MVViT(**{**SMALL, "num_tokens": 8, "num_heads": 2, **options})


def maps(views: int = 4, groups: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(groups * views, c, *size, generator=generator) for c, size in ((6, (8, 4)), (10, (4, 2)))]


def test_shapes_are_kept_and_the_start_is_near_the_identity() -> None:
    x = maps(groups=2)
    out = build()(x)
    for before, after in zip(x, out, strict=True):
        assert after.shape == before.shape
        change = (after - before).std() / before.std()
        assert 0 < change < 0.2


def test_tokens_at_the_plans_size() -> None:
    # P2..P5 of a 720 x 256 crop hold 11520, 2880, 720 and 184 cells.
    plan = {"in_channels": [8] * 4, "strides": [4, 8, 16, 32], "image_size": (720, 256), "embed_dims": 8}
    assert MVViT(**plan, num_tokens=1024, reference_tokens=11520).tokens_per_level == [1024, 1024, 720, 184]
    assert MVViT(**plan, num_tokens=2048, reference_tokens=11520).tokens_per_level == [2048, 2048, 720, 184]


def test_tokens_keep_their_share_at_other_sizes() -> None:
    # P2 of a 240 x 96 crop holds 60 * 24 = 1440 cells: 1024 / 11520 of them are 128.
    size = {"in_channels": [8] * 3, "strides": [4, 8, 16], "image_size": (240, 96), "embed_dims": 8}
    assert MVViT(**size, num_tokens=1024, reference_tokens=11520).tokens_per_level == [128, 128, 90]
    assert MVViT(**size, num_tokens=2048, reference_tokens=11520).tokens_per_level == [256, 256, 90]


def test_nothing_is_pooled_where_the_map_has_no_more_than_k_cells() -> None:
    fusion = build(num_tokens=8)  # 32 and 8 cells
    assert [level.pools for level in fusion.levels] == [True, False]
    assert not hasattr(fusion.levels[1], "queries")


def test_a_larger_map_than_the_level_was_built_for_is_refused() -> None:
    with pytest.raises(ValueError, match="image_size"):
        build(num_tokens=32)([torch.randn(4, 6, 16, 8), torch.randn(4, 10, 4, 2)])


def test_any_map_size_passes_a_pooling_level() -> None:
    level = build().levels[0]
    for size in ((8, 4), (11, 7), (2, 3)):
        x = torch.randn(4, 6, *size)
        assert level(x).shape == x.shape


def test_every_parameter_gets_a_gradient() -> None:
    fusion = build(num_layers=2)
    sum(out.square().sum() for out in fusion(maps())).backward()
    silent = [name for name, p in fusion.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A key's bias moves all logits of a query alike, so the softmax gives it no gradient: it is zero up to rounding.
    assert [name for name in silent if not name.endswith("key.bias")] == []


def test_queries_start_at_distinct_places_and_pool_different_tokens() -> None:
    level = build(num_tokens=8).levels[0]
    content = level.norm(level.project(maps()[0].flatten(2).transpose(1, 2)))
    placed = content + position_codes(grid_places(8, 4), 16)
    tokens = level.pool(level.queries.expand(4, -1, -1), placed, content)
    distances = torch.cdist(tokens, tokens) + 1e9 * torch.eye(8)
    assert distances.min() > 1e-3


def test_a_query_attends_to_its_own_place() -> None:
    level = build(num_tokens=8, embed_dims=64).levels[0]
    places = grid_places(8, 4)
    keys = position_codes(places, 64)
    logits = level.pool._split(level.pool.query(level.queries[None])) @ level.pool._split(
        level.pool.key(keys[None])
    ).transpose(-1, -2)
    mean_place = logits.div(32**0.5).softmax(-1).mean(1)[0] @ places  # (8, 2)
    assert (mean_place - spread_places(8, 8, 4)).abs().max() < 0.2


def test_tokens_start_by_attending_to_their_own_height_in_every_view() -> None:
    torch.manual_seed(0)
    layer = EncoderLayer(64, 4, 2.0)
    places = grid_places(6, 4)
    tokens = layer.attention_norm(torch.randn(200, 24, 64) + position_codes(places, 64))
    queries, keys = (project(tokens).unflatten(-1, (4, 16)) for project in (layer.attention.query, layer.attention.key))
    logits = (torch.einsum("bqhd,bkhd->qk", queries.roll(1, 0), keys) / (200 * 4 * 16**0.5)).detach()  # of other views
    same_height = places[:, None, 0] == places[None, :, 0]
    same_column = places[:, None, 1] == places[None, :, 1]
    assert logits[same_height].mean() - logits[~same_height].mean() > 2.0
    assert abs(logits[same_height & same_column].mean() - logits[same_height & ~same_column].mean()) < 0.5


def test_places() -> None:
    assert grid_places(2, 1).tolist() == [[0.25, 0.5], [0.75, 0.5]]
    assert len({tuple(place) for place in spread_places(7, 9, 5).tolist()}) == 7
    codes = position_codes(grid_places(3, 3), 16)
    assert torch.allclose(codes.square().sum(1), torch.full((9,), 8.0))


def test_a_view_hears_the_other_views_and_other_groups_do_not_matter() -> None:
    fusion = build()
    x = maps(groups=2)
    before = fusion(x)
    x[0][1] += 1.0  # the second view of the first group
    after = fusion(x)
    assert not torch.allclose(after[0][0], before[0][0])
    assert torch.equal(after[0][4:], before[0][4:])


@pytest.mark.parametrize("option", [{"num_heads": 4}, {"num_layers": 2}, {"mlp_ratio": 3.0}, {"num_tokens": 16}])
def test_each_setting_changes_the_outcome(option: dict[str, float]) -> None:
    baseline, changed = build(), build(**option)
    weights = {
        name: value for name, value in baseline.state_dict().items() if changed.state_dict()[name].shape == value.shape
    }
    changed.load_state_dict(weights, strict=False)  # what both have is alike: the setting alone makes the difference
    assert not torch.allclose(changed(maps())[0], baseline(maps())[0], atol=1e-6)


def test_checkpointing_changes_nothing_but_memory() -> None:
    plain, saving = build(), build(with_checkpoint=True)
    results = []
    for fusion in (plain, saving):
        out = fusion(maps())
        out[0].sum().backward()
        results.append((out[0], fusion.levels[0].project.weight.grad))
    assert torch.allclose(results[0][0], results[1][0])
    assert torch.allclose(results[0][1], results[1][1])


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match=r"num_heads=3 does not divide mvvit.embed_dims=16"):
        build(num_heads=3)


# ------------------------------------------------------------------------------------------------------------ in bands
def banded(**options: object) -> MVViT:
    """Two levels, for maps of 11 x 4 and 5 x 2 cells unless the images are of another size."""
    return build(spatial="banded", image_size=(44, 16), **options)


def bands(height: int, rows: int, *, shifted: bool) -> list[int]:
    """The number of the band that each row lies in, worked out one row at a time."""
    return [(row + (rows - rows // 2 if shifted else 0)) // rows for row in range(height)]


def reference(level: LevelFusion, x: Tensor, *, rows: int) -> Tensor:
    """Fusion in bands with nothing but matrix products: all tokens of a group at once, and a mask that parts the bands."""
    count, channels, height, width = x.shape
    views, width_d = level.views, level.width
    places = torch.tensor([[(y + 0.5) / height, (x + 0.5) / width] for y in range(height) for x in range(width)])
    tokens = level.norm(level.project(x.reshape(count, channels, -1).transpose(1, 2)))
    tokens = tokens + position_codes(places, width_d).to(x)
    out = []
    for group in tokens.split(views):
        z = (group + level.view_embedding).reshape(views * height * width, width_d)
        for number, layer in enumerate(level.layers):
            row = torch.arange(height).repeat_interleave(width).repeat(views)
            band = torch.tensor(bands(height, rows, shifted=number % 2 == 1))[row]
            normed, attention = layer.attention_norm(z), layer.attention
            heads = []
            for part in range(attention.heads):
                own = slice(part * width_d // attention.heads, (part + 1) * width_d // attention.heads)
                q, k, v = (
                    (normed @ one.weight.T + one.bias)[:, own]
                    for one in (attention.query, attention.key, attention.value)
                )
                logits = (q @ k.T) / (width_d / attention.heads) ** 0.5
                logits = logits.masked_fill(band[:, None] != band[None], -torch.inf)
                heads.append((logits - logits.amax(1, keepdim=True)).exp())
                heads[-1] = heads[-1] / heads[-1].sum(1, keepdim=True) @ v
            z = z + attention.out(torch.cat(heads, dim=1))
            z = z + layer.mlp(layer.mlp_norm(z))
        out.append(level.out(level.out_norm(z)).reshape(views, height * width, channels))
    return x + torch.cat(out).transpose(1, 2).reshape(x.shape)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(
    ("size", "rows"), [((8, 4), 4), ((11, 3), 4), ((11, 2), 3), ((3, 5), 4), ((2, 3), 5), ((7, 2), 1)]
)
def test_bands_equal_a_masked_attention_over_all_tokens(size: tuple[int, int], rows: int, layers: int) -> None:
    level = banded(num_layers=layers, band_rows=rows).levels[0].double()
    x = torch.randn(8, 6, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.allclose(level(x), reference(level, x, rows=rows), rtol=0, atol=1e-10)


def test_rows_are_cut_into_bands() -> None:
    # P5 of the plan has 23 rows: five bands of 4 and one of 3; shifted, one of 2, five of 4 and one of 1.
    assert stretches(23, 4, shifted=False) == [(0, 5, 4), (20, 1, 3)]
    assert stretches(23, 4, shifted=True) == [(0, 1, 2), (2, 5, 4), (22, 1, 1)]
    assert stretches(180, 4, shifted=False) == [(0, 45, 4)]
    assert stretches(180, 4, shifted=True) == [(0, 1, 2), (2, 44, 4), (178, 1, 2)]
    assert stretches(3, 4, shifted=False) == [(0, 1, 3)]
    assert stretches(1, 4, shifted=True) == [(0, 1, 1)]
    assert stretches(5, 1, shifted=True) == stretches(5, 1, shifted=False) == [(0, 5, 1)]  # no half of one row


@pytest.mark.parametrize(("layers", "reached"), [(1, [4, 5, 6, 7]), (2, [2, 3, 4, 5, 6, 7, 8, 9])])
def test_a_change_in_one_view_reaches_the_rows_of_its_band_in_the_other_views(layers: int, reached: list[int]) -> None:
    # Row 5 lies in the band of rows 4 to 7; the second layer's bands are 2 to 5 and 6 to 9, and both meet it.
    fusion = banded(num_layers=layers)
    x = [torch.randn(8, 6, 11, 4), torch.randn(8, 10, 5, 2)]
    before = fusion(x)[0]
    x[0][1, :, 5] += 1.0  # the second view of the first group
    after = fusion(x)[0]
    changed = (after != before).any(dim=1).any(dim=-1)  # view, row
    for view in (0, 2, 3):
        assert changed[view].nonzero().flatten().tolist() == reached
    assert not changed[4:].any()  # the other group


def test_in_bands_every_cell_is_a_token_and_nothing_pools() -> None:
    plan = {"in_channels": [8] * 4, "strides": [4, 8, 16, 32], "image_size": (720, 256), "embed_dims": 8}
    fusion = MVViT(**plan, spatial="banded", num_tokens=1024, reference_tokens=11520)
    assert fusion.tokens_per_level == [11520, 2880, 720, 184]
    assert not any(level.pools for level in fusion.levels)
    assert not [name for name, _ in fusion.named_parameters() if "pool" in name or "queries" in name]


def test_in_bands_the_start_is_near_the_identity() -> None:
    x = [torch.randn(8, 6, 11, 4), torch.randn(8, 10, 5, 2)]
    for before, after in zip(x, banded(num_layers=2)(x), strict=True):
        assert after.shape == before.shape
        assert 0 < (after - before).std() / before.std() < 0.2


def test_in_bands_maps_of_any_size_pass() -> None:
    fusion = banded(num_layers=2)
    for size in ((4, 11), (13, 7), (1, 1), (30, 20)):
        x = [torch.randn(4, 6, *size), torch.randn(4, 10, *size)]
        assert [out.shape for out in fusion(x)] == [one.shape for one in x]


@pytest.mark.parametrize("saving", [False, True])
def test_in_bands_every_parameter_gets_a_gradient_and_none_comes_late(saving: bool) -> None:
    fusion = banded(num_layers=2, with_checkpoint=saving)
    there = set(fusion.state_dict())
    sum(out.square().sum() for out in fusion([torch.randn(4, 6, 11, 4), torch.randn(4, 10, 5, 2)])).backward()
    assert set(fusion.state_dict()) == there
    silent = [name for name, p in fusion.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert [name for name in silent if not name.endswith("key.bias")] == []  # as above


@pytest.mark.parametrize("option", [{"num_heads": 4}, {"num_layers": 2}, {"mlp_ratio": 3.0}, {"band_rows": 3}])
def test_each_setting_of_bands_changes_the_outcome(option: dict[str, float]) -> None:
    x = [torch.randn(4, 6, 11, 4), torch.randn(4, 10, 5, 2)]
    baseline, changed = banded(), banded(**option)
    weights = {
        name: value for name, value in baseline.state_dict().items() if changed.state_dict()[name].shape == value.shape
    }
    changed.load_state_dict(weights, strict=False)
    assert not torch.allclose(changed(x)[0], baseline(x)[0], atol=1e-6)


def test_another_way_of_fusing_is_refused_and_so_is_a_band_of_no_rows() -> None:
    with pytest.raises(ValueError, match=r"mvvit\.spatial is 'stripes': choose pooled or banded\."):
        build(spatial="stripes")
    with pytest.raises(ValueError, match="band_rows must be at least 1"):
        banded(band_rows=0)


# ------------------------------------------------------------------------------------------- faults that can be switched on
def pooled(fusion: MVViT, x: Tensor) -> Tensor:
    """The pooled tokens (views, K, D) of the first level."""
    level = fusion.levels[0]
    content = level.norm(level.project(x.flatten(2).transpose(1, 2)))
    placed = content + position_codes(grid_places(*x.shape[-2:]), level.width)
    return level.pool(level.queries.expand(len(x), -1, -1), placed, content)


def test_queries_that_start_alike_pool_the_mean_of_the_map_whatever_k_is() -> None:
    x = maps()[0]
    spread = {
        start: pooled(build(pooling_start=start, embed_dims=64), x).std(dim=1).mean() for start in ("places", "alike")
    }
    assert spread["alike"] < 0.02 * spread["places"]
    alike = build(pooling_start="alike", embed_dims=64)
    level = alike.levels[0]
    content = level.norm(level.project(x.flatten(2).transpose(1, 2)))
    mean = level.pool.out(level.pool.value(content.mean(dim=1)))
    assert (pooled(alike, x) - mean[:, None]).abs().max() < 0.1 * mean.abs().max()
    with pytest.raises(ValueError, match=r"mvvit\.pooling_start is 'zero': choose places or alike\."):
        build(pooling_start="zero")


def test_untrained_fusion_gets_no_gradient_and_lets_it_through() -> None:
    fusion = build(trained=False)
    assert not any(parameter.requires_grad for parameter in fusion.parameters())
    x = [one.requires_grad_() for one in maps()]
    sum(out.square().sum() for out in fusion(x)).backward()
    assert all(one.grad is not None for one in x)
    assert all(parameter.requires_grad for parameter in build().parameters())


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_codes_of_places_are_those_of_the_map_at_hand(precision: torch.dtype) -> None:
    """What one pass keeps of them reaches no map of another size or precision; kept without gradients, it serves in training."""
    kept, draw = build(), torch.Generator().manual_seed(3)
    kept(maps())
    for sizes in (((11, 7), (2, 3)), ((8, 4), (4, 2)), ((11, 7), (2, 3))):
        x = [torch.randn(4, channels, *size, generator=draw) for channels, size in zip((6, 10), sizes, strict=True)]
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            with torch.inference_mode():
                kept(x)
            found, fresh = kept(x), build()(x)
        for one, expected in zip(found, fresh, strict=True):
            assert torch.equal(one, expected)
        torch.autograd.backward(found, [torch.ones_like(one) for one in found])

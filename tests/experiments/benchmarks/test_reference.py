"""The plain form and the fused one are one function: outputs and gradients, in float64."""

import pytest
import torch
from torch import Tensor

from experiments.benchmarks.reference import ReferenceMVViT, matrix_bytes
from models.mvvit import MVViT


def _maps(groups: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    sizes = ((6, (8, 4)), (10, (4, 2)))
    return [
        torch.randn(groups * 4, channels, *size, generator=generator, dtype=torch.float64).requires_grad_()
        for channels, size in sizes
    ]


@pytest.mark.parametrize(
    ("tokens", "heads", "layers", "groups"), [(8, 2, 1, 2), (8, 4, 2, 1), (16, 1, 3, 1), (64, 2, 2, 2)]
)
def test_outputs_and_gradients_are_those_of_the_model(tokens: int, heads: int, layers: int, groups: int) -> None:
    torch.manual_seed(0)
    fused = MVViT(
        in_channels=[6, 10], strides=[4, 8], image_size=(32, 16), num_views=4, embed_dims=16, num_tokens=tokens,
        num_heads=heads, num_layers=layers,
    ).double()  # fmt: skip
    for parameter in fused.parameters():  # also those that start at zero or alike
        parameter.data += 0.1 * torch.randn_like(parameter)
    results = []
    for model in (fused, ReferenceMVViT(fused)):
        maps = _maps(groups)
        out = model(maps)
        loss = sum((one * torch.linspace(-1, 1, one.numel(), dtype=one.dtype).view_as(one)).sum() for one in out)
        results.append((out, torch.autograd.grad(loss, [*maps, *fused.parameters()])))
    (out, gradients), (plain, expected) = results
    for one, other in zip([*out, *gradients], [*plain, *expected], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


def test_bytes_of_the_matrices_by_hand() -> None:
    # 2 views of 6 cells pooled to 3 tokens, 1 head: pooling matrices of 2 x 3 x 6 = 36, encoder matrices of (2 x 3)^2 = 36.
    assert matrix_bytes(2, cells=6, tokens=3, views=2, heads=1, layers=2) == 4 * (2 * 36 + 2 * 36 + 2 * 36)
    # Not pooled: the encoder alone, over 2 x 6 tokens.
    assert matrix_bytes(2, cells=6, tokens=6, views=2, heads=1, layers=1) == 4 * (144 + 2 * 144)


def test_bands_are_refused() -> None:
    banded = MVViT(in_channels=[6], strides=[4], image_size=(32, 16), num_views=4, embed_dims=16, spatial="banded")
    with pytest.raises(ValueError, match="not in bands"):
        ReferenceMVViT(banded)

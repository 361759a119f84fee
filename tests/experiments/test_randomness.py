"""Draws depend on their place alone."""

import random

import numpy as np
import torch

from experiments.randomness import Use, seed_generators


def drawn(seed: int, use: Use, *place: int) -> list[float]:
    seed_generators(seed, use, *place)
    return [random.random(), float(np.random.rand()), float(torch.rand(1))]


def test_every_generator_is_seeded_by_the_place() -> None:
    first = drawn(1, Use.GROUP, 0, 5)
    random.random(), np.random.rand(), torch.rand(3)
    assert drawn(1, Use.GROUP, 0, 5) == first
    for other in (
        drawn(1, Use.STEP, 0, 5),
        drawn(1, Use.GROUP, 0, 6),
        drawn(1, Use.GROUP, 1, 5),
        drawn(2, Use.GROUP, 0, 5),
    ):
        assert not set(first) & set(other)


def test_torch_draws_the_same_for_both_uses_of_a_number() -> None:
    """A group seeds the processor's generator directly: it must draw as after ``torch.manual_seed``."""
    for use in Use:
        seed_generators(1, use, 0, 5)
        words = np.random.SeedSequence([1, use, 0, 5]).generate_state(4)
        found = torch.rand(4)
        torch.manual_seed((int(words[2]) << 31) ^ int(words[3]))
        assert torch.equal(found, torch.rand(4))

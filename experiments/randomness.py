"""Random numbers that depend on where they are drawn and on nothing drawn before: what a resumed run needs to repeat a whole one.

Libraries draw from the global generators of python, numpy and torch. They are seeded anew, from the run's seed and a place, for
every group that is loaded and for every training step. So no state has to be kept with a checkpoint, and neither the number of
data loading processes nor how far they read ahead changes what a run sees.
"""

import random
from enum import IntEnum

import numpy as np
import torch


class Use(IntEnum):
    """What numbers are drawn for: no two uses share a stream."""

    STEP = 0
    GROUP = 1


def seed_generators(seed: int, use: Use, *place: int) -> None:
    """Seed the global generators of this process; for a group, which is made on the processor, those of GPUs are left alone.

    Args:
        seed: the run's.
        use: what will be drawn.
        place: of the draw: of a step its iteration and rank, of a group its source and its number among those drawn from it.
    """
    words = np.random.SeedSequence([seed, use, *place]).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(words[1])
    number = (int(words[2]) << 31) ^ int(words[3])
    if use is Use.GROUP:
        # `torch.manual_seed` formats the whole stack where no GPU is in use yet.
        torch.default_generator.manual_seed(number)
    else:
        torch.manual_seed(number)

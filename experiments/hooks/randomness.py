"""What a training step draws depends on its iteration alone."""

from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from experiments.randomness import Use, seed_generators


@HOOKS.register_module()
class RandomnessHook(Hook):
    """Seeds the generators before every step: sampled boxes and jitter are then those of a run that was never stopped.

    Args:
        seed: the run's.
    """

    def __init__(self, *, seed: int) -> None:
        self.seed = seed

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed them; the batch is loaded by now."""
        seed_generators(self.seed, Use.STEP, runner.iter, get_rank())

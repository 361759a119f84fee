"""One run over several processes ("ranks"), each with its share of every batch.

Launched with ``torchrun --nproc-per-node 2 -m experiments train gpu --launcher pytorch``. All ranks call the same functions
in the same order; what must happen once (records, weights, locks, data making) is left to the first rank.
"""

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
from mmengine.dist import all_reduce, broadcast, broadcast_object_list, get_world_size, is_main_process
from mmengine.model import is_model_wrapper
from torch import distributed, nn

from experiments.errors import UserError

T = TypeVar("T")

# Ranks wait for the first one while it makes data or waits for a lock; the launcher ends them when one of them dies.
_PATIENCE = timedelta(days=7)


def join(launcher: str) -> None:
    """Join the other ranks, over NCCL where there are GPUs, else over Gloo; nothing to do where there is one process.

    mmengine's own way is not taken: it sets a CUDA device even where there is none.

    Args:
        launcher: ``none``, or ``pytorch`` for processes started by torchrun.

    Raises:
        UserError: another launcher, no torchrun, or fewer GPUs than processes.
    """
    if launcher == "none" or distributed.is_initialized():
        return
    if launcher != "pytorch":
        raise UserError(f"There is no launcher {launcher!r}: give none, or pytorch for processes started by torchrun.")
    if "LOCAL_RANK" not in os.environ:
        raise UserError(
            "The launcher pytorch needs processes that torchrun started: "
            "torchrun --nproc-per-node 2 -m experiments train <config> --launcher pytorch."
        )
    if not torch.cuda.is_available():
        distributed.init_process_group("gloo", timeout=_PATIENCE)
        return
    local = int(os.environ["LOCAL_RANK"])
    if local >= torch.cuda.device_count():
        raise UserError(
            f"There are fewer GPUs ({torch.cuda.device_count()}) than processes: lower torchrun's --nproc-per-node."
        )
    torch.cuda.set_device(local)
    distributed.init_process_group("nccl", timeout=_PATIENCE, device_id=torch.device("cuda", local))


def leave() -> None:
    """Part from the other ranks, if there are any."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def first_rank(task: Callable[[], T]) -> T:
    """Do something on the first rank alone; every rank gets its result, or the exception that it raised."""
    if get_world_size() == 1:
        return task()
    outcome: list[Any] = [None, None]
    if is_main_process():
        try:
            outcome[0] = task()
        except Exception as error:
            outcome[1] = error
    broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise outcome[1]
    result: T = outcome[0]
    return result


def on_any_rank(so: bool) -> bool:
    """Whether it is so on this rank or another; all ranks ask at once."""
    if get_world_size() == 1:
        return so
    flag = torch.tensor(float(so))
    all_reduce(flag, "max")
    return bool(flag)


def unwrapped(model: nn.Module) -> Any:
    """The model itself, without the wrapper that shares gradients."""
    return model.module if is_model_wrapper(model) else model


def agree(model: nn.Module) -> None:
    """Give every rank the first one's buffers: running statistics follow each rank's own share of the batches."""
    if get_world_size() > 1:
        for buffer in model.buffers():
            broadcast(buffer)


def shares(batch_size: int, source_ratio: Sequence[float]) -> list[int]:
    """How many groups of a batch come from each source; as mmdet's ``MultiSourceSampler`` has it."""
    numbers = [int(batch_size * ratio / sum(source_ratio)) for ratio in source_ratio]
    return [batch_size - sum(numbers[1:]), *numbers[1:]]


def share_batch(settings: Any, ranks: int) -> None:
    """Give each of several ranks its share of a batch, in place: the total stays what the config says.

    The samplers of the ranks take turns, so that together they draw the groups that one process would draw, each group
    whole on one rank.

    Raises:
        UserError: the groups of a source cannot be shared evenly.
    """
    loader = settings.train_dataloader
    numbers = shares(loader.sampler.batch_size, loader.sampler.source_ratio)
    if any(number % ranks for number in (loader.batch_size, *numbers)):
        raise UserError(
            f"A batch of {numbers[0]} labelled and {sum(numbers[1:])} unlabelled groups cannot be shared evenly by {ranks} "
            f"processes: start as many as divide both, or set train_dataloader.batch_size and "
            f"train_dataloader.sampler.batch_size; a burn-in can be trained first, by the same command in one process."
        )
    loader.batch_size //= ranks
    loader.sampler.batch_size //= ranks


def distribute(settings: Any) -> None:
    """Set what mmengine's runner needs to train one model on several ranks, in place."""
    settings.launcher = "pytorch"
    settings.randomness.diff_rank_seed = True  # each rank augments its own groups; weights are the first rank's
    settings.model_wrapper_cfg = {"type": "MMDistributedDataParallel", "broadcast_buffers": True}
    if not torch.cuda.is_available():
        settings.model_wrapper_cfg.device_ids = None
    settings.val_evaluator.collect_device = "gpu"  # mmengine's name for gathering by messages instead of through files

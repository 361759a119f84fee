"""What data loading processes do as they begin, and how they hand a batch over."""

import ctypes
import io
import math
import os
import pickle
import signal
import sys
from typing import Any

import torch
from mmengine.registry import FUNCTIONS

_PR_SET_PDEATHSIG = 1
_ALIGNMENT = 16  # bytes; of each tensor in a block
_Place = tuple[torch.dtype, tuple[int, ...], int]  # kind and shape of a tensor, and its first byte in the block


@FUNCTIONS.register_module()
def end_with_parent(worker_id: int) -> None:
    """Have this process killed when the one that trains dies, whatever kills it.

    torch's own watch over it does not do: where the trainer dies with batches under way, a data loading process may wait for ever
    to hand one over, and keeps the run's lock meanwhile. Linux alone can do this; elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before this process could ask
        os._exit(1)


class Batch(dict[str, Any]):
    """A batch that a data loading process hands over as one block of shared memory; it arrives as a plain dict.

    torch would hand over each tensor, of which a batch has some hundreds, by a file of its own.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        skeleton = io.BytesIO()
        packer = _Packer(skeleton)
        packer.dump(dict(self))
        return _unpacked, (skeleton.getvalue(), packer.block())


class _Packer(pickle.Pickler):
    """Pickles all but the tensors, in whose places it leaves where in the block they lie."""

    def __init__(self, skeleton: io.BytesIO) -> None:
        super().__init__(skeleton, pickle.HIGHEST_PROTOCOL)
        self.parts: list[tuple[torch.Tensor, _Place]] = []
        self.end = 0

    def persistent_id(self, value: object) -> _Place | None:
        if type(value) is not torch.Tensor or value.requires_grad or value.device.type != "cpu":
            return None
        place = value.dtype, tuple(value.shape), self.end
        self.parts.append((value, place))
        self.end += -(-value.nbytes // _ALIGNMENT) * _ALIGNMENT
        return place

    def block(self) -> torch.Tensor:
        block = torch.empty(self.end, dtype=torch.uint8)
        for value, place in self.parts:
            _part(block, *place).copy_(value)
        return block


class _Unpacker(pickle.Unpickler):
    def __init__(self, skeleton: bytes, block: torch.Tensor) -> None:
        super().__init__(io.BytesIO(skeleton))
        self.block = block

    def persistent_load(self, place: _Place) -> torch.Tensor:
        return _part(self.block, *place)


def _unpacked(skeleton: bytes, block: torch.Tensor) -> Any:
    return _Unpacker(skeleton, block).load()


def _part(block: torch.Tensor, kind: torch.dtype, shape: tuple[int, ...], start: int) -> torch.Tensor:
    """The part of a block (bytes, uint8) that is a tensor of this kind and shape."""
    end = start + kind.itemsize * math.prod(shape)
    return block[start:end].view(kind).view(shape)

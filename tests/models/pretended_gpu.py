"""A GPU that is only pretended: what would lie on it is marked, so that a step tells without one where it would fail or wait.

It sees the calls of PyTorch's functions forward, those in mmdet included, not what these do inside, nor the backward pass.
"""

import traceback
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_TOLD = {"cpu", "numpy", "tolist", "item", "__bool__", "__float__", "__int__", "__index__"}  # the host asks for values
_COUNTED = {"nonzero", "unique", "masked_select", "equal", "nms"}  # how large the result is depends on values
_WAITED = {*_TOLD, *_COUNTED, "new_tensor"}  # the last, until it has arrived
_OF_THE_OBJECT = {
    "size",
    "dim",
    "__len__",
    "numel",
    "is_floating_point",
    "requires_grad_",
    "__set__",
    "__get__",
    "__deepcopy__",
}
_PLACES = ("/models/", "mmdet", "mmcv", "mmengine")


def put(value: Any, side: str) -> None:
    """Mark the tensors of a module or of nested data as lying on a side, ``gpu`` or ``host``."""
    for tensor in [*value.parameters(), *value.buffers()] if isinstance(value, nn.Module) else _tensors(value):
        tensor._side = side


class PretendedGpu(TorchFunctionMode):
    """Follows on which side each tensor would lie.

    Attributes:
        mixes: calls that a GPU would refuse, since their tensors lie on both sides, and how often each.
        waits: calls that would have the host wait for the GPU.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mixes: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        given = list(_tensors([args, kwargs]))
        result = func(*args, **kwargs)
        if name in _OF_THE_OBJECT:
            if name == "__get__" and given:  # .T, .grad and the like
                put(result, _side(given[0]))
            return result
        sides = {_side(tensor) for tensor in given}
        side = self._of_the_result(name, args, kwargs, given, sides)
        masks = name in ("__getitem__", "__setitem__") and any(one.dtype == torch.bool for one in _tensors(args[1]))
        arrives = name == "to" and side == "gpu" and _side(given[0]) == "host" and not kwargs.get("non_blocking")
        if arrives or ("gpu" in sides and (masks or name in _WAITED)):
            self.waits[_call(name)] += 1
        if name != "to" and {_side(tensor) for tensor in given if tensor.dim()} == {"gpu", "host"}:
            self.mixes[_call(name)] += 1
        if name in ("to", "cpu") and result is given[0] and side != _side(result):
            result = result.view_as(result)  # another object, as the copy would be
        put(result, side)
        return result

    def _of_the_result(self, name: str, args: Any, kwargs: Any, given: list[Tensor], sides: set[str]) -> str:
        named = any(isinstance(one, torch.device) for one in [*args, kwargs.get("device")])
        if name == "to":
            others = [one for one in [*args[1:], *kwargs.values()] if isinstance(one, Tensor)]
            return _side(others[0]) if others else "gpu" if named else _side(given[0])
        if name in ("cpu", "numpy"):
            return "host"
        return "gpu" if "gpu" in sides or (named and not sides) else "host"


def _side(tensor: Tensor) -> str:
    return str(getattr(tensor, "_side", "host"))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors(one)


def _call(name: str) -> str:
    """A function, and the line of the model or the library that calls it."""
    frames = [f for f in traceback.extract_stack()[:-2] if any(place in f.filename for place in _PLACES)]
    return f"{name}: {frames[-1].filename.split('site-packages/')[-1]}:{frames[-1].lineno}" if frames else name

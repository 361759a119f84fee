"""What tests of the model share."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from mmengine.structures import InstanceData
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_cuda)]


class Operations(TorchDispatchMode):
    """The names of the operations that are called in it, in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.fixture
def operations() -> type[Operations]:
    """A mode of torch that notes what is called."""
    return Operations


def sampled_by_the_library(assigner: Any, sampler: Any, priors: Sequence[Tensor], truths: Sequence[Any]) -> list[Any]:
    """Samples of each view as mmdet assigns and draws them, view by view."""
    views = zip([InstanceData(priors=one) for one in priors], truths, strict=True)
    return [sampler.sample(assigner.assign(one, truth), one, truth) for one, truth in views]

"""Reduced precision where a training step's time goes, and float32 everywhere else.

Autocast over the whole step, as mmengine's ``AmpOptimWrapper`` has it, would reach what must not be rounded to bfloat16's 8 bits:
mmdet casts RoIs to the dtype of the feature maps (4 px apart beyond 512 px), projects boxes between teacher and student by a matrix
product, and reduces focal losses in the dtype of the logits. So autocast covers the layers alone that hold nearly all of the
arithmetic: backbone, MVViT, neck, the RPN's convolution and the shared layers of the box head. What they give is float32 again; the
layers that predict scores and boxes, RoIAlign, assignment, NMS, projection and losses are those of a float32 step. bfloat16 has
float32's range, so that no gradient needs scaling.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


def check_precision(precision: str) -> None:
    """Refuse a word that is no precision.

    Raises:
        ValueError: see above.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"model.precision is {precision!r}: choose {' or '.join(PRECISIONS)}.")


@contextmanager
def computing_in(precision: Precision, *detectors: nn.Module) -> Iterator[None]:
    """Have mmdet's two-stage detectors compute their features in a precision, within the context; weights stay float32."""
    with ExitStack() as stack:
        if precision == "bfloat16":
            for owner, name in (place for detector in detectors for place in _places(detector)):
                setattr(owner, name, _reduced(getattr(owner, name)))
                stack.callback(delattr, owner, name)  # the class's own is in force again
        yield


def _places(detector: Any) -> list[tuple[Any, str]]:
    """Owners and names of the functions that autocast covers."""
    head = detector.roi_head.bbox_head
    layers = [detector.rpn_head.rpn_conv, *getattr(head, "shared_fcs", ())]
    return [(detector, "extract_feat"), *((layer, "forward") for layer in layers)]


def _reduced(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function under autocast, with float32 results."""

    @functools.wraps(function)
    def reduced(x: Tensor) -> Any:
        with torch.autocast(x.device.type, torch.bfloat16):
            found = function(x)
        return found.float() if isinstance(found, Tensor) else tuple(level.float() for level in found)

    return reduced

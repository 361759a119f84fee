"""The operator bridge: mmcv's compiled operators, answered by torchvision and PyTorch.

mmcv keeps NMS, RoIAlign and the focal loss in an extension module, `mmcv._ext`, that takes long to compile
and that its wheels may lack; without it `mmdet.models` cannot even be imported. `install` registers a
stand-in under that name. It answers what this detector uses, and refuses other operators
when called. Where a compiled extension can be imported, nothing is touched.

Boxes are (x1, y1, x2, y2) in pixels, RoIs (image index, x1, y1, x2, y2). Whatever the dtype of the arguments,
the work is done in float32 (RoIAlign and the focal loss keep float64): half precision is served too.

Calling conventions: mmcv/ops/{nms,roi_align,focal_loss}.py. Formulas: mmcv's own kernels, in mmcv/ops/csrc.
"""

import functools
import importlib
import sys
import types
import warnings
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import Any, Literal, NoReturn

import numpy as np
import torch
import torchvision.ops
from torch import Tensor
from torch.nn.functional import logsigmoid

EXTENSION = "mmcv._ext"
AVERAGE_POOLING = 1  # mmcv passes 0 for "max"

Provider = Literal["compiled", "torchvision"]


def wide(tensor: Tensor) -> Tensor:
    """The tensor in float32; float64 stays as it is."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def nms(boxes: Tensor, scores: Tensor, *, iou_threshold: float, offset: int) -> Tensor:
    """Indices (int64) of the boxes (N, 4) kept, by falling score; equal scores keep their order.

    A box goes if its IoU with a kept box exceeds the threshold. Both are compared in float32, as mmcv does:
    torchvision's CPU kernel takes a float64 threshold, and would drop a box whose IoU of 0.6 equals it.

    Raises NotImplementedError for offset 1 (width = x2 - x1 + 1).
    """
    if offset != 0:
        raise NotImplementedError(
            f"nms with offset={offset} is not provided by the torchvision bridge: "
            "set offset=0 in the nms config, or install mmcv with compiled operators."
        )
    kept: Tensor = torchvision.ops.nms(boxes.float(), scores.float(), float(np.float32(iou_threshold)))
    return kept


def _require_average_pooling(pool_mode: int) -> None:
    if pool_mode != AVERAGE_POOLING:
        raise NotImplementedError(
            "roi_align with pool_mode='max' is not provided by the torchvision bridge: set pool_mode='avg', "
            "or install mmcv with compiled operators."
        )


def roi_align_forward(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the pooled features (K, C, aligned_height, aligned_width) of the RoIs (K, 5) to `output`.

    `features` is (N, C, H, W). A sampling ratio of 0 adapts to the RoI's size. The argmax tensors belong to
    max pooling, which raises NotImplementedError.
    """
    _require_average_pooling(pool_mode)
    features = wide(features)
    output.copy_(
        torch.ops.torchvision.roi_align(
            features,
            rois.to(features.dtype),
            spatial_scale,
            aligned_height,
            aligned_width,
            sampling_ratio,
            aligned,
        )
    )


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    *,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the gradient of the features (N, C, H, W) to `grad_input`; the rest as in `roi_align_forward`."""
    _require_average_pooling(pool_mode)
    grad_output = wide(grad_output)
    grad_input.copy_(
        torch.ops.torchvision._roi_align_backward(
            grad_output,
            rois.to(grad_output.dtype),
            spatial_scale,
            aligned_height,
            aligned_width,
            *grad_input.shape,
            sampling_ratio,
            aligned,
        )
    )


def _select(positive: Tensor, negative: Tensor, target: Tensor, weight: Tensor, *, alpha: float) -> Tensor:
    """alpha * positive in the column of a row's target, (1 - alpha) * negative elsewhere, times its weight.

    `weight` is empty or holds one number per class: a row is weighted by the class of its *target*. mmcv's
    kernel reads past its end for background rows (target = number of classes); here they weigh 1.
    """
    classes = torch.arange(positive.size(1), device=target.device)
    selected = torch.where(target[:, None] == classes, alpha * positive, (1 - alpha) * negative)
    if weight.numel() == 0:
        return selected
    return selected * torch.cat((weight, weight.new_ones(1)))[target, None]


def sigmoid_focal_loss_forward(
    logits: Tensor, target: Tensor, weight: Tensor, output: Tensor, *, gamma: float, alpha: float
) -> None:
    """Write the unreduced focal loss of logits (N, C) against targets (N,) in 0..C to `output` (N, C).

    With p the sigmoid: -alpha (1-p)^gamma log p in the target's column, -(1-alpha) p^gamma log(1-p) in the
    others; target C is background.
    """
    x = wide(logits)
    positive = -(torch.sigmoid(-x) ** gamma) * logsigmoid(x)
    negative = -(torch.sigmoid(x) ** gamma) * logsigmoid(-x)
    output.copy_(_select(positive, negative, target, weight, alpha=alpha))


def sigmoid_focal_loss_backward(
    logits: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, *, gamma: float, alpha: float
) -> None:
    """Write the derivative of `sigmoid_focal_loss_forward` by the logits (N, C) to `grad_input`."""
    x = wide(logits)
    p, q = torch.sigmoid(x), torch.sigmoid(-x)
    positive = q**gamma * (gamma * p * logsigmoid(x) - q)
    negative = p**gamma * (p - gamma * q * logsigmoid(-x))
    grad_input.copy_(_select(positive, negative, target, weight, alpha=alpha))


def _not_compiled() -> str:
    """What mmcv's environment report says of its compiler where there is none."""
    return "n/a"


OPERATORS: dict[str, Callable[..., Any]] = {
    "nms": nms,
    "roi_align_forward": roi_align_forward,
    "roi_align_backward": roi_align_backward,
    "sigmoid_focal_loss_forward": sigmoid_focal_loss_forward,
    "sigmoid_focal_loss_backward": sigmoid_focal_loss_backward,
    "get_compiler_version": _not_compiled,
    "get_compiling_cuda_version": _not_compiled,
}


class OperatorBridge(types.ModuleType):
    """The stand-in for `mmcv._ext`. mmcv looks operators up at import: those missing raise when called."""

    def __init__(self) -> None:
        super().__init__(EXTENSION, "mmcv's operators by torchvision.")
        self.__spec__ = ModuleSpec(EXTENSION, None)  # mmengine asks `find_spec`, which refuses a module without one
        vars(self).update(OPERATORS)

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith("_"):  # `inspect` asks every module for __file__ and the like
            raise AttributeError(f"module {EXTENSION!r} has no attribute {name!r}")

        def unavailable(*args: object, **kwargs: object) -> NoReturn:
            raise NotImplementedError(
                f"mmcv's operator '{name}' is not provided by the torchvision bridge: "
                "to use it, install mmcv with compiled operators."
            )

        return unavailable


def _in_float32(batched_nms: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., tuple[Tensor, Tensor]]:
    """mmcv's batched NMS for half-precision boxes.

    It moves the boxes of each class (or level) apart by more than the image's size *before* it calls `nms`:
    at 3,000 px float16 resolves 2 px and bfloat16 16 px, which changes what is suppressed. The result has the
    dtype it had.
    """

    @functools.wraps(batched_nms)
    def widened(boxes: Tensor, scores: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        detections, keep = batched_nms(wide(boxes), wide(scores), *args, **kwargs)
        return detections.to(torch.promote_types(boxes.dtype, scores.dtype)), keep

    return widened


def _import_mmcv_operators() -> None:
    """Import what warns while it is imported, so that importing mmdet is quiet, and widen batched NMS."""
    with warnings.catch_warnings():
        # mmengine.optim imports torch.distributed.optim, which scripts its optimizers.
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        # mmcv warns of its own re-export.
        warnings.filterwarnings("ignore", "``MultiScaleDeformableAttention`` has been moved", ImportWarning)
        package = importlib.import_module("mmcv.ops")
        importlib.import_module("mmcv.cnn.bricks.transformer")
    module = importlib.import_module("mmcv.ops.nms")  # the package's attribute of that name is the function
    widened = _in_float32(module.batched_nms)
    vars(package)["batched_nms"] = vars(module)["batched_nms"] = widened


def install() -> Provider:
    """Register the bridge as `mmcv._ext` unless a compiled one can be imported; say which one is in use.

    Call it before anything imports `mmcv.ops` or `mmdet`. Calling it again changes nothing.
    """
    mmcv = importlib.import_module("mmcv")
    if isinstance(sys.modules.get(EXTENSION), OperatorBridge):
        return "torchvision"
    try:
        importlib.import_module(EXTENSION)
    except ImportError:
        bridge = OperatorBridge()
    else:
        return "compiled"
    sys.modules[EXTENSION] = vars(mmcv)["_ext"] = bridge
    _import_mmcv_operators()
    return "torchvision"

"""The operator bridge against hand-worked numbers and slow references, through mmcv's own wrappers."""

import importlib
import inspect
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models import operators
from tests.models.conftest import DEVICES

Array = NDArray[Any]

HALF = [torch.float16, torch.bfloat16]


@pytest.fixture(scope="module")
def ops() -> Any:
    if operators.install() != "torchvision":
        pytest.skip("mmcv has compiled operators: the bridge is not in use")
    return importlib.import_module("mmcv.ops")


def test_install_is_idempotent(ops: Any) -> None:
    import mmcv

    bridge = sys.modules["mmcv._ext"]
    batched_nms = ops.batched_nms

    assert operators.install() == "torchvision"

    assert sys.modules["mmcv._ext"] is bridge is mmcv._ext
    assert ops.batched_nms is batched_nms is sys.modules["mmcv.ops.nms"].batched_nms


def test_steps_aside_for_a_compiled_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = types.ModuleType("mmcv._ext")
    monkeypatch.setitem(sys.modules, "mmcv._ext", compiled)

    assert operators.install() == "compiled"

    assert sys.modules["mmcv._ext"] is compiled
    assert not hasattr(compiled, "nms")


def test_a_fresh_process_imports_mmdet_without_noise() -> None:
    """Loaded by path, to leave the rest of the package out: no mmcv before `install`, no warning after it."""
    script = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("operators", sys.argv[1])
operators = importlib.util.module_from_spec(spec)
spec.loader.exec_module(operators)
early = [name for name in sys.modules if name.split(".")[0] in ("mmcv", "mmengine", "mmdet")]
assert not early, early
assert operators.install() in ("compiled", "torchvision")
import mmdet.models
"""
    # mmdet holds invalid escapes, which Python reports when it compiles the file for the first time.
    flags = ["-W", "error", "-W", "ignore:invalid escape sequence"]
    path = str(Path(inspect.getfile(operators)))

    run = subprocess.run([sys.executable, *flags, "-c", script, path], capture_output=True, text=True, timeout=120)

    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_another_operator_is_refused_when_called(ops: Any) -> None:
    boxes = torch.zeros(1, 5)

    with pytest.raises(NotImplementedError, match=r"'box_iou_rotated' .* install mmcv with compiled"):
        ops.box_iou_rotated(boxes, boxes)
    with pytest.raises(NotImplementedError, match="'softnms'"):
        ops.soft_nms(torch.zeros(1, 4), torch.zeros(1))


def test_private_names_are_absent() -> None:
    bridge = operators.OperatorBridge()

    assert not hasattr(bridge, "__file__")
    assert not hasattr(bridge, "_repr_html_")
    assert hasattr(bridge, "deform_conv_forward")
    with pytest.raises(AttributeError, match=r"'mmcv\._ext' has no attribute '__path__'"):
        bridge.__path__  # noqa: B018
    assert inspect.getmodule(bridge.nms) is operators


def test_mmcv_reports_its_environment(ops: Any) -> None:
    assert ops.get_compiler_version() == ops.get_compiling_cuda_version() == "n/a"


def slow_nms(boxes: Array, scores: Array, threshold: float) -> list[int]:
    """Greedy suppression, one pair at a time, in float32."""
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        x1, y1, x2, y2 = boxes[index]
        for other in kept:
            left, top, right, bottom = boxes[other]
            inside = max(min(x2, right) - max(x1, left), np.float32(0)) * max(
                min(y2, bottom) - max(y1, top), np.float32(0)
            )
            union = (x2 - x1) * (y2 - y1) + (right - left) * (bottom - top) - inside
            if inside / union > np.float32(threshold):
                break
        else:
            kept.append(int(index))
    return kept


def random_boxes(seed: int, *, count: int = 60) -> tuple[Array, Array]:
    """Whole-pixel boxes and scores in steps of 0.1: IoUs equal to a threshold and tied scores do occur."""
    generator = np.random.default_rng(seed)
    corner = generator.integers(0, 12, size=(count, 2))
    size = generator.integers(2, 10, size=(count, 2))
    boxes = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
    return boxes, (generator.integers(0, 10, size=count) / 10).astype(np.float32)


@pytest.mark.parametrize("device", DEVICES)
def test_nms_by_hand(ops: Any, device: str) -> None:
    # IoU of the second box with the first: 50 / 100; of the third with the first: 0; with the second: 0.
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 5], [20, 0, 30, 10]], dtype=torch.float32, device=device)
    scores = torch.tensor([0.7, 0.8, 0.9], device=device)

    detections, kept = ops.nms(boxes, scores, 0.4)

    assert kept.dtype == torch.int64 and kept.tolist() == [2, 1]
    expected = torch.tensor([[20, 0, 30, 10, 0.9], [0, 0, 10, 5, 0.8]], device=device)
    torch.testing.assert_close(detections, expected)
    assert ops.nms(boxes, scores, 0.4, max_num=1)[1].tolist() == [2]
    assert ops.nms(boxes, scores, 0.4, score_threshold=0.75)[1].tolist() == [2, 1]
    assert ops.nms(boxes[:0], scores[:0], 0.4)[1].tolist() == []


@pytest.mark.parametrize("device", DEVICES)
def test_nms_keeps_a_box_whose_overlap_equals_the_threshold(ops: Any, device: str) -> None:
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 6]], dtype=torch.float32, device=device)  # IoU 60 / 100
    scores = torch.tensor([0.9, 0.8], device=device)

    assert ops.nms(boxes, scores, 0.6)[1].tolist() == [0, 1]  # 0.6 in float32 exceeds 0.6 in float64
    assert ops.nms(boxes, scores, 0.5999)[1].tolist() == [0]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 0.6, 0.7, 1.0])
def test_nms_equals_the_slow_one(ops: Any, device: str, threshold: float) -> None:
    for seed in range(5):
        boxes, scores = random_boxes(seed)
        _, kept = ops.nms(torch.from_numpy(boxes).to(device), torch.from_numpy(scores).to(device), threshold)
        assert kept.tolist() == slow_nms(boxes, scores, threshold)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", HALF)
def test_nms_in_half_precision(ops: Any, device: str, dtype: torch.dtype) -> None:
    boxes, scores = random_boxes(7)
    half_boxes, half_scores = (torch.from_numpy(array).to(device, dtype) for array in (boxes, scores))

    with torch.autocast(device, dtype=dtype):
        detections, kept = ops.nms(half_boxes, half_scores, 0.5)

    assert kept.tolist() == slow_nms(boxes, half_scores.float().cpu().numpy(), 0.5)
    assert detections.dtype == dtype
    assert ops.nms(half_boxes.float(), half_scores, 0.5)[1].tolist() == kept.tolist()


def test_nms_of_arrays_is_an_array(ops: Any) -> None:
    boxes, scores = random_boxes(3)

    detections, kept = ops.nms(boxes, scores, 0.5)

    assert isinstance(detections, np.ndarray) and kept.tolist() == slow_nms(boxes, scores, 0.5)


def test_nms_refuses_the_inclusive_width(ops: Any) -> None:
    with pytest.raises(NotImplementedError, match=r"offset=1 .* set offset=0"):
        ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5, offset=1)


def test_batched_nms_suppresses_within_a_class_only(ops: Any) -> None:
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 8]], dtype=torch.float32)
    scores = torch.tensor([0.7, 0.8, 0.9])
    classes = torch.tensor([0, 1, 0])

    detections, kept = ops.batched_nms(boxes, scores, classes, dict(type="nms", iou_threshold=0.5))

    assert kept.tolist() == [2, 1]
    torch.testing.assert_close(detections, torch.tensor([[0, 0, 10, 8, 0.9], [0, 0, 10, 9, 0.8]]))
    agnostic = dict(type="nms", iou_threshold=0.5, class_agnostic=True)
    assert ops.batched_nms(boxes, scores, classes, agnostic)[1].tolist() == [2]
    assert ops.batched_nms(boxes, scores, classes, None)[1].tolist() == [2, 1, 0]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", HALF)
def test_batched_nms_moves_classes_apart_in_float32(ops: Any, device: str, dtype: torch.dtype) -> None:
    """Class 4's boxes overlap by 0.6; moved by 4 * 721 px in float16 by 16 / 24, in bfloat16 by 16 / 32."""
    rows = [[0, 0, 8, 720], [100, 100, 120, 120], [100, 105, 120, 125]]
    boxes = torch.tensor(rows, dtype=dtype, device=device)
    scores = torch.tensor([0.75, 0.5, 0.25], dtype=dtype, device=device)
    classes = torch.tensor([0, 4, 4], device=device)

    detections, kept = ops.batched_nms(boxes, scores, classes, dict(type="nms", iou_threshold=0.65))

    assert kept.tolist() == [0, 1, 2]
    assert detections.dtype == dtype and torch.equal(detections[:, :4], boxes)
    assert ops.batched_nms(boxes, scores, classes, dict(type="nms", iou_threshold=0.55))[1].tolist() == [0, 1]


def slow_roi_align(
    features: Array, rois: Array, size: tuple[int, int], scale: float, ratio: int, aligned: bool
) -> Array:
    """Average of bilinear samples, one at a time."""
    height, width = features.shape[2:]
    shift = 0.5 if aligned else 0.0
    output = np.zeros((len(rois), features.shape[1], *size))

    def sample(image: Array, y: float, x: float) -> Array:
        if not (-1 <= y <= height and -1 <= x <= width):
            return np.zeros(len(image))
        y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
        top, left = int(y), int(x)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        upper = image[:, top, left] * (1 - (x - left)) + image[:, top, right] * (x - left)
        lower = image[:, bottom, left] * (1 - (x - left)) + image[:, bottom, right] * (x - left)
        return np.asarray(upper * (1 - (y - top)) + lower * (y - top))

    for index, (batch, *box) in enumerate(rois):
        x1, y1, x2, y2 = (value * scale - shift for value in box)
        span = (y2 - y1, x2 - x1) if aligned else (max(y2 - y1, 1.0), max(x2 - x1, 1.0))
        steps = [ratio if ratio > 0 else int(np.ceil(length / bins)) for length, bins in zip(span, size, strict=True)]
        for row, column in np.ndindex(*size):
            points = [
                sample(
                    features[int(batch)],
                    y1 + (row + (i + 0.5) / steps[0]) * span[0] / size[0],
                    x1 + (column + (j + 0.5) / steps[1]) * span[1] / size[1],
                )
                for i, j in np.ndindex(*steps)
            ]
            output[index, :, row, column] = np.mean(points, axis=0)
    return output


def ramp() -> torch.Tensor:
    """Two images (2, 1, 8, 8) of value x + 10 y at pixel (y, x); the second is 1 higher."""
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    return torch.stack([x + 10 * y, x + 10 * y + 1])[:, None]


RAMP_BOX = [1.0, 2.0, 5.0, 6.0]  # cut in 2 x 2, its cells have their centres at x 2, 4 and y 3, 5


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ratio", [0, 1, 2, 3])
def test_roi_align_of_a_ramp_is_the_ramp_at_the_centre(ops: Any, device: str, ratio: int) -> None:
    features = ramp().to(device)
    rois = torch.tensor([[0, *RAMP_BOX], [1, *RAMP_BOX]], device=device)

    aligned = ops.roi_align(features, rois, 2, 1.0, ratio, "avg", True)
    legacy = ops.roi_align(features, rois, 2, 1.0, ratio, "avg", False)

    # Aligned: pixel i covers i..i+1, so that coordinate c has the value of c - 0.5.
    expected = torch.tensor([[26.5, 28.5], [46.5, 48.5]], device=device)
    torch.testing.assert_close(aligned, torch.stack([expected, expected + 1])[:, None])
    expected = torch.tensor([[32.0, 34.0], [52.0, 54.0]], device=device)
    torch.testing.assert_close(legacy, torch.stack([expected, expected + 1])[:, None])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_roi_align_equals_the_slow_one(ops: Any, device: str, aligned: bool, ratio: int) -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(2, 3, 9, 7))
    corner = generator.uniform(-4, 24, size=(12, 2))  # at scale 0.25 some RoIs leave the map of 28 x 36 px
    rois = np.concatenate([np.arange(12)[:, None] % 2, corner, corner + generator.uniform(1, 20, size=(12, 2))], 1)

    layer = ops.RoIAlign((3, 2), spatial_scale=0.25, sampling_ratio=ratio, aligned=aligned)
    pooled = layer(torch.from_numpy(features).float().to(device), torch.from_numpy(rois).float().to(device))

    expected = slow_roi_align(features, rois, (3, 2), 0.25, ratio, aligned)
    np.testing.assert_allclose(pooled.cpu().numpy(), expected, atol=1e-5)


def test_roi_align_gradient_by_hand(ops: Any) -> None:
    features = torch.zeros(1, 1, 4, 4, requires_grad=True)
    rois = torch.tensor([[0.0, 1.0, 1.0, 3.0, 3.0]])  # its centre is the corner that pixels 1 and 2 share

    ops.roi_align(features, rois, 1, 1.0, 1).backward(torch.tensor([[[[8.0]]]]))

    assert features.grad is not None
    expected = torch.zeros(4, 4)
    expected[1:3, 1:3] = 2.0
    torch.testing.assert_close(features.grad[0, 0], expected)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_roi_align_gradient_equals_finite_differences(ops: Any, aligned: bool, ratio: int) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 2, 5, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    rois = torch.tensor([[0, 0.3, 0.9, 6.1, 7.7], [1, -2.0, 1.0, 9.0, 12.0]], dtype=torch.float64)

    def pool(features: torch.Tensor) -> Any:
        return ops.roi_align(features, rois, (2, 3), 0.5, ratio, "avg", aligned)

    assert torch.autograd.gradcheck(pool, (features,))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("autocast", [True, False])
def test_roi_align_in_half_precision(ops: Any, device: str, dtype: torch.dtype, autocast: bool) -> None:
    """RoIs may come in float32 or in the features' dtype; all the numbers here are exact in either."""
    for roi_dtype in (torch.float32, dtype):
        features = ramp()[:1].to(device, dtype).requires_grad_()
        rois = torch.tensor([[0, *RAMP_BOX]], dtype=roi_dtype, device=device)
        with torch.autocast(device, dtype=dtype, enabled=autocast):
            pooled = ops.roi_align(features, rois, 2, 1.0, 2)
        pooled.sum().backward()

        assert pooled.dtype == dtype
        assert pooled.flatten().tolist() == [26.5, 28.5, 46.5, 48.5]
        assert features.grad is not None and features.grad.dtype == dtype
        assert features.grad.sum().item() == 4.0


def test_roi_align_without_rois(ops: Any) -> None:
    features = ramp().requires_grad_()

    pooled = ops.roi_align(features, torch.zeros(0, 5), 2)
    pooled.sum().backward()

    assert pooled.shape == (0, 1, 2, 2)
    assert features.grad is not None and not features.grad.any()


def test_roi_align_refuses_max_pooling(ops: Any) -> None:
    with pytest.raises(NotImplementedError, match=r"pool_mode='max' .* set pool_mode='avg'"):
        ops.roi_align(ramp(), torch.zeros(1, 5), 2, 1.0, 0, "max")


@pytest.mark.parametrize("device", DEVICES)
def test_focal_loss_by_hand(ops: Any, device: str) -> None:
    """At logit 0, gamma 2, alpha 0.25: 1/16 ln 2 in the target's column, 3/16 ln 2 in the others."""
    logits = torch.zeros(2, 2, device=device, requires_grad=True)
    target = torch.tensor([0, 2], device=device)  # class 0 and background

    loss = ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, "none")
    loss.sum().backward()

    expected = torch.tensor([[0.0433217, 0.1299651], [0.1299651, 0.1299651]], device=device)
    torch.testing.assert_close(loss, expected, atol=1e-6, rtol=0)
    # -1/16 (1/2 + ln 2) and 3/16 (1/2 + ln 2)
    expected = torch.tensor([[-0.0745717, 0.2237151], [0.2237151, 0.2237151]], device=device)
    torch.testing.assert_close(logits.grad, expected, atol=1e-6, rtol=0)


def test_focal_loss_weighs_a_row_by_its_target(ops: Any) -> None:
    logits = torch.zeros(3, 2, requires_grad=True)
    target = torch.tensor([0, 1, 2])
    plain = ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, "none").detach()

    loss = ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, torch.tensor([3.0, 5.0]), "none")
    loss.sum().backward()

    rows = torch.tensor([[3.0], [5.0], [1.0]])  # background weighs 1
    torch.testing.assert_close(loss, plain * rows)
    expected = torch.tensor([[-0.0745717, 0.2237151], [0.2237151, -0.0745717], [0.2237151, 0.2237151]])
    torch.testing.assert_close(logits.grad, expected * rows, atol=1e-6, rtol=0)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("gamma", "alpha"), [(2.5, 0.75), (3.5, 0.75), (0.0, 0.25), (0.5, 0.5)])
@pytest.mark.parametrize("weighting", ["none", "per row", "per class"])
def test_focal_loss_equals_mmdets(ops: Any, device: str, gamma: float, alpha: float, weighting: str) -> None:
    """The branch of mmdet's FocalLoss for CUDA tensors against the one for CPU tensors, with gradients."""
    losses = importlib.import_module("mmdet.models.losses.focal_loss")
    generator = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(40, 5, generator=generator)).to(device)
    target = torch.randint(0, 6, (40,), generator=generator).to(device)
    one_hot = torch.nn.functional.one_hot(target, 6)[:, :5]
    class_weight = torch.tensor([0.5, 1.0, 2.0, 3.0, 4.0], device=device)
    row_weight = {
        "none": None,
        "per row": torch.rand(40, generator=generator).to(device),
        "per class": torch.cat((class_weight, class_weight.new_ones(1)))[target],
    }[weighting]
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()

    if weighting == "per class":
        loss = ops.sigmoid_focal_loss(ours, target, gamma, alpha, class_weight, "sum") / 40
    else:
        loss = losses.sigmoid_focal_loss(ours, target, row_weight, gamma, alpha, "sum") / 40
    expected = losses.py_sigmoid_focal_loss(theirs, one_hot, row_weight, gamma, alpha, "sum") / 40
    loss.backward()
    expected.backward()

    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_focal_loss_reductions(ops: Any) -> None:
    logits, target = torch.tensor([[1.0, -2.0], [0.5, 3.0]]), torch.tensor([1, 0])
    total = ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, "none").sum()

    torch.testing.assert_close(ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, "sum"), total)
    # "mean" divides by the rows, not by the entries.
    torch.testing.assert_close(ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, "mean"), total / 2)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", HALF)
def test_focal_loss_in_half_precision(ops: Any, device: str, dtype: torch.dtype) -> None:
    """The float32 result, rounded once; saturated logits stay finite."""
    values = torch.tensor([[-100.0, -8.0, 0.5], [8.0, 100.0, -0.5]], device=device)
    target = torch.tensor([0, 3], device=device)
    wide, half = values.clone().requires_grad_(), values.to(dtype).requires_grad_()

    with torch.autocast(device, dtype=dtype):
        loss = ops.sigmoid_focal_loss(half, target, 2.5, 0.75, None, "none")
    expected = ops.sigmoid_focal_loss(wide, target, 2.5, 0.75, None, "none")
    loss.sum().backward()
    expected.sum().backward()

    assert loss.dtype == dtype and half.grad is not None and half.grad.dtype == dtype
    assert wide.grad is not None and torch.isfinite(wide.grad).all()
    torch.testing.assert_close(loss, expected.to(dtype), atol=0, rtol=0)
    torch.testing.assert_close(half.grad, wide.grad.to(dtype), atol=0, rtol=0)
    assert loss[0, 0].item() == 75.0  # -0.75 log p at logit -100

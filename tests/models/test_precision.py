"""Reduced precision reaches the layers that are meant and no other, and trains what float32 trains."""

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

Build = Callable[..., Any]
BFLOAT16 = {"model.precision": "bfloat16"}


def test_an_unknown_precision_is_refused(build_model: Build) -> None:
    with pytest.raises(ValueError, match=r"model\.precision is 'half': choose float32 or bfloat16\."):
        build_model(delta={"model.precision": "half"})


class Arithmetic(TorchDispatchMode):
    """Counts convolutions, linear layers and products of matrices by their dtype, and names whatever gives bfloat16."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[tuple[str, torch.dtype]] = Counter()
        self.reduced: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if isinstance(result, Tensor) and result.dtype == torch.bfloat16:
            self.reduced.add(name)
        kind = "attention" if name.startswith("_scaled_dot_product") else name
        if kind in ("convolution", "addmm", "mm", "bmm", "attention"):
            self.counts[kind, args[0].dtype] += 1
        return result


def arithmetic(model: Any, run: Callable[[], Any]) -> Arithmetic:
    with Arithmetic() as mode:
        run()
    return mode


def test_features_are_worked_out_in_bfloat16_and_all_that_is_made_of_them_in_float32(
    build_model: Build, tiny_batch: Build
) -> None:
    model = build_model(delta=BFLOAT16).train()
    batch = tiny_batch(model)
    mode = arithmetic(model, lambda: model.loss(*batch))
    # Three times features and proposals are made: of labelled and unlabelled images by the student, of the latter by the teacher.
    backbone = sum(isinstance(module, torch.nn.Conv2d) for module in model.student.backbone.modules())
    neck = sum(isinstance(module, torch.nn.Conv2d) for module in model.student.neck.modules())
    assert mode.counts["convolution", torch.bfloat16] == 3 * (backbone + neck + 3)  # the RPN's, at three levels
    assert mode.counts["convolution", torch.float32] == 3 * 2 * 3  # rpn_cls and rpn_reg
    # The box head sees boxes six times: three losses of the student's; teacher's boxes, the same jittered, and the background.
    assert mode.counts["addmm", torch.float32] == 6 * 2  # fc_cls and fc_reg
    assert mode.counts["addmm", torch.bfloat16] >= 6 * 2  # shared_fcs, and MVViT's
    # Two levels pool, attend and attend back, one attends.
    assert mode.counts["attention", torch.bfloat16] == 3 * 7
    # Boxes of all views are projected from the teacher's to the image, from there to the student's and, by two matrices a view,
    # back, by products of matrices.
    assert (mode.counts["bmm", torch.float32], mode.counts["mm", torch.float32]) == (3, 8)
    assert ("attention", torch.float32) not in mode.counts
    assert not mode.reduced & {"roi_align", "_roi_align", "nms", "exp", "sigmoid", "log_sigmoid_forward"}


def test_validation_is_float32(build_model: Build, tiny_batch: Build) -> None:
    model = build_model(delta=BFLOAT16)
    inputs, samples = tiny_batch(model, unlabelled=False)
    model.train()
    model.loss(inputs, samples)  # leaves nothing behind
    model.eval()
    mode = arithmetic(model, lambda: model.predict(inputs["sup"], samples["sup"]))
    assert mode.counts["convolution", torch.float32] and not mode.reduced


def test_float32_is_a_step_without_any_of_it(build_model: Build, tiny_batch: Build) -> None:
    model = build_model().train()
    batch = tiny_batch(model)
    assert not arithmetic(model, lambda: model.loss(*batch)).reduced


def test_nothing_is_left_of_it_after_an_error(
    build_model: Build, tiny_batch: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_model(delta=BFLOAT16).train()
    monkeypatch.setattr(model, "project_pseudo_instances", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.loss(*tiny_batch(model))
    assert not torch.is_autocast_enabled("cpu")
    for module in model.modules():
        assert not {"forward", "extract_feat"} & set(vars(module))


class Tape:
    """Has the first of two models choose boxes, and the second take the same: else rounding decides which boxes are compared."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.plays = False

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def taped(*inputs: Any, **options: Any) -> Any:
            found = function(*inputs, **options)
            if self.plays:
                return self.kept.pop(0)
            self.kept.append(copy.deepcopy(found))
            return found

        return taped


def step(build_model: Build, tiny_batch: Build, precision: str, tape: Tape) -> tuple[dict[str, float], Any]:
    """Losses of one batch, and the model with its gradients."""
    model = build_model(delta={"model.precision": precision}).train()
    torch.manual_seed(0)
    model.init_weights()  # as a run starts
    model.student.rpn_head.predict_by_feat = tape.wrap(model.student.rpn_head.predict_by_feat)
    model.teacher.roi_head.predict = tape.wrap(model.teacher.roi_head.predict)
    model.compute_uncertainty_with_aug = tape.wrap(model.compute_uncertainty_with_aug)
    batch = tiny_batch(model)
    model.semi_train_cfg.pseudo_label_initial_score_thr = 0.0
    torch.manual_seed(1)
    total, logged = model.parse_losses(model.loss(*batch))
    total.backward()
    return {name: float(value.detach()) for name, value in logged.items() if "loss" in name}, model


def test_losses_and_gradients_are_those_of_float32_within_rounding(build_model: Build, tiny_batch: Build) -> None:
    tape = Tape()
    losses, model = step(build_model, tiny_batch, "float32", tape)
    tape.plays = True
    reduced, other = step(build_model, tiny_batch, "bfloat16", tape)
    assert not tape.kept
    assert losses != reduced  # it is on
    assert losses == pytest.approx(reduced, rel=2e-3)  # features are rounded by up to 2^-9 = 2e-3
    wanted, found = (
        {name: p.grad for name, p in one.student.named_parameters() if p.grad is not None} for one in (model, other)
    )
    assert wanted.keys() == found.keys()
    assert {gradient.dtype for gradient in found.values()} == {torch.float32}
    assert {p.dtype for p in other.parameters()} == {torch.float32}
    whole = [torch.cat([gradient.flatten() for gradient in one.values()]) for one in (wanted, found)]
    assert torch.cosine_similarity(whole[0], whole[1], dim=0) > 0.999
    assert float(whole[1].norm() / whole[0].norm()) == pytest.approx(1, abs=0.01)


def test_losses_stay_finite_where_logits_are_extreme(build_model: Build, tiny_batch: Build) -> None:
    model = build_model(delta=BFLOAT16).train()
    with torch.no_grad():
        for layer in (model.student.rpn_head.rpn_cls, model.student.roi_head.bbox_head.fc_cls):
            layer.weight.mul_(1e4)
    total, _ = model.parse_losses(model.loss(*tiny_batch(model)))
    total.backward()
    assert torch.isfinite(total)
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in model.parameters())

"""What arms continue from: fitting weights are taken, the others start fresh in both models and are listed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.burn_in import load_weights, save_weights
from experiments.errors import UserError

Build = Callable[..., Any]


@pytest.fixture
def weights(build_model: Build, tmp_path: Path) -> Path:
    """A burnt-in baseline whose teacher differs from its student."""
    model = build_model()
    with torch.no_grad():
        for value in model.student.parameters():
            value.fill_(0.25)
        for value in model.teacher.parameters():
            value.fill_(0.5)
    return save_weights(model, tmp_path)


def test_the_baseline_takes_everything(build_model: Build, weights: Path) -> None:
    model = build_model()
    assert load_weights(model, weights) == []
    assert all((value == 0.25).all() for value in model.student.parameters())
    assert all((value == 0.5).all() for value in model.teacher.parameters())


def test_more_anchor_ratios_start_fresh_alike_in_teacher_and_student(build_model: Build, weights: Path) -> None:
    model = build_model(delta={"model.detector.rpn_head.anchor_generator.ratios": [0.2, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0]})
    fresh = load_weights(model, weights)
    assert fresh == [
        "rpn_head.rpn_cls.bias",
        "rpn_head.rpn_cls.weight",
        "rpn_head.rpn_reg.bias",
        "rpn_head.rpn_reg.weight",
    ]
    assert torch.equal(model.teacher.rpn_head.rpn_cls.weight, model.student.rpn_head.rpn_cls.weight)
    assert (model.student.rpn_head.rpn_conv.weight == 0.25).all()


def test_a_deeper_fusion_lists_its_new_layer(build_model: Build, weights: Path) -> None:
    fresh = load_weights(build_model(delta={"model.detector.backbone.mvvit.num_layers": 2}), weights)
    assert fresh
    assert all(name.startswith("backbone.mvvit.levels.") and ".layers.1." in name for name in fresh)


def test_what_is_left_stays_as_it_is_in_both_and_is_listed(build_model: Build, weights: Path) -> None:
    model = build_model()
    model.teacher.rpn_head.rpn_cls.bias.data.fill_(0.75)
    own = model.student.rpn_head.rpn_cls.bias.detach().clone()
    assert load_weights(model, weights, leave={"rpn_head.rpn_cls.bias"}) == ["rpn_head.rpn_cls.bias"]
    assert torch.equal(model.student.rpn_head.rpn_cls.bias, own)
    assert (model.teacher.rpn_head.rpn_cls.bias == 0.75).all()
    assert (model.student.rpn_head.rpn_cls.weight == 0.25).all()


def test_weights_with_code_in_them_are_refused(build_model: Build, tmp_path: Path) -> None:
    torch.save({"x": Exception("code")}, tmp_path / "weights.pth")
    with pytest.raises(UserError, match=r"weights\.pth holds more than weights and could run code"):
        load_weights(build_model(), tmp_path / "weights.pth")
    with pytest.raises(UserError, match=r"none\.pth does not exist"):
        load_weights(build_model(), tmp_path / "none.pth")


def test_a_plain_detectors_checkpoint_starts_both(build_model: Build, tmp_path: Path) -> None:
    model = build_model()
    state = {name: torch.full_like(value, 0.125) for name, value in model.student.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "detector.pth")
    assert load_weights(model, tmp_path / "detector.pth") == []
    for value in [*model.student.parameters(), *model.teacher.parameters()]:
        assert (value == 0.125).all()

"""The figures of docs/explanation/findings.md, at scale tiny: each shows the fault that it is about."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from experiments.benchmarks import findings


def test_anchors_read_both_ways_are_told_in_order(tiny_data: Path) -> None:
    assert [entry.title for entry in findings.anchors("tiny", tiny_data)] == [
        "configured", "configured as width/height", "plan", "plan as width/height",
    ]  # fmt: skip


@pytest.mark.parametrize(("momentum", "left"), [(0.001, 0.999), (0.999, 0.001), (0.25, 0.75)])
def test_one_update_leaves_what_momentum_does_not_take(
    momentum: float, left: float, build_model: Callable[..., Any]
) -> None:
    assert findings.teacher_left(build_model(), momentum) == pytest.approx(left, rel=1e-3)


def test_a_softmax_over_sigmoids_finds_boxes_in_pure_background() -> None:
    # Six equal logits share a softmax of 1: each class has 1/6, above 0.05. Five sigmoids of -4 leave (1 - 0.01799)^5.
    assert findings.background_boxes("tiny", "FocalLoss") == (5, pytest.approx(1 / 6))
    assert findings.background_boxes("tiny", "SigmoidFocalLoss") == (0, pytest.approx(0.9132, abs=1e-4))


def test_mvvit_is_a_real_share_of_the_student(build_model: Callable[..., Any]) -> None:
    fusion, everything = findings.fusion_parameters(build_model())
    assert 0 < fusion < everything


def test_equal_queries_pool_equal_tokens(build_model: Callable[..., Any], tiny_data: Path) -> None:
    model = build_model()
    views = findings.read_batch("tiny", tiny_data)(model)[0]["sup"]
    assert len(views) == 8
    built, alike = findings.token_variances(model, views)
    assert built > 0.01
    assert alike < 1e-9


@pytest.mark.parametrize("name", ["cls_pseudo_thr", "rpn_pseudo_thr"])
def test_a_threshold_acts_above_the_initial_one_alone(name: str, tiny_data: Path) -> None:
    losses = findings.losses_at("tiny", tiny_data, findings.read_batch("tiny", tiny_data), name, (0.1, 0.5, 0.6))
    assert losses[0.1] == losses[0.5] != losses[0.6]


@pytest.fixture
def own_data(tiny_data: Path, tmp_path: Path) -> Path:
    """The tiny set as one of two classes, stain and dent, in groups of two views."""
    folder = Path(shutil.copytree(tiny_data, tmp_path / "own"))
    for path in (folder / "annotations").glob("*.json"):
        content = json.loads(path.read_text())
        images = [image for image in content["images"] if image["file_name"].endswith(("_crop_1.jpg", "_crop_2.jpg"))]
        ids = {image["id"] for image in images}
        boxes = [
            {**box, "category_id": 1 + box["category_id"] % 2}
            for box in content["annotations"]
            if box["image_id"] in ids
        ]
        categories = [{"id": 1, "name": "stain"}, {"id": 2, "name": "dent"}]
        path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    description = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**description, "classes": ["stain", "dent"], "views": 2}))
    return folder


def test_all_six_are_told_of_own_classes_and_views(own_data: Path) -> None:
    console = Console(record=True, width=120)
    findings.report("tiny", own_data, console)
    text = console.export_text()
    assert "stain" in text and "Broken" not in text
    assert [line[0] for line in text.splitlines() if line[:2] in [f"{i}." for i in range(1, 7)]] == list("122334566")


@pytest.mark.parametrize("missing", ["", "annotations/val.json"])
def test_data_that_cannot_be_used_are_one_sentence(
    missing: str, own_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = own_data / missing
    gone.rename(own_data.parent / "gone")
    monkeypatch.setattr(sys, "argv", ["findings", "--scale", "tiny", "--data", str(own_data)])
    with pytest.raises(SystemExit) as left:
        findings.main()
    assert left.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("Error: ") and str(gone) in told
    assert len(told.splitlines()) == 1

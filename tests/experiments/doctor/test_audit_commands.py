"""The teacher's boxes and the audit end to end, with a burn-in of scale tiny."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from experiments.config import load_config
from experiments.doctor.audit_commands import audit, audit_run
from experiments.doctor.predictions import teacher_boxes
from experiments.doctor.sources import burn_in_weights, labelled_groups
from experiments.doctor.teacher import examine_teacher
from experiments.errors import UserError
from experiments.fitting import fit_to_data
from experiments.runs import read_dataset
from experiments.train import train_run

# A teacher that has learnt nothing: keep its boxes whatever their score.
KEEP = {"model.detector.test_cfg.rcnn.score_thr": 0.01, "model.semi_train_cfg.min_pseudo_bbox_wh": (0, 0)}


@pytest.fixture(scope="module")
def runs(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with a burn-in and an arm."""
    folder = tmp_path_factory.mktemp("runs")
    record = train_run(config="tiny", study="s", data=tiny_data, runs_root=folder, progress=False)
    assert record.status == "completed", record.reason
    return folder


@pytest.fixture(autouse=True)
def _runs(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNS", str(runs))


def settings(data: Path, delta: dict[str, Any] | None = None) -> Any:
    loaded = load_config("tiny", {**KEEP, **(delta or {})})
    fit_to_data(loaded, read_dataset(data), data)
    return loaded


def burn_in(data: Path, runs: Path) -> Path:
    weights = burn_in_weights(
        load_config("tiny"), config="tiny", delta={}, description=read_dataset(data), seed=0, split=0, runs_root=runs
    )
    assert weights is not None
    return weights


def examine(data: Path, runs: Path, delta: dict[str, Any] | None = None, *, seed: int = 0) -> Any:
    return examine_teacher(
        settings(data, delta),
        config="tiny",
        delta=delta or {},
        description=read_dataset(data),
        data=data,
        seed=seed,
        split=seed,
        runs_root=runs,
    )


def test_the_burn_in_that_was_trained_is_found(tiny_data: Path, runs: Path) -> None:
    assert burn_in(tiny_data, runs) == next((runs / "burn-in").iterdir()) / "weights.pth"
    other = burn_in_weights(
        load_config("tiny"),
        config="tiny",
        delta={},
        description=read_dataset(tiny_data),
        seed=1,
        split=1,
        runs_root=runs,
    )
    assert other is None


def test_boxes_are_those_of_the_teachers_own_predictions(
    tiny_data: Path, runs: Path, build_model: Callable[..., Any]
) -> None:
    import torch
    from mmdet.registry import DATASETS

    from experiments.burn_in import load_weights
    from experiments.data.dataset import multi_view_collate

    loaded = settings(tiny_data, {"model.semi_train_cfg.pseudo_label_initial_score_thr": 0.999})  # no box is lost to it
    groups = labelled_groups(loaded, data=tiny_data, on="val", split=0)
    found = teacher_boxes(loaded, burn_in(tiny_data, runs), groups, progress=False)
    assert found.fresh == ()
    assert [(view.group, view.view) for view in found.views] == [(g.name, v) for g in groups for v in range(1, 9)]
    model = build_model(delta=KEEP)
    load_weights(model, burn_in(tiny_data, runs))
    dataset = DATASETS.build({**loaded.val_dataloader.dataset.to_dict(), "groups": groups})
    batch = model.eval().data_preprocessor(multi_view_collate([dataset[0]]), False)
    with torch.no_grad():
        expected = model.teacher.predict(batch["inputs"], batch["data_samples"])
    assert sum(len(view.boxes) for view in found.views[:8]) > 0
    for view, sample in zip(found.views[:8], expected, strict=True):
        np.testing.assert_allclose(view.boxes, sample.pred_instances.bboxes.numpy(), atol=1e-3)
        np.testing.assert_allclose(view.scores, sample.pred_instances.scores.numpy(), atol=1e-6)
        assert view.labels.tolist() == sample.pred_instances.labels.tolist()
        assert (view.uncertainties > 0).all()


def test_boxes_of_resized_views_are_in_px_of_the_stored_image(tiny_data: Path, runs: Path) -> None:
    loaded = settings(tiny_data)
    load = loaded.val_dataloader.dataset.pipeline[0]
    load.transforms = [load.transforms[0], {**load.transforms[1], "scale": (24, 48)}]
    loaded.model.detector.backbone.mvvit.image_size = (48, 24)
    groups = labelled_groups(loaded, data=tiny_data, on="val", split=0)[:1]
    found = teacher_boxes(loaded, burn_in(tiny_data, runs), groups, progress=False)
    corners = np.concatenate([view.boxes for view in found.views])
    assert (corners >= -1e-3).all() and (corners[:, 2] <= 48.001).all() and (corners[:, 3] <= 96.001).all()
    assert corners[:, 2].max() > 24 and corners[:, 3].max() > 48


def test_the_doctor_names_a_threshold_that_keeps_nothing(
    tiny_data: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.doctor.scores.LEAST_TRUTHS", 1)
    found = examine(tiny_data, runs, {"model.semi_train_cfg.pseudo_label_initial_score_thr": 0.99})
    assert found[0].level == "warning"
    assert "pseudo_label_initial_score_thr=0.99 keeps almost no box of" in found[0].says
    assert "4 of 4 groups of train_unlabeled_truth" in found[0].evidence


def test_an_untrained_burn_in_and_weights_that_do_not_fit_are_one_note(tiny_data: Path, runs: Path) -> None:
    (untrained,) = examine(tiny_data, runs, seed=1)
    assert untrained.level == "note"
    assert f"python -m experiments train tiny --data {tiny_data} --seed 1 --split 1" in untrained.remedy
    (own,) = examine(tiny_data, runs, {"model.precision": "bfloat16", "from_start": True})
    told = """train tiny --set 'model.precision="bfloat16"' --set from_start=true --data"""
    assert told in own.remedy
    (fresh,) = examine(tiny_data, runs, {"model.detector.rpn_head.anchor_generator.ratios": [0.5, 1.0]})
    assert fresh.level == "note"
    assert "4 weights" in fresh.says and fresh.evidence.endswith("rpn_head.rpn_cls, rpn_head.rpn_reg.")
    without = settings(tiny_data)
    without.burn_in = {}
    (none,) = examine_teacher(
        without,
        config="paper",
        delta={},
        description=read_dataset(tiny_data),
        data=tiny_data,
        seed=0,
        split=0,
        runs_root=runs,
    )
    assert none.says.startswith("paper has no burn-in")


def test_an_audit_leaves_figures_and_pictures(tiny_data: Path, runs: Path, tmp_path: Path) -> None:
    found, lines, notes = audit_run(
        "tiny", delta=KEEP, weights=None, on=None, data=tiny_data, seed=0, out=tmp_path / "out", progress=False
    )
    assert notes == []
    assert (found.groups, found.views) == (4, 32)
    assert set(lines) == {"F1", "precision"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "audit.csv", "precision_recall.png", "precision_recall.svg", "proposals.json", "typical.png", "worst.png",
    ]  # fmt: skip
    with (tmp_path / "out" / "audit.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["class"] for row in rows} == {*found.classes, "all"}
    truth = json.loads((tiny_data / "annotations" / "train_unlabeled_truth.json").read_text())["annotations"]
    assert {row["true_per_view"] for row in rows if row["class"] == "all"} == {f"{len(truth) / 32:.4f}"}
    assert int(next(row for row in rows if row["class"] == "all")["kept"]) > 0
    content = json.loads((tmp_path / "out" / "proposals.json").read_text())
    assert content["source"]["images"] == "train_unlabeled_truth"
    assert content["source"]["weights"] == f"burn-in/{next((runs / 'burn-in').iterdir()).name}/weights.pth"


def test_weights_of_a_run_and_other_images_come_with_what_to_know(tiny_data: Path, runs: Path, tmp_path: Path) -> None:
    _, _, notes = audit_run(
        "tiny", delta={"model.detector.rpn_head.anchor_generator.ratios": [0.5, 1.0]},
        weights=runs / "s" / "baseline-seed0", on="val", data=tiny_data, seed=0, out=tmp_path, progress=False,
    )  # fmt: skip
    assert "cannot be judged on val" in notes[0]
    assert "rpn_head.rpn_cls, rpn_head.rpn_reg" in notes[1]


def test_an_untrained_burn_in_is_a_users_mistake_and_nothing_is_written(tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no trained burn-in of tiny on .* with seed 1: train it first"):
        audit_run("tiny", delta={}, weights=None, on="val", data=tiny_data, seed=1, out=tmp_path / "out")
    with pytest.raises(UserError, match=r"train tiny --set from_start=true --data .* --seed 1 --name"):
        audit_run(
            "tiny", delta={"from_start": True}, weights=None, on="val", data=tiny_data, seed=1, out=tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()


def test_a_scales_own_data_are_rendered_where_they_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    app = Typer()
    app.command()(audit)
    ended = CliRunner().invoke(app, ["tiny", "--seed", "1"])
    assert "no trained burn-in of tiny" in str(ended.exception)
    assert (tmp_path / "tiny" / "dataset.json").is_file()


def _no_file(folder: Path) -> Path:
    return folder / "none"


def _no_weights(folder: Path) -> Path:
    (folder / "run").mkdir()
    return folder / "run"


def _half_the_weights(folder: Path) -> Path:
    path = folder / "weights.pth"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_file, r"none does not exist: give --weights a run folder"),
        (_no_weights, r"weights\.pth does not exist: give --weights a run folder"),
        (_half_the_weights, r"weights\.pth is not a file of weights"),
    ],
)
def test_weights_that_cannot_be_read_are_a_users_mistake(
    spoil: Callable[[Path], Path], message: str, tiny_data: Path, runs: Path, tmp_path: Path
) -> None:
    shutil.copy(runs / "s" / "baseline-seed0" / "weights.pth", tmp_path)
    weights = spoil(tmp_path)
    with pytest.raises(UserError, match=message):
        audit_run(
            "tiny", delta={}, weights=weights, on="val", data=tiny_data, seed=0, out=tmp_path / "o", progress=False
        )
    assert not (tmp_path / "o").exists()


def test_the_command_prints_settings_that_are_ready_to_use(tiny_data: Path, runs: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_data, tmp_path / "data")
    (tmp_path / "data" / "annotations" / "train_unlabeled_truth.json").unlink()
    app = Typer()
    app.command()(audit)
    run = next((runs / "burn-in").iterdir())
    refused = CliRunner().invoke(app, ["tiny", "--data", str(tmp_path / "data"), "--weights", str(run)])
    assert "was trained on other data" in str(refused.exception)
    weights = shutil.copy(run / "weights.pth", tmp_path)
    told = CliRunner().invoke(app, ["tiny", "--data", str(tmp_path / "data"), "--weights", str(weights)])
    assert told.exit_code == 0, told.output
    assert (runs / "audit" / "tiny" / "data" / "audit.csv").is_file()  # of this data set: another's would lie beside it
    assert "cannot be judged on val" in told.output
    assert "For the best F1 over all classes: " in told.output

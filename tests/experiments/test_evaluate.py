"""Scoring a completed run once more: the same scores as while training, a test split, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.errors import UserError
from experiments.evaluate import evaluate_run
from experiments.locks import LOCK_NAME
from experiments.records import Record, read_record, write_record
from experiments.runs import run_folder, run_identity
from experiments.train import train_run

# A model that has learnt nothing hits a box by chance only: keep every detection, so that its scores are not all 0.
KEEP_ALL = {
    "model.detector.test_cfg.rcnn.score_thr": 0.0,
    "model.detector.test_cfg.rcnn.max_per_img": 1000,
    "model.detector.test_cfg.rcnn.nms.iou_threshold": 0.9,
    "model.detector.test_cfg.rpn.nms_pre": 300,
    "model.detector.test_cfg.rpn.max_per_img": 1000,
    "model.detector.test_cfg.rpn.nms.iou_threshold": 0.9,
}
TOKENS = {"model.detector.backbone.mvvit.num_tokens": 512}


@pytest.fixture(scope="module")
def trained(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run at K = 512, half the base config's."""
    runs = tmp_path_factory.mktemp("runs")
    delta = {**KEEP_ALL, **TOKENS}
    record = train_run(config="tiny", study="s", data=tiny_data, delta=delta, runs_root=runs, progress=False)
    assert record.status == "completed", record.reason
    return run_folder(runs_root=runs, study="s", arm="baseline", seed=0)


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run's folder to score and to spoil."""
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


def rewrite(folder: Path, **changes: Any) -> Record:
    """Change a record, with the identity that belongs to its delta and data."""
    record = read_record(folder).model_copy(update=changes)
    record.identity = run_identity(
        config=record.config, delta=record.delta, seed=record.seed, split=record.split,
        data_fingerprint=record.data.fingerprint,
    )  # fmt: skip
    write_record(record, folder)
    return record


def test_the_val_scores_of_the_last_iteration_are_found_again(folder: Path, tiny_data: Path) -> None:
    trained = read_record(folder).validations
    assert [(v.model, v.split, v.iteration) for v in trained] == [("teacher", "val", 4), ("student", "val", 4)]
    assert trained[0].scores != trained[1].scores
    for validation in trained:
        assert (validation.scores["all"].ap or 0) > 0
    rewrite(folder, validations=[])
    assert evaluate_run(folder, data=tiny_data, split="val") == trained
    assert read_record(folder).validations == trained


def test_test_scores_are_added_once(folder: Path, tiny_data: Path) -> None:
    before, files = read_record(folder), {*folder.rglob("*"), folder / LOCK_NAME}
    found = evaluate_run(folder, data=tiny_data)
    assert set(folder.rglob("*")) == files
    assert [(v.model, v.split, v.iteration) for v in found] == [("teacher", "test", 4), ("student", "test", 4)]
    annotations = json.loads((tiny_data / "annotations" / "test.json").read_text())["annotations"]
    assert found[0].scores["all"].boxes == len(annotations)
    assert [score.boxes for score in found[0].scores.values()][:5] == [
        sum(box["category_id"] == kind for box in annotations) for kind in range(1, 6)
    ]
    assert read_record(folder) == before.model_copy(update={"validations": [*before.validations, *found]})
    (folder / "weights.pth").unlink()  # not needed any more
    stamp = (folder / "record.json").stat().st_mtime_ns
    assert evaluate_run(folder, data=tiny_data) == found
    assert (folder / "record.json").stat().st_mtime_ns == stamp


def test_the_tokens_that_the_run_really_had_count(folder: Path, tiny_data: Path) -> None:
    trained = read_record(folder).validations
    rewrite(folder, delta=KEEP_ALL, num_tokens=512, validations=[])
    assert evaluate_run(folder, data=tiny_data, split="val") == trained
    rewrite(folder, delta=KEEP_ALL, num_tokens=None, validations=[])
    with pytest.raises(UserError, match=r"weights\.pth does not hold the weights of this run's model.*Unexpected key"):
        evaluate_run(folder, data=tiny_data, split="val")


def _unfinished(folder: Path, data: Path) -> None:
    rewrite(folder, status="failed")


def _other_config(folder: Path, data: Path) -> None:
    write_record(read_record(folder).model_copy(update={"identity": "0123456789abcdef"}), folder)


def _other_data(folder: Path, data: Path) -> None:
    (data / "annotations" / "extra.json").write_text("{}")


def _no_test_split(folder: Path, data: Path) -> None:
    from experiments.runs import read_dataset

    (data / "annotations" / "test.json").unlink()
    trained = read_record(folder).data
    rewrite(folder, data=trained.model_copy(update={"fingerprint": read_dataset(data)["fingerprint"]}))


def _no_weights(folder: Path, data: Path) -> None:
    (folder / "weights.pth").unlink()


def _half_the_weights(folder: Path, data: Path) -> None:
    path = folder / "weights.pth"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _a_weight_less(folder: Path, data: Path) -> None:
    weights = torch.load(folder / "weights.pth", weights_only=True)
    weights.pop("teacher.backbone.mvvit.levels.0.out.bias")
    torch.save(weights, folder / "weights.pth")


def _code(folder: Path, data: Path) -> None:
    torch.save({"run": print}, folder / "weights.pth")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (_unfinished, r"The run in .* is failed: only a completed run"),
        (_other_config, r"The config tiny is not what it was .* recorded 0123456789abcdef\)"),
        (_other_data, r"is not the data that the run in .* was trained on \(tiny, fingerprint"),
        (_no_test_split, r"test\.json does not exist: this data set has no such split"),
        (_no_weights, r"weights\.pth does not exist, so the run cannot be scored"),
        (_half_the_weights, r"weights\.pth does not hold the weights"),
        (_a_weight_less, r"Missing key\(s\).*teacher\.backbone\.mvvit\.levels\.0\.out\.bias"),
        (_code, r"weights\.pth does not hold the weights"),
    ],
)
def test_what_cannot_be_scored_is_refused_and_the_record_stays(
    fault: Callable[[Path, Path], None], message: str, folder: Path, tiny_data: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_data, tmp_path / "data")
    fault(folder, tmp_path / "data")
    before = read_record(folder)
    with pytest.raises(UserError, match=message):
        evaluate_run(folder, data=tmp_path / "data")
    assert read_record(folder) == before

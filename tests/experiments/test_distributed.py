"""One run on two processes: the same groups, one record, one model, the same evaluation."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine import Config

from experiments.errors import UserError
from experiments.evaluate import evaluate_run
from experiments.ranks import join, share_batch, shares
from experiments.records import Record, read_record, write_record

ROOT = Path(__file__).parents[2]

CONFIG = """
_base_ = ["{base}"]
model = dict(detector=dict(test_cfg=dict(rcnn=dict(score_thr=0.0))))  # nothing is learnt: show what there is
train_dataloader = dict(batch_size=4, sampler=dict(batch_size=4))
val_dataloader = dict(batch_size=1)
train_cfg = dict(max_iters=3, val_interval=3)
burn_in = {{"train_cfg.max_iters": 2, "train_dataloader.batch_size": 2, "train_dataloader.sampler.batch_size": 2}}
"""

# Trains a run, and writes down what each rank saw, wrote and ended with.
SCRIPT = """
import json, os, sys
from pathlib import Path
import torch
from mmengine.runner import IterBasedTrainLoop
from experiments import attempts, records
from experiments.data import metric
from experiments.hooks import record as record_hook
from experiments.ranks import leave, unwrapped
from experiments.train import train_run

config, data, runs, out, launcher = sys.argv[1:]
rank = os.environ.get("RANK", "0")
seen = {"groups": [], "written": 0}

run_iter = IterBasedTrainLoop.run_iter
def remember(self, data_batch):
    samples = data_batch["data_samples"]
    seen["groups"].append({b: sorted({Path(s.img_path).name[:-11] for s in samples[b]}) for b in samples})
    run_iter(self, data_batch)
IterBasedTrainLoop.run_iter = remember

def count(record, folder):
    seen["written"] += 1
    return records.write_record(record, folder)
attempts.write_record = record_hook.write_record = count

after_train = record_hook.RecordHook.after_train
def keep(self, runner):
    after_train(self, runner)
    torch.save(unwrapped(runner.model).state_dict(), f"{out}/state-{rank}.pth")
record_hook.RecordHook.after_train = keep

average_precision = metric.average_precision
def dump(views, classes):
    plain = [{key: getattr(value, "tolist", lambda: value)() for key, value in view.items()} for view in views]
    seen["views"] = plain  # the last validation of the student
    return average_precision(views, classes)
metric.average_precision = dump

record = train_run(config=config, study="s", data=Path(data), runs_root=Path(runs), progress=False, launcher=launcher)
seen["record"] = json.loads(record.model_dump_json())
Path(f"{out}/seen-{rank}.json").write_text(json.dumps(seen))
leave()
"""


@pytest.fixture(scope="module")
def data(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny set with three groups to validate on, which two ranks cannot share evenly."""
    folder = tmp_path_factory.mktemp("three") / "tiny"
    shutil.copytree(tiny_data, folder)
    val, test = (json.loads((folder / "annotations" / f"{part}.json").read_text()) for part in ("val", "test"))
    name = test["images"][0]["base_img_id"]
    moved = [{**image, "id": image["id"] + 1000} for image in test["images"] if image["base_img_id"] == name]
    boxes = [{**box, "id": box["id"] + 1000, "image_id": box["image_id"] + 1000} for box in test["annotations"]]
    ids = {image["id"] for image in moved}
    val["images"] += moved
    val["annotations"] += [box for box in boxes if box["image_id"] in ids]
    (folder / "annotations" / "val.json").write_text(json.dumps(val))
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "four.py"
    path.write_text(CONFIG.format(base=ROOT / "experiments" / "configs" / "tiny.py"))
    return path


def launch(ranks: int, config: Path, data: Path, folder: Path, *, script: str = SCRIPT) -> list[dict[str, Any]]:
    """Train on so many processes; what each rank saw."""
    (folder / "train.py").write_text(script)
    launcher = "pytorch" if ranks > 1 else "none"
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    words = [str(folder / "train.py"), str(config), str(data), str(folder / "runs"), str(folder), launcher]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *start, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    return [json.loads((folder / f"seen-{rank}.json").read_text()) for rank in range(ranks)]


@pytest.fixture(scope="module")
def together(config: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("together")
    return folder, launch(2, config, data, folder)


@pytest.fixture(scope="module")
def alone(config: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return launch(1, config, data, tmp_path_factory.mktemp("alone"))[0]


def test_two_ranks_see_the_groups_that_one_process_sees(
    together: tuple[Path, list[dict[str, Any]]], alone: dict[str, Any]
) -> None:
    first, second = (seen["groups"] for seen in together[1])
    assert len(first) == len(second) == len(alone["groups"]) == 2 + 3  # burn-in and arm
    for step, whole in enumerate(alone["groups"]):
        for branch, groups in whole.items():
            assert sorted(first[step][branch] + second[step][branch]) == groups
            assert len(first[step][branch]) == len(second[step][branch]) == len(groups) / 2


def test_one_record_is_written_by_the_first_rank_alone(
    together: tuple[Path, list[dict[str, Any]]], alone: dict[str, Any]
) -> None:
    folder, (first, second) = together
    assert first["written"] > 0
    assert second["written"] == 0
    record = read_record(folder / "runs" / "s" / "baseline-seed0")
    assert record.status == "completed"
    assert record.identity == alone["record"]["identity"]
    assert record.device.startswith("2 x cpu")
    assert Record.model_validate(first["record"]) == Record.model_validate(second["record"]) == record
    assert len(list(folder.rglob("*.log"))) == 2  # burn-in and arm
    assert not (folder / ".dist_test").exists()


def test_the_ranks_end_with_one_model_which_is_the_one_saved(together: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, _ = together
    first, second = (torch.load(folder / f"state-{rank}.pth") for rank in (0, 1))
    saved = torch.load(folder / "runs" / "s" / "baseline-seed0" / "weights.pth")
    assert first.keys() == second.keys() == saved.keys()
    assert all(torch.equal(first[name], second[name]) and torch.equal(first[name], saved[name]) for name in first)
    burnt = torch.load(next((folder / "runs" / "burn-in").iterdir()) / "weights.pth")
    moved = {name for name in first if not torch.equal(first[name], burnt[name])}
    assert any(name.startswith("teacher.") for name in moved)
    assert any("running_mean" in name for name in moved)


def test_every_view_is_validated_once_and_as_one_process_would(
    together: tuple[Path, list[dict[str, Any]]], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from experiments.data import metric

    folder, (first, second) = together
    assert "views" not in second  # the figures are the first rank's
    annotations = json.loads((data / "annotations" / "val.json").read_text())
    assert sorted(view["image_id"] for view in first["views"]) == sorted(i["id"] for i in annotations["images"])
    shutil.copytree(folder / "runs" / "s" / "baseline-seed0", tmp_path / "run")
    record = read_record(tmp_path / "run")
    found = record.validations
    write_record(record.model_copy(update={"validations": []}), tmp_path / "run")
    views: list[Any] = []
    average_precision: Callable[..., dict[str, float]] = metric.average_precision

    def keep(views_now: Any, classes: Any) -> dict[str, float]:
        views[:] = views_now
        return average_precision(views_now, classes)

    monkeypatch.setattr(metric, "average_precision", keep)
    assert evaluate_run(tmp_path / "run", data=data, split="val") == found
    scores = found[0].scores["all"]
    assert scores.boxes == len(annotations["annotations"])
    by_id = {view["image_id"]: view for view in views}
    assert sum(len(view["scores"]) for view in views) > 0
    for view in first["views"]:
        assert view["scores"] == pytest.approx(by_id[view["image_id"]]["scores"].tolist(), abs=1e-5)
        assert view["labels"] == by_id[view["image_id"]]["labels"].tolist()


def test_a_loss_that_is_not_finite_on_one_rank_ends_all_of_them(config: Path, data: Path, tmp_path: Path) -> None:
    """On the second one, which writes no record: the first must not wait for it."""
    planted = """
from models.soft_teacher import MultiViewSoftTeacher
loss, calls = MultiViewSoftTeacher.loss, []
def faulty(self, *inputs):
    calls.append(0)
    losses = loss(self, *inputs)
    if rank == "1" and len(calls) == 2 + 2:  # the arm's second iteration
        losses = {name: value * float("nan") if name.endswith("loss_bbox") else value for name, value in losses.items()}
    return losses
MultiViewSoftTeacher.loss = faulty
"""
    script = SCRIPT.replace("\nrecord = train_run", f"{planted}\nrecord = train_run")
    seen = launch(2, config, data, tmp_path, script=script)
    for rank, named in enumerate(("a loss of another process", "loss_bbox")):
        assert seen[rank]["record"]["status"] == "failed"
        assert "not finite at iteration 2: " in seen[rank]["record"]["reason"]
        assert named in seen[rank]["record"]["reason"]
    written = read_record(tmp_path / "runs" / "s" / "baseline-seed0")
    assert written.reason == seen[0]["record"]["reason"]
    assert {gate.name for gate in written.gates if gate.verdict == "failed"} == {"finite_loss"}


def test_shares_of_a_batch() -> None:
    assert shares(4, [1, 1]) == [2, 2]
    assert shares(5, [1, 4]) == [1, 4]
    assert shares(3, [1, 1]) == [2, 1]  # what is left over goes to the labelled groups, as in mmdet's sampler
    assert shares(2, [1, 0]) == [2, 0]


@pytest.mark.parametrize(
    ("batch", "ratio", "ranks"), [(2, [1, 1], 2), (4, [1, 1], 4), (4, [3, 1], 2), (1, [1, 0], 2), (6, [1, 1], 2)]
)
def test_groups_that_cannot_be_shared_evenly_are_refused(batch: int, ratio: list[int], ranks: int) -> None:
    sampler = {"batch_size": batch, "source_ratio": ratio}
    settings = Config({"train_dataloader": {"batch_size": batch, "sampler": sampler}})
    with pytest.raises(UserError, match=rf"cannot be shared evenly by {ranks} processes"):
        share_batch(settings, ranks)
    assert settings.train_dataloader.batch_size == batch


def test_the_total_stays() -> None:
    settings = Config(
        {"train_dataloader": {"batch_size": 8, "sampler": {"batch_size": 8, "source_ratio": [1, 3]}}}
    )  # fmt: skip
    share_batch(settings, 2)
    assert (settings.train_dataloader.batch_size, settings.train_dataloader.sampler.batch_size) == (4, 4)


def test_processes_that_torchrun_did_not_start_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(UserError, match="torchrun --nproc-per-node 2"):
        join("pytorch")
    with pytest.raises(UserError, match="There is no launcher 'mpi'"):
        join("mpi")

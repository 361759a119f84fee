"""One run, end to end at scale tiny: burn-in, record, no-op, resume, failure, and the plan's setting built whole."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from experiments import train
from experiments.config import load_config, value_at
from experiments.errors import UserError
from experiments.paths import CONFIGS
from experiments.records import Record, read_record
from experiments.runs import ON_PSEUDO_LABELS
from experiments.train import train_run


def run(data: Path, runs: Path, **options: Any) -> Record:
    return train_run(config="tiny", study="s", data=data, runs_root=runs, progress=False, **options)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def baseline(tiny_data: Path, runs: Path) -> Record:
    return run(tiny_data, runs)


def test_a_run_leaves_a_whole_record(baseline: Record, runs: Path) -> None:
    assert (baseline.status, baseline.reason) == ("completed", None)
    assert read_record(runs / "s" / "baseline-seed0") == baseline
    assert [(v.iteration, v.model) for v in baseline.validations] == [(4, "teacher"), (4, "student")]
    final = baseline.final("teacher")
    assert final is not None
    assert list(final.scores) == ["Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear", "all"]
    assert final.scores["all"].boxes == sum(s.boxes for name, s in final.scores.items() if name != "all") > 0
    assert baseline.tokens_per_level == [26, 26, 18]
    assert baseline.cells_per_level == [288, 72, 18]  # 96 x 48 px over strides 4, 8 and 16
    assert list(baseline.data.box_shares) == baseline.data.classes
    assert all(0 < share < 0.5 for share in baseline.data.box_shares.values())
    assert baseline.seconds["total"] > 0
    assert (baseline.peak_memory_mb or 0) > 100


def test_scalars_are_json_lines_and_checkpoints_are_cleared(baseline: Record, runs: Path) -> None:
    import json

    folder = runs / "s" / "baseline-seed0"
    lines = [json.loads(line) for line in (folder / "scalars.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines if "train/loss" in line] == [1, 2, 3, 4]
    assert (folder / "weights.pth").exists()
    assert not list(folder.glob("iter_*.pth"))


def test_the_burn_in_is_trained_once_and_shared(baseline: Record, tiny_data: Path, runs: Path) -> None:
    (burn_in,) = (runs / "burn-in").iterdir()
    first = read_record(burn_in)
    assert (first.kind, first.status, first.identity) == ("burn_in", "completed", baseline.burn_in)
    stamp = (burn_in / "record.json").stat().st_mtime_ns
    second = run(tiny_data, runs, arm="fusion", delta={"model.detector.backbone.mvvit.num_layers": 2})
    assert second.burn_in == baseline.burn_in
    assert second.fresh_weights
    assert (burn_in / "record.json").stat().st_mtime_ns == stamp


def test_the_same_run_again_is_not_trained_again(baseline: Record, tiny_data: Path, runs: Path) -> None:
    stamp = (runs / "s" / "baseline-seed0" / "record.json").stat().st_mtime_ns
    assert run(tiny_data, runs) == baseline
    assert (runs / "s" / "baseline-seed0" / "record.json").stat().st_mtime_ns == stamp


def test_a_setting_that_does_not_exist_is_named_where_the_folder_holds_another_run(
    baseline: Record, tiny_data: Path, runs: Path
) -> None:
    with pytest.raises(UserError, match=r"There is no setting .*loss_cls\.gama.*loss_cls\.gamma"):
        run(tiny_data, runs, delta={"model.detector.roi_head.bbox_head.loss_cls.gama": 3.0})
    with pytest.raises(UserError, match="holds another run"):
        run(tiny_data, runs, delta={"model.detector.roi_head.bbox_head.loss_cls.gamma": 3.1})


def test_the_same_seed_gives_the_same_scores(baseline: Record, tiny_data: Path, tmp_path: Path) -> None:
    again = run(tiny_data, tmp_path)
    assert again.validations == baseline.validations


def test_a_failure_is_recorded_with_its_reason(tiny_data: Path, runs: Path) -> None:
    record = run(tiny_data, runs, arm="diverging", delta={"optim_wrapper.optimizer.lr": 1e30})
    assert record.status == "failed"
    assert (record.reason or "").startswith("training diverged; lower optim_wrapper.optimizer.lr")
    assert read_record(runs / "s" / "diverging-seed0").reason == record.reason


def test_an_arm_whose_burn_in_fails_has_a_checklist_that_was_not_reached(tiny_data: Path, tmp_path: Path) -> None:
    diverging = {"burn_in": {"train_cfg.max_iters": 2, "optim_wrapper.optimizer.lr": 1e30}}
    record = run(tiny_data, tmp_path, delta=diverging)
    assert (record.status, record.validations) == ("failed", [])
    assert (record.reason or "").startswith("The burn-in that it continues from failed: training diverged")
    assert [gate.verdict for gate in read_record(tmp_path / "s" / "baseline-seed0").gates] == ["not_reached"] * 12


def test_a_failure_that_was_waited_for_is_taken_and_one_from_before_is_tried_again(
    tiny_data: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"arm": "waited", "delta": {"optim_wrapper.optimizer.lr": 1e30}}
    failed = run(tiny_data, runs, **options)
    assert failed.status == "failed"
    assert failed.log_tail[-1].startswith(failed.reason.split("(")[1].split(":")[0])
    assert any('File "' in line for line in failed.log_tail)
    assert not any('File "/' in line for line in failed.log_tail)  # records are passed on, and paths name their user
    with monkeypatch.context() as patch:
        lock = SimpleNamespace(waited=True, lost=False)
        patch.setattr(train, "locked", lambda folder, **_: nullcontext(lock))
        assert run(tiny_data, runs, **options) == failed
    assert run(tiny_data, runs, **options) != failed


def test_a_setting_that_cannot_be_built_is_a_users_error(tiny_data: Path, runs: Path) -> None:
    with pytest.raises(UserError, match=r"num_heads=3 does not divide"):
        run(tiny_data, runs, arm="heads", delta={"model.detector.backbone.mvvit.num_heads": 3})


@pytest.mark.parametrize(
    ("delta", "message"),
    [
        ({"model.detector.backbone.mvvit.num_views": 4}, r"number of views are those of the data set"),
        (
            {"val_dataloader.dataset.metainfo.classes": ["Dent"]},
            r"classes and number of views are those of the data set",
        ),
        ({"train_cfg.max_iters": 1.5}, r"max_iters is 1\.5"),
        ({"optim_wrapper.optimizer.type": "AdamWW"}, r"The settings cannot be built"),
        ({"load_from": "x.pth"}, r"load_from would change nothing"),
    ],
)
def test_settings_that_cannot_work_are_told_before_anything_is_trained(
    delta: dict[str, Any], message: str, tiny_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        run(tiny_data, tmp_path, delta=delta)
    assert not list(tmp_path.rglob("record.json"))


def test_data_is_checked_before_anything_is_trained(tiny_data: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(tiny_data, tmp_path / "data")
    next((tmp_path / "data" / "images").glob("*_crop_3.jpg")).unlink()
    with pytest.raises(UserError, match=r"_crop_3\.jpg does not exist"):
        run(tmp_path / "data", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_killed_run_goes_on_from_its_last_checkpoint(tiny_data: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "experiments", "train", "tiny", "--data", str(tiny_data),
        "--set", "train_cfg.max_iters=12", "--set", "train_cfg.val_interval=12",
    ]  # fmt: skip
    environment = {**os.environ, "RUNS": str(tmp_path)}
    folder = tmp_path / "train" / "run-seed0"
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (folder / "iter_3.pth").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert read_record(folder).status == "running"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = read_record(folder)
    assert record.status == "completed"
    assert len(record.resumed_from) == 1
    assert 2 <= record.resumed_from[0] < 12
    assert [v.iteration for v in record.validations] == [12, 12]


SHAPES = {
    "model.detector.backbone.mvvit.num_tokens": 2048,
    "model.detector.backbone.mvvit.num_layers": 2,
    "model.detector.rpn_head.anchor_generator.ratios": [0.2, 0.5, 1.0],
}


def otherwise(path: str) -> Any:
    """Twice the number or numbers that tiny has there."""
    value = value_at(load_config("tiny"), path)
    return 2 * value if isinstance(value, int | float) else [2 * one for one in value]


def test_from_the_start_the_burn_in_has_the_runs_changes_and_no_weight_starts_fresh(
    baseline: Record, tiny_data: Path, runs: Path
) -> None:
    after = run(tiny_data, runs, arm="after", delta=SHAPES)
    from_start = run(tiny_data, runs, arm="from-start", delta={**SHAPES, "from_start": True})
    assert after.burn_in == baseline.burn_in != from_start.burn_in
    assert {name.split(".")[0] for name in after.fresh_weights} == {"backbone", "rpn_head"}
    assert from_start.fresh_weights == []
    burn_in = read_record(runs / "burn-in" / f"tiny-{from_start.burn_in}-seed0")
    assert burn_in.delta == {**SHAPES, **load_config("tiny").burn_in}
    lowered = run(
        tiny_data, runs, arm="lowered", delta={"model.semi_train_cfg.cls_pseudo_thr": 0.35, "from_start": True}
    )
    assert lowered.burn_in == baseline.burn_in


def test_settings_of_pseudo_labels_change_nothing_of_a_burn_in(baseline: Record, tiny_data: Path, runs: Path) -> None:
    changed = {path: otherwise(path) for path in ON_PSEUDO_LABELS}
    record = run(tiny_data, runs, arm="as-burn-in", delta={**load_config("tiny").burn_in, **changed, "burn_in": {}})
    assert record.status == "completed"
    folders = (runs / "burn-in" / f"tiny-{baseline.burn_in}-seed0", runs / "s" / "as-burn-in-seed0")
    weights = [torch.load(folder / "weights.pth", weights_only=True) for folder in folders]
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())


def test_from_the_start_means_nothing_without_a_burn_in(tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tiny has no burn-in, so from_start would change nothing: leave it out"):
        run(tiny_data, tmp_path, delta={"burn_in": {}, "from_start": True})


def test_from_the_start_is_no_setting_of_a_config(tiny_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"_base_ = [{str(CONFIGS / 'tiny.py')!r}]\nfrom_start = True\n")
    with pytest.raises(UserError, match=r"sets from_start, which tells of a run's changes.*leave it out there"):
        train_run(config=str(path), study="s", data=tiny_data, runs_root=tmp_path, progress=False)


def test_the_split_is_part_of_run_and_burn_in(tiny_data: Path, tmp_path: Path) -> None:
    from mmengine import Config

    short = {"train_cfg.max_iters": 1, "train_cfg.val_interval": 1}
    folder = tmp_path / "runs"
    records = [run(tiny_data, tmp_path, folder=folder / str(split), split=split, delta=short) for split in (0, 1)]
    assert [record.split for record in records] == [0, 1]
    assert records[0].identity != records[1].identity
    assert records[0].burn_in != records[1].burn_in
    for number in (0, 1):
        config = Config.fromfile(folder / str(number) / "tiny.py", import_custom_modules=False)
        assert config.train_dataloader.dataset.split == number
    biases = [torch.load(folder / name / "weights.pth")["student.rpn_head.rpn_cls.bias"] for name in "01"]
    assert not torch.equal(*biases)  # same seed and settings, other groups
    seeded = run(tiny_data, tmp_path, seed=1, delta=short)
    assert seeded.split == 1


def test_the_plans_setting_is_built_whole_and_steps(build_model: Callable[..., Any]) -> None:
    """ResNet-50, eight views of 256 x 720 px, K = 1024, all losses; only the batch is smaller: one labelled group."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    model = build_model("paper").train()
    assert model.student.backbone.mvvit.tokens_per_level == [1024, 1024, 720, 184]
    samples = []
    for view in range(8):
        truth = InstanceData(bboxes=torch.tensor([[60.0, 200.0, 120.0, 340.0]]), labels=torch.tensor([view % 5]))
        shape = (720, 256)
        meta = {"img_id": view, "img_shape": shape, "ori_shape": shape, "pad_shape": shape, "scale_factor": (1.0, 1.0)}
        samples.append(DetDataSample(metainfo=meta, gt_instances=truth))
    losses = model.loss({"sup": torch.randn(8, 3, 720, 256)}, {"sup": samples})
    total, _ = model.parse_losses(losses)
    assert torch.isfinite(total)
    total.backward()
    frozen = [name for name, p in model.student.named_parameters() if not p.requires_grad]
    assert frozen
    assert all(
        name.startswith(("backbone.backbone.conv1", "backbone.backbone.bn", "backbone.backbone.layer"))
        for name in frozen
    )
    trained = [p for name, p in model.student.named_parameters() if "mvvit" in name]
    assert all(p.grad is not None for p in trained)

"""Every shipped config trains end to end: its own model, schedule and pipelines, on tiny images for a few iterations."""

from pathlib import Path

import pytest

from experiments.paths import CONFIGS
from experiments.train import train_run

SMALL = """
_base_ = [{base!r}]
model = dict(detector=dict(backbone=dict(mvvit=dict(image_size=(96, 48)){backbone})))
train_dataloader = dict(num_workers=0, persistent_workers=False)
val_dataloader = dict(num_workers=0, persistent_workers=False)
train_cfg = dict(max_iters=2, val_interval=2)
burn_in = dict(_delete_=True)
"""
WITHOUT_DOWNLOAD = ", backbone=dict(init_cfg=dict(_delete_=True, type='Kaiming', layer='Conv2d'))"


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*.py") if path.stem != "base"))
def test_a_shipped_config_trains(name: str, tiny_data: Path, tmp_path: Path) -> None:
    path = tmp_path / f"small_{name}.py"
    backbone = WITHOUT_DOWNLOAD if name == "paper" else ""
    path.write_text(SMALL.format(base=str(CONFIGS / f"{name}.py"), backbone=backbone))
    record = train_run(config=str(path), study="s", data=tiny_data, runs_root=tmp_path / "runs", progress=False)
    assert (record.status, record.reason) == ("completed", None)
    assert [(v.iteration, v.model) for v in record.validations] == [(2, "teacher"), (2, "student")]

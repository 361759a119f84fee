"""What a run leaves behind tells nothing of who trained it, where, or with which keys: not even when it fails half-way."""

import os
import subprocess
import sys
from pathlib import Path

from experiments.records import read_record

ROOT = Path(__file__).parents[2]


def test_neither_environment_nor_user_nor_places_reach_what_a_run_leaves(tiny_data: Path, tmp_path: Path) -> None:
    """A run that fails keeps its checkpoint, and its log and record hold a traceback."""
    home = tmp_path / "planted-home"
    (home / "data").mkdir(parents=True)
    data, runs = home / "data" / "tiny", home / "runs"
    data.symlink_to(tiny_data)
    planted = {
        "HOME": str(home), "USER": "planted-user", "LOGNAME": "planted-user", "HOSTNAME": "planted-host",
        "WANDB_API_KEY": "planted" + 33 * "0", "AWS_SECRET_ACCESS_KEY": "planted-secret", "DATABASE_URL": "planted-address",
    }  # fmt: skip
    command = [
        sys.executable, "-m", "experiments", "train", "tiny", "--data", str(data), "--set", "optim_wrapper.optimizer.lr=1e30",
        "--set", "train_cfg.max_iters=8", "--set", "train_cfg.val_interval=8",
    ]  # fmt: skip
    environment = {**os.environ, **planted, "RUNS": str(runs), "TRACK": "jsonl,wandb", "WANDB_MODE": "offline"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1, done.stderr
    folder = runs / "train" / "run-seed0"
    record = read_record(folder)
    assert record.status == "failed"
    assert any('File "' in line for line in record.log_tail)
    files = [path for path in runs.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files}
    assert {".json", ".jsonl", ".log", ".py", ".pth", ".wandb"} <= kinds
    assert list(folder.glob("iter_*.pth"))
    secrets = [b"planted-", planted["WANDB_API_KEY"].encode(), str(tmp_path).encode(), str(ROOT).encode()]
    told = [(path.name, secret) for path in files for secret in secrets if secret in path.read_bytes()]
    assert told == []
    (log,) = folder.glob("*/*.log")
    text = log.read_text()
    for useful in (
        "Python 3.",
        "torch 2.",
        "seed 0",
        "max_iters=8",
        "data_root='tiny'",
        "Traceback (most recent call last)",
    ):
        assert useful in text, useful

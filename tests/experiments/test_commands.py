"""The command line: JSON, clear errors, exit statuses."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.records import read_record


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "experiments", *words], capture_output=True, text=True, check=False)


def test_config_as_json() -> None:
    done = call("config", "cpu", "--set", "train_cfg.max_iters=7", "--json")
    assert json.loads(done.stdout)["train_cfg"]["max_iters"] == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("config", "cpuu"), "There is no config 'cpuu': did you mean cpu? Otherwise give one of "),
        (("config", "cpu", "--set", "train_cfg.max_iter=7"), "train_cfg.max_iters"),
        (("train", "cpu", "--set", "max_iters"), "path=value"),
        (("train", "cpu", "--data", "nowhere"), "There is no folder nowhere"),
        (("train", "cpu", "--launcher", "pytorch"), "torchrun --nproc-per-node 2"),
        (("data", "make", "--preset", "cpuu", "--out", "x"), "cpuu"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_exit_status_2(words: tuple[str, ...], message: str) -> None:
    done = call(*words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("x").exists()


def test_sigterm_is_a_clean_stop(tiny_data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "experiments", "train", "tiny", "--data", str(tiny_data), "--split", "2"]
    options = ["--set", "train_cfg.max_iters=400", "--set", "train_cfg.val_interval=400"]
    environment = {**os.environ, "RUNS": str(tmp_path)}
    folder = tmp_path / "train" / "run-seed0"
    process = subprocess.Popen([*command, *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 120
    while not (folder / "iter_2.pth").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 143
    assert "the same command goes on from the last checkpoint" in said
    assert "Traceback" not in said
    record = read_record(folder)
    assert (record.status, record.split) == ("running", 2)
    assert record.seconds["training"] > 0
    assert list(folder.glob("iter_*.pth"))

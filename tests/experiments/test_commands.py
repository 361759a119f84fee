"""The command line: JSON, clear errors, exit statuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "experiments", *words], capture_output=True, text=True, check=False)


def test_config_as_json() -> None:
    done = call("config", "cpu", "--set", "train_cfg.max_iters=7", "--json")
    assert json.loads(done.stdout)["train_cfg"]["max_iters"] == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("config", "cpuu"), "There is no config 'cpuu'"),
        (("config", "cpu", "--set", "train_cfg.max_iter=7"), "train_cfg.max_iters"),
        (("train", "cpu", "--set", "max_iters"), "path=value"),
        (("train", "cpu", "--data", "nowhere"), "nowhere holds no data set"),
        (("data", "make", "--preset", "cpuu", "--out", "x"), "cpuu"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_exit_status_2(words: tuple[str, ...], message: str) -> None:
    done = call(*words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("x").exists()

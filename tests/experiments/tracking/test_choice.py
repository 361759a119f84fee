"""What TRACK may say, and that a tracker that is not asked for is not imported."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.errors import UserError
from experiments.runs import run_identity
from experiments.tracking.choice import chosen_trackers

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, ("wandb", "jsonl")),
        ({"TRACK": ""}, ("wandb", "jsonl")),
        ({"TRACK": "none"}, ()),
        ({"TRACK": "tensorboard, jsonl,jsonl"}, ("tensorboard", "jsonl")),
        ({"TRACK": "wandb,jsonl", "WANDB_MODE": "disabled"}, ("jsonl",)),
        ({"TRACK": "wandb", "WANDB_MODE": "online"}, ("wandb",)),
    ],
)
def test_names_are_joined_by_commas(environment: dict[str, str], names: tuple[str, ...]) -> None:
    assert chosen_trackers(environment) == names


@pytest.mark.parametrize(
    ("track", "message"),
    [
        ("jsonl,mlflow", r"no tracker 'mlflow'; give some of none, jsonl, wandb, tensorboard\."),
        ("none,jsonl", r"none cannot be joined"),
    ],
)
def test_other_names_are_a_users_error(track: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        chosen_trackers({"TRACK": track})


def test_a_way_to_use_weights_and_biases_that_is_not_offered_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"WANDB_MODE=sometimes: give one of offline, online, disabled, or nothing for offline\."
    ):
        chosen_trackers({"WANDB_MODE": "sometimes"})
    assert chosen_trackers({"WANDB_MODE": ""}) == ("wandb", "jsonl")
    assert chosen_trackers({"WANDB_MODE": "dryrun"}) == ("wandb", "jsonl")
    assert chosen_trackers({"WANDB_MODE": "sometimes", "TRACK": "jsonl"}) == ("jsonl",)


@pytest.mark.parametrize(("name", "value", "said"), [
    ("TRACK", "mlflow", "no tracker 'mlflow'"), ("HANG_MINUTES", "soon", "HANG_MINUTES is 'soon'"),
])  # fmt: skip
def test_a_study_refuses_variables_that_would_fail_its_arms_before_it_is_begun(
    name: str, value: str, said: str, tmp_path: Path
) -> None:
    environment = {name: value, "RUNS": str(tmp_path / "runs"), "DATA": str(tmp_path / "data")}
    command = [sys.executable, "-m", "ablations", "run", "--scale", "tiny", "--factors", "focal"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_trackers_package_is_imported_by_its_own_module_alone() -> None:
    code = """
import sys
import experiments.tracking.jsonl, experiments.tracking.trackers
print([name for name in ("wandb", "tensorboard", "torch") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    imports = re.compile(r"^\s*(?:import|from) (?:wandb|tensorboard|torch\.utils\.tensorboard)\b", re.MULTILINE)
    packages = ("models", "experiments", "ablations")  # analysis publishes to W&B
    found = {p.name for package in packages for p in (ROOT / package).rglob("*.py") if imports.search(p.read_text())}
    assert found <= {"weights_and_biases.py", "tensorboard.py"}


def test_tracking_is_no_part_of_a_runs_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    identities = set()
    for track in ("none", "wandb,jsonl"):
        monkeypatch.setenv("TRACK", track)
        identities.add(run_identity(config="tiny", delta={}, seed=0, split=0, data_fingerprint="f"))
    assert len(identities) == 1

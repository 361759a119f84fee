"""Studies, through the command line: what is trained, skipped, extended, refused, and how it exits."""

import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from ablations.commands import app
from ablations.study import read_study
from experiments.errors import UserError
from experiments.records import Record, write_record
from experiments.runs import data_fingerprint, run_folder, run_identity

FOCAL_ON = {
    "model.detector.roi_head.bbox_head.loss_cls.gamma": 3.5,
    "model.detector.roi_head.bbox_head.loss_cls.loss_weight": 2.5,
    "model.detector.rpn_head.loss_cls.gamma": 2.5,
}


@dataclass
class Laboratory:
    """Stand-ins for training and the report, which a study imports lazily; identities and folders are real.

    ``outcomes`` maps (arm, seed) to how training ends, a status or an exception; completed unless given.
    ``calls`` are the last command's arguments of train_run.
    """

    root: Path
    data: Path
    outcomes: dict[tuple[str, int], str | BaseException] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)
    reported: list[Path] = field(default_factory=list)
    studies_seen: list[bool] = field(default_factory=list)

    def run(self, *options: str) -> Result:
        self.calls.clear()
        return CliRunner().invoke(app, ["run", *options])

    @property
    def trained(self) -> list[tuple[str, int]]:
        return [(call["arm"], call["seed"]) for call in self.calls]

    def study(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.root / name / "study.json").read_text())
        return content

    def train_run(
        self,
        *,
        config: str,
        study: str,
        arm: str,
        levels: dict[str, str],
        delta: dict[str, object],
        seed: int,
        data: Path | None = None,
        runs_root: Path,
        progress: bool = True,
    ) -> Record:
        self.calls.append({"config": config, "arm": arm, "levels": levels, "delta": delta, "seed": seed, "data": data})
        self.studies_seen.append((runs_root / study / "study.json").exists())
        outcome = self.outcomes.get((arm, seed), "completed")
        if isinstance(outcome, BaseException):
            raise outcome
        if data is None and not self.data.exists():
            make_data(self.data, "made")
        fingerprint = data_fingerprint(config, data)
        assert fingerprint is not None
        record = Record.model_validate(
            {
                "identity": run_identity(config=config, delta=delta, seed=seed, data_fingerprint=fingerprint),
                "study": study,
                "arm": arm,
                "kind": "arm",
                "levels": levels,
                "config": config,
                "seed": seed,
                "iterations": 1,
                "delta": delta,
                "data": {"name": "tiny", "fingerprint": fingerprint, "classes": []},
                "versions": {},
                "device": "cpu",
                "status": outcome,
                "reason": "Out of memory [step 3].\nTraceback" if outcome == "failed" else None,
            }
        )
        folder = run_folder(runs_root=runs_root, study=study, arm=arm, seed=seed)
        folder.mkdir(parents=True, exist_ok=True)
        write_record(record, folder)
        return record

    def report_study(self, folder: Path, *, console: Console, model: str = "teacher") -> list[Path]:
        self.reported.append(folder)
        console.print("the report")
        return []


def make_data(folder: Path, fingerprint: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    description = {"name": folder.name, "fingerprint": fingerprint, "classes": [], "views": 8}
    (folder / "dataset.json").write_text(json.dumps(description))


@pytest.fixture
def laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    stand_ins = Laboratory(root=tmp_path / "runs", data=tmp_path / "data" / "cpu")
    for name, function in (("experiments.train", "train_run"), ("analysis.table", "report_study")):
        module = ModuleType(name)
        setattr(module, function, getattr(stand_ins, function))
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("RUNS", str(stand_ins.root))
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))
    make_data(stand_ins.data, "data-1")
    return stand_ins


def test_each_arm_is_trained_and_the_study_reported(laboratory: Laboratory) -> None:
    result = laboratory.run("--factors", "focal")
    assert result.exit_code == 0
    off = dict.fromkeys(("focal", "anchors", "pseudo_labels", "augmentation", "fusion", "pooling"), "off")
    assert laboratory.calls == [
        {"config": "cpu", "arm": "baseline", "levels": off, "delta": {}, "seed": 0, "data": None},
        {
            "config": "cpu",
            "arm": "focal",
            "levels": off | {"focal": "on"},
            "delta": FOCAL_ON,
            "seed": 0,
            "data": None,
        },
    ]
    assert laboratory.reported == [laboratory.root / "ablation-focal"]
    lines = result.stdout.splitlines()
    assert lines[0] == ("Study ablation-focal at scale cpu: 2 arms x 1 seed = 2 runs, 0 done already.")
    assert lines[1:] == [
        "[1/2] baseline, seed 0: completed, 0 s, about 0 s left",
        "[2/2] focal, seed 0: completed, 0 s",
        "the report",
    ]


def test_study_file_is_there_before_training_and_tells_all(laboratory: Laboratory, tmp_path: Path) -> None:
    make_data(tmp_path / "own", "own-1")
    laboratory.run("--factors", "focal", "--scale", "paper", "--seeds", "2", "--data", str(tmp_path / "own"))
    assert {(call["config"], call["data"]) for call in laboratory.calls} == {("paper", tmp_path / "own")}
    assert laboratory.studies_seen == [True] * 4
    study = laboratory.study("ablation-focal-paper")
    assert {key: study[key] for key in ("version", "study", "scale", "data", "data_fingerprint")} == {
        "version": 1,
        "study": "ablation-focal-paper",
        "scale": "paper",
        "data": str(tmp_path / "own"),
        "data_fingerprint": data_fingerprint("paper", tmp_path / "own"),
    }
    assert study["requests"] == [
        {
            "design": "alone",
            "factors": ["focal"],
            "seeds": [0, 1],
            "command": "python -m ablations run --design alone --factors focal --scale paper --seeds 2 "
            f"--study ablation-focal-paper --data {tmp_path / 'own'}",
        }
    ]
    assert [(arm["name"], arm["delta"]) for arm in study["arms"]] == [("baseline", {}), ("focal", FOCAL_ON)]


def test_all_arms_of_a_seed_come_before_the_next_seed(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal", "--seeds", "2")
    assert laboratory.trained == [("baseline", 0), ("focal", 0), ("baseline", 1), ("focal", 1)]


def test_a_complete_study_reports_again_without_importing_training(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    laboratory.run("--factors", "focal")
    monkeypatch.setitem(sys.modules, "experiments.train", None)  # importing it now raises ImportError
    result = laboratory.run("--factors", "focal")
    assert result.exit_code == 0
    assert "2 runs, 2 done already." in result.stdout
    assert len(laboratory.reported) == 2
    assert len(laboratory.study("ablation-focal")["requests"]) == 1


def test_only_missing_runs_are_trained(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal")
    result = laboratory.run("--factors", "focal", "--seeds", "2")
    assert laboratory.trained == [("baseline", 1), ("focal", 1)]
    assert "[3/4] baseline, seed 1" in result.stdout


def test_a_failing_arm_is_told_and_the_others_go_on(laboratory: Laboratory) -> None:
    laboratory.outcomes["focal", 0] = "failed"
    result = laboratory.run("--factors", "focal,anchors")
    assert result.exit_code == 1
    assert laboratory.trained == [("baseline", 0), ("focal", 0), ("anchors", 0)]
    assert len(laboratory.reported) == 1
    assert result.stdout.splitlines()[-1] == (
        "1 of 3 runs failed (focal, seed 0: Out of memory [step 3].); the other results stand, and the "
        "same command tries again: python -m ablations run --design alone --factors focal,anchors "
        "--scale cpu --seeds 1 --study alone-focal-anchors"
    )
    laboratory.outcomes.clear()
    assert laboratory.run("--factors", "focal,anchors").exit_code == 0
    assert laboratory.trained == [("focal", 0)]


def test_nothing_is_reported_where_every_run_failed(laboratory: Laboratory) -> None:
    laboratory.outcomes = {("baseline", 0): "failed", ("focal", 0): "failed"}
    assert laboratory.run("--factors", "focal").exit_code == 1
    assert laboratory.reported == []


def test_a_pruned_run_is_no_failure(laboratory: Laboratory) -> None:
    laboratory.outcomes["focal", 0] = "pruned"
    assert laboratory.run("--factors", "focal").exit_code == 0


def test_interrupting_keeps_what_is_done_and_names_the_command(laboratory: Laboratory) -> None:
    laboratory.outcomes["focal", 0] = KeyboardInterrupt()
    result = laboratory.run("--factors", "focal")
    command = "python -m ablations run --design alone --factors focal --scale cpu --seeds 1 --study ablation-focal"
    assert result.exit_code == 130
    assert result.stderr == f"Stopped; the same command continues where it was: {command}\n"
    laboratory.outcomes.clear()
    assert laboratory.run(*command.split()[4:]).exit_code == 0
    assert laboratory.trained == [("focal", 0)]


def test_a_users_mistake_while_training_is_one_sentence(laboratory: Laboratory) -> None:
    laboratory.outcomes["baseline", 0] = UserError("The data set is damaged; make it again.")
    result = laboratory.run("--factors", "focal")
    assert (result.exit_code, result.stderr) == (2, "Error: The data set is damaged; make it again.\n")


def test_another_design_extends_the_study(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal,anchors", "--study", "mine")
    laboratory.run("--factors", "focal,anchors", "--study", "mine", "--design", "factorial")
    assert laboratory.trained == [("focal+anchors", 0)]
    laboratory.run("--factors", "fusion", "--study", "mine")
    study = laboratory.study("mine")
    assert [arm["name"] for arm in study["arms"]] == [
        "baseline",
        "focal",
        "anchors",
        "focal+anchors",
        "fusion",
    ]
    assert [request["design"] for request in study["requests"]] == ["alone", "factorial", "alone"]


def test_another_scale_is_refused(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal")
    before = laboratory.study("ablation-focal")
    result = laboratory.run("--factors", "focal", "--scale", "paper", "--study", "ablation-focal")
    assert result.exit_code == 2
    assert "is at scale cpu, not paper" in result.stderr
    assert "choose another --study" in result.stderr
    assert laboratory.trained == []
    assert laboratory.study("ablation-focal") == before


def test_another_data_set_is_refused(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal")
    first = data_fingerprint("cpu", None)
    make_data(laboratory.data, "data-2")
    result = laboratory.run("--factors", "focal")
    assert result.exit_code == 2
    assert f"is on another data set (the default one, fingerprint {first})" in result.stderr
    assert laboratory.trained == []


def test_a_folder_with_another_run_is_refused_and_the_study_left_alone(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal")
    before = laboratory.study("ablation-focal")
    path = laboratory.root / "ablation-focal" / "focal-seed0" / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"identity": "other"}))
    result = laboratory.run("--factors", "focal", "--seeds", "2")
    assert result.exit_code == 2
    assert "holds another run" in result.stderr
    assert laboratory.trained == []
    assert laboratory.study("ablation-focal") == before


def test_data_made_by_the_first_run_is_the_studys(laboratory: Laboratory, tmp_path: Path) -> None:
    laboratory.data.rename(tmp_path / "away")
    laboratory.run("--factors", "focal")
    assert laboratory.study("ablation-focal")["data_fingerprint"] == data_fingerprint("cpu", None)
    shutil.copytree(laboratory.data, tmp_path / "copy")
    copy = laboratory.run("--factors", "focal", "--data", str(tmp_path / "copy"))
    assert (copy.exit_code, laboratory.trained) == (0, [])


def test_before_data_is_made_its_folder_tells_data_sets_apart(laboratory: Laboratory, tmp_path: Path) -> None:
    own = laboratory.data.rename(tmp_path / "own")
    laboratory.outcomes["baseline", 0] = KeyboardInterrupt()
    laboratory.run("--factors", "focal")
    assert laboratory.study("ablation-focal")["data_fingerprint"] is None
    assert laboratory.run("--factors", "focal", "--data", str(own)).exit_code == 2
    laboratory.outcomes.clear()
    assert laboratory.run("--factors", "focal").exit_code == 0


def test_an_unreadable_study_file_is_named(tmp_path: Path) -> None:
    assert read_study(tmp_path) is None
    (tmp_path / "study.json").write_text('{"version": 1,')
    with pytest.raises(UserError, match=r"study\.json is not a readable study"):
        read_study(tmp_path)


def test_runs_root_option_and_default_names(laboratory: Laboratory, tmp_path: Path) -> None:
    other = tmp_path / "other runs"
    laboratory.run("--design", "leave-one-out", "--factors", "all", "--runs-root", str(other))
    study = json.loads((other / "leave-one-out-all" / "study.json").read_text())
    assert study["requests"][0]["command"].endswith(f"--study leave-one-out-all --runs-root '{other}'")
    assert not laboratory.root.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--factors", "focl"), "Error: There is no factor 'focl': did you mean focal?\n"),
        (("--factors", ","), "Error: No factor is named; name some of focal, anchors"),
        (("--design", "alon"), "Error: There is no design 'alon': did you mean alone?\n"),
        (("--scale", "cuda"), "Error: There is no scale 'cuda': choose one of tiny, cpu, gpu, paper.\n"),
        (("--seeds", "0"), "Error: --seeds is 0, but a study needs at least 1.\n"),
        (("--study", "../up"), "Error: --study '../up' is no folder name: "),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    laboratory: Laboratory, options: tuple[str, ...], message: str
) -> None:
    result = laboratory.run(*options)
    assert result.exit_code == 2
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1
    assert not laboratory.root.exists()

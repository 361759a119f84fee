"""Studies, through the command line: what is trained, shared, skipped, extended, refused, and how it exits."""

import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from experiments.errors import UserError
from experiments.records import read_record
from experiments.runs import completed_record, read_dataset
from experiments.studies import arm_folder, read_study
from tests.ablations.conftest import Laboratory, make_data

FOCAL_ON = {
    "model.detector.roi_head.bbox_head.loss_cls.gamma": 3.5,
    "model.detector.roi_head.bbox_head.loss_cls.loss_weight": 2.5,
    "model.detector.rpn_head.loss_cls.gamma": 2.5,
}


def test_each_arm_is_trained_and_the_study_reported(laboratory: Laboratory) -> None:
    result = laboratory.run("--factors", "focal")
    assert result.exit_code == 0
    common = {"config": "cpu", "seed": 0, "split": 0, "data": laboratory.data, "sampled": False}
    assert laboratory.calls == [
        {"arm": "baseline", "delta": {}, **common},
        {"arm": "focal", "delta": FOCAL_ON, **common},
    ]
    assert laboratory.reported == [laboratory.root / "ablation-focal"]
    lines = result.stdout.splitlines()
    assert lines[0] == "Study ablation-focal at scale cpu: 2 jobs, 0 done already."
    assert [line.split(",")[0] for line in lines[1:3]] == ["[1/2] baseline", "[2/2] focal"]
    # The stand-in judges no gates while it trains: they are judged, and told, when all are home.
    assert lines[3] == "focal, seed 0, beside its baseline:"
    assert [line.split(":")[0] for line in lines[4:7]] == [
        "Gate, iteration 1, class_ap Severe_Rust", "Gate, iteration 1, class_ap Chipped", "Gate, iteration 1, overall_ap",
    ]  # fmt: skip
    assert lines[7:] == ["Working out the tables, and drawing the charts ...", "the report"]


def test_factors_over_a_config_of_ones_own_are_told(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ablations.request.departures",
        lambda scale, factors: [f"{scale}: {factor.name} is another." for factor in factors],
    )
    assert laboratory.run("--factors", "focal").stdout.splitlines()[1] == "cpu: focal is another."
    assert "is another" not in laboratory.run("--design", "noise", "--seeds", "3").stdout  # it switches none


def test_the_study_file_tells_all(laboratory: Laboratory, tmp_path: Path) -> None:
    make_data(tmp_path / "own", "own-1")
    laboratory.run("--factors", "focal", "--scale", "paper", "--seeds", "2", "--data", str(tmp_path / "own"))
    study = laboratory.study("ablation-focal-paper")
    assert {key: study[key] for key in ("version", "study", "scale", "data", "hard_classes", "storage", "search")} == {
        "version": 2,
        "study": "ablation-focal-paper",
        "scale": "paper",
        "data": str(tmp_path / "own"),
        "hard_classes": ["Severe_Rust", "Chipped"],
        "storage": None,
        "search": None,
    }
    assert study["requests"] == [
        {
            "design": "alone",
            "factors": ["focal"],
            "seeds": [0, 1],
            "command": "python -m ablations run --design alone --factors focal --scale paper --seeds 2 "
            f"--study ablation-focal-paper --data {tmp_path / 'own'}",
            "departures": [],
        }
    ]
    assert [(run["arm"], run["seed"], run["split"]) for run in study["runs"]] == [
        ("baseline", 0, 0), ("focal", 0, 0), ("baseline", 1, 1), ("focal", 1, 1),
    ]  # fmt: skip
    assert study["runs"][1]["delta"] == FOCAL_ON
    assert len({run["identity"] for run in study["runs"]}) == 4


def test_all_arms_of_a_seed_come_before_the_next_and_every_seed_has_its_own_split(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal", "--seeds", "2")
    assert laboratory.trained == [("baseline", 0), ("focal", 0), ("baseline", 1), ("focal", 1)]
    assert [call["split"] for call in laboratory.calls] == [0, 0, 1, 1]


def test_labels_that_nobody_knows_are_not_dealt_out_anew(laboratory: Laboratory, tmp_path: Path) -> None:
    make_data(tmp_path / "own", "own-1", truth=False)
    laboratory.run("--factors", "focal", "--seeds", "2", "--data", str(tmp_path / "own"))
    assert [call["split"] for call in laboratory.calls] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("annotations/val.json", "val.json does not exist"),
        ("annotations/train_labeled.json", "train_labeled.json does not exist"),
        ("images/B_1_crop_3.jpg", "file B_1_crop_3.jpg does not exist"),  # of the unlabelled groups
    ],
)
def test_a_study_on_data_that_training_would_refuse_is_not_begun(
    lost: str, told: str, laboratory: Laboratory, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    make_data(own, "own-1")
    moved = (own / lost).rename(tmp_path / "moved")
    options = ("--factors", "focal", "--seeds", "2", "--data", str(own))
    result = laboratory.run(*options)
    assert result.exit_code == 2
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not laboratory.root.exists()
    moved.rename(own / lost)
    assert laboratory.run(*options).exit_code == 0
    (own / lost).rename(tmp_path / "moved")  # nor continued, and the sentence is about the file
    result = laboratory.run(*options)
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_study_is_refused_with_the_sentence_that_training_has(
    laboratory: Laboratory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "experiments.train")  # the real one
    from experiments.train import train_run

    (laboratory.data / "images" / "C_1_crop_2.jpg").write_bytes(b"half an image")
    with pytest.raises(UserError) as refused:
        train_run(config="cpu", study="s", data=laboratory.data, runs_root=laboratory.root, progress=False)
    result = laboratory.run("--factors", "focal", "--data", str(laboratory.data))
    assert result.stderr == f"Error: {refused.value}\n"
    assert not laboratory.root.exists()


def test_a_complete_study_reports_again_without_importing_training(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    laboratory.run("--factors", "focal")
    monkeypatch.setitem(sys.modules, "experiments.train", None)  # importing it now raises ImportError
    result = laboratory.run("--factors", "focal")
    assert result.exit_code == 0
    assert "2 jobs, 2 done already." in result.stdout
    assert len(laboratory.reported) == 2
    assert len(laboratory.study("ablation-focal")["requests"]) == 1


def test_no_two_studies_train_the_same_run(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    laboratory.run("--factors", "focal")
    laboratory.run("--factors", "anchors")
    assert laboratory.trained == [("anchors", 0)]
    laboratory.run("--design", "factorial", "--factors", "focal,anchors")
    assert laboratory.trained == [("focal+anchors", 0)]
    assert laboratory.jobs("factorial-focal-anchors") == [
        ("baseline", "completed"), ("focal", "completed"), ("anchors", "completed"), ("focal+anchors", "completed"),
    ]  # fmt: skip
    assert len(list((laboratory.root / "arms").iterdir())) == 4


def test_only_missing_runs_are_trained(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal")
    result = laboratory.run("--factors", "focal", "--seeds", "2")
    assert laboratory.trained == [("baseline", 1), ("focal", 1)]
    assert "[3/4] baseline, seed 1" in result.stdout


def test_a_design_grows_from_16_to_32_to_64_arms(laboratory: Laboratory) -> None:
    for design, number in (("fractional-16", 16), ("fractional", 24), ("factorial", 24)):
        laboratory.run("--design", design, "--study", "grown")
        assert len(laboratory.trained) == number
    assert len(laboratory.study("grown")["runs"]) == 64
    assert {state for _, state in laboratory.jobs("grown")} == {"completed"}


def test_the_control_is_an_arm_of_any_design(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal", "--control")
    assert laboratory.calls[-1]["arm"] == "control"
    assert laboratory.calls[-1]["delta"] == {"train_dataloader.sampler.source_ratio": [1, 0]}


def test_a_failing_arm_is_told_the_others_go_on_and_it_is_tried_again_on_request(laboratory: Laboratory) -> None:
    laboratory.outcomes["focal", 0] = "failed"
    result = laboratory.run("--factors", "focal,anchors")
    assert result.exit_code == 1
    assert laboratory.trained == [("baseline", 0), ("focal", 0), ("anchors", 0)]
    assert len(laboratory.reported) == 1
    assert result.stdout.splitlines()[-1] == (
        "1 of 3 jobs failed (focal, seed 0: Out of memory [step 3].); the other results stand. To queue them again: "
        f"python -m ablations retry --study alone-focal-anchors --runs-root {laboratory.root}"
    )
    laboratory.outcomes.clear()
    assert laboratory.run("--factors", "focal,anchors").exit_code == 1
    assert laboratory.trained == []
    again = laboratory.command("retry", "--study", "alone-focal-anchors", "--runs-root", str(laboratory.root))
    assert again.stdout.splitlines() == [
        "Queued again: focal, seed 0.",
        f"To train them: RUNS={laboratory.root} DATA_ROOT={laboratory.data.parent} TRACK=jsonl python -m ablations run --design "
        f"alone --factors focal,anchors --scale cpu --seeds 1 --study alone-focal-anchors --runs-root {laboratory.root}",
    ]
    assert laboratory.run("--factors", "focal,anchors").exit_code == 0
    assert laboratory.trained == [("focal", 0)]
    assert "nothing to queue again" in laboratory.command("retry", "--study", "alone-focal-anchors").stdout


def test_whatever_befalls_one_arm_the_others_go_on(laboratory: Laboratory) -> None:
    laboratory.outcomes |= {("baseline", 0): UserError("The image is damaged."), ("focal", 0): OSError("gone")}
    result = laboratory.run("--factors", "focal,anchors")
    assert result.exit_code == 1
    assert "baseline, seed 0: The image is damaged.; focal, seed 0: OSError: gone" in result.stdout
    assert laboratory.jobs("alone-focal-anchors")[2] == ("anchors", "completed")


def test_nothing_is_reported_where_every_run_failed(laboratory: Laboratory) -> None:
    laboratory.outcomes = {("baseline", 0): "failed", ("focal", 0): "failed"}
    assert laboratory.run("--factors", "focal").exit_code == 1
    assert laboratory.reported == []


def test_a_pruned_run_is_no_failure(laboratory: Laboratory) -> None:
    laboratory.outcomes["focal", 0] = "pruned"
    assert laboratory.run("--factors", "focal").exit_code == 0


def test_the_command_that_goes_on_has_the_rules_and_places_of_the_one_that_was_stopped(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACK", "jsonl")
    laboratory.outcomes["focal", 0] = KeyboardInterrupt()
    options = ["--grace", "90", "--memory-budget", "8GB", "--on-fail", "stop"]
    command = "python -m ablations run --design alone --factors focal --scale cpu --seeds 1 --study ablation-focal"
    said = laboratory.run("--factors", "focal", *options).stderr
    places = f"RUNS={os.environ['RUNS']} DATA_ROOT={os.environ['DATA_ROOT']} TRACK=jsonl"
    assert said == f"Stopped; the same command continues where it was: {places} {command} {' '.join(options)}\n"


def test_interrupting_keeps_what_is_done_and_names_the_command(laboratory: Laboratory) -> None:
    laboratory.outcomes["focal", 0] = KeyboardInterrupt()
    result = laboratory.run("--factors", "focal")
    command = "python -m ablations run --design alone --factors focal --scale cpu --seeds 1 --study ablation-focal"
    assert result.exit_code == 130
    places = f"RUNS={os.environ['RUNS']} DATA_ROOT={os.environ['DATA_ROOT']} TRACK=jsonl"
    assert result.stderr == f"Stopped; the same command continues where it was: {places} {command}\n"
    assert laboratory.jobs("ablation-focal") == [("baseline", "completed"), ("focal", "waiting")]
    laboratory.outcomes.clear()
    assert laboratory.run(*command.split()[4:]).exit_code == 0
    assert laboratory.trained == [("focal", 0)]


def test_arms_from_the_start_and_after_a_shared_burn_in_are_no_study(laboratory: Laboratory) -> None:
    assert laboratory.run("--factors", "focal", "--study", "mine").exit_code == 0
    result = laboratory.run("--factors", "anchors", "--study", "mine", "--from-start")
    assert result.exit_code == 2
    assert (
        "switches factors on after a shared burn-in, and the new request from the start (--from-start): such arms do not"
        in result.stderr
    )
    assert laboratory.run("--factors", "focal", "--from-start").exit_code == 0
    assert laboratory.run("--factors", "banded", "--study", "ablation-focal-from-start").exit_code == 0  # one of either
    result = laboratory.run("--factors", "focal", "--study", "ablation-focal-from-start")
    assert "from the start (--from-start), and the new request after a shared burn-in" in result.stderr


def test_another_scale_is_refused(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal")
    before = laboratory.study("ablation-focal")
    result = laboratory.run("--factors", "focal", "--scale", "paper", "--study", "ablation-focal")
    assert result.exit_code == 2
    assert "is at scale cpu, not paper" in result.stderr
    assert laboratory.trained == []
    assert laboratory.study("ablation-focal") == before


def test_another_data_set_is_refused(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal")
    first = read_dataset(laboratory.data)["fingerprint"]
    make_data(laboratory.data, "data-2")
    result = laboratory.run("--factors", "focal")
    assert result.exit_code == 2
    now = read_dataset(laboratory.data)["fingerprint"]
    changed = (
        f"Error: The files in {laboratory.data} have changed since study ablation-focal in {laboratory.root} began (fingerprint "
        f"{first}, now {now}): runs before and after do not compare; put back the files that it began with, or begin another study "
        "(--study, make: STUDY=).\n"
    )
    assert result.stderr == changed
    assert laboratory.trained == []
    again = laboratory.command("retry", "--study", "ablation-focal")
    assert (again.exit_code, again.stderr) == (2, changed)


def test_another_folder_of_data_is_refused(laboratory: Laboratory, tmp_path: Path) -> None:
    laboratory.run("--factors", "focal")
    first = read_dataset(laboratory.data)["fingerprint"]
    make_data(tmp_path / "other", "data-2")
    result = laboratory.run("--factors", "focal", "--data", str(tmp_path / "other"), "--study", "ablation-focal")
    assert result.exit_code == 2
    assert f"is on another data set (the default one, fingerprint {first})" in result.stderr
    assert laboratory.trained == []


def test_a_copy_of_the_data_is_the_same_data(laboratory: Laboratory, tmp_path: Path) -> None:
    import shutil

    laboratory.run("--factors", "focal")
    shutil.copytree(laboratory.data, tmp_path / "copy")
    assert laboratory.run("--factors", "focal", "--data", str(tmp_path / "copy")).exit_code == 0
    assert laboratory.trained == []


def test_changed_configs_are_refused(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    laboratory.run("--factors", "focal")
    monkeypatch.setattr("experiments.runs.config_digest", lambda path: "edited")
    result = laboratory.run("--factors", "focal", "--seeds", "2")
    assert result.exit_code == 2
    assert "holds baseline, seed 0 as another run" in result.stderr
    assert laboratory.trained == []


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


def test_a_record_that_is_not_here_comes_out_of_the_ledger(laboratory: Laboratory) -> None:
    import shutil

    laboratory.run("--factors", "focal")
    identity = laboratory.study("ablation-focal")["runs"][1]["identity"]
    shutil.rmtree(arm_folder(laboratory.root, identity))  # as on a machine that did not train it
    assert laboratory.run("--factors", "focal").exit_code == 0
    assert laboratory.trained == []
    record = completed_record(arm_folder(laboratory.root, identity), identity)
    assert record is not None
    assert record.arm == "focal"


def test_status_tells_counts_and_reasons(laboratory: Laboratory) -> None:
    laboratory.outcomes |= {("focal", 0): "failed", ("pooling", 0): KeyboardInterrupt()}
    laboratory.run("--factors", "focal,fusion,pooling", "--study", "s")
    shown = laboratory.command("status", "--study", "s")
    assert shown.exit_code == 1
    assert shown.stdout.startswith("Study s at scale cpu: 4 jobs: 2 completed, 1 waiting, 1 failed")
    assert "failed: focal, seed 0: Out of memory [step 3]." in shown.stdout
    told = json.loads(laboratory.command("status", "--study", "s", "--json").stdout)
    assert told["counts"] == {"completed": 2, "running": 0, "waiting": 1, "failed": 1, "pruned": 0}
    assert [job["state"] for job in told["jobs"]] == ["completed", "failed", "completed", "waiting"]


def test_show_tells_delta_scores_and_files(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal", "--seeds", "2")
    shown = laboratory.command("show", "focal", "--study", "ablation-focal", "--seed", "1").stdout
    assert "loss_cls.gamma = 3.5" in shown
    assert "teacher on val at 1: AP Broken 0.250" in shown
    assert "seed 0" not in shown
    told = json.loads(laboratory.command("show", "focal", "--study", "ablation-focal", "--json").stdout)
    assert [one["files"] for one in told["replicates"]] == [["record.json"]] * 2
    wrong = laboratory.command("show", "focl", "--study", "ablation-focal")
    assert (wrong.exit_code, wrong.stderr) == (
        2,
        "Error: There is no arm 'focl' in study ablation-focal: did you mean focal?\n",
    )


def test_a_study_that_is_not_there_is_told_with_those_that_are(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal")
    result = laboratory.command("status", "--study", "ablation-focl")
    assert result.exit_code == 2
    assert "There is no study 'ablation-focl'" in result.stderr
    assert "ablation-focal" in result.stderr


def test_worker_joins_and_trains_what_waits(laboratory: Laboratory) -> None:
    laboratory.outcomes["baseline", 0] = KeyboardInterrupt()
    laboratory.run("--factors", "focal")
    laboratory.outcomes.clear()
    result = laboratory.command("worker", "--study", "ablation-focal")
    assert result.exit_code == 0
    assert sorted(laboratory.trained) == [("baseline", 0), ("focal", 0)]


def test_a_worker_of_a_study_that_is_done_says_so(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal")
    result = laboratory.command("worker", "--study", "ablation-focal")
    assert (result.exit_code, laboratory.trained) == (0, [])
    assert result.stdout == "Nothing left to do: all 2 jobs of study ablation-focal are over.\n"


@pytest.mark.parametrize(("file", "text"), [("targets.toml", "hard = ["), ("dataset.json", "{")])
def test_a_study_that_is_refused_leaves_no_folder(laboratory: Laboratory, file: str, text: str) -> None:
    (laboratory.data / file).write_text(text)
    assert laboratory.run("--factors", "focal").exit_code == 2
    assert not (laboratory.root / "ablation-focal").exists()


def test_a_storage_out_of_reach_leaves_no_folder(laboratory: Laboratory) -> None:
    options = ("--factors", "focal", "--storage", "postgresql://me@127.0.0.1:9/name")
    assert "cannot be opened" in laboratory.run(*options).stderr
    assert not (laboratory.root / "ablation-focal").exists()


def test_a_worker_with_other_data_is_refused(laboratory: Laboratory, tmp_path: Path) -> None:
    laboratory.outcomes["baseline", 0] = KeyboardInterrupt()
    laboratory.run("--factors", "focal")
    make_data(tmp_path / "own", "own-1")
    result = laboratory.command("worker", "--study", "ablation-focal", "--data", str(tmp_path / "own"))
    assert result.exit_code == 2
    assert "give its data set with --data" in result.stderr


def test_a_worker_with_other_configs_is_refused_and_loses_nothing(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    laboratory.outcomes["baseline", 0] = KeyboardInterrupt()
    laboratory.run("--factors", "focal")
    monkeypatch.setattr("experiments.runs.config_digest", lambda path: "edited")
    result = laboratory.command("worker", "--study", "ablation-focal")
    assert result.exit_code == 2
    assert "use the one that the study was begun with" in result.stderr
    assert sorted(laboratory.jobs("ablation-focal")) == [("baseline", "waiting"), ("focal", "waiting")]


def test_a_password_is_nowhere_on_disk(laboratory: Laboratory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from optuna.storages import RDBStorage

    from ablations import storage

    opened = RDBStorage

    def to_a_file(url: str, *arguments: Any, **options: Any) -> Any:
        return opened(f"sqlite:///{tmp_path / 'server.db'}", {}, **options)

    monkeypatch.setattr(storage, "RDBStorage", to_a_file)
    laboratory.run("--factors", "focal", "--storage", "postgresql://me:secret@host/name")
    assert laboratory.study("ablation-focal")["storage"] == "postgresql://me:***@host/name"
    files = [path for path in (*laboratory.root.rglob("*"), tmp_path / "server.db") if path.is_file()]
    assert len(files) > 3
    assert [path for path in files if b"secret" in path.read_bytes()] == []
    again = laboratory.command("status", "--study", "ablation-focal")
    assert again.exit_code == 2
    assert "give the whole address with --storage" in again.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--factors", "focl"), "Error: There is no factor 'focl': did you mean focal?\n"),
        (("--factors", ","), "Error: No factor is named; name some of focal, anchors"),
        (("--design", "alon"), "Error: There is no design 'alon': did you mean alone?\n"),
        (("--scale", "cuda"), "Error: There is no scale 'cuda': choose one of tiny, cpu, gpu, paper.\n"),
        (("--seeds", "0"), "Error: --seeds is 0, but a study needs at least 1.\n"),
        (("--study", "../up"), "Error: --study '../up' is no folder name: "),
        (("--study", "arms"), "Error: The study name arms is taken by the runs that all studies share"),
        (("--design", "fractional", "--factors", "focal"), "Error: The design fractional needs three factors or more"),
        (("--design", "optuna", "--space", "treshold"), "Error: There is no sampled setting 'treshold': "),
        (("--design", "optuna", "--objective", "best"), "Error: There is no objective 'best': "),
        (("--design", "optuna", "--trials", "0"), "Error: --trials is 0, but a search needs at least 1."),
        (("--storage", "nonsense"), "Error: The storage's address is not understood"),
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


def test_show_of_a_seed_that_is_not_there_names_those_that_are(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal", "--seeds", "2")
    wrong = laboratory.command("show", "focal", "--study", "ablation-focal", "--seed", "7")
    assert (wrong.exit_code, wrong.stderr) == (
        2, "Error: Arm focal of study ablation-focal has no seed 7; its seeds are 0, 1.\n",
    )  # fmt: skip


def test_gates_of_arms_that_ended_before_their_baseline_are_judged_when_all_are_home(laboratory: Laboratory) -> None:
    """At .21, Severe_Rust and Chipped exceed a baseline of .2 at its first validation, and not its multiples; overall is kept."""
    laboratory.scores = {("baseline", 0): 0.2, ("focal", 0): 0.21}
    laboratory.run("--factors", "focal")
    study = read_study(laboratory.root / "ablation-focal")
    assert study is not None
    baseline, focal = (read_record(arm_folder(laboratory.root, run.identity)) for run in study.runs)
    verdicts = {(gate.name, gate.subject, gate.milestone): gate.verdict for gate in focal.gates}
    # One iteration: all gates fall due at it, and the later ones of a name stand for both.
    assert verdicts == {
        ("class_ap", "Severe_Rust", 1): "failed", ("class_ap", "Chipped", 1): "failed", ("overall_ap", None, 1): "passed",
    }  # fmt: skip
    assert {gate.verdict for gate in baseline.gates} == {"not_reached"}


def test_how_runs_are_watched_reaches_them(laboratory: Laboratory) -> None:
    laboratory.run("--factors", "focal", "--memory-budget", "8GB", "--on-fail", "prune")
    assert laboratory.watching == {"memory_budget_mb": 8192.0, "on_fail": "prune", "patience": 60.0}
    result = laboratory.run("--factors", "focal", "--memory-budget", "much")
    assert result.exit_code == 2
    assert "--memory-budget 'much' is no amount of memory" in result.stderr


def test_the_baseline_and_the_fullest_arm_of_the_first_seed_are_exhibited_once(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def exhibit_run(folder: Path, *, data: Path) -> None:
        assert data == laboratory.data
        shown.append(read_record(folder).arm)
        if len(shown) == 1:
            raise UserError("the weights are cut short.")
        (folder / "exhibits.json").touch()

    module = ModuleType("experiments.exhibits")
    monkeypatch.setattr(module, "exhibit_run", exhibit_run, raising=False)
    monkeypatch.setitem(sys.modules, "experiments.exhibits", module)
    options = ("--design", "leave-one-out", "--factors", "focal,anchors", "--seeds", "2")
    laboratory.run(*options)
    assert shown == []  # their weights are on another machine
    for weights in (laboratory.root / "arms").iterdir():
        (weights / "weights.pth").touch()
    result = laboratory.run(*options)
    assert (shown, result.exit_code) == (["baseline", "focal+anchors"], 0)
    lines = result.stdout.splitlines()
    first = lines.index("Drawing curves and pictures of baseline ...")
    assert lines[first + 1 : first + 3] == [
        "No curves and pictures of baseline: the weights are cut short.",
        "Drawing curves and pictures of focal+anchors ...",
    ]
    laboratory.run(*options)
    assert shown == ["baseline", "focal+anchors", "baseline"]


def test_auto_says_how_many_workers_it_chose_and_why(laboratory: Laboratory) -> None:
    result = laboratory.run("--factors", "focal", "--workers", "auto")
    assert result.exit_code == 0, result.output
    assert "Workers: 1; no arm of this scale and data has been trained on a" in result.output
    assert laboratory.trained == [("baseline", 0), ("focal", 0)]


def test_the_noise_study_ends_with_the_deviation_between_its_runs(laboratory: Laboratory) -> None:
    laboratory.scores = {("baseline", seed): ap for seed, ap in enumerate((0.1, 0.2, 0.3))}
    result = laboratory.run("--design", "noise", "--seeds", "3")
    assert result.exit_code == 0, result.output
    # The sample deviation of 0.1, 0.2 and 0.3, on two degrees of freedom.
    assert [line.split() for line in result.output.splitlines() if line.split()[:1] == ["Chipped"]] == [
        ["Chipped", "0.100", "2", "-", "-"]
    ]

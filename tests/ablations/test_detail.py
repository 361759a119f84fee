"""One arm in detail, from hand-made entries and run folders."""

import io
from pathlib import Path

from rich.console import Console

from ablations.detail import arm_as_plain, print_arm
from experiments.records import Alarm, Gate, write_record
from experiments.studies import StudyRun
from tests.ablations.conftest import make_entry, make_record

GAMMA = "model.detector.rpn_head.loss_cls.gamma"


def test_every_replicate_is_told_with_its_files_and_record(tmp_path: Path) -> None:
    folder = tmp_path / "arms" / "focal-0"
    folder.mkdir(parents=True)
    seconds = {"total": 150.0, "training": 120.0, "validation": 30.0, "harness": 4.0}
    record = make_record("focal-0", {"Chipped": 0.5}, seconds=seconds, iterations=160)
    record.alarms.append(Alarm(kind="loss_ratio", iteration=8, last=24, says="it [was] too large.", figures={}))
    record.gates.append(Gate(name="class_ap", subject="Chipped", milestone=40, verdict="failed", says="AP [0.5]."))
    write_record(record, folder)
    for name in ("weights.pth", ".lock"):
        (folder / name).touch()
    run = StudyRun(
        arm="focal", levels={"focal": "on", "anchors": "off"}, delta={GAMMA: 2.5}, seed=0, split=3, identity="focal-0"
    )
    entries = [
        make_entry("focal", "completed", record, runs=(run,)),
        make_entry(
            "focal", "failed", runs=(run.model_copy(update={"seed": 1, "identity": "focal-1"}),), reason="Oh.\nNo."
        ),
    ]
    told = arm_as_plain(entries, runs_root=tmp_path)
    assert (told["arm"], told["levels"]) == ("focal", {"focal": "on", "anchors": "off"})
    assert told["replicates"] == [
        {
            "seed": 0, "split": 3, "identity": "focal-0", "state": "completed", "reason": None, "delta": {GAMMA: 2.5},
            "folder": str(folder), "files": ["record.json", "weights.pth"], "record": record.model_dump(mode="json"),
        },
        {
            "seed": 1, "split": 3, "identity": "focal-1", "state": "failed", "reason": "Oh.\nNo.", "delta": {GAMMA: 2.5},
            "folder": str(tmp_path / "arms" / "focal-1"), "files": [], "record": None,
        },
    ]  # fmt: skip
    assert [one["seed"] for one in arm_as_plain(entries, runs_root=tmp_path, seed=1)["replicates"]] == [1]
    file = io.StringIO()
    print_arm(told, Console(file=file, width=100))
    assert file.getvalue().splitlines() == [
        "focal: focal on",
        "seed 0, split 3: completed",
        f"  {GAMMA} = 2.5",
        "  teacher on val at 1: AP Broken 0.250, Chipped 0.500, Scratched 0.250, Severe_Rust 0.250, Tip_Wear 0.250, all 0.250",
        "  gate, iteration 40, class_ap Chipped: failed; AP [0.5].",
        "  alarm, iteration 8 to 24: it [was] too large.",
        "  160 iterations on cpu; training 2 min, validation 30 s, harness 4 s",
        f"  {folder}: record.json, weights.pth",
        "seed 1, split 3: failed",
        "  reason: Oh.",
        "No.",
        f"  {GAMMA} = 2.5",
        f"  {tmp_path / 'arms' / 'focal-1'}: nothing yet",
    ]


def test_a_setting_that_is_not_drawn_yet_has_no_folder(tmp_path: Path) -> None:
    runs = tuple(StudyRun(arm="sample-001", seed=seed, split=seed, identity="", sampled=True) for seed in (0, 1))
    told = arm_as_plain([make_entry("sample-001", "waiting", runs=runs)], runs_root=tmp_path)
    assert [(one["seed"], one["folder"], one["files"], one["record"]) for one in told["replicates"]] == [
        (0, None, [], None), (1, None, [], None),
    ]  # fmt: skip

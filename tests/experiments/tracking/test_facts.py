"""What trackers are told of a run, and that nothing of it names the machine."""

from pathlib import Path
from typing import Any

import pytest

from experiments.records import Alarm, Data, Gate, Record, Score, Validation
from experiments.tracking.facts import facts_of, notice_of, summary_of, without_paths


def make_record(**options: Any) -> Record:
    return Record.model_validate({
        "identity": "i", "study": "burn-in", "arm": "focal", "kind": "arm", "config": "/home/ada/lab/mine.py", "seed": 3,
        "iterations": 40, "delta": {"train_cfg.max_iters": 40}, "versions": {"torch": "2"}, "device": "cpu",
        "data": Data(name="bits", fingerprint="f", classes=["Broken"]), "levels": {"focal": "on", "fusion": "off"}, **options,
    })  # fmt: skip


def test_facts_name_study_arm_factors_config_and_data() -> None:
    settings = {
        "work_dir": "/home/ada/runs/x",
        "experiment_name": "x-17",
        "data_root": "/home/ada/data/cpu",
        "views": (8,),
    }
    facts = facts_of(make_record(), group="s", sampled=False, settings=settings, folder=Path("run"), begins=7)
    assert (facts.name, facts.group, facts.job_type, facts.tags) == ("focal-seed3", "s", "arm", ("focal",))
    assert facts.settings == {"data_root": "cpu", "views": [8]}
    assert facts.begins == 7
    expected = {
        "study": "s", "arm": "focal", "levels": {"focal": "on", "fusion": "off"}, "config": "mine", "seed": 3, "split": 0,
        "delta": {"train_cfg.max_iters": 40}, "data": "bits", "data_fingerprint": "f",
    }  # fmt: skip
    assert expected.items() <= facts.config.items()


@pytest.mark.parametrize(
    ("kind", "sampled", "job_type"),
    [("burn_in", False, "burn-in"), ("arm", True, "sample"), ("burn_in", True, "burn-in")],
)
def test_job_types(kind: str, sampled: bool, job_type: str) -> None:
    facts = facts_of(make_record(kind=kind), group="s", sampled=sampled, settings={}, folder=Path(), begins=0)
    assert facts.job_type == job_type


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/ada/lab/x.pth does not exist", "x.pth does not exist"),
        ("no file '~/lab/x.pth': restore it", "no file 'x.pth': restore it"),
        ("(/tmp/a/b)", "(b)"),
        ("/home/ada/", ""),
        ("open-mmlab://detectron2/resnet50_caffe", "open-mmlab://detectron2/resnet50_caffe"),
        ("images/a.jpg, 1/2 and AP/AP50", "images/a.jpg, 1/2 and AP/AP50"),
        ("the file:/home/ada/x", "the file:x"),
    ],
)
def test_paths_are_cut_to_their_last_part(text: str, shown: str) -> None:
    assert without_paths(text) == shown
    assert without_paths({"a": [text]}) == {"a": [shown]}


def test_alarms_and_failed_gates_are_bad() -> None:
    alarm = Alarm(kind="no_pseudo_boxes", subject="Chipped", iteration=8, last=16, says="none.", figures={})
    assert notice_of(alarm, 16) == notice_of(alarm, 24)
    told = notice_of(alarm, 16)
    assert (told.title, told.says, told.iteration, told.bad) == ("Alarm: no_pseudo_boxes (Chipped)", "none.", 8, True)
    for verdict, bad in (("failed", True), ("passed", False)):
        gate = Gate.model_validate({"name": "overall_ap", "milestone": 10, "verdict": verdict, "says": "so."})
        told = notice_of(gate, 12)
        assert (told.title, told.iteration, told.bad) == (f"Gate {verdict}: overall_ap, due at 10", 12, bad)
        assert notice_of(gate.model_copy(update={"iteration": 11}), 12).iteration == 11


def test_the_summary_holds_final_scores_gates_and_times() -> None:
    scores = {"Broken": Score(ap=0.5, ap50=None, boxes=3)}
    record = make_record(
        status="failed", reason="/home/ada/x.jpg is cut off", seconds={"total": 2.0}, peak_memory_mb=5.0,
        validations=[Validation(iteration=i, model="teacher", split="val", scores=scores) for i in (4, 8)],
        gates=[
            Gate(name="class_ap", subject="Broken", milestone=milestone, verdict=verdict, says="")
            for milestone, verdict in ((4, "failed"), (9, "not_reached"))
        ],
    )  # fmt: skip
    assert summary_of(record) == {
        "status": "failed", "reason": "x.jpg is cut off", "alarms": 0, "final/teacher/Broken/AP": 0.5,
        "gate/4/class_ap/Broken": "failed", "gate/9/class_ap/Broken": "not_reached", "seconds/total": 2.0, "peak_memory_mb": 5.0,
    }  # fmt: skip

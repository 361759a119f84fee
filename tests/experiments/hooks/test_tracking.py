"""What trackers hear of real runs at scale tiny, and that runs do not depend on it."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import HistoryBuffer

from experiments.data import metric
from experiments.errors import UserError
from experiments.hooks.tracking import TrackingHook, figures_of, scores_of
from experiments.records import Alarm, Data, Gate, Record, Window, read_record
from experiments.tokens import NUM_TOKENS
from experiments.tracking import trackers
from experiments.tracking.choice import Tracking
from experiments.tracking.facts import Facts
from experiments.tracking.tracker import Notice
from experiments.train import train_run
from models.soft_teacher import MultiViewSoftTeacher

PACE = {"train_cfg.max_iters": 4, "train_cfg.val_interval": 2, "default_hooks.logger.interval": 3, "burn_in": {}}
SUPERVISED = {
    "train_cfg.max_iters": 1, "train_dataloader.batch_size": 1, "train_dataloader.sampler.batch_size": 1,
    "train_dataloader.sampler.source_ratio": [1, 0],
}  # fmt: skip
Train = Callable[..., Record]


@pytest.fixture
def train(tiny_data: Path, tmp_path: Path) -> Train:
    def run(**options: Any) -> Record:
        return train_run(**{
            "config": "tiny", "study": "s", "levels": {"focal": "on", "fusion": "off"}, "delta": PACE, "data": tiny_data,
            "runs_root": tmp_path, "progress": False, **options,
        })  # fmt: skip

    return run


class Listener:
    """A tracker that remembers."""

    wants_sheets = True

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.heard: list[tuple[Any, ...]] = []

    def scalars(self, figures: Any, iteration: int) -> None:
        self.heard.append(("scalars", iteration, dict(figures)))

    def sheets(self, name: str, sheets: Any, iteration: int) -> None:
        self.heard.append(("sheets", iteration, name, sheets))

    def notice(self, notice: Notice) -> None:
        self.heard.append(("notice", notice))

    def finish(self, summary: Any, *, ended: bool) -> None:
        self.heard.append(("finish", dict(summary), ended))


@pytest.fixture
def listeners(monkeypatch: pytest.MonkeyPatch) -> list[Listener]:
    """Every tracker that is opened."""
    opened: list[Listener] = []

    def open_tracker(_: str, facts: Facts) -> Listener:
        opened.append(Listener(facts))
        return opened[-1]

    monkeypatch.setattr(trackers, "open_tracker", open_tracker)
    return opened


def test_trackers_hear_figures_scores_and_sheets_and_runs_do_not_depend_on_it(
    train: Train, listeners: list[Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A burn-in and an arm; sheets show the same groups each time, and a run that nobody looks at comes out the same."""
    seen = train(delta={**PACE, "burn_in": SUPERVISED}, sampled=True)
    burn_in, arm = (listener.facts for listener in listeners)
    assert (burn_in.job_type, burn_in.group, burn_in.tags) == ("burn-in", "s", ())
    assert (arm.job_type, arm.group, arm.tags) == ("sample", "s", ("focal",))
    assert (arm.identity, arm.config["burn_in"]) == (seen.identity, burn_in.identity)
    of_burn_in, of_arm = (listener.heard for listener in listeners)
    assert [heard[2] for heard in of_burn_in if heard[0] == "sheets"] == ["predictions"]  # it has no pseudo-labels

    figures = [(heard[1], heard[2]) for heard in of_arm if heard[0] == "scalars"]
    training = {iteration: named for iteration, named in figures if "train/loss" in named}
    assert list(training) == [3, 4]  # the log's interval, and the end
    assert {"train/lr", "train/time", "train/memory_mb", "train/pseudo_boxes_per_view/Chipped"} <= training[3].keys()
    scores = {iteration: named for iteration, named in figures if "train/loss" not in named}
    assert list(scores) == [2, 4]
    assert len(scores[4]) == 2 * 6 * 2 + 6  # models, classes and their mean, AP and AP50; the gap between their APs
    final = seen.final("student")
    assert final is not None
    assert scores[4]["val/student/all/AP50"] == final.scores["all"].ap50

    sheets = [heard[1:] for heard in of_arm if heard[0] == "sheets"]
    assert [(iteration, name) for iteration, name, _ in sheets] == [
        (2, "predictions"), (2, "pseudo_labels"), (4, "predictions"), (4, "pseudo_labels"),
    ]  # fmt: skip
    groups = [[sheet.group for sheet in shown] for _, _, shown in sheets]
    assert groups[:2] == groups[2:]
    assert all(len(set(names)) == 2 for names in groups)
    assert all(sheet.annotated > 0 and sheet.picture.shape[2] == 3 for _, _, shown in sheets for sheet in shown)

    assert (of_arm[-1][0], of_arm[-1][1]["status"], of_arm[-1][2]) == ("finish", "completed", True)
    assert of_arm[-1][1]["final/student/all/AP50"] == final.scores["all"].ap50

    monkeypatch.setenv("TRACK", "none")
    unseen = train(delta={**PACE, "burn_in": SUPERVISED}, arm="unseen")
    assert len(listeners) == 2
    assert unseen.validations == seen.validations


def test_a_run_that_goes_on_stays_one_run_to_every_tracker(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted in its fourth iteration, behind a checkpoint at the second; W&B and TensorBoard themselves."""
    monkeypatch.setenv("TRACK", "wandb,jsonl,tensorboard")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    delta = {**PACE, "default_hooks.logger.interval": 1, "default_hooks.checkpoint.interval": 2}
    folder, loss, steps = tmp_path / "s" / "baseline-seed0", MultiViewSoftTeacher.loss, itertools.count(1)

    def interrupted(self: Any, *inputs: Any) -> Any:
        if next(steps) == 4:
            raise KeyboardInterrupt
        return loss(self, *inputs)

    with monkeypatch.context() as patch:
        patch.setattr(MultiViewSoftTeacher, "loss", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(delta=delta)
    record = train(delta=delta)
    assert (record.status, record.resumed_from) == ("completed", [2])
    lines = [json.loads(line) for line in (folder / "scalars.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines if "train/loss" in line] == [1, 2, 3, 4]
    assert [line["iteration"] for line in lines if "val/teacher/all/AP" in line] == [2, 4]
    assert len(list(folder.glob(f"wandb/offline-run-*/run-{record.identity}.wandb"))) == 2
    assert len(list(folder.glob("tensorboard/events.*"))) == 2
    assert not list(folder.rglob("vis_data/*.json*"))  # the library's own figures, said once more


def test_another_name_is_refused_before_anything_is_written(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACK", "mlflow")
    with pytest.raises(UserError, match="no tracker 'mlflow'"):
        train()
    assert not list(tmp_path.glob("**/record.json"))


def make_hook(begins: int = 0, **options: Any) -> tuple[TrackingHook, Any]:
    record = Record(
        identity="i", study="s", arm="a", kind="arm", config="tiny", seed=0, iterations=40, delta={}, versions={},
        data=Data(name="d", fingerprint="f", classes=["Broken"]), device="cpu", **options,
    )  # fmt: skip
    settings: Any = SimpleNamespace(
        default_hooks=SimpleNamespace(logger=SimpleNamespace(interval=10)), to_dict=lambda: {}
    )
    hook = TrackingHook(record=record, tracking=Tracking(("x",), "s", False), settings=settings, folder=Path())
    runner: Any = SimpleNamespace(iter=begins, max_iters=40, logger=Mock())
    hook.before_train(runner)
    return hook, runner


def test_alarms_and_verdicts_are_told_when_they_come_and_once(listeners: list[Listener]) -> None:
    early = Alarm(kind="loss_ratio", iteration=2, last=2, says="Oh.", figures={})
    hook, runner = make_hook(alarms=[early], begins=6)  # it was told of before the run was stopped
    gates = [Gate(name="class_ap", subject="Broken", milestone=due, verdict="not_reached", says="-") for due in (8, 16)]
    hook.record.gates = gates
    hook.after_train_iter(runner, 6)
    hook.record.alarms.append(Alarm(kind="loss_flat", iteration=8, last=8, says="Flat.", figures={}))
    failed = [gate.model_copy(update={"verdict": "failed", "says": f"{gate.milestone}."}) for gate in gates]
    hook.record.gates = [failed[0].model_copy(update={"iteration": 8}), gates[1]]
    runner.iter = 7
    hook.before_save_checkpoint(runner, {})  # a run that goes on from here does not say it again
    expected = [
        ("notice", Notice("Alarm: loss_flat", "Flat.", 8, bad=True)),
        ("notice", Notice("Gate failed: class_ap (Broken), due at 8", "8.", 8, bad=True)),
    ]
    assert listeners[0].heard == expected
    runner.iter = 8
    hook.before_train_iter(runner, 8)
    hook.after_train_iter(runner, 8)
    hook.record.gates = failed  # the run broke off, nobody knows when it should have been judged
    hook.end()
    hook.end()
    assert listeners[0].heard == [
        *expected,
        ("notice", Notice("Gate failed: class_ap (Broken), due at 16", "16.", 9, bad=True)),
        ("finish", {
            "status": "running", "alarms": 2, "gate/8/class_ap/Broken": "failed", "gate/16/class_ap/Broken": "failed",
        }, False),
    ]  # fmt: skip


def test_what_lies_behind_the_checkpoint_is_told_again(listeners: list[Listener]) -> None:
    """Trackers take it off, and the monitor, whose turn comes later, gives it anew."""
    late = Alarm(kind="loss_ratio", iteration=9, last=9, says="Oh.", figures={})
    gate = Gate(name="memory", milestone=4, iteration=9, verdict="passed", says="Fits.")
    hook, runner = make_hook(alarms=[late], gates=[gate], begins=8)
    hook.after_train_iter(runner, 8)
    assert [heard[1].title for heard in listeners[0].heard] == ["Alarm: loss_ratio", "Gate passed: memory, due at 4"]


def test_a_run_that_is_out_of_memory_for_good_ends_as_failed_with_its_gate(
    train: Train, listeners: list[Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(self: Any, *inputs: Any) -> Any:
        raise torch.OutOfMemoryError("Tried to allocate.")

    monkeypatch.setattr(MultiViewSoftTeacher, "loss", out_of_memory)
    record = train(delta={**PACE, NUM_TOKENS: 1024})
    assert record.status == "failed"
    (heard,) = (listener.heard for listener in listeners)
    assert heard[-2][1].title == "Gate failed: out_of_memory, due at 4"
    assert (heard[-1][1]["status"], heard[-1][1]["gate/4/out_of_memory"]) == ("failed", "failed")


def test_an_interrupt_while_trackers_end_costs_no_result(
    train: Train, listeners: list[Listener], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Any, *_: Any, **__: Any) -> None:
        written = read_record(tmp_path / "s" / "baseline-seed0")
        assert (written.status, len(written.gates)) == ("completed", 12)
        raise KeyboardInterrupt

    monkeypatch.setattr(Listener, "finish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train()


def test_a_killed_run_comes_out_as_one_that_was_not(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies of the run folder in the middle of validation, and an iteration later, go on: checkpoints are at 6 and 12.

    The window ends at 8, and the first validation, at 12, raises an alarm.
    """
    monkeypatch.setenv("TRACK", "jsonl")
    average_precision, turns = metric.average_precision, itertools.count()

    def found(*of: Any) -> dict[str, float]:
        return {**average_precision(*of), "all/AP": 0.2 if next(turns) % 2 == 0 else 0.9}

    monkeypatch.setattr(metric, "average_precision", found)
    steps = itertools.count(1)
    loss, evaluate = MultiViewSoftTeacher.loss, Evaluator.evaluate
    copies = {"window": 10, "validated": 13}
    evaluated = itertools.count()

    def copying_loss(self: Any, *inputs: Any) -> Any:
        step = next(steps)
        for name, at in copies.items():
            if step == at:
                shutil.copytree(tmp_path / "s", tmp_path / name / "s")
        return loss(self, *inputs)

    def copying_evaluate(self: Any, *of: Any, **options: Any) -> Any:
        if next(evaluated) == 0:
            shutil.copytree(tmp_path / "s", tmp_path / "validating" / "s")
        return evaluate(self, *of, **options)

    delta = {
        "train_cfg.max_iters": 16, "train_cfg.val_interval": 12, "default_hooks.checkpoint.interval": 6, "burn_in": {},
        "default_hooks.logger.interval": 4, "custom_hooks.0.momentum": 0.125,
    }  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(MultiViewSoftTeacher, "loss", copying_loss)
        patch.setattr(Evaluator, "evaluate", copying_evaluate)
        unharmed = told(train(delta=delta), tmp_path)
    assert [kind for kind, _ in unharmed["alarms"]].count("teacher_worse") == 1
    for name, start in (("window", 6), ("validating", 12), ("validated", 12)):
        record = train(delta=delta, runs_root=tmp_path / name)
        assert record.resumed_from == [start]
        assert told(record, tmp_path / name) == unharmed, name


def told(record: Record, root: Path) -> dict[str, Any]:
    """What record and JSON lines tell of a run and when; figures depend on augmentations, which are drawn anew."""
    lines = [json.loads(line) for line in (root / "s" / "baseline-seed0" / "scalars.jsonl").read_text().splitlines()]
    return {
        "alarms": [(alarm.kind, (alarm.iteration, alarm.last)) for alarm in record.alarms],
        "gates": [(gate.name, gate.subject, gate.milestone, gate.iteration) for gate in record.gates],
        "history": [(window.iteration, set(window.figures)) for window in record.history],
        "lines": [(line["iteration"], line.get("notice", "").partition(":")[2], set(line)) for line in lines],
    }


def test_windows_of_the_record_are_passed_on_once_and_those_before_a_stop_are_known(listeners: list[Listener]) -> None:
    windows = [
        Window(iteration=iteration, figures={"loss_cv": iteration / 100, "kept_ratio": None}) for iteration in (8, 16)
    ]
    hook, runner = make_hook(history=windows[:1], begins=8)
    hook.record.history.append(windows[1])
    for runner.iter in (16, 17):
        hook.after_train_iter(runner, runner.iter)
    assert listeners[0].heard == [("scalars", 16, {"monitoring/loss_cv": 0.16})]


def test_the_gap_is_the_teachers_ap_less_the_students() -> None:
    metrics = {"teacher/A/AP": 0.5, "teacher/A/AP50": 0.9, "student/A/AP": 0.75, "teacher/A/boxes": 3.0}
    assert scores_of(metrics) == {
        "val/teacher/A/AP": 0.5, "val/teacher/A/AP50": 0.9, "val/student/A/AP": 0.75, "val/gap/A/AP": -0.25,
    }  # fmt: skip


def test_pictures_that_cannot_be_drawn_are_told_of_once(
    listeners: list[Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("no room for /home/ada/x.jpg")

    monkeypatch.setattr("experiments.hooks.tracking.TeacherSheets", cannot)
    hook, runner = make_hook()
    told: list[str] = []
    hook.tell = told.append
    for runner.iter in (10, 20):
        hook.after_val_epoch(runner, {"teacher/all/AP": 0.5, "teacher/all/boxes": 3.0})
    assert told == ["Pictures for trackers are switched off, the run goes on (OutOfMemoryError: no room for x.jpg)."]
    runner.logger.warning.assert_called_once_with(told[0])
    assert listeners[0].heard == [("scalars", iteration, {"val/teacher/all/AP": 0.5}) for iteration in (10, 20)]


def test_figures_are_means_over_the_interval_and_classes_have_their_names() -> None:
    scalars = {
        name: HistoryBuffer(values, [1] * len(values))
        for name, values in {
            "train/loss": [9.0, 1.0, 2.0], "train/lr": [0.3, 0.2, 0.1], "train/pseudo_boxes_per_view": [4.0, 5.0, 6.0],
            "train/pseudo_boxes_per_view_1": [2.0, 3.0, 4.0], "train/teacher_boxes_per_view_1": [8.0, 8.0, 6.0],
            "val/teacher/all/AP": [0.5],
        }.items()
    }  # fmt: skip
    assert figures_of(scalars, 2, ["Broken", "Chipped"]) == {
        "train/loss": 1.5, "train/lr": 0.1, "train/pseudo_boxes_per_view": 5.5, "train/pseudo_boxes_per_view/Chipped": 3.5,
        "train/teacher_boxes_per_view/Chipped": 7.0,
    }  # fmt: skip

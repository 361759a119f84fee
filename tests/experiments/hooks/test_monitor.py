"""Alarms of real runs at scale tiny, each with a planted cause; what a hook takes from the runner, and what it tells."""

import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.structures import InstanceData
from rich.console import Console

from experiments.data import metric
from experiments.hooks.alarms import AlarmHook, total_loss
from experiments.hooks.progress import ProgressHook
from experiments.records import Alarm, Data, Record, read_record
from experiments.train import train_run
from models.soft_teacher import MultiViewSoftTeacher

THRESHOLD = "model.semi_train_cfg.pseudo_label_initial_score_thr"
MOMENTUM = "custom_hooks.0.momentum"


Train = Callable[..., Record]


@pytest.fixture
def train(tiny_data: Path, tmp_path: Path) -> Train:
    def run(*, iterations: int, **delta: Any) -> Record:
        pace = {
            "train_cfg.max_iters": iterations, "train_cfg.val_interval": iterations, "burn_in": {},
            "default_hooks.checkpoint.interval": iterations,
        }  # fmt: skip
        return train_run(
            config="tiny", study="s", delta={**pace, **delta}, data=tiny_data, runs_root=tmp_path, progress=False
        )

    return run


@pytest.fixture
def score(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], None]:
    """Let validations find this AP of the teacher and of the student."""

    def patch(teacher: float, student: float) -> None:
        average_precision, turns = metric.average_precision, itertools.cycle((teacher, student))

        def found(*args: Any) -> dict[str, float]:
            return {**average_precision(*args), "all/AP": next(turns)}

        monkeypatch.setattr(metric, "average_precision", found)

    return patch


def test_a_healthy_run_raises_no_alarm(train: Train, score: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its teacher finds one box in every view, of each class in turn, and is a little worse than its student."""
    predict = MultiViewSoftTeacher.get_pseudo_instances

    def find(self: Any, images: Any, samples: Any) -> Any:
        samples, info = predict(self, images, samples)
        for number, sample in enumerate(samples):
            sample.gt_instances = InstanceData(
                bboxes=torch.tensor([[10.0, 20.0, 30.0, 60.0]]), scores=torch.ones(1), reg_uncs=torch.zeros(1),
                labels=torch.tensor([number % 5]),
            )  # fmt: skip
        return samples, info

    monkeypatch.setattr(MultiViewSoftTeacher, "get_pseudo_instances", find)
    score(0.2, 0.22)
    record = train(iterations=16, **{MOMENTUM: 0.125})
    assert record.status == "completed"
    assert record.alarms == []


def test_each_planted_fault_is_told_once_in_record_and_log(train: Train, score: Any, tmp_path: Path) -> None:
    """The threshold keeps nothing, the unsupervised loss weighs a thousandfold, the teacher had 8 iterations to follow."""
    score(0.2, 0.4)
    record = train(iterations=16, **{THRESHOLD: 1.0, "model.semi_train_cfg.unsup_weight": 1000.0, MOMENTUM: 0.125})
    missing = [alarm.subject for alarm in record.alarms if alarm.kind == "no_pseudo_boxes"]
    others = {alarm.kind: alarm for alarm in record.alarms if alarm.kind != "no_pseudo_boxes"}
    assert missing
    assert set(missing) <= set(record.data.classes)
    assert {kind: (alarm.iteration, alarm.last) for kind, alarm in others.items()} == {
        "loss_ratio": (8, 16), "pseudo_box_count": (8, 16), "teacher_worse": (16, 16),
    }  # fmt: skip
    assert len(record.alarms) == len(missing) + 3
    assert (others["loss_ratio"].figures["ratio"] or 0) > 10
    assert others["pseudo_box_count"].figures["found"] == 0.0
    assert read_record(tmp_path / "s" / "baseline-seed0") == record
    (log,) = tmp_path.rglob("*.log")
    assert log.read_text().count("WARNING - Alarm, iteration ") == len(record.alarms)


def test_supervised_steps_raise_no_alarm() -> None:
    """Neither where a window ends nor at a validation: burn-ins and supervised controls."""
    hook = begun(AlarmHook(record=make_record([])), iteration=0)
    scalars = {"train/sup_loss_cls": HistoryBuffer([1.0] * 8, [1] * 8)}
    runner: Any = SimpleNamespace(iter=7, message_hub=SimpleNamespace(log_scalars=scalars))
    hook.after_train_iter(runner, 7, {"inputs": {"sup": []}})
    runner.iter = 8
    hook.after_val_epoch(runner, {"teacher/all/AP": 0.1, "student/all/AP": 0.9})
    assert hook.record.alarms == []


def make_record(alarms: list[Alarm]) -> Record:
    return Record(
        identity="i", study="s", arm="a", kind="arm", config="tiny", seed=0, iterations=40, delta={}, versions={},
        data=Data(name="d", fingerprint="f", classes=["Broken"]), device="cpu", alarms=alarms,
    )  # fmt: skip


def begun(hook: AlarmHook, *, iteration: int) -> AlarmHook:
    """The hook at the beginning of a run's training, anew or from a checkpoint."""
    groups = [SimpleNamespace(views=[SimpleNamespace(boxes=[])])]
    part = SimpleNamespace(groups=groups, metainfo={"classes": ["Broken"]}, num_views=1)
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=SimpleNamespace(datasets=[part])))
    runner: Any = SimpleNamespace(iter=iteration, max_iters=40, hooks=[], train_loop=loop)
    hook.before_train(runner)
    return hook


@pytest.mark.parametrize(("iteration", "left"), [(0, []), (16, [(8, 16)])], ids=["anew", "goes on"])
def test_a_run_keeps_the_alarms_up_to_its_checkpoint(iteration: int, left: list[tuple[int, int]]) -> None:
    ratio, count = (
        Alarm(kind=kind, iteration=begin, last=32, says="Oh.", figures={})
        for kind, begin in (("loss_ratio", 8), ("pseudo_box_count", 24))
    )
    hook = begun(AlarmHook(record=make_record([ratio, count])), iteration=iteration)
    assert [(alarm.iteration, alarm.last) for alarm in hook.record.alarms] == left


def test_losses_of_a_branch_are_summed_and_averaged_over_the_window() -> None:
    scalars = {
        name: HistoryBuffer(figures, [1] * len(figures))
        for name, figures in {
            "train/loss": [100.0, 100.0, 100.0], "train/sup_loss_cls": [50.0, 1.0, 2.0], "train/sup_acc": [90.0, 90.0, 90.0],
            "train/sup_loss_rpn_cls": [50.0, 0.5, 0.5], "train/unsup_loss_bbox": [50.0, 3.0, 5.0],
        }.items()
    }  # fmt: skip
    assert total_loss(scalars, "sup", 2) == 2.0
    assert total_loss(scalars, "unsup", 2) == 4.0


def test_a_record_from_before_there_were_alarms_can_be_read(tmp_path: Path) -> None:
    old = make_record([]).model_dump(mode="json")
    del old["alarms"]
    (tmp_path / "record.json").write_text(json.dumps(old))
    assert read_record(tmp_path).alarms == []


def test_a_warning_stands_above_the_progress_line_unwrapped() -> None:
    bar = ProgressHook(title="baseline")
    bar.progress.live.console = Console(file=io.StringIO(), width=20)
    bar.tell("Alarm, iteration 8: [the] teacher gave nothing.")
    assert bar.progress.console.file.getvalue() == "Alarm, iteration 8: [the] teacher gave nothing.\n"

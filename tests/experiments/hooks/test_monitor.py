"""Alarms and gates of real runs at scale tiny, each with a planted cause; what a hook takes from the runner, and what it tells."""

import io
import itertools
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.structures import InstanceData
from rich.console import Console

from experiments.data import metric
from experiments.hooks.monitor import MonitorHook, Policy
from experiments.hooks.progress import ProgressHook
from experiments.paths import CONFIGS
from experiments.records import Alarm, Data, Record, Score, Validation, read_record
from experiments.runs import read_dataset, run_identity
from experiments.studies import arm_folder
from experiments.tokens import NUM_TOKENS
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


def find_scores(patch: pytest.MonkeyPatch, teacher: float, student: float) -> None:
    """Let validations find this AP of the teacher and of the student."""
    average_precision, turns = metric.average_precision, itertools.cycle((teacher, student))

    def found(*args: Any) -> dict[str, float]:
        return {**average_precision(*args), "all/AP": next(turns)}

    patch.setattr(metric, "average_precision", found)


@pytest.fixture
def score(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], None]:
    return partial(find_scores, monkeypatch)


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


def teach(patch: pytest.MonkeyPatch) -> None:
    """Let each model's teacher find four boxes in every view, of which one scores .9, and from the second time on two."""
    init_weights = MultiViewSoftTeacher.init_weights

    def patched(self: Any) -> None:
        init_weights(self)
        times = itertools.count()

        def predict(x: Any, proposals: Any, samples: Any, rescale: bool = False) -> list[InstanceData]:
            scores = torch.tensor([0.9, 0.3, 0.3, 0.3] if next(times) == 0 else [0.9, 0.9, 0.3, 0.3])
            boxes = torch.tensor([[4.0 + 8 * i, 10.0 + i, 14.0 + 8 * i, 30.0 + i] for i in range(4)])
            return [InstanceData(bboxes=boxes.clone(), scores=scores, labels=torch.arange(4)) for _ in samples]

        self.teacher.roi_head.predict = predict

    def certain(self: Any, x: Any, samples: Any) -> list[torch.Tensor]:
        return [torch.zeros(len(sample.gt_instances)) for sample in samples]

    patch.setattr(MultiViewSoftTeacher, "init_weights", patched)
    patch.setattr(MultiViewSoftTeacher, "compute_uncertainty_with_aug", certain)


def failed(record: Record) -> set[str]:
    return {gate.name for gate in record.gates if gate.verdict == "failed"}


TWENTY = """
_base_ = [{base!r}]
train_cfg = dict(max_iters=20, val_interval=10)
default_hooks = dict(checkpoint=dict(interval=10))
burn_in = dict(_delete_=True)
# Losses that do not depend on how a run fares: the student hardly moves, and pseudo-boxes weigh nothing.
optim_wrapper = dict(optimizer=dict(lr=1e-12))
model = dict(semi_train_cfg=dict(unsup_weight=0.0))
"""


@pytest.fixture(scope="module")
def beside(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with the baseline of a config of 20 iterations, whose overall AP is .4."""
    runs = tmp_path_factory.mktemp("beside")
    config = runs / "twenty.py"
    config.write_text(TWENTY.format(base=str(CONFIGS / "tiny.py")))
    fingerprint = read_dataset(tiny_data)["fingerprint"]
    identity = run_identity(config=str(config), delta={}, seed=0, split=0, data_fingerprint=fingerprint)
    with pytest.MonkeyPatch.context() as patch:
        teach(patch)
        find_scores(patch, 0.4, 0.4)
        baseline = train_run(
            config=str(config), study="s", data=tiny_data, runs_root=runs, folder=arm_folder(runs, identity),
            progress=False, on_fail="stop", memory_budget_mb=1,
        )  # fmt: skip
    assert baseline.status == "completed"  # whatever it fails, others need it
    assert "memory" in failed(baseline)
    return runs


@pytest.fixture
def arm(beside: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Train:
    """Train an arm of 20 iterations beside the baseline: gates fall due at 2, 5 (validated at 10) and 20."""
    teach(monkeypatch)

    def run(*, name: str = "arm", overall: float = 0.4, on_fail: Any = "warn", **delta: Any) -> Record:
        find_scores(monkeypatch, overall, overall)
        return train_run(
            config=str(beside / "twenty.py"), study="s", arm=name, delta=delta, data=tiny_data, runs_root=beside,
            folder=beside / request.node.name / name, progress=False, on_fail=on_fail,
        )  # fmt: skip

    return run


HARMLESS = {"model.semi_train_cfg.min_pseudo_bbox_wh": [2, 2]}


def test_planted_faults_trip_exactly_their_gates(arm: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = arm(name="healthy", **HARMLESS)
    assert len(healthy.gates) == 12
    passed = {gate.name for gate in healthy.gates if gate.verdict == "passed"}
    assert passed >= {"memory", "kept_ratio", "overall_ap", "finite_loss", "out_of_memory"}
    assert [window.iteration for window in healthy.history] == [8, 16]
    assert healthy.history[-1].figures["kept_ratio"] == 0.5
    assert healthy.history[-1].figures["boxes/teacher"] == 4.0
    memory = next(gate for gate in healthy.gates if gate.name == "memory")
    assert 100 < (memory.figures["peak_mb"] or 0) < (memory.figures["budget_mb"] or 0)

    def tripped(record: Record) -> set[str]:
        return failed(record) - failed(healthy)

    diverging = arm(name="diverging", **{"optim_wrapper.optimizer.lr": 1e30})
    assert tripped(diverging) == {"finite_loss"}
    assert diverging.status == "failed"
    assert "training diverged; lower optim_wrapper.optimizer.lr" in (diverging.reason or "")
    assert tripped(arm(name="strict", **{THRESHOLD: 0.99})) == {"kept_ratio"}
    assert tripped(arm(name="fallen", overall=0.37, **HARMLESS)) == {"overall_ap"}
    loss, calls = MultiViewSoftTeacher.loss, itertools.count()

    def out_of_memory(self: Any, *inputs: Any) -> Any:
        if next(calls) == 0:
            raise torch.OutOfMemoryError("Tried to allocate.")
        return loss(self, *inputs)

    monkeypatch.setattr(MultiViewSoftTeacher, "loss", out_of_memory)
    reduced = arm(name="large", **{NUM_TOKENS: 2048})
    assert reduced.status == "completed"
    assert tripped(reduced) == {"out_of_memory"}


@pytest.mark.parametrize(("on_fail", "status"), [("stop", "failed"), ("prune", "pruned"), ("warn", "completed")])
def test_a_failed_gate_ends_a_run_if_it_is_to(arm: Train, on_fail: str, status: str) -> None:
    record = arm(on_fail=on_fail, **{THRESHOLD: 0.99})
    assert record.status == status
    verdicts = {gate.name: gate.verdict for gate in record.gates}
    assert verdicts["kept_ratio"] == "failed"
    assert len(record.gates) == 12
    if on_fail == "warn":
        assert record.reason is None
    else:
        assert (record.reason or "").startswith("its gate failed: iteration 8 (due at 2), ")
        assert verdicts["finite_loss"] == "not_reached"


def test_a_run_that_a_gate_has_ended_does_not_get_past_it_by_being_tried_again(arm: Train) -> None:
    often = {THRESHOLD: 0.99, "default_hooks.checkpoint.interval": 1}
    first, again = (arm(on_fail="stop", **often) for _ in range(2))
    assert (again.status, again.reason, again.resumed_from) == ("failed", first.reason, [7])
    told_to_go_on = arm(on_fail="warn", **often)
    assert (told_to_go_on.status, told_to_go_on.resumed_from) == ("completed", [7, 7])


def test_supervised_steps_raise_no_alarm_about_pseudo_boxes() -> None:
    """Neither where a window ends nor at a validation: burn-ins and supervised controls."""
    hook = begun(MonitorHook(record=make_record([]), policy=Policy()), iteration=0)
    scalars = {f"train/{name}": HistoryBuffer([1.0] * 8, [1] * 8) for name in ("loss", "sup_loss_cls")}
    runner: Any = SimpleNamespace(iter=7, max_iters=40, message_hub=SimpleNamespace(log_scalars=scalars))
    hook.after_train_iter(runner, 7, {"inputs": {"sup": []}})
    runner.iter = 8
    hook.record.validations = [
        Validation(iteration=8, model=model, split="val", scores={"all": Score(ap=ap, ap50=ap, boxes=1)})
        for model, ap in (("teacher", 0.1), ("student", 0.9))
    ]  # fmt: skip
    hook.after_val_epoch(runner)
    assert hook.record.alarms == []
    assert [window.iteration for window in hook.record.history] == [8]


def make_record(alarms: list[Alarm]) -> Record:
    return Record(
        identity="i", study="s", arm="a", kind="arm", config="tiny", seed=0, iterations=40, delta={}, versions={},
        data=Data(name="d", fingerprint="f", classes=["Broken"]), device="cpu", alarms=alarms,
    )  # fmt: skip


def begun(hook: MonitorHook, *, iteration: int) -> MonitorHook:
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
    hook = begun(MonitorHook(record=make_record([ratio, count]), policy=Policy()), iteration=iteration)
    assert [(alarm.iteration, alarm.last) for alarm in hook.record.alarms] == left


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

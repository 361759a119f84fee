"""What the record takes from a validation, and what a resumed run makes up for."""

from pathlib import Path
from types import SimpleNamespace

import pytest

import models  # noqa: F401
from experiments.clock import Clock
from experiments.hooks.record import RecordHook, validation_of
from experiments.records import Data, Record, Score

METRICS = {
    "teacher/Broken/AP": 0.006, "teacher/Broken/AP50": 0.02, "teacher/Broken/boxes": 3.0,
    "teacher/Chipped/AP": float("nan"), "teacher/Chipped/AP50": float("nan"), "teacher/Chipped/boxes": 0.0,
    "student/Broken/AP": 0.5, "student/Broken/AP50": 0.6, "student/Broken/boxes": 3.0,
}  # fmt: skip


def test_scores_of_one_model_unrounded_and_nan_as_none() -> None:
    validation = validation_of(METRICS, model="teacher", iteration=7)
    assert (validation.iteration, validation.model, validation.split) == (7, "teacher", "val")
    assert validation.scores == {
        "Broken": Score(ap=0.006, ap50=0.02, boxes=3), "Chipped": Score(ap=None, ap50=None, boxes=0),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("iteration", "validated", "calls"),
    [(4, [], 1), (4, [4], 0), (3, [], 0), (5, [4], 1), (0, [], 0)],
    ids=["stopped before it", "done already", "none due", "last one missing", "fresh run"],
)
def test_a_validation_lost_to_a_kill_is_made_up_for(
    tmp_path: Path, iteration: int, validated: list[int], calls: int
) -> None:
    """Interval 2, 5 iterations: due at 2, 4 and at the end."""
    record = Record(
        identity="i", study="s", arm="a", kind="arm", config="tiny", seed=0, iterations=5, delta={}, versions={},
        data=Data(name="d", fingerprint="f", classes=["Broken"]), device="cpu",
        validations=[validation_of(METRICS, model="teacher", iteration=i) for i in validated],
    )  # fmt: skip
    done: list[int] = []
    runner = SimpleNamespace(
        iter=iteration, max_iters=5, train_loop=SimpleNamespace(val_interval=2),
        val_loop=SimpleNamespace(run=lambda: done.append(1)),
        model=SimpleNamespace(student=SimpleNamespace(backbone=SimpleNamespace(mvvit=SimpleNamespace(tokens_per_level=[1])))),
    )  # fmt: skip
    hook = RecordHook(record=record, folder=tmp_path, weights=None, harness=Clock())
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    assert len(done) == calls
    assert record.resumed_from == ([iteration] if iteration else [])


def test_a_class_name_may_hold_a_slash() -> None:
    metrics = {
        f"teacher/{name}/{figure}": 0.5 for name in ("Dent / crack", "all") for figure in ("AP", "AP50", "boxes")
    }
    assert list(validation_of(metrics, model="teacher", iteration=1).scores) == ["Dent / crack", "all"]

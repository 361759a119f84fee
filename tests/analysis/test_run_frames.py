import math

import pytest

from analysis.run_frames import (
    alarms_frame,
    gates_frame,
    history_frame,
    kept_frame,
    learning_frame,
    loss_frame,
    stage_frame,
)
from experiments.records import Alarm, Gate, Window, read_record

FIGURES = {
    "loss": 1.0, "loss_cv": None, "loss/sup_loss_cls": 0.2, "loss/sup_loss_bbox": 0.1, "loss/unsup_loss_cls": 0.7,
    "loss_cv/sup_loss_cls": 0.05, "boxes/truth": 1.5, "boxes/teacher": 20.0, "boxes/initial": 5.0, "boxes/cls": 4.0,
    "kept_ratio": 0.25, "kept_ratio/Chipped": 0.125, "boxes/teacher/Chipped": 8.0,
}  # fmt: skip


@pytest.fixture
def record(add_run):
    folder = add_run("focal", 0.5, 0.1, None, 0.25, 0.4)
    windows = [
        Window(iteration=8, figures=FIGURES),
        Window(iteration=16, figures={"loss": 2.0, "loss_cv": 0.03, "loss/sup_loss_cls": 0.5}),
    ]
    return read_record(folder).model_copy(update={"history": windows})


def test_learning_has_every_validation_on_val_in_order(record):
    frame = learning_frame(record)
    assert list(dict.fromkeys(zip(frame["iteration"], frame["model"], strict=True))) == [
        (200, "teacher"), (400, "teacher"), (400, "student"),
    ]  # fmt: skip
    assert list(frame["class"][:6]) == ["Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear", "all"]
    at = frame.set_index(["iteration", "model", "class"])["AP"]
    assert at[400, "teacher", "all"] == pytest.approx(0.3125)  # (0.5 + 0.1 + 0.25 + 0.4) / 4
    assert at[400, "student", "Chipped"] == 0.05
    assert at[200, "teacher", "Tip_Wear"] == 0.0009
    assert math.isnan(at[400, "teacher", "Scratched"])


def test_history_and_what_is_made_of_it(record):
    history = history_frame(record)
    assert list(history.index) == [8, 16]
    assert history.loc[16, "loss_cv"] == 0.03
    assert math.isnan(history.loc[8, "loss_cv"])
    losses = loss_frame(history)
    assert list(losses) == ["total", "labelled groups", "unlabelled groups"]
    assert losses.loc[8].tolist() == [1.0, pytest.approx(0.3), 0.7]
    assert losses.loc[16].tolist()[:2] == [2.0, 0.5]
    assert math.isnan(losses.loc[16, "unlabelled groups"])
    assert stage_frame(history).loc[8].to_dict() == {
        "given by the teacher": 20.0, "after the initial threshold": 5.0, "for classification": 4.0, "annotated": 1.5,
    }  # fmt: skip
    assert kept_frame(history, ["Broken", "Chipped"]).loc[8].to_dict() == {"all": 0.25, "Chipped": 0.125}


def test_a_run_without_history_gives_empty_frames(record):
    empty = record.model_copy(update={"history": [], "validations": []})
    history = history_frame(empty)
    assert history.empty
    frames = (loss_frame(history), stage_frame(history), kept_frame(history, ["Chipped"]), learning_frame(empty))
    assert all(frame.empty for frame in frames)
    assert list(learning_frame(empty)) == ["iteration", "model", "class", "AP"]


def test_gates_and_alarms_are_rows(record):
    gate = Gate(name="class_ap", subject="Chipped", milestone=40, verdict="not_reached", says="it ended before")
    alarm = Alarm(kind="loss_ratio", iteration=10, last=20, says="too much", figures={})
    told = record.model_copy(update={"gates": [gate], "alarms": [alarm]})
    assert gates_frame(told).to_numpy().tolist() == [[40, "class ap", "Chipped", "not reached", "it ended before"]]
    assert alarms_frame(told).to_numpy().tolist() == [[10, 20, "loss ratio", "", "too much"]]
    assert gates_frame(record).empty
    assert next(iter(alarms_frame(record))) == "from iteration"

"""One run's record as frames: its learning, what it logged window by window, how its gates ended, and its alarms. Pure."""

from collections.abc import Sequence

import pandas as pd

from analysis.results import SPLIT
from experiments.goals import OVERALL
from experiments.records import Record

STAGES = {"teacher": "given by the teacher", "initial": "after the initial threshold", "cls": "for classification",
          "rpn": "for the RPN", "reg": "for regression"}  # fmt: skip
"""The stages that pseudo-boxes go through, in order, and what to call what is left."""


def learning_frame(record: Record) -> pd.DataFrame:
    """AP on val at every validation: one row per iteration, model and class (the data set's order, ``all`` last).

    Columns: ``iteration``, ``model``, ``class``, ``AP``, which is NaN where val holds no box of the class.
    """
    rows = [
        (validation.iteration, validation.model, name, score.ap)
        for validation in sorted(record.validations, key=lambda found: found.iteration)
        for name in (*record.data.classes, OVERALL)
        if validation.split == SPLIT and (score := validation.scores.get(name)) is not None
    ]
    return pd.DataFrame(rows, columns=["iteration", "model", "class", "AP"]).astype({"AP": float})


def history_frame(record: Record) -> pd.DataFrame:
    """Every window of the history: iterations in rows, figures in columns, NaN where a window lacks one."""
    index = pd.Index([window.iteration for window in record.history], name="iteration", dtype=int)
    return pd.DataFrame([window.figures for window in record.history], index=index).astype(float)


def stage_frame(history: pd.DataFrame) -> pd.DataFrame:
    """Boxes per view at each of `STAGES` that the history holds, named in words; ``annotated`` is what labelled views hold."""
    names = {f"boxes/{stage}": words for stage, words in STAGES.items()} | {"boxes/truth": "annotated"}
    return history[[name for name in names if name in history]].rename(columns=names)


def kept_frame(history: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """The share of the teacher's boxes that the initial threshold keeps: ``all``, then each class that the history holds."""
    names = {"kept_ratio": OVERALL} | {f"kept_ratio/{name}": name for name in classes}
    return history[[name for name in names if name in history]].rename(columns=names)


def gates_frame(record: Record) -> pd.DataFrame:
    """The monitoring checklist as it ended: one row per gate."""
    rows = [
        (gate.milestone, gate.name.replace("_", " "), gate.subject or "", gate.verdict.replace("_", " "), gate.says)
        for gate in record.gates
    ]
    return pd.DataFrame(rows, columns=["from iteration", "gate", "about", "verdict", "why"])


def alarms_frame(record: Record) -> pd.DataFrame:
    """What was wrong while the run trained: one row per alarm."""
    rows = [
        (alarm.iteration, alarm.last, alarm.kind.replace("_", " "), alarm.subject or "", alarm.says)
        for alarm in record.alarms
    ]
    return pd.DataFrame(rows, columns=["from iteration", "to", "alarm", "about", "what was wrong, and what to do"])


def loss_frame(history: pd.DataFrame) -> pd.DataFrame:
    """Mean loss by window: ``total``, and its parts from labelled and from unlabelled groups where there are any."""
    columns = {"total": history["loss"]} if "loss" in history else {}
    for title, branch in (("labelled groups", "sup"), ("unlabelled groups", "unsup")):
        own = [name for name in history if str(name).startswith(f"loss/{branch}_")]
        if own:
            columns[title] = history[own].sum(axis=1, min_count=1)
    return pd.DataFrame(columns, index=history.index)

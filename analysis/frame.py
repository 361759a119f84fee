"""Every score of a study in one frame, its means and spreads over seeds, and its CSV file."""

import itertools
import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.results import SPLIT, Model, Study
from experiments.goals import OVERALL

MODELS: tuple[Model, ...] = ("teacher", "student")
COLUMNS = ["arm", "seed", "split", "K", "sampled", "model", "class", "AP", "AP50", "scored on", "iteration", "boxes"]
"""Columns of the frames of scores; one per factor follows."""


@dataclass(frozen=True)
class Cell:
    """AP of one arm in one class: ``values`` by seed, their mean, and sample deviation from two seeds on."""

    mean: float | None
    std: float | None
    values: dict[int, float | None]


def results_frame(study: Study) -> pd.DataFrame:
    """Scores of every completed run's final validation on val: one row per class, with the columns `COLUMNS` and the factors'.

    ``split`` numbers the labelled/unlabelled split and ``K`` is what the run really had (empty where its record does not
    tell). AP and AP50 are fractions in [0, 1], NaN where val holds no box of the class; the class ``all`` is the mean
    over classes. ``boxes`` are those of the class in the split of the data that was scored, named by ``scored on``. A factor's
    column holds ``off`` (also where an arm does not name it) or ``on``, and is empty for sampled settings. Rows are sorted by
    arm (table order), seed, model (teacher first) and class (the data set's order, ``all`` last). A model that a run never
    validated has no rows; runs that are not completed are those of `unfinished_frame`.
    """
    factors = list(dict.fromkeys(name for entry in study.entries for name in entry.levels))
    rows = []
    for run, model in itertools.product(study.completed, MODELS):
        entry, final = run.entry, run.record.final(model, SPLIT)
        if final is None:
            continue
        for name in [*study.classes, OVERALL]:
            score = final.scores.get(name)
            ap, ap50, boxes = (score.ap, score.ap50, score.boxes) if score else (None, None, None)
            told = [entry.arm, entry.seed, entry.split, run.record.num_tokens, entry.sampled, model, name]
            levels = [entry.levels.get(factor, "off" if entry.levels else None) for factor in factors]
            rows.append([*told, ap, ap50, final.split, final.iteration, boxes, *levels])
    frame = pd.DataFrame(rows, columns=[*COLUMNS, *factors])
    return frame.astype({"K": "Int64", "AP": float, "AP50": float, "boxes": "Int64"})


def unfinished_frame(study: Study) -> pd.DataFrame:
    """One row per listed run that gives no number: missing (no record yet), running, failed or pruned, and why."""
    columns = ["arm", "seed", "split", "status", "reason"]
    return pd.DataFrame([[getattr(run, name) for name in columns] for run in study.unfinished], columns=columns)


def mean_cells(frame: pd.DataFrame, *, model: Model) -> dict[str, dict[str, Cell]]:
    """Means and spreads over seeds of one model, keyed by arm and then class, in the frame's order."""
    cells: dict[str, dict[str, Cell]] = {}
    for arm, of_arm in frame[frame["model"] == model].groupby("arm", sort=False):
        cells[str(arm)] = {str(name): _cell(rows) for name, rows in of_arm.groupby("class", sort=False)}
    return cells


def write_csv(frame: pd.DataFrame, path: Path) -> Path:
    """Write a frame as CSV (missing values empty), atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    frame.to_csv(temporary, index=False, lineterminator="\n")
    os.replace(temporary, path)
    return path


def _cell(rows: pd.DataFrame) -> Cell:
    known = rows["AP"].dropna()
    values = {int(seed): None if pd.isna(ap) else float(ap) for seed, ap in zip(rows["seed"], rows["AP"], strict=True)}
    return Cell(
        mean=float(known.mean()) if len(known) else None,
        std=float(known.std(ddof=1)) if len(known) > 1 else None,
        values=values,
    )

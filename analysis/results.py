"""The results of a study: its run folders read, checked, and put into one frame."""

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from analysis.targets import BASELINE, OVERALL
from experiments.errors import UserError
from experiments.records import RECORD_NAME, Record, read_record
from experiments.runs import BURN_IN_STUDY

Model = Literal["teacher", "student"]
MODELS: tuple[Model, ...] = ("teacher", "student")
SPLIT = "val"
COLUMNS = ["arm", "seed", "model", "class", "AP", "AP50"]


@dataclass(frozen=True)
class Cell:
    """AP of one arm in one class: ``values`` by seed, their mean, and sample deviation from two seeds on."""

    mean: float | None
    std: float | None
    values: dict[int, float | None]


@dataclass(frozen=True)
class Run:
    """A run folder's name and its record."""

    folder: str
    record: Record


@dataclass(frozen=True)
class Study:
    """The runs of one study. ``completed`` holds arms only, in table order and then by seed.

    Attributes:
        arms: names of the arms that have a completed run: the baseline, then as `_arm_order` says.
        burn_ins: completed burn-ins (what the arms continued from; not arms themselves).
        unfinished: failed, pruned and running runs of either kind, by folder name.
        classes: class names in the data set's order, without ``all``.
    """

    name: str
    completed: list[Run]
    burn_ins: list[Run]
    unfinished: list[Run]

    @property
    def arms(self) -> list[str]:
        return list(dict.fromkeys(run.record.arm for run in self.completed))

    @property
    def classes(self) -> list[str]:
        return self.completed[0].record.data.classes


def find_study(name: str, root: Path) -> Path:
    """The folder of a study.

    Raises:
        UserError: there is no study of that name; the message names those that exist.
    """
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []
    for folder in folders:
        if folder.name == name:
            return folder
    known = [folder.name for folder in folders if any(folder.glob(f"*/{RECORD_NAME}"))]
    there = f"existing studies: {', '.join(known)}" if known else "no study exists there yet"
    raise UserError(f"There is no study '{name}' in {root}; {there}.")


def load_study(folder: Path) -> Study:
    """Read and check every run of a study folder (``<study>/<run>/record.json``).

    Raises:
        UserError: no run is completed, a record is unreadable, completed runs mix data sets, or two completed
            runs share an arm and a seed.
    """
    runs = [Run(path.parent.name, read_record(path.parent)) for path in sorted(folder.glob(f"*/{RECORD_NAME}"))]
    completed = [run for run in runs if run.record.status == "completed"]
    arms = [run for run in completed if run.record.kind == "arm"]
    burn_ins = [run for run in completed if run.record.kind == "burn_in"] + _shared_burn_ins(folder, arms)
    unfinished = [run for run in runs if run.record.status != "completed"]
    if not arms:
        raise UserError(_nothing_completed(folder, burn_ins, unfinished))
    _check_data(folder.name, completed)
    _check_duplicates(folder.name, arms)
    order = _arm_order(arms)
    arms.sort(key=lambda run: (order.index(run.record.arm), run.record.seed))
    return Study(folder.name, arms, burn_ins, unfinished)


def _shared_burn_ins(folder: Path, arms: list[Run]) -> list[Run]:
    """The burn-ins that the arms continued from; they lie beside the studies, which share them."""
    wanted = {run.record.burn_in for run in arms} - {None}
    paths = sorted((folder.parent / BURN_IN_STUDY).glob(f"*/{RECORD_NAME}"))
    runs = [Run(f"{BURN_IN_STUDY}/{path.parent.name}", read_record(path.parent)) for path in paths]
    return [run for run in runs if run.record.identity in wanted]


def results_frame(study: Study) -> pd.DataFrame:
    """Scores of every completed arm's final validation on val: one row per class, with the columns `COLUMNS`.

    AP and AP50 are fractions in [0, 1], NaN where the split holds no box of the class; the class ``all`` is
    the mean over classes. Rows are sorted by arm (table order), seed, model (teacher first) and class (the
    data set's order, ``all`` last). A model that a run never validated has no rows.
    """
    rows = []
    for run in study.completed:
        for model in MODELS:
            final = run.record.final(model, SPLIT)
            if final is None:
                continue
            for name in [*study.classes, OVERALL]:
                score = final.scores.get(name)
                ap, ap50 = (score.ap, score.ap50) if score else (None, None)
                rows.append([run.record.arm, run.record.seed, model, name, ap, ap50])
    return pd.DataFrame(rows, columns=COLUMNS).astype({"AP": float, "AP50": float})


def mean_cells(frame: pd.DataFrame, *, model: Model) -> dict[str, dict[str, Cell]]:
    """Means and spreads over seeds of one model, keyed by arm and then class, in the frame's order."""
    cells: dict[str, dict[str, Cell]] = {}
    for arm, of_arm in frame[frame["model"] == model].groupby("arm", sort=False):
        cells[str(arm)] = {str(name): _cell(rows) for name, rows in of_arm.groupby("class", sort=False)}
    return cells


def write_results(frame: pd.DataFrame, path: Path) -> Path:
    """Write the frame as CSV (missing scores empty), atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    frame.to_csv(temporary, index=False, lineterminator="\n")
    os.replace(temporary, path)
    return path


def describe_unfinished(run: Run) -> str:
    """One line on a run that gives no number: what it is, where, its status and the reason."""
    record = run.record
    what = "burn-in" if record.kind == "burn_in" else record.arm
    status = "still running" if record.status == "running" else record.status
    reason = record.reason or (None if record.status == "running" else "no reason recorded")
    return f"{what}, seed {record.seed} ({run.folder}) {status}{f': {reason}' if reason else ''}"


def _cell(rows: pd.DataFrame) -> Cell:
    known = rows["AP"].dropna()
    values = {int(seed): None if pd.isna(ap) else float(ap) for seed, ap in zip(rows["seed"], rows["AP"], strict=True)}
    return Cell(
        mean=float(known.mean()) if len(known) else None,
        std=float(known.std(ddof=1)) if len(known) > 1 else None,
        values=values,
    )


def _arm_order(runs: list[Run]) -> list[str]:
    """Baseline first, then by number of factors switched on, in the order in which records list the factors.

    Arms that switch on none (controls) come last, by name. Records list factors as the factor table does.
    """
    records = {run.record.arm: run.record for run in runs}
    by_detail = sorted(records.values(), key=lambda record: (-len(record.levels), record.arm))
    factors = list(dict.fromkeys(factor for record in by_detail for factor in record.levels))

    def key(arm: str) -> tuple[bool, float, list[int], str]:
        on = [factors.index(factor) for factor, level in records[arm].levels.items() if level == "on"]
        return arm != BASELINE, len(on) or float("inf"), sorted(on), arm

    return sorted(records, key=key)


def _check_data(study: str, runs: list[Run]) -> None:
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    names: dict[tuple[str, ...], str] = {}
    for run in runs:
        data = run.record.data
        key = (data.fingerprint, *data.classes)
        groups[key].append(run.folder)
        names[key] = f"{data.name} (fingerprint {data.fingerprint}; {', '.join(data.classes)})"
    if len(groups) > 1:
        parts = "; ".join(f"{', '.join(folders)}: {names[key]}" for key, folders in groups.items())
        raise UserError(f"Study '{study}' mixes runs on different data, [{parts}]; give each data set its own study.")


def _check_duplicates(study: str, runs: list[Run]) -> None:
    seen: dict[tuple[str, int], str] = {}
    for run in runs:
        key = (run.record.arm, run.record.seed)
        if key in seen:
            raise UserError(
                f"Study '{study}' holds arm '{key[0]}' with seed {key[1]} twice, in {seen[key]} and "
                f"{run.folder}; delete one of the two folders."
            )
        seen[key] = run.folder


def _nothing_completed(folder: Path, burn_ins: list[Run], unfinished: list[Run]) -> str:
    there = [f"burn-in, seed {run.record.seed} ({run.folder}) completed" for run in burn_ins]
    there += [describe_unfinished(run) for run in unfinished]
    if not there:
        return f"Study '{folder.name}' holds no run yet ({folder}); train one first."
    return f"Study '{folder.name}' has no completed run of an arm to report; it holds: {'; '.join(there)}."

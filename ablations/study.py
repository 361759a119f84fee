"""A study: the arms of a design, trained for each seed one after the other, then reported.

``runs/<study>/study.json`` tells what belongs to the study and how to repeat it; the records of its runs tell
what came of them. The same request again trains only what is missing, and imports no torch if nothing is.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console

from ablations.arms import Arm
from ablations.factors import Level
from experiments.errors import UserError
from experiments.records import Record
from experiments.runs import completed_record, data_fingerprint, run_folder, run_identity

STUDY_NAME = "study.json"
SCALES = ("tiny", "cpu", "gpu", "paper")


@dataclass(frozen=True)
class Request:
    """What one ``run`` command asks for: the arms of a design over factors, with seeds 0 to ``seeds`` - 1.

    ``data`` is the data set folder, ``None`` for the scale's own; ``command`` is the line that repeats this.
    """

    study: str
    design: str
    factors: list[str]
    arms: list[Arm]
    scale: str
    seeds: int
    data: Path | None
    runs_root: Path
    command: str

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self.runs_root / self.study


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StudyArm(_Strict):
    """One arm as ``study.json`` holds it."""

    name: str
    levels: dict[str, Level]
    delta: dict[str, Any]


class StudyRequest(_Strict):
    """One request that the study was run with."""

    design: str
    factors: list[str]
    seeds: list[int]
    command: str


class Study(_Strict):
    """``study.json``; ``arms`` is the union over ``requests``.

    ``data`` is the folder that was named, ``None`` for the scale's own; its fingerprint is ``None`` until the
    first run has made it.
    """

    version: Literal[1] = 1
    study: str
    scale: str
    data: str | None
    data_fingerprint: str | None
    requests: list[StudyRequest] = Field(default_factory=list)
    arms: list[StudyArm] = Field(default_factory=list)


def run_study(wanted: Request, *, console: Console) -> list[Record]:
    """Train what is missing, one run at a time, seed by seed; then report. Returns the records in that order.

    A run that fails is recorded and the others go on. All the arms of one seed come before the next seed, so
    that an interrupted study holds whole comparisons.

    Raises:
        UserError: the folder holds a study of another scale or data set, or a run that is not the wanted one.
    """
    fingerprint = data_fingerprint(wanted.scale, wanted.data)
    study = _extend(read_study(wanted.folder), wanted, fingerprint)
    runs = [(arm, seed) for seed in range(wanted.seeds) for arm in wanted.arms]
    done = _completed(wanted, runs, fingerprint)
    write_study(study, wanted.folder)
    _say(
        console,
        f"Study {wanted.study} at scale {wanted.scale}: {_count(len(wanted.arms), 'arm')} x "
        f"{_count(wanted.seeds, 'seed')} = {_count(len(runs), 'run')}, {len(done)} done already.",
    )
    if len(done) < len(runs):
        _train(wanted, study, runs, done, console)
    records = [done[arm.name, seed] for arm, seed in runs]
    if any(record.status == "completed" for record in records):
        from analysis.table import report_study

        report_study(wanted.folder, console=console)
    failed = [record for record in records if record.status == "failed"]
    if failed:
        told = "; ".join(f"{run.arm}, seed {run.seed}: {_first_line(run.reason)}" for run in failed)
        again = f"the other results stand, and the same command tries again: {wanted.command}"
        _say(console, f"{len(failed)} of {_count(len(runs), 'run')} failed ({told}); {again}", style="red")
    return records


def read_study(folder: Path) -> Study | None:
    """The study of a folder; ``None`` where there is none yet.

    Raises:
        UserError: ``study.json`` is not readable.
    """
    path = folder / STUDY_NAME
    try:
        return Study.model_validate_json(path.read_text())
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError):
        raise UserError(f"{path} is not a readable study: delete it, or choose another --study.") from None


def write_study(study: Study, folder: Path) -> None:
    """Write ``study.json`` atomically: readers see the old file or the new one, never a part."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{STUDY_NAME}.{os.getpid()}"
    temporary.write_text(study.model_dump_json(indent=1) + "\n")
    os.replace(temporary, folder / STUDY_NAME)


def _extend(stored: Study | None, wanted: Request, fingerprint: str | None) -> Study:
    """The stored study with the wanted request and its arms added; a new one if none is stored."""
    data = str(wanted.data) if wanted.data else None
    study = stored or Study(study=wanted.study, scale=wanted.scale, data=data, data_fingerprint=fingerprint)
    if study.scale != wanted.scale:
        raise UserError(
            f"Study {wanted.study} in {wanted.runs_root} is at scale {study.scale}, not {wanted.scale}: "
            "runs of two scales do not compare; choose another --study."
        )
    known = (study.data_fingerprint, fingerprint)
    if known[0] != known[1] if all(known) else study.data != data:
        raise UserError(
            f"Study {wanted.study} in {wanted.runs_root} is on another data set "
            f"({study.data or 'the default one'}, fingerprint {study.data_fingerprint}): "
            "runs on two data sets do not compare; choose another --study."
        )
    asked = StudyRequest(
        design=wanted.design,
        factors=wanted.factors,
        seeds=list(range(wanted.seeds)),
        command=wanted.command,
    )
    arms = {arm.name: arm for arm in study.arms}
    arms |= {arm.name: StudyArm(name=arm.name, levels=arm.levels, delta=arm.delta) for arm in wanted.arms}
    return study.model_copy(
        update={
            "data_fingerprint": study.data_fingerprint or fingerprint,
            "requests": study.requests if asked in study.requests else [*study.requests, asked],
            "arms": list(arms.values()),
        }
    )


def _completed(
    wanted: Request, runs: Sequence[tuple[Arm, int]], fingerprint: str | None
) -> dict[tuple[str, int], Record]:
    """(arm, seed) -> record of the runs that need no training; decided without torch."""
    done: dict[tuple[str, int], Record] = {}
    if fingerprint is None:
        return done
    for arm, seed in runs:
        folder = run_folder(runs_root=wanted.runs_root, study=wanted.study, arm=arm.name, seed=seed)
        identity = run_identity(config=wanted.scale, delta=arm.delta, seed=seed, data_fingerprint=fingerprint)
        record = completed_record(folder, identity)
        if record is not None:
            done[arm.name, seed] = record
    return done


def _train(
    wanted: Request,
    study: Study,
    runs: Sequence[tuple[Arm, int]],
    done: dict[tuple[str, int], Record],
    console: Console,
) -> None:
    """Train the runs that are not in ``done`` and add their records to it; one line each."""
    from experiments.train import train_run

    started, trained = time.monotonic(), 0
    for arm, seed in runs:
        if (arm.name, seed) in done:
            continue
        begun = time.monotonic()
        record = train_run(
            config=wanted.scale,
            study=wanted.study,
            arm=arm.name,
            levels=dict(arm.levels),
            delta=arm.delta,
            seed=seed,
            data=wanted.data,
            runs_root=wanted.runs_root,
        )
        done[arm.name, seed] = record
        if study.data_fingerprint is None:  # the first run made the data set
            study.data_fingerprint = record.data.fingerprint
            write_study(study, wanted.folder)
        trained += 1
        now, left = time.monotonic(), len(runs) - len(done)
        told = f"[{len(done)}/{len(runs)}] {arm.name}, seed {seed}: {record.status}, {_duration(now - begun)}"
        if left:
            told += f", about {_duration((now - started) / trained * left)} left"
        _say(console, told, style="red" if record.status == "failed" else "green")


def _say(console: Console, text: str, *, style: str | None = None) -> None:
    """One line, never wrapped or read as markup: names and reasons may hold brackets."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _first_line(reason: str | None) -> str:
    return (reason or "no reason").splitlines()[0]


def _duration(seconds: float) -> str:
    """Seconds under two minutes, minutes under two hours, else hours with one decimal."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

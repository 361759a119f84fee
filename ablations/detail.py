"""One arm of a study in detail: what it changes, what came of it, where its files are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ablations.status import duration
from ablations.trials import Entry
from experiments.records import RECORD_NAME, Record, read_record
from experiments.studies import arm_folder


def arm_as_plain(entries: Sequence[Entry], *, runs_root: Path, seed: int | None = None) -> dict[str, Any]:
    """The replicates of one arm, all or that of one seed, as JSON holds them; ``record`` is ``None`` before training."""
    replicates = []
    for entry in entries:
        for run in entry.runs:
            if seed is not None and run.seed != seed:
                continue
            folder = arm_folder(runs_root, run.identity) if run.identity else None
            record = read_record(folder) if folder and (folder / RECORD_NAME).exists() else None
            replicates.append({
                "seed": run.seed, "split": run.split, "identity": run.identity, "state": entry.state, "reason": entry.reason,
                "delta": run.delta, "folder": str(folder) if folder else None,
                "files": sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) if record and folder else [],
                "record": record.model_dump(mode="json") if record else None,
            })  # fmt: skip
    return {"arm": entries[0].arm, "levels": dict(entries[0].runs[0].levels), "replicates": replicates}


def print_arm(shown: dict[str, Any], console: Console) -> None:
    """What :func:`arm_as_plain` tells, for reading."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    on = [name for name, level in shown["levels"].items() if level == "on"]
    say(f"{shown['arm']}: {', '.join(on) + ' on' if on else 'every factor off'}")
    for replicate in shown["replicates"]:
        say(f"seed {replicate['seed']}, split {replicate['split']}: {replicate['state']}")
        if replicate["reason"]:
            say(f"  reason: {replicate['reason']}")
        for path, value in replicate["delta"].items():
            say(f"  {path} = {value}")
        if replicate["record"] is not None:
            _print_record(Record.model_validate(replicate["record"]), say)
        if replicate["folder"]:
            say(f"  {replicate['folder']}: {', '.join(replicate['files']) or 'nothing yet'}")


def _print_record(record: Record, say: Any) -> None:
    for model in ("teacher", "student"):
        final = record.final(model)
        if final is not None:
            scores = ", ".join(f"{name} {'-' if s.ap is None else f'{s.ap:.3f}'}" for name, s in final.scores.items())
            say(f"  {model} on val at {final.iteration}: AP {scores}")
    for gate in record.gates:
        say(f"  gate, {gate.line}")
    for alarm in record.alarms:
        say(f"  alarm, {alarm.line}")
    # The total is that of training and validation: beside the harness, which it leaves out, it would look wrong.
    parts = {name: value for name, value in record.seconds.items() if name != "total"}
    seconds = ", ".join(f"{name} {duration(value)}" for name, value in parts.items())
    say(f"  {record.iterations} iterations on {record.device}; {seconds or 'no times yet'}")

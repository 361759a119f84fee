"""Figures as JSON lines in the run folder: one file for the whole run, whatever interrupts it."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.tracking.facts import Facts
from experiments.tracking.tracker import Notice, Plain, Sheet

SCALARS_NAME = "scalars.jsonl"


class JsonLines:
    """Appends ``{"iteration": 10, "train/loss": 2.5, ...}`` to ``scalars.jsonl``; what is not finite is null.

    Each line is written whole, and at once. Notices have their title and text under ``notice`` and ``says``. A run that
    continues first takes off what lies behind its checkpoint. Where it validates again at its checkpoint, because it was
    killed between this file and its record, the figures stand there twice, and are the same. The end is told by the record.
    """

    wants_sheets = False

    def __init__(self, facts: Facts) -> None:
        path = facts.folder / SCALARS_NAME
        cut_back(path, facts.begins)
        self._file = path.open("a", buffering=1)  # lines

    def scalars(self, figures: Mapping[str, float], iteration: int) -> None:
        """Write a line."""
        self._write({name: figure if math.isfinite(figure) else None for name, figure in figures.items()}, iteration)

    def sheets(self, name: str, sheets: Sequence[Sheet], iteration: int) -> None:
        """Nothing: pictures are no JSON."""

    def notice(self, notice: Notice) -> None:
        """Write a line."""
        self._write({"notice": notice.title, "says": notice.says}, notice.iteration)

    def finish(self, summary: Mapping[str, Plain], *, ended: bool) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, line: Mapping[str, Plain], iteration: int) -> None:
        self._file.write(json.dumps({"iteration": iteration, **line}, allow_nan=False) + "\n")


def cut_back(path: Path, iteration: int) -> None:
    """Take off the lines behind an iteration, and what is no line because its writer was killed; atomically."""
    if not path.exists():
        return
    text = path.read_text(errors="replace")
    kept = "".join(line for line in text.splitlines(keepends=True) if _belongs(line, iteration))
    if kept != text:
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(kept)
        os.replace(temporary, path)


def _belongs(line: str, iteration: int) -> bool:
    """Whether it is a whole line of an iteration up to this one."""
    try:
        return line.endswith("\n") and 0 < json.loads(line)["iteration"] <= iteration
    except (ValueError, KeyError, TypeError):
        return False

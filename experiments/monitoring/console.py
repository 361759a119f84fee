"""How command lines ask for monitoring, and show it. Torch-free."""

from collections import defaultdict
from typing import Annotated, Literal

import typer
from rich.console import Console

from experiments.records import Record

FailAction = Literal["warn", "stop", "prune"]
"""What a failed gate does: a warning; or it ends the run, as failed, or as pruned."""

MemoryBudget = Annotated[
    str | None,
    typer.Option(
        help="Memory that a run is to stay within, like 32GB; default the card's, or the machine's without one."
    ),
]
OnFail = Annotated[
    FailAction,
    typer.Option(
        help="What a failed gate of the monitoring checklist does: warn; stop the run, as failed; or prune it."
    ),
]
_STYLES = {"passed": "green", "failed": "red"}
_told: dict[str, set[str]] = defaultdict(set)  # by a run's identity, what this process showed while it trained


def note_told(record: Record, line: str) -> None:
    """The line is on the console already: the next :func:`print_checklist` of this run leaves it out."""
    _told[record.identity].add(line)


def pace(rate: float) -> str:
    """Iterations per second, or seconds per iteration where one takes longer than that."""
    return f"{rate:.1f} it/s" if rate >= 1 else f"{1 / rate:.1f} s/it"


def print_checklist(record: Record, console: Console) -> None:
    """The gates that passed or failed and the alarms, a line each, then how many gates were not reached.

    What was shown while the run trained is not shown again. No line is wrapped or read as markup.
    """
    reached = [gate for gate in record.gates if gate.verdict != "not_reached"]
    lines = [(f"Gate, {gate.line}", _STYLES[gate.verdict]) for gate in reached]
    lines += [(f"Alarm, {alarm.line}", "yellow") for alarm in record.alarms]
    absent = len(record.gates) - len(reached)
    if absent:
        lines.append((f"{absent} of {len(record.gates)} gates were not reached; the record says why", "yellow"))
    told = _told.pop(record.identity, set())
    for line, style in lines:
        if line not in told:
            console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)

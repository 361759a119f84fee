"""How command lines ask for monitoring, and show it. Torch-free."""

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
_STYLES = {"passed": "green", "failed": "red", "not_reached": "yellow"}


def pace(rate: float) -> str:
    """Iterations per second, or seconds per iteration where one takes longer than that."""
    return f"{rate:.1f} it/s" if rate >= 1 else f"{1 / rate:.1f} s/it"


def print_checklist(record: Record, console: Console) -> None:
    """One line per gate and alarm, never wrapped or read as markup."""
    lines = [(f"Gate, {gate.line}", _STYLES[gate.verdict]) for gate in record.gates]
    lines += [(f"Alarm, {alarm.line}", "yellow") for alarm in record.alarms]
    for line, style in lines:
        console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)

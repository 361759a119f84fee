"""How command lines ask for monitoring, and show it. Torch-free."""

from typing import Annotated, Literal

import typer

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
GATE_STYLES = {"passed": "green", "failed": "red", "not_reached": "yellow"}

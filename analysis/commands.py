"""The command line of the analysis. Heavy imports happen inside the commands, so that ``--help`` is quick."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from experiments.errors import UserError
from experiments.paths import runs_root

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """What the records of a study mean: tables and charts."""


@app.command()
def table(
    study: Annotated[str, typer.Option(help="Name of the study: a folder of the runs root.")],
    runs: Annotated[
        Path | None, typer.Option("--runs-root", help="Folder of all studies; default: $RUNS or runs/.")
    ] = None,
    model: Annotated[Literal["teacher", "student"], typer.Option(help="Whose scores to show.")] = "teacher",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the tables.")] = False,
) -> None:
    """Print every arm's AP per class and the verdict on every target; write the CSV files and the charts."""
    from rich.console import Console

    from analysis import results, table
    from analysis.summary import as_plain

    try:
        folder = results.find_study(study, runs if runs is not None else runs_root())
        if as_json:
            summary, files = table.write_report(folder, model=model)
            typer.echo(json.dumps(as_plain(summary, files), indent=1, allow_nan=False))
        else:
            table.report_study(folder, console=Console(markup=False), model=model)
    except UserError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None

"""The command line of the analysis. Heavy imports happen inside the commands, so that ``--help`` is quick."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from experiments.errors import UserError
from experiments.paths import runs_root

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Name = Annotated[str, typer.Option("--study", help="Name of the study: a folder of the runs root.")]
RunsRoot = Annotated[Path | None, typer.Option("--runs-root", help="Folder of all studies; default: $RUNS or runs/.")]
Scores = Annotated[Literal["teacher", "student"], typer.Option("--model", help="Whose scores to show.")]


@contextmanager
def telling() -> Iterator[None]:
    """Tells a user's mistake in one sentence on standard error and exits with status 2."""
    try:
        yield
    except UserError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None


@app.callback()
def main() -> None:
    """What the records of a study mean: tables and charts."""


@app.command()
def table(
    study: Name,
    runs: RunsRoot = None,
    model: Scores = "teacher",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the tables.")] = False,
) -> None:
    """Print every arm's AP per class and the verdict on every target; write the CSV files and the charts."""
    from rich.console import Console

    from analysis import results, table
    from analysis.summary import as_plain

    with telling():
        folder = results.find_study(study, runs or runs_root())
        if as_json:
            summary, files = table.write_report(folder, model=model)
            typer.echo(json.dumps(as_plain(summary, files), indent=1, allow_nan=False))
        else:
            table.report_study(folder, console=Console(markup=False), model=model)


@app.command()
def report(
    study: Name,
    runs: RunsRoot = None,
    model: Scores = "teacher",
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write the study's report, one HTML file that needs no network, with its tables and charts."""
    import webbrowser

    from analysis import results
    from analysis.report.build import write_html

    with telling():
        path = write_html(results.find_study(study, runs or runs_root()), model=model)
        typer.echo(f"Report: {path}")
        if show:
            webbrowser.open(path.resolve().as_uri())


@app.command()
def dashboard(
    study: Name,
    runs: RunsRoot = None,
    storage: Annotated[
        str | None, typer.Option(envvar="STORAGE", help="The ledger's database, if not what the study says.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    remote: Annotated[bool, typer.Option("--allow-remote", help="Allow a --host that other machines reach.")] = False,
) -> None:
    """Serve the study's report and Optuna's dashboard on this machine, until Ctrl-C; with WANDB_MODE=online, update it in W&B."""

    from analysis import results
    from analysis.dashboard import serve_study
    from analysis.publish import publish_study

    with telling():
        folder = results.find_study(study, runs or runs_root())
        if os.environ.get("WANDB_MODE") == "online":
            publish_study(folder, tell=typer.echo)
            return
        serve_study(folder, storage=storage or None, host=host, remote=remote, tell=typer.echo)


@app.command("sync")
def sync_runs(
    study: Annotated[
        str | None, typer.Option("--study", help="Its runs and burn-ins alone; default: all runs.")
    ] = None,
    runs: RunsRoot = None,
) -> None:
    """Upload the W&B runs that were kept offline; what is uploaded already is left alone."""
    from analysis.sync import sync

    with telling():
        if not sync(runs or runs_root(), study, tell=typer.echo):
            raise typer.Exit(1)

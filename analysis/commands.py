"""The command line of the analysis. Heavy imports happen inside the commands, so that ``--help`` is quick."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from experiments.console import command_line, result_console, stop_told
from experiments.paths import runs_root

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.answers import Answers

app = command_line("Tell what the records of a study mean, in tables and charts.")

StudyName = Annotated[str, typer.Option("--study", help="Name of the study: a folder of the runs root.")]
RunsRoot = Annotated[Path | None, typer.Option("--runs-root", help="Folder of all studies; default: $RUNS or runs/.")]
Model = Annotated[Literal["teacher", "student"], typer.Option(help="Whose scores to show.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of the tables.")]


_STOPPED = "Stopped; the runs are as they were, and the same command begins anew."


@app.command()
def table(study: StudyName, runs: RunsRoot = None, model: Model = "teacher", as_json: Json = False) -> None:
    """Print every arm's AP per class and the verdict on every target; write the CSV files and the charts."""
    from analysis import results, table
    from analysis.summary import as_plain

    with stop_told(_STOPPED):
        folder = results.find_study(study, runs if runs is not None else runs_root())
        if as_json:
            summary, files = table.write_report(results.load_study(folder), folder, model=model)
            typer.echo(json.dumps(as_plain(summary, files), indent=1, allow_nan=False))
        else:
            table.report_study(folder, console=result_console(), model=model)


@app.command()
def effects(
    study: StudyName,
    runs: RunsRoot = None,
    model: Model = "teacher",
    every: Annotated[
        bool, typer.Option("--every", help="Show every class, not the hard ones and the mean alone.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print what each factor does to AP, and pairs of factors to each other; write the answers as CSV, LaTeX and charts."""
    from analysis import answer_tables

    _answer(
        study,
        runs,
        model,
        as_json,
        "effects",
        lambda answers, console: answer_tables.print_effects(answers, console, every=every),
    )


@app.command()
def shapley(study: StudyName, runs: RunsRoot = None, model: Model = "teacher", as_json: Json = False) -> None:
    """Print each factor's Shapley value: its part in what all of them gain together."""
    from analysis import answer_tables

    _answer(study, runs, model, as_json, "shapley", answer_tables.print_shapley)


@app.command()
def synergy(study: StudyName, runs: RunsRoot = None, model: Model = "teacher", as_json: Json = False) -> None:
    """Print whether all factors together gain more than the sum of their gains alone."""
    from analysis import answer_tables

    _answer(study, runs, model, as_json, "synergy", answer_tables.print_synergy)


@app.command()
def targets(study: StudyName, runs: RunsRoot = None, model: Model = "teacher", as_json: Json = False) -> None:
    """Print with what certainty each arm, and the best one, meets each target."""
    from analysis import answer_tables

    _answer(study, runs, model, as_json, "targets", answer_tables.print_targets)


@app.command()
def store(
    study: StudyName,
    runs: RunsRoot = None,
    out: Annotated[
        Path | None, typer.Option(help="Runs folder to copy into; default: docs/runs of the repository.")
    ] = None,
) -> None:
    """Copy a study's small files (no weights, logs or machine's paths) to where the notebooks find them."""
    from analysis.excerpt import store_study
    from analysis.results import find_study
    from analysis.stored import STORED

    target = out if out is not None else STORED
    with stop_told(_STOPPED):
        written = store_study(find_study(study, runs if runs is not None else runs_root()), target)
    size = sum(path.stat().st_size for path in written) / 1024
    typer.echo(f"Wrote {len(written)} files, {size:.0f} KiB, to {target}")


@app.command()
def importance(
    study: StudyName,
    runs: RunsRoot = None,
    storage: Annotated[
        str | None, typer.Option(envvar="STORAGE", help="Address of the ledger, where it is not the study's own file.")
    ] = None,
) -> None:
    """Print which sampled settings the scores vary with, and draw them, and the scores over two thresholds."""
    from analysis.importance import open_ledger
    from analysis.importance_charts import describe_importance, write_importance_charts
    from analysis.results import find_study

    with stop_told(_STOPPED):
        folder = find_study(study, runs or runs_root())
        ledger = open_ledger(folder, storage=storage or None)
    for line in describe_importance(ledger):
        typer.echo(line)
    files = write_importance_charts(ledger, study, folder / "report")
    typer.echo(f"wrote {len(files)} files to {folder / 'report'}")


@app.command()
def report(
    study: StudyName,
    runs: RunsRoot = None,
    model: Model = "teacher",
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write the study's report, one HTML file that needs no network, with its tables and charts."""
    import webbrowser

    from analysis import results
    from analysis.report.build import write_html

    with stop_told(_STOPPED):
        folder = results.find_study(study, runs or runs_root())
        typer.echo("Working out the answers, and drawing the charts ...")
        path = write_html(folder, model=model)
        typer.echo(f"Report: {path}")
        if show:
            webbrowser.open(path.resolve().as_uri())


@app.command()
def dashboard(
    study: StudyName,
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

    with stop_told(_STOPPED):
        folder = results.find_study(study, runs or runs_root())
        if os.environ.get("WANDB_MODE") == "online":
            publish_study(folder, tell=typer.echo)
            return
        serve_study(folder, storage=storage or None, host=host, remote=remote, tell=typer.echo)


@app.command("sync")
def sync_runs(
    study: Annotated[
        str | None, typer.Option("--study", help="Its runs and burn-ins alone; default: all there are.")
    ] = None,
    runs: RunsRoot = None,
) -> None:
    """Upload the W&B runs that were kept offline; what is uploaded already is left alone."""
    from analysis.sync import sync

    with stop_told(_STOPPED):
        if not sync(runs or runs_root(), study, tell=typer.echo):
            raise typer.Exit(1)


def _answer(
    name: str,
    runs: Path | None,
    model: Literal["teacher", "student"],
    as_json: bool,
    part: str,
    show: "Callable[[Answers, Console], None]",
) -> None:
    """Work out a study's answers, write their files and charts, and print one part of them."""
    from rich.text import Text

    from analysis import results
    from analysis.answer_charts import write_answer_charts
    from analysis.answer_files import write_answers
    from analysis.answers import answers_of, as_plain, method_of

    with stop_told(_STOPPED):
        folder = results.find_study(name, runs if runs is not None else runs_root())
        loaded = results.load_study(folder)
        answers = answers_of(loaded, model=model)
        files = write_answers(answers, loaded, folder / "report")
        files += write_answer_charts(answers, folder / "report", part=part)
    if as_json:
        told = {"study": name, "model": model, part: as_plain(getattr(answers, part))}
        told["notes"] = [*method_of(answers, getattr(answers, part)), *answers.notes]
        told |= {"unfinished": answers.unfinished, "files": [str(path) for path in files]}
        typer.echo(json.dumps(told, indent=1, allow_nan=False))
        return
    console = result_console()
    show(answers, console)
    console.print(Text(f"wrote {len(files)} files to {folder / 'report'}", style="dim"), soft_wrap=True)

"""The command line ``python -m ablations``: list factors, plan a design, run a study, join one, and see how it stands."""

import contextlib
import json
import os
import shlex
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from ablations import listing
from ablations import plan as planning
from ablations.capacity import check_cards, choose_workers, parse_workers, this_machine
from ablations.designs import DESIGNS
from ablations.detail import arm_as_plain, print_arm
from ablations.factors import FACTOR_NAMES, FURTHER_NAMES, unknown
from ablations.further import FURTHER
from ablations.ledger import GRACE, Ledger, UnknownStudy
from ablations.request import DEFAULT_SCALE, DEFAULT_TRIALS, SAMPLED, SCALES, Request, cards_in, names_in, request_of
from ablations.space import SPACES
from ablations.status import as_plain, label, status_of, status_view
from ablations.study import begin, check_unchanged, collect, conclude
from ablations.worker import Place
from ablations.workers import train_here, train_in_processes
from experiments import paths
from experiments.address import LEDGER_NAME, hidden, is_missing, known_url
from experiments.console import command_line, result_console, stop_told
from experiments.errors import UserError
from experiments.monitoring.console import MemoryBudget, OnFail
from experiments.monitoring.hang import hang_minutes
from experiments.monitoring.memory import parse_budget
from experiments.prepare import prepared_data
from experiments.runs import data_fingerprint, data_folder
from experiments.studies import STUDY_NAME, Study, read_study
from experiments.tracking.choice import chosen_trackers

_VARIABLES = ("RUNS", "DATA_ROOT", "CONFIGS", "TRACK")  # have a part in a study, and no option in its command

app = command_line("Decide which runs to train, and train them.")

Design = Annotated[
    str,
    typer.Option(help=f"Which arms: {', '.join(DESIGNS)}, several joined by commas; or {SAMPLED}: sampled settings."),
]
Factors = Annotated[
    str,
    typer.Option(
        help=f"Factors, joined by commas: {', '.join(FACTOR_NAMES)}, or all; beside these {', '.join(FURTHER_NAMES)}; "
        "faults: all fault_."
    ),
]
Scale = Annotated[str, typer.Option(help=f"Size of the runs: {', '.join(SCALES)}.")]
Seeds = Annotated[
    int, typer.Option(help="Replicates of every arm: seeds 0 to N-1, each with its own labelled/unlabelled split.")
]
Control = Annotated[
    bool, typer.Option("--control", help="Add the supervised control: same iterations, no pseudo-labels.")
]
FromStart = Annotated[
    bool,
    typer.Option(
        "--from-start", help="Factors act in the burn-in too, but for those of pseudo-labels: one for each combination."
    ),
]
Space = Annotated[
    str, typer.Option(help=f"Settings that {SAMPLED} samples: {', '.join(SPACES)}, or names joined by commas.")
]
Objective = Annotated[
    str,
    typer.Option(help="pareto: AP of both hard classes; ratio: the mean of their ratios to baseline, with pruning."),
]
Trials = Annotated[int, typer.Option(help=f"How many settings {SAMPLED} samples.")]
Name = Annotated[str, typer.Option("--study", help="Name of the study.")]
OwnName = Annotated[str | None, typer.Option("--study", help="Name of the study, if not from design and factors.")]
Data = Annotated[Path | None, typer.Option(help="Data set folder, if not the scale's own.")]
RunsRoot = Annotated[Path | None, typer.Option(help="Folder of all runs and studies, if not $RUNS or runs/.")]
Storage = Annotated[
    str | None,
    typer.Option(envvar="STORAGE", help="The ledger's database, like postgresql://user@host/name; default a file."),
]
Workers = Annotated[int, typer.Option(min=1, help="Processes that train on this machine at once.")]
WorkersOrAuto = Annotated[
    str, typer.Option(help="Processes that train on this machine at once; auto: as many as memory and cores hold.")
]
Gpus = Annotated[str, typer.Option(help="Cards to pin the workers to in turn, joined by commas; default: all see all.")]
Grace = Annotated[
    float, typer.Option(min=1, help="Seconds without a heartbeat after which a worker counts as dead; of a new study.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command("list")
def list_factors(as_json: Json = False) -> None:
    """Show every factor: what it sets, off and on, and where."""
    if as_json:
        parts = {"factors": listing.factors_as_plain(), "further": listing.factors_as_plain(FURTHER)}
        typer.echo(json.dumps(parts, indent=1))
    else:
        listing.print_factors(Console())


@app.command("plan")
def plan_design(
    design: Design = "alone",
    factors: Factors = "all",
    scale: Scale = DEFAULT_SCALE,
    seeds: Seeds = 1,
    control: Control = False,
    from_start: FromStart = False,
    space: Space = "all",
    objective: Objective = "pareto",
    trials: Trials = DEFAULT_TRIALS,
    data: Data = None,
    runs_root: RunsRoot = None,
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """Show what a design would train, can and cannot tell, and would cost, without training any of it."""
    request = request_of(
        design=design, factors=factors, scale=scale, seeds=seeds, control=control, from_start=from_start, space=space,
        objective=objective, trials=trials, study=None, data=data, runs_root=runs_root, storage=None,
    )  # fmt: skip
    planned = planning.plan(request, workers=workers)
    if as_json:
        typer.echo(json.dumps(planning.as_plain(planned), indent=1))
    else:
        planning.print_plan(planned, result_console())


@app.command("run")
def run(
    design: Design = "alone",
    factors: Factors = "all",
    scale: Scale = DEFAULT_SCALE,
    seeds: Seeds = 1,
    control: Control = False,
    from_start: FromStart = False,
    space: Space = "all",
    objective: Objective = "pareto",
    trials: Trials = DEFAULT_TRIALS,
    study: OwnName = None,
    data: Data = None,
    runs_root: RunsRoot = None,
    storage: Storage = None,
    workers: WorkersOrAuto = "1",
    gpus: Gpus = "",
    grace: Grace = GRACE,
    memory_budget: MemoryBudget = None,
    on_fail: OnFail = "warn",
) -> None:
    """Train a design and report it; what is trained already, for this study or another, is not trained again."""
    request = request_of(
        design=design, factors=factors, scale=scale, seeds=seeds, control=control, from_start=from_start, space=space,
        objective=objective, trials=trials, study=study, data=data, runs_root=runs_root, storage=storage, grace=grace,
    )  # fmt: skip
    count, cards = parse_workers(workers), cards_in(gpus)
    check_cards(cards)
    _check_environment()
    console = result_console()
    budget_mb = parse_budget(memory_budget) if memory_budget else None
    begun, ledger = begin(request)
    status = status_of(begun, ledger.entries())
    done = len(status.entries) - status.unfinished
    told = f"Study {begun.study} at scale {begun.scale}: {len(status.entries)} jobs, {done} done already."
    console.print(told, markup=False, highlight=False, soft_wrap=True)
    for sentence in request.departures:
        console.print(sentence, style="yellow", markup=False, highlight=False, soft_wrap=True)
    place = Place(request.runs_root, data_folder(request.scale, request.data), budget_mb, on_fail)
    if status.unfinished:
        if count is None:
            count = _chosen_workers(request, cards, status.unfinished, console)
        options = [
            "--study", begun.study, "--data", str(place.data), "--runs-root", str(place.runs_root), "--on-fail", on_fail,
            *(["--memory-budget", memory_budget] if memory_budget else []),
        ]  # fmt: skip
        again = _again(request.command, {
            "--workers": str(count) if count > 1 else None, "--gpus": gpus, "--memory-budget": memory_budget,
            "--on-fail": on_fail if on_fail != "warn" else None,
        })  # fmt: skip
        with stop_told(f"Stopped; the same command continues where it was: {again}"):
            if count == 1:
                train_here(ledger, begun, place, gpus=cards, console=console)
            else:
                train_in_processes(
                    ledger, begun, place, workers=count, gpus=cards, storage=storage, console=console,
                    command=[sys.executable, "-m", "ablations", "worker", "--parent", str(os.getpid()), *options],
                )  # fmt: skip
    begun = collect(begun, ledger, request.runs_root, console)
    if "noise" in names_in(design):
        planning.print_noise(request, console)
    if not conclude(begun, ledger.entries(), place, console):
        raise typer.Exit(1)


@app.command("worker")
def worker(
    study: Name,
    data: Data = None,
    runs_root: RunsRoot = None,
    storage: Storage = None,
    gpus: Gpus = "",
    memory_budget: MemoryBudget = None,
    on_fail: OnFail = "warn",
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Join a study from any machine that sees its storage and its data: train what waits until nothing is left."""
    _check_environment()
    root, cards = _root(runs_root), cards_in(gpus)
    check_cards(cards)
    ledger = _ledger(study, root, storage)
    console = result_console()
    begun = ledger.header()
    folder = prepared_data(begun.scale, data or (Path(begun.data) if begun.data else None))
    place = Place(root, folder, parse_budget(memory_budget) if memory_budget else None, on_fail)
    entries = ledger.entries()
    if not entries:
        raise UserError(f"Study {study} has no jobs: begin it with `python -m ablations run`.")
    if not status_of(begun, entries).unfinished:
        console.print(
            f"Nothing left to do: all {len(entries)} jobs of study {study} are over.", markup=False, soft_wrap=True
        )
    with stop_told("Stopped; the job it had waits again."):
        train_here(ledger, begun, place, gpus=cards, console=console, parent=parent)


@app.command("status")
def status(
    study: Name,
    runs_root: RunsRoot = None,
    storage: Storage = None,
    live: Annotated[
        bool, typer.Option("--live", help="Keep the table up to date until nothing waits or runs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show how a study stands: done, running with progress and rate, waiting, failed, estimated end."""
    ledger = _ledger(study, _root(runs_root), storage)
    begun = ledger.header()
    now = status_of(begun, ledger.entries())
    if as_json:
        typer.echo(json.dumps(as_plain(now), indent=1))
    elif live:
        with Live(status_view(now, now=datetime.now()), console=result_console(), auto_refresh=False) as view:
            while now.unfinished:
                time.sleep(2)
                now = status_of(begun, ledger.entries())
                view.update(status_view(now, now=datetime.now()), refresh=True)
    else:
        result_console().print(status_view(now, now=datetime.now()))
    if now.counts["failed"]:
        raise typer.Exit(1)


@app.command("show")
def show(
    arm: Annotated[str, typer.Argument(help="The arm's name, as the study's table has it.")],
    study: Name,
    seed: Annotated[int | None, typer.Option(help="One replicate; default all.")] = None,
    runs_root: RunsRoot = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Show an arm: what it changes, what came of it, and where its files are."""
    root = _root(runs_root)
    everything = _ledger(study, root, storage).entries()
    entries = [entry for entry in everything if entry.arm == arm]
    if not entries:
        raise unknown("arm", arm, dict.fromkeys(entry.arm for entry in everything), where=f" in study {study}")
    seeds = sorted(run.seed for entry in entries for run in entry.runs)
    if seed is not None and seed not in seeds:
        raise UserError(f"Arm {arm} of study {study} has no seed {seed}; its seeds are {', '.join(map(str, seeds))}.")
    shown = arm_as_plain(entries, runs_root=root, seed=seed)
    if as_json:
        typer.echo(json.dumps(shown, indent=1))
    else:
        print_arm(shown, result_console())


@app.command("retry")
def retry(
    study: Name,
    arms: Annotated[list[str] | None, typer.Argument(help="Arms to queue again; default all that failed.")] = None,
    runs_root: RunsRoot = None,
    storage: Storage = None,
) -> None:
    """Queue failed arms again; `run` or a worker then trains them, each from its last checkpoint."""
    root = _root(runs_root)
    ledger = _ledger(study, root, storage)
    names = {entry.arm for entry in ledger.entries()}
    for arm in arms or []:
        if arm not in names:
            raise unknown("arm", arm, names, where=f" in study {study}")
    begun = read_study(root / study)
    if begun is not None and (found := _fingerprint_there(begun)) is not None:
        check_unchanged(begun, found, root)
    queued = ledger.retry(arms or [])
    if not queued:
        typer.echo("Nothing has failed: nothing to queue again.")
        return
    typer.echo(f"Queued again: {'; '.join(label(entry) for entry in queued)}.")
    if begun is not None and begun.requests:
        command = begun.requests[-1].command
        named = runs_root is not None and "--runs-root" not in command
        typer.echo(f"To train them: {_again(command, {'--runs-root': str(root) if named else None})}")


def _fingerprint_there(study: Study) -> str | None:
    """Fingerprint of what a study's data folder now holds; ``None`` where there is none, as on another machine."""
    try:
        return data_fingerprint(study.scale, Path(study.data) if study.data else None)
    except UserError:
        return None


def _chosen_workers(request: Request, gpus: list[str], jobs: int, console: Console) -> int:
    """How many workers this machine holds, said with the reason."""
    choice = choose_workers(
        planning.comparable_records(request), [arm.delta for arm in request.arms], this_machine(gpus), jobs=jobs,
        sampled=request.search is not None,
    )  # fmt: skip
    told = f"Workers: {choice.workers}; {choice.reason}."
    console.print(told, markup=False, highlight=False, soft_wrap=True)
    return choice.workers


def _again(command: str, options: Mapping[str, str | None]) -> str:
    """The command with the options that have a value, behind the variables of the environment that have a part in a study."""
    variables = [f"{name}={shlex.quote(value)}" for name in _VARIABLES if (value := os.environ.get(name))]
    given = [f"{option} {shlex.quote(value)}" for option, value in options.items() if value]
    return " ".join([*variables, command, *given])


def _check_environment() -> None:
    """Refuse variables that would fail each arm of a study, before it is begun."""
    chosen_trackers()
    hang_minutes()


def _root(runs_root: Path | None) -> Path:
    return (runs_root or paths.runs_root()).resolve()


def _ledger(study: str, root: Path, storage: str | None) -> Ledger:
    """The ledger of a study that was begun."""
    begun = read_study(root / study) if study else None
    if begun is None and not storage:
        begun_here = (path.parent for path in root.glob(f"*/{LEDGER_NAME}"))
        known = sorted(folder.name for folder in begun_here if (folder / STUDY_NAME).exists())
        there = f"the studies there are {', '.join(known)}" if known else "there is none yet"
        missing = f"There is no study {study!r} in {root}" if study else f"Which study of {root}? Name it with --study"
        raise UserError(f"{missing}; {there}. One in a database needs --storage.")
    url = known_url(root / study, begun.storage if begun else None, storage)
    shown = hidden(url)  # refuses an address that is none, or that shows its password
    if begun is None:
        if is_missing(url):
            raise UserError(f"There is no ledger of study {study!r} in {shown}: begin it with `run`, or name another.")
        return Ledger(name=study, url=url)
    with contextlib.suppress(UnknownStudy):
        if not is_missing(url):
            ledger = Ledger(name=study, url=url)
            ledger.header()
            return ledger
    raise UserError(
        f"Study {study!r} has no queue in {shown}, as where it was stored for its results alone: `python -m analysis table "
        f"{paths.study_options(root / study)}` tells what they say."
    )

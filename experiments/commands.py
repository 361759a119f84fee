"""``python -m experiments``: train one run, print a config, handle data, look for what would go wrong."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from experiments.config import load_config, parse_setting, to_json
from experiments.console import command_line, speaks, stop_told
from experiments.data import commands as data_commands
from experiments.doctor.audit_commands import audit
from experiments.doctor.commands import doctor
from experiments.errors import UserError
from experiments.monitoring.console import MemoryBudget, OnFail, print_checklist
from experiments.monitoring.memory import parse_budget
from experiments.paths import runs_root
from experiments.records import RECORD_NAME
from experiments.runs import is_folder_name, run_folder

app = command_line("Train one run, print a config, handle data, look for what would go wrong.")
app.add_typer(data_commands.app, name="data")
app.command()(doctor)
app.command()(audit)
console = Console()

Config = Annotated[str, typer.Argument(help="Scale (tiny, cpu, gpu, paper) or path of a config file.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Change one setting: dotted.path=value; repeatable.")]


@app.command()
def train(
    config: Config,
    settings: Settings = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Seed of initialisation, data order and augmentation.")
    ] = 0,
    split: Annotated[
        int | None,
        typer.Option(
            help="Which groups are labelled: 0 as the data set ships them, others dealt out anew; default the seed's number, "
            "or 0 where the data set does not know the unlabelled groups' boxes."
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Data set folder; default the scale's synthetic set.")] = None,
    study: Annotated[str, typer.Option(help="Folder in runs/ to train in.")] = "train",
    name: Annotated[str, typer.Option(help="Name of the run in its study.")] = "run",
    resume: Annotated[
        bool, typer.Option("--resume", help="Insist on continuing: refuse where there is no run to continue.")
    ] = False,
    launcher: Annotated[
        str,
        typer.Option(help="none, or pytorch: torchrun --nproc-per-node 2 -m experiments train ... --launcher pytorch."),
    ] = "none",
    memory_budget: MemoryBudget = None,
    on_fail: OnFail = "warn",
) -> None:
    """Train one run; an interrupted one goes on from its last checkpoint, a completed identical one is only shown."""
    delta = dict(parse_setting(text) for text in settings or [])
    for option, text in (("--study", study), ("--name", name)):
        if not is_folder_name(text):
            raise UserError(f"{option} {text!r} is no folder name: use letters, digits and any of . _ + - inside.")
    folder = run_folder(runs_root=runs_root(), study=study, arm=name, seed=seed)
    if resume and not (folder / RECORD_NAME).exists():
        raise UserError(f"{folder} holds no run to continue: leave out --resume to begin one.")

    from experiments.ranks import leave
    from experiments.train import train_run

    with stop_told("Stopped; the same command goes on from the last checkpoint."):
        record = train_run(
            config=config, study=study, arm=name, delta=delta, seed=seed, split=split, data=data, runs_root=runs_root(),
            launcher=launcher, memory_budget_mb=parse_budget(memory_budget) if memory_budget else None, on_fail=on_fail,
        )  # fmt: skip
    if speaks():
        print_checklist(record, console)
    if record.status != "completed":  # each process tells its own failure: the others may only see that it is gone
        console.print(f"{folder} {record.status}: {record.reason}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1)
    leave()
    for model in ("teacher", "student"):
        final = record.final(model)
        if final is not None:
            scores = ", ".join(f"{c} {_percent(s.ap)}" for c, s in final.scores.items())
            _tell(f"{model} at {final.iteration}: AP {scores}")
    _tell(f"Record: {folder / RECORD_NAME}")


@app.command("config")
def show_config(
    config: Config,
    settings: Settings = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON instead of Python.")] = False,
) -> None:
    """Print the fully resolved config."""
    loaded = load_config(config, dict(parse_setting(text) for text in settings or []))
    typer.echo(to_json(loaded) if json else loaded.pretty_text)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _tell(text: str, *, style: str | None = None) -> None:
    """One line, never wrapped or read as markup; several processes that train one run say it once."""
    if speaks():
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

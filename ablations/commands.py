"""The command line ``python -m ablations``: list the factors, plan a design, run a study."""

import json
import re
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from ablations.designs import DESIGNS, arms_of
from ablations.factors import FACTOR_NAMES, FACTORS, Choice, Range, Setting, plain, select, unknown
from ablations.study import SCALES, Request, run_study
from experiments import paths
from experiments.errors import UserError


class _Commands(TyperGroup):
    """Tells a user's mistake in one sentence on standard error and exits with status 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=_Commands,
    help="Decide which runs to train, and train them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Design = Annotated[str, typer.Option(help=f"Which arms: {', '.join(DESIGNS)}.")]
Factors = Annotated[str, typer.Option(help=f"Factors, joined by commas: {', '.join(FACTOR_NAMES)}; or all.")]
DEFAULT_SCALE = "cpu"
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command("list")
def list_factors(as_json: Json = False) -> None:
    """Show every factor: what it sets, off and on, and where."""
    if as_json:
        factors = [
            {
                "name": factor.name,
                "title": factor.title,
                "meaning": factor.meaning,
                "settings": [_setting(setting) for setting in factor.settings],
            }
            for factor in FACTORS
        ]
        typer.echo(json.dumps({"factors": factors}, indent=1))
        return
    table = Table("factor", "setting", "off", "on", "search")
    for factor in FACTORS:
        for row, setting in enumerate(factor.settings):
            table.add_row(
                factor.name if row == 0 else "",
                setting.name,
                _text(plain(setting.off)),
                _text(plain(setting.on)),
                _search_text(setting),
                end_section=setting is factor.settings[-1],
            )
    for column in table.columns[:2]:
        column.no_wrap = True
    console = Console()
    console.print(table)
    for factor in FACTORS:  # paths are too long for a column and there to be copied: one a line, never wrapped
        console.print(f"\n[bold]{factor.name}[/bold] ({factor.title}): {factor.meaning}", highlight=False)
        for path in (path for setting in factor.settings for path in setting.paths):
            console.print(f"  {path}", highlight=False, soft_wrap=True)


@app.command("plan")
def plan_design(design: Design = "alone", factors: Factors = "all", as_json: Json = False) -> None:
    """Show the arms of a design without training any."""
    arms = arms_of(design, select(_names(factors)))
    if as_json:
        planned = [{"name": arm.name, "levels": arm.levels, "delta": arm.delta} for arm in arms]
        typer.echo(json.dumps({"design": design, "arms": planned}, indent=1))
        return
    table = Table("arm", "changed config values")
    for arm in arms:
        table.add_row(arm.name, str(len(arm.delta)))
    Console().print(table)


@app.command("run")
def run_arms(
    design: Design = "alone",
    factors: Factors = "all",
    scale: Annotated[str, typer.Option(help=f"Size of the runs: {', '.join(SCALES)}.")] = DEFAULT_SCALE,
    seeds: Annotated[int, typer.Option(help="How many seeds: N means 0 to N-1.")] = 1,
    study: Annotated[str | None, typer.Option(help="Study name, if not from design and factors.")] = None,
    data: Annotated[Path | None, typer.Option(help="Data set folder, if not the scale's own.")] = None,
    runs_root: Annotated[Path | None, typer.Option(help="Folder of all studies, if not $RUNS or runs/.")] = None,
) -> None:
    """Train the arms of a design and report them; what is complete already is not trained again."""
    chosen = select(_names(factors))
    arms = arms_of(design, chosen)
    names = [factor.name for factor in chosen]
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    if seeds < 1:
        raise UserError(f"--seeds is {seeds}, but a study needs at least 1.")
    study = _default_study(design, names, scale) if study is None else study
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", study):
        raise UserError(f"--study {study!r} is no folder name: use letters, digits and any of . _ + - inside.")
    options = {
        "--design": design,
        "--factors": ",".join(names),
        "--scale": scale,
        "--seeds": str(seeds),
        "--study": study,
        "--data": str(data.resolve()) if data else None,
        "--runs-root": str(runs_root.resolve()) if runs_root else None,
    }
    words = [word for option, value in options.items() if value for word in (option, value)]
    wanted = Request(
        study=study,
        design=design,
        factors=names,
        arms=arms,
        scale=scale,
        seeds=seeds,
        data=data.resolve() if data else None,
        runs_root=(runs_root or paths.runs_root()).resolve(),
        command=shlex.join(["python", "-m", "ablations", "run", *words]),
    )
    try:
        console = Console()
        if not console.is_terminal:  # a log file: the tables need 100 columns
            console = Console(width=100)
        records = run_study(wanted, console=console)
    except KeyboardInterrupt:
        typer.echo(f"Stopped; the same command continues where it was: {wanted.command}", err=True)
        raise typer.Exit(130) from None
    if any(record.status == "failed" for record in records):
        raise typer.Exit(1)


def _default_study(design: str, names: list[str], scale: str) -> str:
    """``ablation-<factor>`` for one factor alone, else ``<design>-<factors>``; scales but cpu are named too."""
    if design == "alone" and len(names) == 1:
        study = f"ablation-{names[0]}"
    else:
        study = f"{design}-{'all' if len(names) == len(FACTORS) else '-'.join(names)}"
    return study if scale == DEFAULT_SCALE else f"{study}-{scale}"


def _names(text: str) -> list[str]:
    """``"focal, anchors"`` -> ``["focal", "anchors"]``."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        "name": setting.name,
        "paths": list(setting.paths),
        "off": plain(setting.off),
        "on": plain(setting.on),
        "search": _search(setting.search),
    }


def _search(search: Range | Choice | None) -> dict[str, Any] | None:
    """``{"low", "high"}`` of a range, ``{"options"}`` of a choice, ``None`` where nothing is sampled."""
    if isinstance(search, Range):
        return {"low": search.low, "high": search.high}
    return {"options": [plain(option) for option in search.options]} if search else None


def _search_text(setting: Setting) -> str:
    search = setting.search
    if isinstance(search, Range):
        return f"{search.low}-{search.high}"
    if search is None or search.options == (setting.off, setting.on):
        return "off|on" if search else "-"
    return "|".join(str(option) for option in search.options)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

"""What a request would train, could tell, and would cost, before anything runs."""

import itertools
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from ablations.arms import JOIN, Arm
from ablations.cost import Cost, estimate_cost
from ablations.estimability import Estimability, describe
from ablations.evidence import comparable, settings_of
from ablations.factors import FACTOR_NAMES
from ablations.power import Noise, SmallestEffect, measure_noise, smallest_effect
from ablations.request import DEFAULT_SCALE, Request, default_name
from ablations.space import Row, describe_space
from ablations.status import duration
from experiments.config import load_config
from experiments.errors import UserError
from experiments.goals import PLAN, read_goals
from experiments.paths import runs_root
from experiments.records import RECORD_NAME, Record, read_record
from experiments.runs import (
    BURN_IN_STUDY,
    FROM_START,
    acts_from_start,
    burn_in_delta,
    data_fingerprint,
    data_folder,
    default_split,
    is_folder_name,
    read_dataset,
    run_identity,
)
from experiments.studies import ARMS_FOLDER, read_study


@dataclass(frozen=True)
class Plan:
    """``trained`` counts the runs that are completed already; it and ``cost`` know nothing before the data are made.

    ``noise`` and ``smallest`` are keyed by hard class; ``space`` is what a search samples, ``trials`` how often.
    """

    request: Request
    estimability: Estimability
    runs: int
    trained: int
    cost: Cost
    noise: dict[str, Noise]
    smallest: dict[str, SmallestEffect]
    space: tuple[Row, ...]
    trials: int


def plan(request: Request, *, workers: int = 1) -> Plan:
    """Work out the plan of a request from what lies in its runs folder."""
    fingerprint = data_fingerprint(request.scale, request.data)
    folder = data_folder(request.scale, request.data)
    records = comparable_records(request)
    completed = {record.identity for record in records}
    missing: list[dict[str, Any]] = []
    wanted: dict[tuple[int, str], dict[str, Any]] = {}
    burn_in = load_config(request.scale).get("burn_in") or {}
    for seed in range(request.seeds):
        split = default_split(seed, folder) if fingerprint else seed
        for arm in request.arms:
            if fingerprint is None or completed.isdisjoint({
                run_identity(config=request.scale, delta=arm.delta, seed=seed, split=split, data_fingerprint=fingerprint)
            }):  # fmt: skip
                missing.append(arm.delta)
                first = burn_in_delta(burn_in, arm.delta)
                wanted[seed, settings_of(first)] = first
    trials = request.search.trials if request.search else 0
    sampled = min(len(_sampled(request, records)), trials * request.seeds)
    begun = {(r.seed, settings_of(r.delta)) for r in records if r.kind == "burn_in"}
    varied = [name for name in request.factors if any(arm.levels.get(name) == "on" for arm in request.arms)]
    described = describe(request.arms, varied, replicates=request.seeds)
    noise, measured_by = measure_noise(_alike(records, request)), noise_command(request)
    hard = (read_goals(folder, read_dataset(folder)["classes"]) if fingerprint else PLAN).searched
    return Plan(
        request=request,
        estimability=described,
        runs=(len(request.arms) + trials) * request.seeds,
        trained=len(request.arms) * request.seeds - len(missing) + sampled,
        cost=estimate_cost(
            records, [*missing, *[{}] * (trials * request.seeds - sampled)],
            burn_ins=[first for key, first in wanted.items() if burn_in and key not in begun], workers=workers,
        ),
        noise={name: noise[name] for name in hard if name in noise},
        smallest={
            name: smallest_effect(
                noise.get(name), request.arms, varied, replicates=request.seeds, hard_classes=len(hard),
                measured_by=measured_by,
            )
            for name in hard
        },
        space=tuple(describe_space(request.search.space)) if request.search else (),
        trials=trials,
    )  # fmt: skip


def _sampled(request: Request, records: Sequence[Record]) -> set[str]:
    """Identities of the completed runs of settings that the study has sampled, whether or not it has come to list them."""
    fixed = {arm.name for arm in request.arms}
    begun = read_study(request.runs_root / request.study)
    listed = {run.identity for run in begun.runs if run.arm not in fixed} if begun else set()
    return {
        r.identity
        for r in records
        if r.kind == "arm" and (r.identity in listed or (r.study == request.study and r.arm not in fixed))
    }


def comparable_records(request: Request) -> list[Record]:
    """The completed records, burn-ins too, of a request's scale and data; none before the data are made."""
    fingerprint = data_fingerprint(request.scale, request.data)
    return comparable(_records(request.runs_root), config=request.scale, data=fingerprint) if fingerprint else []


def _alike(records: Sequence[Record], request: Request) -> list[Record]:
    """Records of arms that act from the start, or afterwards, as the request's do: arms that share a burn-in differ by less."""
    from_start = any(FROM_START in arm.delta for arm in request.arms)
    return [r for r in records if not acts_from_start(r.delta) or (FROM_START in r.delta) == from_start]


def as_plain(plan: Plan) -> dict[str, Any]:
    """The plan as JSON holds it."""
    request = plan.request
    return {
        "study": request.study,
        "design": request.design,
        "factors": request.factors,
        "scale": request.scale,
        "seeds": request.seeds,
        "arms": [{"name": arm.name, "levels": arm.levels, "delta": arm.delta} for arm in request.arms],
        "runs": plan.runs,
        "trained": plan.trained,
        "estimability": asdict(plan.estimability),
        "cost": asdict(plan.cost),
        "noise": {name: asdict(noise) for name, noise in plan.noise.items()},
        "smallest_effect": {name: asdict(effect) for name, effect in plan.smallest.items()},
        "space": [row._asdict() for row in plan.space],
        "trials": plan.trials,
        "departures": list(request.departures),
    }


def print_plan(plan: Plan, console: Console) -> None:
    """The arms, the aliases, what can be told, what it costs and what would be found."""
    request = plan.request

    def say(text: str) -> None:
        console.print(Text(text), soft_wrap=True)

    console.print(_arms_table(request.arms))
    if plan.space:
        console.print(_space_table(plan.space, plan.trials))
    if plan.estimability.aliases:
        console.print(_alias_table(plan.estimability))
    for sentence in () if plan.space else plan.estimability.sentences:
        say(sentence)
    for sentence in request.departures:
        say(sentence)
    many = f"baseline and {plan.trials} settings" if plan.trials else f"{len(request.arms)} arms"
    seeds = f"{request.seeds} seed{'s' * (request.seeds > 1)}"
    say(f"{plan.runs} runs at scale {request.scale} ({many} x {seeds}), {plan.trained} trained already.")
    say(_cost_sentence(plan.cost, request))
    if plan.estimability.factors and not plan.space:
        for name, effect in plan.smallest.items():
            say(_effect_sentence(name, effect, plan.noise.get(name)))


def print_noise(request: Request, console: Console) -> None:
    """The run-to-run deviation of every class that the runs at this scale, on this data, have shown so far."""
    noise = measure_noise(_alike(comparable_records(request), request))
    table = Table(
        "class", "deviation within arms", "freedom", "paired", "freedom", box=box.SIMPLE_HEAD, title_justify="left",
        title=f"Run-to-run standard deviation of AP (teacher, val) at scale {request.scale}",
    )  # fmt: skip
    for name, one in noise.items():
        figures = [
            text
            for spread in (one.within, one.paired)
            for text in ((f"{spread.std:.3f}", str(spread.degrees)) if spread else ("-", "-"))
        ]
        table.add_row(name, *figures)
    console.print(table)
    told = "Paired: what is left between arms of the same seed; it counts from 4 degrees of freedom on."
    if not any(one.within or one.paired for one in noise.values()):
        told = "No deviation is known: it takes an arm that has run with two seeds or more."
    console.print(Text(told), soft_wrap=True)


def _records(runs_root: Path) -> list[Record]:
    folders = [runs_root / ARMS_FOLDER, runs_root / BURN_IN_STUDY]
    records = []
    for path in (path for folder in folders for path in sorted(folder.glob(f"*/{RECORD_NAME}"))):
        with suppress(UserError):  # an unreadable one is a matter of the studies that have it: here it is no evidence
            records.append(read_record(path.parent))
    return records


def _arms_table(arms: Sequence[Arm]) -> Table:
    factors = list(dict.fromkeys(name for arm in arms for name in arm.levels))
    table = Table("arm", *factors, "settings changed", box=box.SIMPLE_HEAD)
    for arm in arms:
        marks = ["on" if arm.levels.get(name) == "on" else "·" for name in factors]
        table.add_row(
            Text(arm.name if JOIN not in arm.name else _short(arm)), *marks, str(len(arm.delta.keys() - {FROM_START}))
        )
    return table


def _short(arm: Arm) -> str:
    """The name of a combination as how many factors are on: the columns beside it tell which."""
    return f"{sum(level == 'on' for level in arm.levels.values())} on"


def _space_table(rows: Sequence[Row], trials: int) -> Table:
    table = Table(
        Column("sampled", no_wrap=True),
        "kind",
        "range",
        "baseline",
        "plan",
        title=f"{trials} settings: the plan's, then what TPE draws",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for row in rows:
        table.add_row(row.name, row.kind, *(Text(str(told)) for told in (row.range, row.off, row.on)))
    return table


def _alias_table(described: Estimability) -> Table:
    title = "Aliases: effects that share one figure"
    table = Table(
        "effect", "aliased with", "and of higher order", title=title, title_justify="left", box=box.SIMPLE_HEAD
    )
    for group in described.aliases:
        first, *others = group.effects
        table.add_row(first, ", ".join(others) or "-", str(group.higher))
    return table


def noise_command(request: Request) -> str:
    """What measures the run-to-run deviation of a request's scale and data where the request looks for it."""
    usual = default_name("noise", list(FACTOR_NAMES), request.scale)
    wanted = f"noise-{request.data.name}" if request.data else usual
    wanted = wanted if is_folder_name(wanted) else usual
    names = (wanted if number == 1 else f"{wanted}-{number}" for number in itertools.count(1))
    name = next(name for name in names if _may_hold(name, request))
    variables = {
        "SCALE": request.scale if request.scale != DEFAULT_SCALE else None,
        "DATA": request.data,
        "STUDY": name if name != usual else None,
        "RUNS": request.runs_root if request.runs_root != runs_root().resolve() else None,
    }
    return shlex.join(["make", "noise", *(f"{name}={value}" for name, value in variables.items() if value)])


def _may_hold(name: str, request: Request) -> bool:
    """Whether a study of this name, if there is one, can be given the baseline of a request."""
    begun = read_study(request.runs_root / name)
    if begun is None:
        return True
    found = data_fingerprint(request.scale, request.data)
    known = {
        run_identity(config=request.scale, delta={}, seed=run.seed, split=run.split, data_fingerprint=found)
        == run.identity
        for run in begun.runs
        if found is not None and not run.delta
    }
    return (begun.scale, begun.data_fingerprint) == (request.scale, found) and known <= {True}


def _cost_sentence(cost: Cost, request: Request) -> str:
    if cost.hours is None:
        return (
            f"Cost: not known, since no {'arm' if cost.run_hours is None else 'burn-in'} of scale {request.scale} as it is now "
            f"configured has been measured on this data; "
            f"`{noise_command(request)}` measures it."
        )
    if cost.hours == 0:
        return "Cost: nothing is left to train."
    parts = {"arms": cost.run_hours, "burn-ins": cost.burn_in_hours}
    told = ", ".join(f"{name} {duration(hours * 3600)}" for name, hours in parts.items() if hours)
    told = f"Cost: about {duration(cost.hours * 3600)} ({told} of one worker)"
    return f"{told}, by the times of {cost.records} run{'s' * (cost.records != 1)} on {cost.device}."


def _effect_sentence(name: str, effect: SmallestEffect, noise: Noise | None) -> str:
    if effect.ap is None:
        return f"Smallest effect on {name}: not known. {effect.reason}"
    assert noise is not None
    assert noise.spread is not None
    return (
        f"Smallest effect on {name} that it would find (80 % power, 5 % shared by {effect.tests} tests): {effect.ap:.3f} AP, at "
        f"the run-to-run deviation of {noise.spread.std:.3f}, measured with {noise.spread.degrees} degrees of freedom."
    )

"""The table of a study: AP per arm and class, change against the baseline, verdicts, and what is missing."""

import dataclasses
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from analysis.results import (
    SPLIT,
    Cell,
    Model,
    Study,
    describe_unfinished,
    load_study,
    mean_cells,
    results_frame,
    write_results,
)
from analysis.targets import BASELINE, OVERALL, Comparison, Goal, compare, goals_for
from experiments.errors import UserError

_VERDICT_STYLES = {"met": "green", "missed": "red", "undefined": "yellow"}


@dataclass(frozen=True)
class ArmSummary:
    """One row: ``cells`` keyed by class name and ``all``; no comparisons for the baseline itself."""

    arm: str
    seeds: tuple[int, ...]
    cells: dict[str, Cell]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Summary:
    """Everything the tables and the chart show of a study, for one model on one split.

    ``scales`` are the names of the configurations; ``classes`` ends with ``all``; ``notes`` are sentences,
    ``unfinished`` and ``burn_ins`` one line per run.
    """

    study: str
    scales: tuple[str, ...]
    data: str
    model: Model
    split: str
    seeds: tuple[int, ...]
    classes: tuple[str, ...]
    arms: tuple[ArmSummary, ...]
    notes: tuple[str, ...]
    burn_ins: tuple[str, ...]
    unfinished: tuple[str, ...]

    @property
    def goals(self) -> tuple[Goal, ...]:
        return goals_for(list(self.classes))


def report_study(folder: Path, *, console: Console, model: Model = "teacher") -> list[Path]:
    """Print the tables of a study folder and write its report files; returns the files.

    Raises:
        UserError: as `load_study`, or no completed run has a validation of ``model``.
    """
    summary, files = write_report(folder, model=model)
    print_summary(summary, console)
    for path in files:
        console.print(Text(f"wrote {path}", style="dim"), soft_wrap=True)
    return files


def write_report(folder: Path, *, model: Model) -> tuple[Summary, list[Path]]:
    """Summarise a study and write ``report/results.csv`` and the chart; raises as `report_study`."""
    from analysis import charts  # matplotlib takes its time

    study = load_study(folder)
    frame = results_frame(study)
    summary = summarise(study, frame, model=model)
    report = folder / "report"
    return summary, [write_results(frame, report / "results.csv"), *charts.write_class_map(summary, report)]


def summarise(study: Study, frame: pd.DataFrame, *, model: Model) -> Summary:
    """Means, spreads, comparisons and notes from the results frame; pure."""
    classes = [*study.classes, OVERALL]
    cells = mean_cells(frame, model=model)
    if not cells:
        raise UserError(f"No completed run of study '{study.name}' has a validation of the {model} on {SPLIT}.")
    reference = cells.get(BASELINE)
    arms = tuple(
        ArmSummary(
            arm=arm,
            seeds=tuple(row[OVERALL].values),
            cells=row,
            comparisons=tuple(
                compare(
                    goal,
                    baseline=reference[goal.class_name].values if reference else {},
                    arm=row[goal.class_name].values,
                )
                for goal in goals_for(study.classes)
                if arm != BASELINE
            ),
        )
        for arm, row in cells.items()
    )
    return Summary(
        study=study.name,
        scales=tuple(dict.fromkeys(Path(run.record.config).stem for run in study.completed)),
        data=study.completed[0].record.data.name,
        model=model,
        split=SPLIT,
        seeds=tuple(sorted({seed for arm in arms for seed in arm.seeds})),
        classes=tuple(classes),
        arms=arms,
        notes=tuple(_notes(study, arms, model)),
        burn_ins=tuple(_burn_ins(study, classes, model)),
        unfinished=tuple(describe_unfinished(run) for run in study.unfinished),
    )


def as_plain(summary: Summary, files: list[Path]) -> dict[str, Any]:
    """The summary as plain values for JSON (missing figures are null), with the files written."""
    return {**dataclasses.asdict(summary), "files": [str(path) for path in files]}


def print_summary(summary: Summary, console: Console) -> None:
    """Print the AP table, the comparison with the baseline, and every note below; fits 100 columns."""
    console.print(_ap_table(summary))
    if any(arm.comparisons for arm in summary.arms):
        console.print(_target_table(summary))
        goals = "; ".join(f"{goal.class_name} {goal.description}" for goal in summary.goals)
        console.print(Text(f"Targets, as multiples of the measured baseline: {goals}."))
    for note in summary.notes:
        console.print(Text(note))
    for title, lines in (("Burn-ins (not arms)", summary.burn_ins), ("Not in the table", summary.unfinished)):
        if lines:
            console.print(Text(f"{title}:"))
        for line in lines:
            console.print(Padding(Text(line), (0, 0, 0, 2), expand=False))


def _ap_table(summary: Summary) -> Table:
    title = f"{summary.study} ({', '.join(summary.scales)}): AP of the {summary.model} on {summary.split}"
    if len(summary.seeds) > 1:
        title += ", mean over seeds ± sample deviation"
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("arm", overflow="fold")
    table.add_column("seeds", justify="right")
    for name in summary.classes:
        table.add_column(name, justify="right", no_wrap=True)
    for arm in summary.arms:
        figures = [_figure(arm.cells[name]) for name in summary.classes]
        table.add_row(Text(arm.arm), str(len(arm.seeds)), *figures)
    return table


def _target_table(summary: Summary) -> Table:
    table = Table(
        title="Change against the baseline (absolute, ratio) and targets",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("arm", overflow="fold")
    for goal in summary.goals:
        table.add_column(goal.class_name)
    for arm in summary.arms:
        if arm.comparisons:
            table.add_row(Text(arm.arm), *(_comparison(comparison) for comparison in arm.comparisons))
    return table


def _figure(cell: Cell) -> Text:
    text = Text("-" if cell.mean is None else f"{cell.mean:.3f}")
    if cell.std is not None:
        text.append(f"\n±{cell.std:.3f}", style="dim")
    return text


def _comparison(comparison: Comparison) -> Text:
    change = "-" if comparison.change is None else f"{comparison.change:+.3f}"
    ratio = "-" if comparison.ratio is None else f"{comparison.ratio:.2f}x"
    text = Text(f"{change}  {ratio}\n")
    for place, judgement in enumerate(comparison.judgements):
        text.append(f"{', ' if place else ''}{judgement.label} ")
        text.append(judgement.verdict, style=_VERDICT_STYLES[judgement.verdict])
    return text


def _notes(study: Study, arms: tuple[ArmSummary, ...], model: Model) -> list[str]:
    notes = []
    single = [arm.arm for arm in arms if len(arm.seeds) == 1]
    if single:
        who = "every arm" if len(single) == len(arms) else ", ".join(single)
        notes.append(f"A single seed ({who}): one seed cannot separate an effect from run-to-run noise.")
    reasons: dict[str, list[str]] = defaultdict(list)
    reference = next((arm for arm in arms if arm.arm == BASELINE), None)
    for arm in arms:
        for comparison in arm.comparisons:
            if comparison.reason and arm.arm not in reasons[comparison.reason]:
                reasons[comparison.reason].append(arm.arm)
        if reference and arm is not reference and set(arm.seeds) & set(reference.seeds):
            shared = set(arm.seeds) & set(reference.seeds)
            if len(shared) < max(len(arm.seeds), len(reference.seeds)):
                listed = ", ".join(str(seed) for seed in sorted(shared))
                notes.append(f"{arm.arm} is compared with the baseline on their shared seeds only: {listed}.")
    for reason, names in reasons.items():
        notes.append(f"Undefined for {', '.join(names)}: {reason}.")
    for run in study.completed:
        if run.record.final(model, SPLIT) is None:
            notes.append(f"{run.record.arm}, seed {run.record.seed} ({run.folder}) has no validation of the {model}.")
    fresh: dict[str, int] = {run.record.arm: len(run.record.fresh_weights) for run in study.completed}
    started = ", ".join(f"{arm} ({number})" for arm, number in fresh.items() if number)
    if started:
        notes.append(f"Weights that the burn-in could not give started fresh, which is part of the effect: {started}.")
    budgets: dict[str, list[str]] = defaultdict(list)
    for run in study.completed:
        budgets[f"{Path(run.record.config).stem}, {run.record.iterations} iterations"].append(run.folder)
    if len(budgets) > 1:
        parts = "; ".join(f"{budget}: {', '.join(folders)}" for budget, folders in budgets.items())
        notes.append(f"The runs differ in scale or length, so their differences are not the factors' alone: {parts}.")
    return notes


def _burn_ins(study: Study, classes: list[str], model: Model) -> list[str]:
    lines = []
    for run in study.burn_ins:
        other: Model = "student" if model == "teacher" else "teacher"
        final = run.record.final(model, SPLIT) or run.record.final(other, SPLIT)
        line = f"burn-in, seed {run.record.seed} ({run.folder})"
        if final is None:
            lines.append(f"{line}: no validation on {SPLIT}")
            continue
        aps = {name: score.ap for name in classes if (score := final.scores.get(name))}
        figures = ", ".join(f"{name} {'-' if ap is None else f'{ap:.3f}'}" for name, ap in aps.items())
        lines.append(f"{line}: AP of the {final.model} {figures}")
    return lines

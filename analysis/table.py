"""The tables of a study on the console, and its report files."""

from pathlib import Path

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from analysis.frame import Cell, results_frame, write_csv
from analysis.numerals import signed, times
from analysis.results import Model, Study, describe_unfinished, load_study
from analysis.search import SearchSummary, Setting, search_frame, value_text
from analysis.summary import Summary, summarise
from analysis.targets import Comparison
from experiments.paths import study_options
from experiments.records import RECORD_NAME
from experiments.search_file import read_search

_VERDICT_STYLES = {"met": "green", "missed": "red", "undefined": "yellow"}


def report_study(folder: Path, *, console: Console, model: Model = "teacher") -> list[Path]:
    """Print the tables of a study folder and write its report files; returns the files.

    Raises:
        UserError: as `load_study`, or no completed run has a validation of ``model``.
    """
    study = load_study(folder)
    summary, files = write_report(study, folder, model=model)
    print_summary(summary, folder, console)
    for path in files:
        console.print(Text(f"wrote {path}", style="dim"), soft_wrap=True)
    if older := _older(study, folder / "report"):
        console.print(Text(f"Written before these results were there: {', '.join(older)}; to have them anew:"))
        console.print(Text(f"  python -m analysis report {study_options(folder)}"), soft_wrap=True)
    return files


def write_report(study: Study, folder: Path, *, model: Model) -> tuple[Summary, list[Path]]:
    """Summarise a study, as `load_study` read it from ``folder``, and write its CSV files and charts into ``report``.

    Raises:
        UserError: no completed run has a validation of ``model``.
    """
    from analysis import charts, pareto  # matplotlib takes its time

    summary = summarise(study, model=model, result=read_search(folder) if study.search else None)
    report = folder / "report"
    files = [write_csv(results_frame(study), report / "results.csv"), *charts.write_class_map(summary, report)]
    if summary.search:
        files += [write_csv(search_frame(summary.search), report / "search.csv"), *pareto.write_pareto(summary, report)]
    return summary, files


def _older(study: Study, report: Path) -> list[str]:
    """Names, without endings, of the report's files that are older than the newest record."""
    newest = max((run.folder / RECORD_NAME).stat().st_mtime_ns for run in study.completed)
    return sorted({path.stem for path in report.glob("[!.]*.*") if path.stat().st_mtime_ns < newest})


def print_summary(summary: Summary, folder: Path, console: Console) -> None:
    """Print the AP table of a study folder, the comparison with the baseline, and every note below; fits 100 columns."""
    console.print(_ap_table(summary))
    if any(arm.comparisons for arm in summary.arms):
        console.print(_target_table(summary))
        goals = "; ".join(f"{goal.class_name} {goal.description}" for goal in summary.goals)
        console.print(Text(f"Targets, multiples (x) being of the measured baseline: {goals}."))
        console.print(Text("Met and missed are of the figures as measured; with what certainty:"))
        console.print(Text(f"  python -m analysis targets {study_options(folder)}"), soft_wrap=True)
    for note in summary.notes:
        console.print(Text(note))
    if summary.burn_ins:
        console.print(Text("Burn-ins (not arms):"))
    for line in summary.burn_ins:
        console.print(Padding(Text(line), (0, 0, 0, 2), expand=False))
    if summary.unfinished:
        console.print(Text("Not in the table:"))
    for line in describe_unfinished(summary.unfinished):
        console.print(Text(f"  {line}"), soft_wrap=True)  # paths are there to be copied
    if summary.search:
        _print_search(summary.search, console)


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
        table.add_row(Text(arm.label), str(len(arm.seeds)), *figures)
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
            table.add_row(Text(arm.label), *(_comparison(comparison) for comparison in arm.comparisons))
    return table


def _figure(cell: Cell) -> Text:
    text = Text("-" if cell.mean is None else f"{cell.mean:.3f}")
    if cell.std is not None:
        text.append(f"\n±{cell.std:.3f}", style="dim")
    return text


def _comparison(comparison: Comparison) -> Text:
    change = "-" if comparison.change is None else signed(comparison.change)
    ratio = "-" if comparison.ratio is None else times(comparison.ratio)
    text = Text(f"{change}  {ratio}\n")
    for place, judgement in enumerate(comparison.judgements):
        text.append(f"{', ' if place else ''}{judgement.label} ")
        text.append(judgement.verdict, style=_VERDICT_STYLES[judgement.verdict])
    return text


def _print_search(search: SearchSummary, console: Console) -> None:
    console.print()
    console.print(_search_table(search))
    if any(setting.sampled for setting in search.shown):
        console.print(_parameter_table(search))
    for note in search.notes:
        console.print(Text(note))
    if search.tested:
        console.print(Text("AP of the teacher on the test split, which no selection saw:"))
        console.print(_test_table(search.tested))


def _search_table(search: SearchSummary) -> Table:
    table = Table(title="Search: AP of the teacher on val, means over seeds", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("setting", overflow="fold")
    for name in ("seeds", *search.settings[0].aps, "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("feasible", "front", "chosen"):
        table.add_column(name)
    for setting in search.shown:
        figures = [f"{ap:.3f}" for ap in setting.aps.values()]
        verdicts = [_yes(verdict) for verdict in (setting.feasible, setting.front, setting.chosen)]
        table.add_row(Text(setting.label), str(len(setting.seeds)), *figures, times(setting.ratio), *verdicts)
    return table


def _parameter_table(search: SearchSummary) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("setting", overflow="fold", max_width=24)
    table.add_column("changes")
    for setting in search.shown:
        if setting.sampled:
            values = [f"{name} {value_text(value)}" for name, value in setting.parameters.items()]
            table.add_row(Text(setting.label), Text(", ".join(values) or "nothing"))
    return table


def _test_table(settings: list[Setting]) -> Table:
    """APs on the test split, of settings that were scored there."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("setting", overflow="fold")
    classes = list(dict.fromkeys(name for setting in settings for name in setting.test or {}))
    for name in classes:
        table.add_column(name, justify="right", no_wrap=True)
    for setting in settings:
        aps = [(setting.test or {}).get(name) for name in classes]
        table.add_row(Text(setting.label), *("-" if ap is None else f"{ap:.3f}" for ap in aps))
    return table


def _yes(verdict: bool) -> str:
    return "yes" if verdict else "no"

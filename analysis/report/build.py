"""A study's report, put together: its page from records, charts and further sections, and the file."""

import os
from collections.abc import Sequence
from pathlib import Path

from analysis import curves
from analysis.answer_charts import write_answer_charts
from analysis.answer_files import write_answers
from analysis.answers import Answers, answers_of
from analysis.report.effects import effects_sections
from analysis.report.exhibits import exhibits_section
from analysis.report.importance import importance_section
from analysis.report.limits import Levels, effects_placeholder, limits_of
from analysis.report.monitoring import alarms_section, curves_section, gates_section
from analysis.report.page import Page, Picture, Section, render
from analysis.report.runs import environment_section, reproduce_section, unfinished_section
from analysis.report.scores import search_section, targets_section
from analysis.report.svg import inline
from analysis.report.tokens import tokens_section
from analysis.report.verdict import verdict_of
from analysis.results import Model, Run, arm_order, load_study
from analysis.results import Study as Results
from analysis.summary import Summary, summarise
from analysis.table import write_report
from analysis.targets import BASELINE
from experiments.exhibits_file import Exhibits
from experiments.records import RECORD_NAME, read_record
from experiments.search_file import read_search
from experiments.studies import Study, arm_folder, read_study

REPORT_NAME = "report.html"


def write_html(folder: Path, *, model: Model = "teacher", effects: Sequence[Section] | None = None) -> Path:
    """Write a study's tables, answers, charts and ``report/report.html``; returns the page's path.

    Args:
        folder: the study's.
        model: whose scores the verdict and the targets are of.
        effects: sections on effects and interactions, by default those that :func:`effects_sections` works out; where there is
            none, one says what the design cannot tell.

    Raises:
        UserError: as :func:`analysis.table.report_study`.
    """
    listed, results = read_study(folder), load_study(folder)
    summary, files = write_report(results, folder, model=model)
    assert listed is not None
    learning, kept, precision = (
        make(results) for make in (curves.learning_curves, curves.kept_curves, curves.precision_curves)
    )
    for chart in (learning, kept, precision):
        if chart is not None:
            files += curves.write_curves(chart, folder / "report")
    charts = {path.stem: path.read_text() for path in files if path.suffix == ".svg"}
    answers = None
    if effects is None:
        answers = answers_of(results, model=model)
        write_answers(answers, results, folder / "report")
        drawn = write_answer_charts(answers, folder / "report")
        effects = effects_sections(answers, {path.stem: path.read_text() for path in drawn if path.suffix == ".svg"})
    search = [importance_section(folder, study=listed.study)] if results.search else []
    page = page_of(
        listed, results, summary, begun=begun_runs(listed, folder.parent), learning=learning, kept=kept, precision=precision,
        exhibited=curves.exhibited(results), charts=charts, effects=effects, answers=answers,
        search=search,
    )  # fmt: skip
    path = folder / "report" / REPORT_NAME
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(render(page), encoding="utf-8")
    os.replace(temporary, path)
    return path


def verdict_and_baseline(folder: Path) -> tuple[tuple[str, ...], dict[str, float | None]]:
    """The sentences of a study's verdict, and its baseline's mean AP (teacher, val) by class; raises as `write_html`."""
    results = load_study(folder)
    summary = summarise(results, model="teacher", result=read_search(folder) if results.search else None)
    baseline = next((arm.cells for arm in summary.arms if arm.arm == BASELINE), {})
    answers = answers_of(results)
    limits = [] if answers.effects.main else limits_of(levels_of(results))
    verdict = verdict_of(summary, limits=limits, answers=answers)
    return verdict, {name: cell.mean for name, cell in baseline.items()}


def page_of(
    listed: Study, results: Results, summary: Summary, *, begun: Sequence[Run], learning: curves.Curves | None,
    kept: curves.Curves | None, precision: curves.Curves | None = None, exhibited: Sequence[tuple[Run, Exhibits]] = (),
    charts: dict[str, str], effects: Sequence[Section] = (), answers: Answers | None = None,
    search: Sequence[Section] = (),
) -> Page:  # fmt: skip
    """The report's page; pure.

    Args:
        listed, results, summary: the study as its ``study.json`` lists it, its results, and those summed up.
        begun: its runs that have a record, completed or not.
        learning, kept, precision: the curves, ``None`` where there are none.
        exhibited: the runs with curves and pictures of their own.
        charts: SVG files by name.
        effects: as of :func:`write_html`.
        answers: for the verdict.
        search: further sections on a sampled study.
    """
    levels = levels_of(results)
    pictures = {
        "per_class_map": _picture(
            charts, "per_class_map", "AP of each class by arm, with the targets of the hard classes."
        ),
        "pareto": _picture(charts, "pareto", "Every judged setting by its AP in the two classes searched for."),
        "learning_curves": _picture(
            charts, "learning_curves", "AP of teacher and student over iterations; marks show how gates on AP ended."
        ),
        "precision_recall": _picture(
            charts,
            "precision_recall",
            "Precision of the teacher over recall at IoU 0.50, one run of the arms shown here.",
        ),
        "kept_ratio": _picture(charts, "kept_ratio", "Share of the teacher's boxes that the thresholds keep."),
    }
    sections = [
        targets_section(summary, picture=pictures["per_class_map"]),
        *([search_section(summary.search, picture=pictures["pareto"])] if summary.search else []),
        *search,
        *(effects or [effects_placeholder(levels)]),
        curves_section("learning", "Learning curves", curves=learning, picture=pictures["learning_curves"],
                       absent="No run was validated more than once: there is no curve to show."),
        curves_section("kept", "Kept pseudo-labels", curves=kept, picture=pictures["kept_ratio"],
                       absent="No run's record holds kept ratios over its iterations."),
        exhibits_section(exhibited, curves=precision, picture=pictures["precision_recall"]),
        *tokens_section(results),
        gates_section(begun),
        alarms_section(begun),
        unfinished_section(results.unfinished),
        environment_section(begun),
        reproduce_section(listed),
    ]  # fmt: skip
    facts = (
        ("scale", ", ".join(summary.scales)), ("data", summary.data), ("arms", str(len(results.arms))),
        ("replicates", _seeds(summary.seeds)),
        ("runs completed", f"{len(results.completed)} of {len(results.completed) + len(results.unfinished)}"),
    )  # fmt: skip
    verdict = verdict_of(summary, limits=[] if effects else limits_of(levels), answers=answers)
    return Page(f"Study {listed.study}", facts, verdict, tuple(sections))


def begun_runs(listed: Study, root: Path) -> list[Run]:
    """The study's runs that have a record, completed or not, in table order."""
    order = arm_order(listed.runs)
    ordered = sorted(listed.runs, key=lambda entry: (order.index(entry.arm), entry.seed))
    places = [(entry, arm_folder(root, entry.identity)) for entry in ordered]
    return [Run(entry, place, read_record(place)) for entry, place in places if (place / RECORD_NAME).exists()]


def levels_of(results: Results) -> list[Levels]:
    """The factor levels of each arm of the design that has results."""
    entries = {run.arm: run.entry for run in results.completed if not run.entry.sampled}
    return [entry.levels for entry in entries.values() if entry.levels]


def _seeds(seeds: Sequence[int]) -> str:
    """How many and which: ``1 seed (0)``."""
    return f"{len(seeds)} seed{'s' * (len(seeds) != 1)} ({', '.join(map(str, seeds))})" if seeds else "none"


def _picture(charts: dict[str, str], name: str, caption: str) -> Picture | None:
    if name not in charts:
        return None
    return Picture(
        inline(charts[name], name=name, alt=f"{caption} The tables of this section hold the figures."), caption
    )

"""A study summed up: means, spreads, comparisons with the baseline, and what is missing. Tables and charts show this."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.frame import Cell, mean_cells, results_frame
from analysis.notes import burn_in_lines, notes_on, reduced_tokens
from analysis.results import SPLIT, Model, Study, Unfinished
from analysis.search import SearchSummary, summarise_search, without_samples
from analysis.targets import BASELINE, Comparison, Goal, compare, goals_of
from experiments.errors import UserError
from experiments.goals import OVERALL
from experiments.search_file import SearchResult


@dataclass(frozen=True)
class ArmSummary:
    """One row: ``cells`` keyed by class name and ``all``; no comparisons for the baseline itself.

    ``label`` is the name as shown, with K behind it where an out-of-memory error made it smaller. ``control``: it switches no
    factor on, and is there to be compared with the baseline, not to meet targets.
    """

    arm: str
    label: str
    seeds: tuple[int, ...]
    cells: dict[str, Cell]
    comparisons: tuple[Comparison, ...]
    control: bool


@dataclass(frozen=True)
class Summary:
    """Everything the tables and the charts show of a study, for one model on one split.

    ``scales`` are the names of the configurations; ``classes`` ends with ``all``; ``notes`` are sentences, ``burn_ins``
    one line per run, ``goals`` what the arms are judged by; ``search`` is there where a sampled study's settings have been judged.
    ``sampled`` counts the sampled settings that have results, of which ``arms`` holds the chosen one alone.
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
    unfinished: tuple[Unfinished, ...]
    search: SearchSummary | None
    goals: tuple[Goal, ...]
    sampled: int


def summarise(study: Study, *, model: Model, result: SearchResult | None = None) -> Summary:
    """Sum up a study; pure. Of a sampled study the arms are those of its design and the setting chosen by ``result``.

    Raises:
        UserError: no completed run has a validation of ``model``, or ``result`` is of other runs.
    """
    classes = [*study.classes, OVERALL]
    goals = tuple(goal for goal in goals_of(study.goals) if goal.class_name in classes)
    search = summarise_search(study, result) if result and result.candidates else None
    shown = without_samples(study, result) if study.search else study
    cells = mean_cells(results_frame(shown), model=model)
    if not cells:
        raise UserError(f"No completed run of study '{study.name}' has a validation of the {model} on {SPLIT}.")
    reference = cells.get(BASELINE)
    comparisons = {
        arm: tuple(
            compare(
                goal,
                baseline=reference[goal.class_name].values if reference else {},
                arm=row[goal.class_name].values,
            )
            for goal in goals
            if arm != BASELINE
        )
        for arm, row in cells.items()
    }
    controls = {run.arm for run in study.completed if run.is_control}
    arms = tuple(
        ArmSummary(arm, study.label(arm), tuple(row[OVERALL].values), row, comparisons[arm], arm in controls)
        for arm, row in cells.items()
    )
    notes = [*notes_on(shown, cells, comparisons, model=model), *reduced_tokens(study)]
    if study.search and search is None:
        notes.append("No sampled setting has been judged yet: their scores stand in results.csv alone.")
    return Summary(
        study=study.name,
        scales=tuple(dict.fromkeys(Path(run.record.config).stem for run in study.completed)),
        data=study.completed[0].record.data.name,
        model=model,
        split=SPLIT,
        seeds=tuple(sorted({seed for arm in arms for seed in arm.seeds})),
        classes=tuple(classes),
        arms=arms,
        notes=tuple(notes),
        burn_ins=tuple(burn_in_lines(study, classes, model=model)),
        unfinished=tuple(study.unfinished),
        search=search,
        goals=goals,
        sampled=len({run.arm for run in study.completed if run.entry.sampled}),
    )


def as_plain(summary: Summary, files: list[Path]) -> dict[str, Any]:
    """The summary as plain values for JSON (missing figures are null), with the files written."""
    return {**dataclasses.asdict(summary), "files": [str(path) for path in files]}

"""What a reader of a study's tables must know about them, in sentences."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.frame import Cell
from analysis.results import SPLIT, BurnIn, Model, Run, Study
from analysis.targets import BASELINE, Comparison
from experiments.goals import OVERALL
from experiments.runs import FROM_START

Cells = Mapping[str, Mapping[str, Cell]]
Comparisons = Mapping[str, Sequence[Comparison]]
_NAMED = 3  # arms of a burn-in


def notes_on(study: Study, cells: Cells, comparisons: Comparisons, *, model: Model) -> list[str]:
    """Sentences on the arms of the table: ``cells`` by arm and class, ``comparisons`` by arm."""
    return [
        *_on_seeds(cells),
        *_undefined(comparisons),
        *_unvalidated(study, model),
        *from_the_start(study),
        *_fresh_weights(study),
        *_unlike(study),
        *study.departures,
    ]


def reduced_tokens(study: Study) -> list[str]:
    """One sentence per completed run, or burn-in, that ran with a smaller K than its arm asks for."""
    runs = [
        *((run.arm, run.record) for run in study.completed),
        *((f"burn-in {burn_in.folder.name}", burn_in.record) for burn_in in study.burn_ins),
    ]
    return [
        f"{name}, seed {record.seed}, ran with K={record.num_tokens} instead of {record.tokens_reduced_from}, which ran out of "
        "memory."
        for name, record in runs
        if record.tokens_reduced_from is not None
    ]


def burn_in_lines(study: Study, classes: Sequence[str], *, model: Model) -> list[str]:
    """One line per burn-in: the arms that continued from it, unless all of its seed did, where it lies and its APs.

    APs are of the other model where ``model`` was not validated.
    """
    shared = len({burn_in.record.seed for burn_in in study.burn_ins}) == len(study.burn_ins)
    arms: dict[str | None, list[str]] = defaultdict(list)
    for run in study.completed:
        arms[run.record.burn_in].append(run.arm)
    return [
        _burn_in_line(burn_in, [] if shared else arms[burn_in.record.identity], classes, model)
        for burn_in in study.burn_ins
    ]


def _burn_in_line(burn_in: BurnIn, arms: Sequence[str], classes: Sequence[str], model: Model) -> str:
    other: Model = "student" if model == "teacher" else "teacher"
    record = burn_in.record
    final = record.final(model, SPLIT) or record.final(other, SPLIT)
    named = [*arms[:_NAMED], f"{len(arms) - _NAMED} others"] if len(arms) > _NAMED + 1 else arms
    line = f"burn-in{' of ' * bool(named)}{', '.join(named)}, seed {record.seed} ({burn_in.folder.name})"
    if final is None:
        return f"{line}: no validation on {SPLIT}"
    aps = {name: score.ap for name in classes if (score := final.scores.get(name))}
    figures = ", ".join(f"{name} {'-' if ap is None else f'{ap:.3f}'}" for name, ap in aps.items())
    return f"{line}: AP of the {final.model} {figures}"


def _on_seeds(cells: Cells) -> list[str]:
    notes = []
    seeds = {arm: set(row[OVERALL].values) for arm, row in cells.items()}
    single = [arm for arm in seeds if len(seeds[arm]) == 1]
    if single:
        who = "every arm" if len(single) == len(seeds) else ", ".join(single)
        notes.append(f"A single seed ({who}): the difference of two arms cannot be told from run-to-run noise.")
    reference = seeds.get(BASELINE, set())
    for arm in seeds:
        shared = seeds[arm] & reference
        if shared and len(shared) < max(len(seeds[arm]), len(reference)) and arm != BASELINE:
            listed = ", ".join(str(seed) for seed in sorted(shared))
            notes.append(f"{arm} is compared with the baseline on their shared seeds only: {listed}.")
    return notes


def _undefined(comparisons: Comparisons) -> list[str]:
    arms: dict[str, list[str]] = defaultdict(list)
    for arm, compared in comparisons.items():
        for comparison in compared:
            if comparison.reason and arm not in arms[comparison.reason]:
                arms[comparison.reason].append(arm)
    return [f"Undefined for {', '.join(names)}: {reason}." for reason, names in arms.items()]


def _unvalidated(study: Study, model: Model) -> list[str]:
    return [
        f"{run.arm}, seed {run.seed} ({run.folder.name}) has no validation of the {model}."
        for run in study.completed
        if run.record.final(model, SPLIT) is None
    ]


def from_the_start(study: Study) -> list[str]:
    """One sentence on a study whose factors act in burn-ins too; none on others."""
    if not any(run.record.delta.get(FROM_START) for run in study.completed):
        return []
    return ["Factors that are on act from the start: in burn-ins too, but for those of pseudo-labels."]


def _fresh_weights(study: Study) -> list[str]:
    fresh = {run.arm: len(run.record.fresh_weights) for run in study.completed}
    started = ", ".join(f"{arm} ({number})" for arm, number in fresh.items() if number)
    if not started:
        return []
    return [f"Weights that the burn-in could not give started fresh, which is part of the effect: {started}."]


def _unlike(study: Study) -> list[str]:
    """What sets the runs apart beside the factors: scale or length, or the labelled split of one seed."""
    notes = []
    budgets: dict[str, list[str]] = defaultdict(list)
    for run in study.completed:
        budgets[f"{Path(run.record.config).stem}, {run.record.iterations} iterations"].append(_name(run))
    if len(budgets) > 1:
        parts = "; ".join(f"{budget}: {' and '.join(names)}" for budget, names in budgets.items())
        notes.append(f"The runs differ in scale or length, so their differences are not the factors' alone: {parts}.")
    splits: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for run in study.completed:
        splits[run.seed][run.entry.split].append(run.arm)
    for seed, arms in splits.items():
        if len(arms) > 1:
            parts = "; ".join(f"split {split}: {', '.join(names)}" for split, names in arms.items())
            notes.append(f"The arms of seed {seed} differ in their labelled split, not in the factors alone: {parts}.")
    return notes


def _name(run: Run) -> str:
    return f"{run.arm}, seed {run.seed}"

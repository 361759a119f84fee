"""What a study's W&B workspace and report show, as plain data: nothing here knows W&B's own classes, nor asks a server.

Names of figures are those that :mod:`experiments.tracking` logs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.targets import goals_of
from experiments.goals import OVERALL
from experiments.studies import Study


@dataclass(frozen=True)
class Line:
    """A line plot over iterations; each expression is one curve per run, figures in it as ``${name}``."""

    title: str
    expressions: tuple[str, ...]


@dataclass(frozen=True)
class Bar:
    """A bar plot of a summary figure: one bar per run, or per value of the config entry ``by``, over its runs' mean."""

    title: str
    figure: str
    by: str | None = None


@dataclass(frozen=True)
class Column:
    """An axis of parallel coordinates: ``name`` in the run's config or summary."""

    place: Literal["config", "summary"]
    name: str
    title: str


@dataclass(frozen=True)
class Parallel:
    """Parallel coordinates, a line per run."""

    title: str
    columns: tuple[Column, ...]


Panel = Line | Bar | Parallel


@dataclass(frozen=True)
class Group:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Specification:
    """A workspace and a report of one title: both show the runs of the W&B group ``study``, which are no burn-ins."""

    title: str
    study: str
    sentences: tuple[str, ...]
    groups: tuple[Group, ...]


def specification(
    study: Study, *, baseline: Mapping[str, float | None], sentences: Sequence[str] = ()
) -> Specification:
    """What is shown of a study; pure.

    Args:
        study: its goals name the hard classes and their targets, its runs the factors that differ.
        baseline: the measured baseline's AP by class, which targets are multiples of; may lack classes.
        sentences: the verdict, for the report.
    """
    hard = study.goals.searched
    groups = (
        Group(
            "Hard classes against their targets",
            tuple(_against_targets(study, name, baseline.get(name)) for name in hard),
        ),
        Group("Factor effects", tuple(_effects(study, hard))),
        Group("Kept pseudo-labels", tuple(_kept(hard))),
        Group("Stability", _STABILITY),
        Group("Memory", _MEMORY),
        Group("Parameters and outcome", (_parallel(study, hard),)),
    )
    return Specification(
        f"Study {study.study}", study.study, tuple(sentences), tuple(group for group in groups if group.panels)
    )


_STABILITY = (
    Line("Loss", ("${train/loss}",)),
    Line("Variation of the loss (goal: below 0.03)", ("${monitoring/loss_cv}", "${monitoring/loss_cv} * 0 + 0.03")),
    Line("Unsupervised over supervised loss", ("${monitoring/unsup_sup_ratio}",)),
    Bar("Alarms", "alarms"),
)
_MEMORY = (
    Line("Peak memory so far (MiB)", ("${train/memory_mb}",)),
    Bar("Peak memory (MiB)", "peak_memory_mb"),
    Bar("Tokens per view (K)", "num_tokens"),
)


def _against_targets(study: Study, name: str, baseline: float | None) -> Line:
    """The teacher's AP, and a level line at each target that is absolute, or whose baseline is known and not near zero."""
    ap = f"${{val/teacher/{name}/AP}}"
    goal = next((goal for goal in goals_of(study.goals) if goal.class_name == name), None)
    told, levels = [], []
    for target in goal.targets if goal and not (name == OVERALL and study.goals.hard) else ():
        height = target.absolute if target.absolute is not None else target.bound(baseline or 0.0)
        if height is None:
            why = "of a baseline not yet known" if baseline is None else "undefined, baseline near zero"
            told.append(f"{target.label} {why}")
        else:
            told.append(target.label if target.absolute is not None else f"{target.label} is {height:.3f}")
            levels.append(f"{ap} * 0 + {height:.6g}")
    title = f"AP of {'all classes' if name == OVERALL else name} (teacher, val)"
    return Line(title + (f": {', '.join(told)}" if told else ""), (ap, *levels))


def _effects(study: Study, hard: Sequence[str]) -> list[Panel]:
    return [
        Bar(f"{name}: AP by {factor}", f"final/teacher/{name}/AP", by=f"levels.{factor}")
        for factor in switched_factors(study)
        for name in hard
    ]


def switched_factors(study: Study) -> list[str]:
    """The factors that are off in one arm of the design, which then may leave them out, and on in another."""
    arms = [run.levels for run in study.runs if not run.sampled]
    names = dict.fromkeys(name for levels in arms for name in levels)
    return [name for name in names if {levels.get(name, "off") for levels in arms} >= {"off", "on"}]


def _kept(hard: Sequence[str]) -> list[Panel]:
    kept, given = "train/pseudo_boxes_per_view", "train/teacher_boxes_per_view"
    panels: list[Panel] = [Line("Share of the teacher's boxes that is kept", (f"${{{kept}}} / ${{{given}}}",))]
    for name in hard:
        if name != OVERALL:
            panels.append(Line(f"{name}: share that is kept", (f"${{{kept}/{name}}} / ${{{given}/{name}}}",)))
    return panels


def _parallel(study: Study, hard: Sequence[str]) -> Parallel:
    """From what was set to what came of it: sampled values in a sampled study, else factor levels."""
    paths = list(dict.fromkeys(path for run in study.runs if run.sampled for path in run.delta))
    if study.search is not None and paths:
        title = "Sampled values and AP of the hard classes"
        columns = [Column("config", f"delta.{path}", ".".join(path.split(".")[-2:])) for path in paths]
    else:
        title = "Factor levels and AP of the hard classes"
        columns = [Column("config", f"levels.{factor}", factor) for factor in switched_factors(study)]
    outcomes = [
        Column("summary", f"final/teacher/{name}/AP", f"AP of {name}") for name in dict.fromkeys((*hard, OVERALL))
    ]
    return Parallel(title, (*columns, *outcomes))

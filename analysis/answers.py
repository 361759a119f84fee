"""Everything that is worked out of a study's design: effects, Shapley values, synergy, targets, efficiency. Reports show this."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.attainment import ClassAttainment, attainment_of
from analysis.corrections import corrected
from analysis.effects import Effects, FactorEffect, effects_of
from analysis.efficiency import Efficiency, efficiency
from analysis.fits import LEVEL, Estimate
from analysis.frame import mean_cells, results_frame
from analysis.notes import from_the_start
from analysis.observations import observe
from analysis.refusals import Refusal
from analysis.results import Model, Study, describe_unfinished
from analysis.shapley import Shapley, shapley_of
from analysis.synergy import Synergy, synergy_of
from analysis.targets import goals_of
from experiments.goals import OVERALL

METHOD = (
    f"Intervals are made to hold the truth in {100 * LEVEL:.0f} % of studies: t intervals of a linear model, seeds as blocks and "
    "one error variance. That a factor acts alike in every seed is assumed; effects.csv has the seeds' own figures."
)
ONE_SEED = (
    f"Intervals are made to hold the truth in {100 * LEVEL:.0f} % of studies: t intervals of a linear model with one error "
    "variance. With a single seed it is estimated from what main effects and two-way interactions leave over: effects of three "
    "factors and more are taken to be noise, and factors to act alike in other seeds."
)


@dataclass(frozen=True)
class Answers:
    """What a study tells, for one model on val. Classes are in the data set's order, ``all`` (the mean over classes) last.

    Attributes:
        hard: the classes that the question is about; they are corrected for as one family of tests.
        factors: those that the study switches.
        seeds: the blocks: seeds, with their split where a seed has several.
        effects: of every class.
        shapley, synergy: one per class, or why there is none.
        targets: one per goal, or why there is none.
        efficiency: the plan's table.
        notes: sentences on what is left out, and on seeds that disagree; how intervals are made says `method_of`.
        unfinished: lines on the runs that give no number.
    """

    study: str
    model: Model
    hard: tuple[str, ...]
    factors: tuple[str, ...]
    seeds: tuple[str, ...]
    effects: Effects
    shapley: tuple[Shapley | Refusal, ...]
    synergy: tuple[Synergy | Refusal, ...]
    targets: tuple[ClassAttainment | Refusal, ...]
    efficiency: tuple[Efficiency, ...]
    notes: tuple[str, ...]
    unfinished: tuple[str, ...]


def answers_of(study: Study, *, model: Model = "teacher", seed: int = 0) -> Answers:
    """Work everything out; pure.

    Args:
        study: with at least one completed run.
        model: whose scores.
        seed: of the generator that draws seeds with replacement.
    """
    observed = observe(study, model=model)
    hard = tuple(name for name in study.goals.searched if name in observed.classes)
    classes = list(observed.classes.values())
    generator = np.random.default_rng(seed)
    effects = effects_of(classes, hard=hard)
    goals = [goal for goal in goals_of(study.goals) if goal.class_name in observed.classes]
    return Answers(
        study=study.name,
        model=model,
        hard=hard,
        factors=observed.factors,
        seeds=observed.classes[OVERALL].replicates,
        effects=effects,
        shapley=tuple(shapley_of(observations, generator=generator) for observations in classes),
        synergy=tuple(synergy_of(observations) for observations in classes),
        targets=tuple(attainment_of(observed.classes[goal.class_name], goal) for goal in goals),
        efficiency=tuple(efficiency(study, mean_cells(results_frame(study), model=model), model=model)),
        notes=(*disagreements(effects.main), *observed.notes, *from_the_start(study), *study.departures),
        unfinished=tuple(describe_unfinished(study.unfinished)),
    )


def method_of(answers: Answers, *shown: Any) -> list[str]:
    """How the intervals of what is shown are made; nothing where it has none. ``shown``: parts of the answers."""
    if not any(_has_interval(part) for part in shown):
        return []
    return [ONE_SEED if len(answers.seeds) == 1 else METHOD]


def _has_interval(part: Any) -> bool:
    if isinstance(part, Estimate):
        return part.low is not None
    if isinstance(part, tuple | list):
        return any(_has_interval(one) for one in part)
    if isinstance(part, dict):
        return any(_has_interval(one) for one in part.values())
    if dataclasses.is_dataclass(part):
        return any(_has_interval(getattr(part, field.name)) for field in dataclasses.fields(part))
    return False


def disagreements(effects: Sequence[FactorEffect]) -> list[str]:
    """Sentences on the effects that differ from seed to seed, corrected by Holm over all that are given."""
    tested = [effect for effect in effects if effect.disagreement is not None]
    ps = corrected([effect.disagreement for effect in tested if effect.disagreement is not None], method="holm")
    return [
        f"The seeds disagree on {effect.effect} of {effect.class_name} (p {p:.3f}): its interval speaks of these seeds alone; for "
        "others take the one over seeds, in effects.csv."
        for effect, p in zip(tested, ps, strict=True)
        if p < 1 - LEVEL
    ]


def as_plain(part: Any) -> Any:
    """Answers, or a part of them, as plain values for JSON; missing figures are null, refusals have a ``reason``."""
    if isinstance(part, tuple | list):
        return [as_plain(item) for item in part]
    return dataclasses.asdict(part) if dataclasses.is_dataclass(part) and not isinstance(part, type) else part

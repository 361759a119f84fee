"""How sampled settings are judged: values, constraint, Pareto front and choice, and what samples and prunes for them.

A setting's figures are those of the teacher on val at the end of its runs, as means over its replicates (seeds, splits).
Source: the improvement plan; it wants the two hard classes lifted and the overall mAP not down by more than 5 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean
from typing import Literal

from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler

from experiments.errors import UserError
from experiments.goals import OVERALL
from experiments.records import Record, Validation

Objective = Literal["pareto", "ratio"]
"""``pareto``: the AP of each hard class is maximised; ``ratio``: the one ratio to the baseline."""

OFFSET = 0.001
"""Added to both APs of a ratio, so that a class at zero, before or after, neither divides by zero nor hides the other."""


@dataclass(frozen=True)
class Candidate:
    """One judged setting, or the baseline; APs are fractions in [0, 1].

    Attributes:
        values: AP of each hard class, as :func:`values_of` gives them.
        overall: mean AP over all classes.
        ratio: to the baseline, as :func:`ratio` gives it.
        constraint: by how much ``overall`` lies below what is allowed.
    """

    name: str
    values: tuple[float, ...]
    overall: float
    ratio: float
    constraint: float

    @property
    def feasible(self) -> bool:
        """Whether the overall mAP is not down by more than is allowed."""
        return self.constraint <= 0


def values_of(records: Sequence[Record], classes: Sequence[str]) -> tuple[float, ...]:
    """AP of each of ``classes`` (those that a search lifts), mean over the replicates of one setting.

    A class without boxes in the split counts as 0.
    """
    finals = [_final(record) for record in records]
    return tuple(fmean(_ap(validation, name) for validation in finals) for name in classes)


def overall_constraint(records: Sequence[Record], baseline: Sequence[Record], *, floor: float) -> float:
    """``floor`` times the baseline's overall mAP less the setting's: feasible at or below 0. Rounded: dust decides nothing."""
    (allowed,), (reached,) = values_of(baseline, [OVERALL]), values_of(records, [OVERALL])
    return round(floor * allowed - reached, 9)


def ratio(values: Sequence[float], baseline: Sequence[float]) -> float:
    """Geometric mean over the hard classes of (AP + 0.001) / (baseline's AP + 0.001); both from :func:`values_of`.

    The geometric mean counts a class doubled as much as another halved.
    """
    return geometric_mean([(value + OFFSET) / (base + OFFSET) for value, base in zip(values, baseline, strict=True)])


def intermediate_ratio(record: Record, baseline: Sequence[Record], *, classes: Sequence[str], iteration: int) -> float:
    """The ratio of a run in progress at its validation of ``iteration``, for pruning.

    The baseline's APs are its final ones at every iteration, so that what is reported ends at the objective itself.
    """
    found = [v for v in record.validations if (v.model, v.split, v.iteration) == ("teacher", "val", iteration)]
    assert found, f"{record.identity} was not validated at {iteration}"
    return ratio([_ap(found[0], name) for name in classes], values_of(baseline, classes))


def judge(
    name: str, records: Sequence[Record], *, baseline: Sequence[Record], classes: Sequence[str], floor: float
) -> Candidate:
    """The figures of one setting beside the baseline's; of the baseline itself where it is given as both.

    Args:
        records: the replicates of the setting, all completed.
        baseline: those of the baseline, of the same seeds and splits.
        classes: those that the search lifts.
        floor: the share of the baseline's overall mAP that a feasible setting keeps.
    """
    values = values_of(records, classes)
    return Candidate(
        name=name,
        values=values,
        overall=values_of(records, [OVERALL])[0],
        ratio=ratio(values, values_of(baseline, classes)),
        constraint=overall_constraint(records, baseline, floor=floor),
    )


def front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The feasible candidates that no feasible one dominates, in the given order; equals do not dominate each other."""
    feasible = [candidate for candidate in candidates if candidate.feasible]
    return [one for one in feasible if not any(_dominates(other, one) for other in feasible)]


def chosen(candidates: Sequence[Candidate]) -> Candidate | None:
    """Of the front the one with the largest ratio, the first of equals; ``None`` where nothing is feasible."""
    return max(front(candidates), key=lambda candidate: candidate.ratio, default=None)


def make_sampler(objective: Objective, seed: int | None = None) -> TPESampler:
    """The sampler of an objective; constraints reach it by ``Trial.set_constraint`` before a trial is told.

    Running trials count as bad ones (constant liar), so that several workers do not draw the same. Samplers of one seed
    draw the same first values: a worker, and one that starts again, needs a seed of its own, or ``None``.
    """
    return TPESampler(seed=seed, constant_liar=True, multivariate=objective == "ratio")


def make_pruner(objective: Objective, *, prune: bool | None = None) -> BasePruner:
    """The pruner of an objective: the median rule for ``ratio``, none for ``pareto``. ``prune`` asks for it or forbids it.

    Raises:
        UserError: pruning is asked for where several values are maximised.
    """
    if prune and objective == "pareto":
        raise UserError(
            "Objective pareto maximises several values, and Optuna prunes only one: use objective ratio, or do not prune."
        )
    return MedianPruner() if objective == "ratio" and prune is not False else NopPruner()


def _dominates(one: Candidate, other: Candidate) -> bool:
    """At least as good in every value, and better in one."""
    return one.values != other.values and all(a >= b for a, b in zip(one.values, other.values, strict=True))


def _final(record: Record) -> Validation:
    final = record.final("teacher")
    assert final is not None, f"{record.identity} is not completed: a run's last iteration is validated"
    return final


def _ap(validation: Validation, name: str) -> float:
    return validation.scores[name].ap or 0.0

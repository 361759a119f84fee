"""An arm: one named combination of factor levels, or the control, trained as the base config plus its delta."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from ablations.factor import Level
from ablations.factors import FACTOR_NAMES, delta, select
from experiments.runs import FROM_START, acts_from_start

BASELINE = "baseline"
CONTROL = "control"
JOIN = "+"


@dataclass(frozen=True)
class Arm:
    """One combination; ``levels`` names the plan's six factors, and of the further ones those that are on, in table order.

    So an arm without any of these is the same in every study.

    ``extra`` holds settings beside the factors', dotted config path -> value: an arm with any is no combination of
    levels, and the algebra of designs leaves it out.

    ``from_start``: factors that are on act in the burn-in too. An arm whose burn-in is the same either way is the same run.
    """

    name: str
    levels: dict[str, Level]
    extra: dict[str, Any] = field(default_factory=dict)
    from_start: bool = False

    @property
    def delta(self) -> dict[str, Any]:
        """Dotted config path -> value, of the factors that are on and of ``extra``; empty for the baseline."""
        changes = delta(self.levels)
        return changes | self.extra | ({FROM_START: True} if self.from_start and acts_from_start(changes) else {})


def arm_with(on: Collection[str]) -> Arm:
    """The arm with exactly the named factors on: their names joined by ``+`` in table order, or ``baseline``.

    Raises:
        UserError: a name is no factor's.
    """
    chosen = tuple(factor.name for factor in select(on)) if on else ()
    levels: dict[str, Level] = {**dict.fromkeys(FACTOR_NAMES, "off"), **dict.fromkeys(chosen, "on")}
    return Arm(name=JOIN.join(chosen) or BASELINE, levels=levels)


def control_arm() -> Arm:
    """The baseline trained without pseudo-labels: what semi-supervised training is worth is baseline minus control.

    Every group of a batch is a labelled one. Alike are the number of iterations, of groups per batch (so of images that pass
    through the student forward and backward), the burn-in, the schedule, and the teacher as the student's running mean.
    Not alike: the teacher's forward pass over unlabelled groups falls away, so that the control trains faster; and a
    labelled group comes up more often, twice as often where batches are half labelled. "The same compute" is the student's.
    """
    # A fresh list: a delta may be changed by whoever reads it.
    return Arm(CONTROL, arm_with(()).levels, extra={"train_dataloader.sampler.source_ratio": [1, 0]})

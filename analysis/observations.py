"""The scores that effects are worked out from: per class, one AP per run of an arm that is a combination of factor levels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.contrasts import Matrix
from analysis.results import SPLIT, Model, Run, Study
from analysis.targets import BASELINE
from experiments.goals import OVERALL
from experiments.studies import StudyRun

UNEVEN = (
    "Arms have different seeds: figures are of all seeds together, what a missing one would add being told by the other arms, "
    "and need not be the plain means of the tables of AP."
)
Arm = frozenset[str]
"""The factors that are on; of the baseline none."""


@dataclass(frozen=True)
class Observations:
    """APs of one class (or of ``all``, the mean over classes), one per run; the three sequences go together.

    Attributes:
        factors: those that the study switches, in the factor table's order.
        arms: the factors that were on in each run.
        blocks: what a run shares with the runs that it is compared with: its seed and labelled split.
        values: APs, fractions in [0, 1].
    """

    class_name: str
    factors: tuple[str, ...]
    arms: tuple[Arm, ...]
    blocks: tuple[str, ...]
    values: Matrix

    @property
    def distinct(self) -> tuple[Arm, ...]:
        """The arms that have a run, each once, in the order of the runs."""
        return tuple(dict.fromkeys(self.arms))

    @property
    def replicates(self) -> tuple[str, ...]:
        """The blocks, each once, in the order of the runs."""
        return tuple(dict.fromkeys(self.blocks))

    def levels(self, arms: Sequence[Arm]) -> Matrix:
        """Levels of arms as -1 and +1: arms x factors."""
        return np.array([[1.0 if name in arm else -1.0 for name in self.factors] for arm in arms])

    def linked(self, arm: Arm) -> "Observations":
        """The runs that can be compared with an arm within seeds, directly or over others: those of its arms and seeds."""
        arms, blocks = {arm}, set[str]()
        while True:
            more = {block for other, block in zip(self.arms, self.blocks, strict=True) if other in arms}
            reached = {other for other, block in zip(self.arms, self.blocks, strict=True) if block in more} | arms
            if (more, reached) == (blocks, arms):
                break
            arms, blocks = reached, more
        kept = [place for place, other in enumerate(self.arms) if other in arms]
        return Observations(
            self.class_name,
            self.factors,
            tuple(self.arms[place] for place in kept),
            tuple(self.blocks[place] for place in kept),
            self.values[kept],
        )


@dataclass(frozen=True)
class Observed:
    """Every class's observations, in the data set's order, ``all`` last; ``notes`` tell which runs are left out, and why."""

    classes: dict[str, Observations]
    factors: tuple[str, ...]
    notes: tuple[str, ...] = ()
    absent: dict[str, str] = field(default_factory=dict)
    """Arms of the study, by name, that give no number, and why."""


def arm_name(arm: Iterable[str], factors: Sequence[str]) -> str:
    """The name of an arm as studies write it: its factors joined by ``+``, or ``baseline``."""
    on = set(arm)
    return "+".join(name for name in factors if name in on) or BASELINE


def observe(study: Study, *, model: Model = "teacher") -> Observed:
    """The final APs on val of a study's runs, as effects need them.

    Left out, and told: controls and sampled settings (no combinations of levels), runs whose K was reduced for want of memory
    (not the arm that they are called), runs without a validation of ``model``. Runs that are not completed are told arm by arm.
    """
    names = [*study.classes, OVERALL]
    entries = [entry for entry in study.entries if _is_combination(entry)]
    switched = {name for entry in entries for name, level in entry.levels.items() if level == "on"}
    most_detailed = sorted(entries, key=lambda entry: -len(entry.levels))
    factors = tuple(dict.fromkeys(name for entry in most_detailed for name in entry.levels if name in switched))
    kept, notes = [], []
    for run in study.completed:
        why = _why_left_out(run, model)
        if why is None:
            kept.append(run)
        elif not run.entry.sampled:
            notes.append(f"{run.arm}, seed {run.seed}, is left out of effects: {why}.")
    sampled = sum(run.entry.sampled for run in study.completed)
    if sampled:
        notes.append(f"{sampled} runs of sampled settings are left out of effects: they are no combinations of levels.")
    several = _seeds_with_several_splits(entries)
    seeds = {arm: {(run.seed, run.entry.split) for run in kept if run.arm == arm} for arm in {run.arm for run in kept}}
    if any(found != next(iter(seeds.values())) for found in seeds.values()):
        notes.append(UNEVEN)
    classes = {name: _of_class(name, kept, factors, model=model, several=several) for name in names}
    there = {run.arm for run in kept}
    absent = {entry.arm: _why_absent(study, entry.arm) for entry in entries if entry.arm not in there}
    return Observed(classes, factors, tuple(notes), absent)


def from_scores(
    class_name: str, factors: Sequence[str], scores: Mapping[tuple[Arm, str], float | None]
) -> Observations:
    """Observations of APs keyed by arm and block; those that are ``None`` (no box of the class) are left out."""
    known = {key: ap for key, ap in scores.items() if ap is not None}
    return Observations(
        class_name,
        tuple(factors),
        tuple(arm for arm, _ in known),
        tuple(block for _, block in known),
        np.array(list(known.values()), dtype=float),
    )


def _of_class(
    name: str, runs: Sequence[Run], factors: Sequence[str], *, model: Model, several: set[int]
) -> Observations:
    scores: dict[tuple[Arm, str], float | None] = {}
    for run in runs:
        final = run.record.final(model, SPLIT)
        score = final.scores.get(name) if final else None
        block = f"{run.seed}, split {run.entry.split}" if run.seed in several else str(run.seed)
        scores[(_on(run.entry), block)] = score.ap if score else None
    return from_scores(name, factors, scores)


def _on(entry: StudyRun) -> Arm:
    return frozenset(name for name, level in entry.levels.items() if level == "on")


def _is_combination(entry: StudyRun) -> bool:
    """Controls and arms with further settings have names of their own."""
    return not entry.sampled and entry.arm == arm_name(_on(entry), tuple(entry.levels))


def _why_left_out(run: Run, model: Model) -> str | None:
    if not _is_combination(run.entry):
        return "it is no combination of factor levels"
    if run.record.tokens_reduced_from is not None:
        return f"it ran with K={run.record.num_tokens} instead of {run.record.tokens_reduced_from}"
    if run.record.final(model, SPLIT) is None:
        return f"it has no validation of the {model} on {SPLIT}"
    return None


def _why_absent(study: Study, arm: str) -> str:
    states = {run.status for run in study.unfinished if run.arm == arm}
    words = ["no record yet" if state == "missing" else state for state in sorted(states)]
    return ", ".join(words) or "no run of it can be used"


def _seeds_with_several_splits(entries: Sequence[StudyRun]) -> set[int]:
    splits: dict[int, set[int]] = {}
    for entry in entries:
        splits.setdefault(entry.seed, set()).add(entry.split)
    return {seed for seed, found in splits.items() if len(found) > 1}

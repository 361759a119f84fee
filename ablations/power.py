"""How far runs differ by chance, and the smallest effect that a design would find.

Two standard deviations of AP are estimated for each class. The one *within* arms is that of runs which differ in nothing
but the seed. The *paired* one is what is left when arms that share seeds are compared seed by seed: what a seed does to
all arms alike (its initialisation, its burn-in, its split) cancels out of a difference between arms.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ablations.arms import Arm
from ablations.contrasts import contrast
from ablations.estimability import describe
from ablations.evidence import replicate_of, settings_of
from experiments.records import Record

FEWEST_DEGREES = 4
"""Degrees of freedom that the paired deviation needs to be preferred: on 4 the true one may be 2.9 times as large (95 %)."""
_ROUNDING = 1e-9

Run = tuple[str, tuple[int, int]]
"""An arm's settings, and the replicate: seed and split."""


@dataclass(frozen=True)
class Spread:
    """A standard deviation of AP, and its degrees of freedom (1 or more)."""

    std: float
    degrees: int


@dataclass(frozen=True)
class Noise:
    """The run-to-run spread of one class's AP (or of ``all``, the mean over classes).

    ``within`` pools the arms with two replicates or more. ``paired`` is the residual of the additive model arm + replicate;
    it needs two arms that share two replicates (or a longer such circle). ``None`` where there is no such run.
    """

    class_name: str
    within: Spread | None
    paired: Spread | None

    @property
    def spread(self) -> Spread | None:
        """The paired one if it has `FEWEST_DEGREES`; else the one within arms, which is no smaller on average."""
        return self.paired if self.paired and self.paired.degrees >= FEWEST_DEGREES else self.within


@dataclass(frozen=True)
class SmallestEffect:
    """The smallest effect, as a difference in AP, that is found; ``None`` where that cannot be said, for ``reason``.

    ``standard_error`` is that of an effect, ``degrees`` are those of the test and ``tests`` is the number of tests that share
    the significance level.
    """

    ap: float | None
    standard_error: float | None
    degrees: int | None
    tests: int
    reason: str | None


def measure_noise(records: Iterable[Record], *, model: Literal["teacher", "student"] = "teacher") -> dict[str, Noise]:
    """The spread of every class, by name, in the last validations of a model.

    Args:
        records: comparable ones (:func:`ablations.evidence.comparable`); burn-ins are passed over, and so are runs whose K was
            reduced for want of memory.
        model: whose scores.

    Raises:
        ValueError: two different runs are the same replicate of an arm, so they are of different configs or data sets.
    """
    scores: dict[str, dict[Run, float]] = defaultdict(dict)
    identities: dict[Run, str] = {}
    for record in records:
        final = record.final(model)
        if record.kind != "arm" or final is None or record.tokens_reduced_from is not None:
            continue  # with fewer tokens than asked for it is no replicate of its arm
        run = (settings_of(record.delta), replicate_of(record))
        if identities.setdefault(run, record.identity) != record.identity:
            raise ValueError(
                f"Runs {identities[run]} and {record.identity} are the same replicate of arm {record.arm}, yet not the same."
            )
        for name, score in final.scores.items():
            if score.ap is not None:
                scores[name][run] = score.ap
    return {name: noise_of(name, values) for name, values in scores.items()}


def noise_of(class_name: str, scores: Mapping[Run, float]) -> Noise:
    """The spread of the APs of one class."""
    return Noise(class_name, within=_within(scores), paired=_paired(scores))


def smallest_effect(
    noise: Noise | None,
    arms: Sequence[Arm],
    factors: Sequence[str],
    *,
    replicates: int,
    hard_classes: int = 2,
    power: float = 0.8,
    significance: float = 0.05,
    measured_by: str = "make noise",
) -> SmallestEffect:
    """The smallest effect of one factor on one class's AP that a two-sided t-test finds with probability ``power``.

    ``significance`` is shared out evenly (Bonferroni) over factors x hard classes; a report that corrects by Holm, which is never
    stricter, finds such an effect at least as often. An effect is the design's contrast of arm means
    (:func:`ablations.contrasts.contrast`), each over ``replicates`` runs; of several factors the one estimated worst counts.
    The test has the degrees of freedom of the measured noise or those that the design leaves to its own error, whichever
    are more.

    Args:
        noise: of the class; ``None`` where nothing is measured.
        arms: of the design; a control is left out.
        factors: the design's.
        replicates: runs of each arm, 1 or more.
        hard_classes: how many classes are tested.
        measured_by: the command that measures the noise, for the reason where it is not known.
    """
    tests = len(factors) * hard_classes

    def unknown(reason: str) -> SmallestEffect:
        return SmallestEffect(None, None, None, tests, reason)

    weights = [found for name in factors if (found := contrast(arms, factors, name)) is not None]
    if not weights:
        return unknown("Of no factor does the design tell the effect, so it has none to find.")
    spread = noise.spread if noise else None
    if noise is None or spread is None:
        return unknown(f"The spread from run to run is not known yet: measure it with {measured_by}.")
    if spread.std < _ROUNDING:
        return unknown(
            f"The AP of {noise.class_name} was the same in all runs of each arm, so its spread cannot be told."
        )
    own = describe(arms, factors).error_degrees(replicates, interactions=True)
    degrees = max(spread.degrees, own)
    worst = max(sum(weight**2 for weight in found.values()) for found in weights)
    error = spread.std * (worst / replicates) ** 0.5
    size = _noncentrality(degrees, power=power, significance=significance / tests)
    return SmallestEffect(size * error, error, degrees, tests, None)


def _within(scores: Mapping[Run, float]) -> Spread | None:
    arms: dict[str, list[float]] = defaultdict(list)
    for (arm, _), value in scores.items():
        arms[arm].append(value)
    degrees = sum(len(values) - 1 for values in arms.values())
    squares = sum(float(np.square(np.array(values) - np.mean(values)).sum()) for values in arms.values())
    return Spread((squares / degrees) ** 0.5, degrees) if degrees else None


def _paired(scores: Mapping[Run, float]) -> Spread | None:
    """Least squares on one indicator per arm and per replicate; what rank they have together is not left to the error."""
    arms, replicates = (list(dict.fromkeys(run[part] for run in scores)) for part in (0, 1))
    matrix = np.zeros((len(scores), len(arms) + len(replicates)))
    for row, (arm, replicate) in enumerate(scores):
        matrix[row, arms.index(arm)] = matrix[row, len(arms) + replicates.index(replicate)] = 1.0
    values = np.array(list(scores.values()))
    solution, _, rank, _ = np.linalg.lstsq(matrix, values)
    degrees = len(values) - int(rank)
    squares = float(np.square(values - matrix @ solution).sum())
    return Spread((squares / degrees) ** 0.5, degrees) if degrees else None


def _noncentrality(degrees: int, *, power: float, significance: float) -> float:
    """How many standard errors a difference has to be for a two-sided t-test to find it with probability ``power``.

    From the noncentral t distribution; the usual sum of two t quantiles falls short of it where degrees are few and the
    significance level is shared among many tests. The other tail, of a verdict with the wrong sign, is nothing beside it.
    """
    # Imported here: they take most of a second.
    from scipy.optimize import brentq  # type: ignore[import-untyped]
    from scipy.stats import nct, t  # type: ignore[import-untyped]

    critical = float(t.isf(significance / 2, degrees))

    def surplus(difference: float) -> float:
        return float(nct.sf(critical, degrees, difference)) - power

    high = critical
    while surplus(high) < 0:
        high *= 2
    return float(brentq(surplus, 0.0, high))

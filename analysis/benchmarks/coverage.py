"""How often intervals hold the truth, and how often the null raises an alarm, over simulated studies.

    python -m analysis.benchmarks.coverage [--studies 500] [--seed 0]

prints, for each scenario of :mod:`analysis.benchmarks.simulation`, the share of 95 % intervals that hold the planted truth: of main
effects (t intervals of the model, and of the seeds' own figures), interactions, Shapley values (t intervals, and percentiles
over seeds), synergy, changes, ratios and margins of targets, and of the arm that came out best. Then false alarms, of targets for
arms that lie just on the bound. 500 studies of each take about five minutes on one core.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.answers import disagreements
from analysis.attainment import ArmAttainment, ClassAttainment, attainment_of
from analysis.benchmarks.simulation import (
    BEYOND,
    SCENARIOS,
    Scenario,
    simulate,
    true_effect,
    true_shapley,
    true_synergy,
)
from analysis.bootstrap import over_blocks
from analysis.effects import FactorEffect, effects_of
from analysis.observations import Arm, Observations
from analysis.shapley import Shapley, shapley_of, shapley_weights
from analysis.synergy import Synergy, synergy_of
from analysis.targets import Goal, Target

QUANTITIES = (
    "main effect",
    "over seeds",
    "interaction",
    "Shapley",
    "Shapley, over seeds",
    "synergy",
    "change",
    "ratio",
    "target",
    "best arm",
)
ALARMS = ("seeds disagree", "any main effect", "interactions, false share", "synergy", "target met", "target missed")
_ROUNDING = 1e-9
GOAL = Goal("Severe_Rust", (Target("conservative", 1.3),))


@dataclass
class Tally:
    """Per quantity or alarm: how many there were, and how many held the truth or were raised, study by study."""

    held: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    raised: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def coverage(self, quantity: str) -> float | None:
        """Mean share of intervals that hold the truth; ``None`` where there was none."""
        return float(np.mean(self.held[quantity])) if self.held.get(quantity) else None

    def rate(self, alarm: str) -> float | None:
        """Share of the studies that raised an alarm; ``None`` where it could not be."""
        return float(np.mean(self.raised[alarm])) if self.raised.get(alarm) else None


def measure(scenario: Scenario, *, studies: int, seed: int) -> Tally:
    """Simulate studies of two hard classes and check every interval of the first."""
    generator = np.random.default_rng(seed)
    tally = Tally()
    for _ in range(studies):
        pair = [simulate(scenario, generator, name) for name in ("Severe_Rust", "Chipped")]
        found: dict[str, list[bool]] = defaultdict(list)
        for quantity, held in [
            *_effects(scenario, pair, tally),
            *_shapley(scenario, pair[0], generator),
            *_synergy(scenario, pair[0], tally),
            *_targets(scenario, pair[0], tally),
        ]:
            found[quantity].append(held)
        for quantity, holds in found.items():
            tally.held[quantity].append(float(np.mean(holds)))
    return tally


def _effects(scenario: Scenario, pair: Sequence[Observations], tally: Tally) -> Iterator[tuple[str, bool]]:
    effects = effects_of(pair, hard=[observations.class_name for observations in pair])
    tally.raised["seeds disagree"].append(float(bool(disagreements(effects.main))))
    raised = [effect for effect in effects.main if _is_nil(scenario, effect)]
    if raised:
        tally.raised["any main effect"].append(float(any(effect.verdict in ("up", "down") for effect in raised)))
    if effects.interactions and (scenario.joint == 0 or scenario.design in ("factorial", "half")):
        alarms = [effect for effect in effects.interactions if effect.verdict in ("up", "down")]
        false = sum(_is_nil(scenario, effect) for effect in alarms)
        tally.raised["interactions, false share"].append(false / len(alarms) if alarms else 0.0)
    for effect in (*effects.main, *effects.interactions):
        if effect.class_name == pair[0].class_name and effect.estimate.low is not None and effect.basis == "two-way":
            truth = true_effect(scenario, tuple(effect.effect.split(":")))
            truth += sum(
                alias.coefficient * true_effect(scenario, tuple(alias.effect.split(":")))
                for alias in effect.aliases
                if alias.effect.count(":") == 1
            )
            name = "main effect" if effect.order == 1 else "interaction"
            yield name, _holds(effect.estimate.low, effect.estimate.high, truth)
            if effect.order == 1 and effect.over_seeds and effect.over_seeds.low is not None:
                yield "over seeds", _holds(effect.over_seeds.low, effect.over_seeds.high, truth)


def _is_nil(scenario: Scenario, effect: FactorEffect) -> bool:
    return abs(true_effect(scenario, tuple(effect.effect.split(":")))) < _ROUNDING


def _shapley(
    scenario: Scenario, observations: Observations, generator: np.random.Generator
) -> Iterator[tuple[str, bool]]:
    found = shapley_of(observations, generator=generator, draws=1)
    if not isinstance(found, Shapley):
        return
    for value in found.values:
        if value.estimate.low is not None:
            truth = true_shapley(scenario, value.factor)
            yield "Shapley", _holds(value.estimate.low, value.estimate.high, truth)
    if found.method == "exact":
        weights = [shapley_weights(scenario.names, factor) for factor in scenario.names]
        ranges = over_blocks(observations, weights, generator=generator, draws=500, fewest=2)
        for factor, bounds in zip(scenario.names, ranges or [], strict=False):
            yield "Shapley, over seeds", _holds(bounds.low, bounds.high, true_shapley(scenario, factor))


def _synergy(scenario: Scenario, observations: Observations, tally: Tally) -> Iterator[tuple[str, bool]]:
    found = synergy_of(observations)
    if isinstance(found, Synergy) and found.synergy.low is not None:
        if scenario.joint == 0:
            tally.raised["synergy"].append(float(found.verdict in ("synergy", "antagonism")))
        yield "synergy", _holds(found.synergy.low, found.synergy.high, true_synergy(scenario))


def _targets(scenario: Scenario, observations: Observations, tally: Tally) -> Iterator[tuple[str, bool]]:
    found = attainment_of(observations, GOAL)
    if not isinstance(found, ClassAttainment):
        return
    for arm in found.arms:
        yield from _arm(scenario, arm, tally)
    if found.best.attainment.change.low is not None:
        change = found.best.attainment.change
        truth = scenario.truth(_named(found.best.attainment.arm)) - scenario.baseline
        yield "best arm", _holds(change.low, change.high, truth)


def _arm(scenario: Scenario, arm: ArmAttainment, tally: Tally) -> Iterator[tuple[str, bool]]:
    truth, (target,) = scenario.truth(_named(arm.arm)), arm.targets
    yield from _checked("change", arm.change.low, arm.change.high, truth - scenario.baseline)
    if arm.ratio is not None and arm.ratio.low is not None:
        high = np.inf if arm.ratio.high is None else arm.ratio.high
        yield "ratio", _holds(arm.ratio.low, high, truth / scenario.baseline)
    if target.margin is not None:
        margin = truth - GOAL.targets[0].multiple * scenario.baseline
        yield from _checked("target", target.margin.low, target.margin.high, margin)
        if target.margin.low is not None and abs(margin) < _ROUNDING:  # just on the bound, neither verdict is right
            tally.raised["target met"].append(float(target.verdict == "met"))
            tally.raised["target missed"].append(float(target.verdict == "missed"))


def _checked(quantity: str, low: float | None, high: float | None, truth: float) -> Iterator[tuple[str, bool]]:
    if low is not None:
        yield quantity, _holds(low, high, truth)


def _named(arm: str) -> Arm:
    return frozenset() if arm == "baseline" else frozenset(arm.split("+"))


def _holds(low: float | None, high: float | None, truth: float) -> bool:
    assert low is not None and high is not None
    return bool(low <= truth <= high)


def main() -> None:
    """Print the two tables."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    coverage = Table(title=f"Share of 95 % intervals that hold the truth, {options.studies} studies each")
    alarms = Table(
        title="Share of studies with a false alarm, of interactions of alarms that are false (nominal: 5 %; of targets 2.5 %)"
    )
    for table, names in ((coverage, QUANTITIES), (alarms, ALARMS)):
        table.add_column("scenario")
        for name in names:
            table.add_column(name, justify="right")
    for scenario in (*SCENARIOS, *BEYOND):
        tally = measure(scenario, studies=options.studies, seed=options.seed)
        coverage.add_row(scenario.name, *(_percent(tally.coverage(name)) for name in QUANTITIES))
        alarms.add_row(scenario.name, *(_percent(tally.rate(name)) for name in ALARMS))
    console = Console(width=165)
    console.print(coverage)
    console.print(alarms)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


if __name__ == "__main__":
    main()

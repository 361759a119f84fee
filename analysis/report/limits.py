"""What a study's arms cannot tell about its factors, from their levels alone."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal

from analysis.report.page import Section, listed

Levels = Mapping[str, Literal["off", "on"]]


def limits_of(arms: Sequence[Levels]) -> list[str]:
    """Clauses that go on from "this study cannot tell"; pure. ``arms`` are the levels of the arms that have results."""
    factors = _switched(arms)
    if not factors:
        return []
    unmatched = [name for name in factors if not _pairs(arms, name)]
    clauses = []
    if unmatched:
        clauses.append(f"what {listed(unmatched)} did alone, since no two arms differ in nothing else")
    if len(factors) > 1:
        together = [pair for pair in combinations(factors, 2) if any(_on(arm, pair) for arm in arms)]
        if not together:
            clauses.append("whether improvements help each other, since no arm switches two of them on")
        elif len({tuple(arm.get(name, "off") for name in factors) for arm in arms}) < 2 ** len(factors):
            clauses.append("every interaction apart from the others, since not all combinations have results")
    return clauses


def effects_placeholder(arms: Sequence[Levels]) -> Section:
    """The section on effects where none were worked out: what the arms can and cannot tell."""
    factors = _switched(arms)
    limits = [f"The design cannot tell {clause}." for clause in limits_of(arms)]
    if not factors:
        said = "No factor is both off and on among the arms that have results: there is no effect to tell."
    else:
        said = (
            f"No effects were worked out over all arms. Each arm stands beside the baseline above; {len(arms)} combinations of "
            f"{listed(factors)} have results."
        )
    return Section("effects", "Effects and interactions", paragraphs=(said, *limits))


def _switched(arms: Sequence[Levels]) -> list[str]:
    """Factors that are off in one arm, which then may leave them out, and on in another."""
    names = dict.fromkeys(name for arm in arms for name in arm)
    return [name for name in names if {arm.get(name, "off") for arm in arms} >= {"off", "on"}]


def _pairs(arms: Sequence[Levels], factor: str) -> bool:
    """Whether two arms differ in ``factor`` alone."""
    on = [{name for name, level in arm.items() if level == "on"} for arm in arms]
    return any(a ^ b == {factor} for a, b in combinations(on, 2))


def _on(arm: Levels, pair: tuple[str, str]) -> bool:
    return all(arm.get(name) == "on" for name in pair)

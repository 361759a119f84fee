"""What a benchmark finds: measured figures with their spread, and ratios beside their goals. Torch-free."""

import sys
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

Verdict = Literal["met", "missed", "not measured here", "no goal"]


@dataclass(frozen=True)
class Figure:
    """One quantity, measured once or several times."""

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one of the values."""
        return median(self.values)


@dataclass(frozen=True)
class Ratio:
    """A figure against its goal.

    Attributes:
        value: as measured; ``None`` where it could not be measured.
        goal: the bound; ``None`` where there is none.
        sense: which side of the bound is wanted.
        where: the machine that the goal is stated for, or "" for any.
        here: whether this machine is of that kind: on another a value is shown and not judged.
    """

    name: str
    value: float | None
    goal: float | None = None
    sense: Literal["at least", "at most"] = "at least"
    where: str = ""
    here: bool = True
    unit: str = "x"

    @property
    def verdict(self) -> Verdict:
        """Met or missed, where that can be told."""
        if self.goal is None:
            return "no goal"
        if self.value is None or not self.here:
            return "not measured here"
        met = self.value >= self.goal if self.sense == "at least" else self.value <= self.goal
        return "met" if met else "missed"


@dataclass
class Findings:
    """All that one part of the benchmark found; ``notes`` say what was done, and what could not be."""

    part: str
    figures: list[Figure] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, unit: str, *values: float) -> Figure:
        """Add a figure, tell of it on standard error as progress, and return it."""
        figure = Figure(name, unit, tuple(values))
        print(f"{self.part}: {name}: {_short(figure.median)} {unit}", file=sys.stderr, flush=True)
        self.figures.append(figure)
        return figure

    def ratio(self, name: str, value: float | None, **about: Any) -> None:
        """Add a ratio; ``about`` is the rest of :class:`Ratio`."""
        self.ratios.append(Ratio(name, value, **about))


def quotient(above: Figure | None, below: Figure | None) -> float | None:
    """Ratio of two medians; ``None`` where one was not measured or the lower is zero."""
    if above is None or below is None or below.median == 0:
        return None
    return above.median / below.median


def as_plain(findings: Findings) -> dict[str, Any]:
    """The findings as JSON holds them, with medians and verdicts."""
    return {
        "part": findings.part,
        "figures": [{**asdict(one), "median": one.median} for one in findings.figures],
        "ratios": [{**asdict(one), "verdict": one.verdict} for one in findings.ratios],
        "notes": findings.notes,
    }


def print_findings(findings: Findings, console: Console) -> None:
    """Two tables, figures and ratios, and the notes."""
    if findings.figures:
        table = Table("figure", "unit", "median", "lowest to highest", "n", title=findings.part, title_justify="left")
        for one in findings.figures:
            spread = f"{_short(min(one.values))} to {_short(max(one.values))}" if len(one.values) > 1 else "-"
            table.add_row(one.name, one.unit, _short(one.median), spread, str(len(one.values)))
        console.print(table)
    print_ratios([(findings.part, ratio) for ratio in findings.ratios], console)
    for note in findings.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)


def print_ratios(ratios: list[tuple[str, Ratio]], console: Console) -> None:
    """Ratios of any parts with their goals; nothing where there are none."""
    if not ratios:
        return
    table = Table("part", "ratio", "measured", "goal", "stated for", "verdict")
    styles = {"met": "green", "missed": "red"}
    for part, ratio in ratios:
        goal = "-" if ratio.goal is None else f"{ratio.sense} {ratio.goal:g} {ratio.unit}"
        value = "-" if ratio.value is None else f"{_short(ratio.value)} {ratio.unit}"
        table.add_row(
            part, ratio.name, value, goal, ratio.where or "-", ratio.verdict, style=styles.get(ratio.verdict, "")
        )
    console.print(table)


def _short(value: float) -> str:
    """Four significant digits, without an exponent where that is readable."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"

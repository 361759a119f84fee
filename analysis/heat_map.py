"""The heat map of a class's two-way interactions: estimated ones in colour, the others hatched and named."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.answers import Answers
from analysis.effects import FactorEffect
from analysis.fits import reason_notes
from analysis.forest import shown_classes
from analysis.numerals import signed
from analysis.refusals import Refusal
from analysis.sheet import SMALL, any_interval, p_text, refusal_notes, unfinished_notes, write_sheet
from experiments.style import INK, PALETTE

_COLOURS = LinearSegmentedColormap.from_list("signed", [PALETTE[6], "#ffffff", PALETTE[1]])
_LEAST = 0.01  # AP that the full colour stands for at least: effects of nothing are to look like nothing
_DARK = 0.6  # share of the scale from which on ink is hard to read
_CELL = 0.5  # inches


@dataclass(frozen=True)
class HeatCell:
    """The interaction of the factors in places ``row`` and ``column``; ``value`` is ``None`` where it is not estimated.

    ``marked``: it stays after correction for the false discovery rate.
    """

    row: int
    column: int
    kind: Literal["estimated", "alias", "refused"]
    value: float | None
    words: str
    marked: bool


@dataclass(frozen=True)
class HeatMap:
    """What the heat map of a class shows: ``cells`` below the diagonal, colours to ``most`` on either side of 0."""

    class_name: str
    title: str
    factors: tuple[str, ...]
    cells: tuple[HeatCell, ...]
    most: float
    notes: tuple[str, ...]


def heat_map_of(answers: Answers, class_name: str) -> HeatMap | None:
    """Numbers and words of a class's heat map; pure. ``None`` where no interaction of it is estimated."""
    found = {e.effect: e for e in answers.effects.interactions if e.class_name == class_name}
    if not found:
        return None
    factors = answers.factors
    letters = dict(zip(factors, ascii_uppercase, strict=False))
    refused = {r.subject: r for r in answers.effects.refusals if r.class_name == class_name}
    cells = []
    for column, first in enumerate(factors):
        for row, second in enumerate(factors[column + 1 :], start=column + 1):
            name = f"{first}:{second}"
            cells.append(_cell(row, column, found.get(name), refused.get(name), letters))
    effects = list(found.values())
    notes = [
        "By how much the effect of one factor on AP changes when the other is on."
        + any_interval(effect.estimate for effect in effects)
        * (
            " Framed and bold: up or down at a false discovery rate of 5 % (p by Benjamini and Hochberg). Intervals are in "
            "effects.csv."
        )
    ]
    if any(cell.kind != "estimated" for cell in cells):
        notes.append(
            "Hatched: not estimated. = AB: it cannot be told from the effect of these letters, whose cell holds both."
        )
    if any(effect.aliases or effect.more for effect in effects):
        notes.append("Interactions of three factors and more that the figures hold as well are listed in effects.csv.")
    notes += refusal_notes(r for r in refused.values() if ":" in r.subject and r.alias_of is None)
    notes += reason_notes((effect.class_name, effect.estimate) for effect in effects)
    return HeatMap(
        class_name=class_name,
        title=f"Study {answers.study}: interactions of factors in AP of {class_name}\n{answers.model} on val",
        factors=factors,
        cells=tuple(cells),
        most=max(_LEAST, *(abs(effect.estimate.value) for effect in effects)),
        notes=(*notes, *unfinished_notes(answers.unfinished)),
    )


def plot_heat_map(chart: HeatMap, ax: Axes) -> None:
    """Draw the cells below the diagonal; rows and columns carry the factors' letters and names."""
    norm = Normalize(-chart.most, chart.most)
    ordered = sorted(chart.cells, key=lambda cell: cell.marked)  # frames above their neighbours
    for cell in ordered:
        ax.add_patch(
            Rectangle(
                (cell.column - 0.5, cell.row - 0.5), 1, 1,
                facecolor="white" if cell.value is None else _COLOURS(norm(cell.value)),
                hatch="////" if cell.value is None else None,
                edgecolor=INK if cell.marked else "#bbbbbb",
                linewidth=2.0 if cell.marked else 0.6,
                zorder=3 if cell.marked else 2,
            )
        )  # fmt: skip
        dark = cell.value is not None and abs(cell.value) > _DARK * chart.most
        ax.text(
            cell.column, cell.row, cell.words, ha="center", va="center", fontsize=SMALL, zorder=4,
            color="white" if dark else INK, fontweight="bold" if cell.marked else "normal",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5} if cell.value is None else None,
        )  # fmt: skip
    count = len(chart.factors)
    names = [f"{letter} {name}" for letter, name in zip(ascii_uppercase, chart.factors, strict=False)]
    ax.set_xticks(range(count - 1), names[:-1], rotation=25, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(1, count), names[1:])
    ax.set_xlim(-0.55, count - 1.45)
    ax.set_ylim(count - 0.45, 0.45)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    bar = ax.figure.colorbar(ScalarMappable(norm, _COLOURS), ax=ax, shrink=0.8, aspect=25, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("interaction in AP")


def write_heat_maps(answers: Answers, folder: Path) -> list[Path]:
    """Write ``interactions_<class>.png`` and ``.svg`` of every hard class and the mean, as far as there is one."""
    files: list[Path] = []
    names = file_names(shown_classes(answers))
    for class_name, name in names.items():
        chart = heat_map_of(answers, class_name)
        if chart is not None:
            files += _write(chart, folder, f"interactions_{name}")
    return files


def file_names(classes: Sequence[str]) -> dict[str, str]:
    """Class -> a part of a file's name, with nothing but letters, digits, ``_``, ``.`` and ``-``; each its own."""
    found: dict[str, str] = {}
    for name in classes:
        plain = re.sub(r"[^\w.-]+", "_", name)
        while plain.lower() in {other.lower() for other in found.values()}:
            plain += "_"
        found[name] = plain
    return found


def _write(chart: HeatMap, folder: Path, name: str) -> list[Path]:
    def draw(figure: Figure) -> None:
        plot_heat_map(chart, figure.add_subplot())

    height = _CELL * (len(chart.factors) - 1) + 0.9
    return write_sheet(folder, name, title=chart.title, notes=chart.notes, height=height, draw=draw)


def _cell(
    row: int, column: int, effect: FactorEffect | None, refusal: Refusal | None, letters: dict[str, str]
) -> HeatCell:
    if effect is not None:
        marked = effect.verdict in ("up", "down")
        lines = [signed(effect.estimate.value) + (f" {effect.verdict}" if marked else "")]
        lines += [p_text(effect.adjusted)] if effect.adjusted is not None else []
        pairs = [
            ("" if alias.coefficient > 0 else "-") + _lettered(alias.effect, letters)
            for alias in effect.aliases
            if alias.effect.count(":") <= 1
        ]
        lines += [f"= {', '.join(pairs[:2])}" + (f" +{len(pairs) - 2}" if len(pairs) > 2 else "")] if pairs else []
        return HeatCell(row, column, "estimated", effect.estimate.value, "\n".join(lines), marked)
    if refusal is not None and refusal.alias_of is not None:
        return HeatCell(row, column, "alias", None, f"= {_lettered(refusal.alias_of, letters)}", False)
    return HeatCell(row, column, "refused", None, "none", False)


def _lettered(effect: str, letters: dict[str, str]) -> str:
    return "".join(letters[name] for name in effect.split(":"))

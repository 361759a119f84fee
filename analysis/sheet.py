"""A chart as it stands on paper: 17 cm wide, a title above, notes below, and panels between them."""

import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from analysis.fits import LEVEL, Estimate
from analysis.numerals import signed
from analysis.refusals import Refusal
from experiments.goals import OVERALL
from experiments.style import RC, save_figure

WIDTH = 6.7  # inches: 17 cm
SMALL = 7.5  # points, of what stands beside marks; nothing is smaller
PERCENT = f"{100 * LEVEL:.0f} %"
_PRINT: dict[Any, Any] = RC | {
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8,
    "figure.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.6,
}
_TITLE_CHARACTERS = 84
_NOTE_CHARACTERS = 112
_TITLE_LINE, _NOTE_LINE = 0.17, 0.13  # inches
_ALIKE = 5.0
_NARROWEST = 0.002  # of AP: a narrower axis would make much of nothing
Limits = tuple[float, float]


def make_sheet(*, title: str, notes: Sequence[str], height: float, draw: Callable[[Figure], None]) -> Figure:
    """A figure of print width, filled by ``draw``; ``height`` in inches is that of the panels, what is written comes on top."""
    heading = fold(title.splitlines(), _TITLE_CHARACTERS)
    footing = fold(notes, _NOTE_CHARACTERS)
    with rc_context(_PRINT):
        whole = height + _TITLE_LINE * len(heading) + _NOTE_LINE * len(footing) + 0.2
        engine = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)  # inches
        figure = Figure(figsize=(WIDTH, whole), dpi=200, layout=engine)
        figure.suptitle("\n".join(heading), x=0.01, ha="left")
        if footing:
            figure.supxlabel("\n".join(footing), x=0.01, ha="left", fontsize=SMALL)
        draw(figure)
    return figure


def write_sheet(
    folder: Path, name: str, *, title: str, notes: Sequence[str], height: float, draw: Callable[[Figure], None]
) -> list[Path]:
    """Write `make_sheet`'s figure as ``name.png`` and ``name.svg``; returns both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = make_sheet(title=title, notes=notes, height=height, draw=draw)
    with rc_context(_PRINT):
        return save_figure(figure, folder, name)


def fold(lines: Iterable[str], width: int) -> list[str]:
    """Lines of at most ``width`` characters, broken at spaces as far as that goes."""
    found: list[str] = []
    for line in lines:
        parts = textwrap.wrap(line, width, break_on_hyphens=False)
        found += parts or [""]
    return found


def fold_name(name: str, width: int = 22) -> str:
    """A class's name over several lines, broken after ``_`` or a space, where it is longer than ``width`` characters."""
    lines = [""]
    for part in re.findall(r"[^_ ]*[_ ]?", name):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def class_title(name: str) -> str:
    """A class's name as a panel's title."""
    return f"{name} (mean over classes)" if name == OVERALL else name


def limits_of(spans: Sequence[Limits]) -> tuple[list[Limits], bool]:
    """The limits of panels' axes, which hold 0, and whether all have one scale.

    They do unless one span is more than five times another, whose marks would then lie on one spot.
    """
    held = [_holding_zero(low, high) for low, high in spans]
    widths = [high - low for low, high in held]
    shared = max(widths, default=0.0) <= _ALIKE * min(widths, default=0.0)
    if shared:
        held = [(min(low for low, _ in held), max(high for _, high in held))] * len(held)
    return [_padded(low, high) for low, high in held], shared


def panel_column(figure: Figure, rows: Sequence[int]) -> list[Axes]:
    """Axes one below the other, as high as their numbers of rows."""
    return list(figure.subplots(len(rows), 1, squeeze=False, gridspec_kw={"height_ratios": rows}).ravel())


def panel_grid(figure: Figure, count: int, *, columns: int) -> list[Axes]:
    """Axes of ``count`` panels, row by row; places left over are empty."""
    axes = list(figure.subplots(-(-count // columns), min(columns, count), squeeze=False).ravel())
    for ax in axes[count:]:
        ax.set_axis_off()
    return axes[:count]


def span_of(estimates: Iterable[tuple[float, Estimate]]) -> Limits:
    """From the lowest to the highest value or bound; each estimate stands upon a figure that is added to it."""
    figures = [
        start + bound
        for start, estimate in estimates
        for bound in (estimate.value, estimate.low, estimate.high)
        if bound is not None
    ]
    return (min(figures, default=0.0), max(figures, default=0.0))


def draw_interval(ax: Axes, estimate: Estimate, row: float, *, start: float = 0.0, **style: Any) -> None:
    """The interval as a horizontal line with ends; nothing where there is none."""
    if estimate.low is None or estimate.high is None:
        return
    ends = [start + estimate.low, start + estimate.high]
    ax.plot(ends, [row, row], marker="|", markersize=5, linewidth=1.1, zorder=4, **style)


def write_beside(ax: Axes, words: str, row: float, *, points: float = 5.0, **style: Any) -> None:
    """Words to the right of the axis, ``points`` from it, at a row."""
    ax.annotate(
        words,
        (1.0, row),
        xycoords=ax.get_yaxis_transform(),
        xytext=(points, 0),
        textcoords="offset points",
        va="center",
        annotation_clip=False,
        **{"fontsize": SMALL, **style},
    )


def write_above(ax: Axes, words: str) -> None:
    """A line between the panel's title and its axis, from the left; the title needs a pad of 16 points."""
    ax.annotate(words, (0, 1), xycoords="axes fraction", xytext=(0, 5), textcoords="offset points", fontsize=SMALL)


def figures_text(estimate: Estimate) -> str:
    """Such as ``+0.030 (+0.010 to +0.050)``."""
    if estimate.low is None or estimate.high is None:
        return f"{signed(estimate.value)} (no interval)"
    return f"{signed(estimate.value)} ({signed(estimate.low)} to {signed(estimate.high)})"


def p_text(p: float) -> str:
    """A p-value to three places."""
    return "p <.001" if p < 0.001 else f"p {p:.3f}".replace("0.", ".", 1)


def any_interval(estimates: Iterable[Estimate]) -> bool:
    """Whether there is an interval to explain."""
    return any(estimate.low is not None for estimate in estimates)


def refusal_notes(refusals: Iterable[Refusal]) -> list[str]:
    """What is not estimated, one line per reason: its subjects and, in brackets, the classes."""
    found: dict[str, dict[str, list[str]]] = {}
    for refusal in refusals:
        found.setdefault(refusal.reason, {}).setdefault(refusal.subject, []).append(refusal.class_name)
    return [
        f"Not estimated: {', '.join(subjects)} "
        f"({', '.join(dict.fromkeys(name for names in subjects.values() for name in names))}): {reason}."
        for reason, subjects in found.items()
    ]


def unfinished_notes(unfinished: Sequence[str]) -> list[str]:
    """How many runs give no number."""
    if not unfinished:
        return []
    return [f"Not in these figures: {len(unfinished)} run{'s' * (len(unfinished) > 1)} that did not complete."]


def _holding_zero(low: float, high: float) -> Limits:
    low, high = min(low, 0.0), max(high, 0.0)
    return (low, high) if high - low >= _NARROWEST else (min(low, -_NARROWEST / 2), max(high, _NARROWEST / 2))


def _padded(low: float, high: float) -> Limits:
    width = high - low
    return low - 0.05 * width, high + 0.05 * width

"""Shapley values as bars, class by class, with their intervals and the total that they add up to."""

from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.answers import Answers
from analysis.fits import Estimate, reason_notes
from analysis.numerals import signed
from analysis.refusals import Refusal
from analysis.shapley import Shapley
from analysis.sheet import (
    PERCENT,
    Limits,
    any_interval,
    draw_interval,
    figures_text,
    fold_name,
    limits_of,
    panel_grid,
    refusal_notes,
    span_of,
    unfinished_notes,
    write_above,
    write_beside,
    write_sheet,
)
from experiments.style import INK, bar_style

_MOST_CLASSES = 12
_COLUMNS = 3
_ROW = 0.19  # inches
_METHODS = {
    "exact": "exact",
    "two-way model": "of a two-way model",
}


@dataclass(frozen=True)
class ShapleyPanel:
    """The values of one class, factor by factor, within ``limits`` of AP; ``total`` in words."""

    class_name: str
    values: tuple[tuple[str, Estimate], ...]
    total: str
    limits: Limits


@dataclass(frozen=True)
class ShapleyBars:
    """What the chart shows: the hard classes first, the mean over classes, and the others."""

    title: str
    panels: tuple[ShapleyPanel, ...]
    notes: tuple[str, ...]


def shapley_bars_of(answers: Answers) -> ShapleyBars | None:
    """Numbers and words of the chart; pure. ``None`` where no class has Shapley values."""
    found = {part.class_name: part for part in answers.shapley if isinstance(part, Shapley)}
    if not found:
        return None
    first = [name for name in (*answers.hard, "all") if name in found]
    order = [*first, *(name for name in found if name not in first)]
    shown = [found[name] for name in order[:_MOST_CLASSES]]
    limits, alike = limits_of([span_of((0.0, v.estimate) for v in part.values) for part in shown])
    panels = tuple(
        ShapleyPanel(
            part.class_name, tuple((v.factor, v.estimate) for v in part.values), figures_text(part.total), limit
        )
        for part, limit in zip(shown, limits, strict=True)
    )
    methods = "; ".join(dict.fromkeys(_METHODS[part.method] for part in shown))
    notes = [
        "A factor's part in all-on minus all-off, its gain on joining averaged over all orders."
        + any_interval(value.estimate for part in shown for value in part.values) * f" Lines: {PERCENT} intervals."
    ]
    if len({part.method for part in shown}) > 1:
        modelled = ", ".join(part.class_name for part in shown if part.method != "exact")
        notes.append(f"By the model: {modelled}.")
    notes += [] if alike else ["The classes have scales of their own: compare the figures, not the lengths."]
    notes += list(dict.fromkeys(f"{part.note[0].upper()}{part.note[1:]}." for part in shown if part.note))
    notes += reason_notes((part.class_name, part.total) for part in shown)
    if len(order) > len(shown):
        notes.append(f"{len(order) - len(shown)} other classes stand in shapley.csv.")
    notes += refusal_notes(part for part in answers.shapley if isinstance(part, Refusal))
    title = f"Study {answers.study}: Shapley values, {methods}\n{answers.model} on val"
    return ShapleyBars(title, panels, (*notes, *unfinished_notes(answers.unfinished)))


def plot_shapley(panel: ShapleyPanel, ax: Axes, *, names: bool = True) -> None:
    """Draw one class: a bar per factor; ``names``: with the factors' names."""
    ax.axvline(0, color=INK, linewidth=0.9, zorder=3)
    for place, (_, estimate) in enumerate(panel.values):
        style = bar_style(1) if estimate.value >= 0 else bar_style(6)
        ax.barh([place], [estimate.value], height=0.62, **style)
        draw_interval(ax, estimate, place, color=INK)
        write_beside(ax, signed(estimate.value), place, points=3)
    ax.set_yticks(range(len(panel.values)), [factor if names else "" for factor, _ in panel.values])
    ax.set_ylim(len(panel.values) - 0.4, -0.6)
    ax.set_xlim(*panel.limits)
    ax.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))  # more labels, or longer ones, run into each other
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    ax.set_title(fold_name(panel.class_name), pad=16)
    write_above(ax, f"total {panel.total}")


def write_shapley_bars(answers: Answers, folder: Path) -> list[Path]:
    """Write ``shapley.png`` and ``.svg``; no file where no class has Shapley values."""
    chart = shapley_bars_of(answers)
    if chart is None:
        return []

    def draw(figure: Figure) -> None:
        for place, ax in enumerate(panel_grid(figure, len(chart.panels), columns=_COLUMNS)):
            plot_shapley(chart.panels[place], ax, names=place % _COLUMNS == 0)

    rows = -(-len(chart.panels) // _COLUMNS)
    height = rows * (_ROW * len(answers.factors) + 0.8)
    return write_sheet(folder, "shapley", title=chart.title, notes=chart.notes, height=height, draw=draw)

"""The synergy waterfall: gains alone, one upon the other, their sum, and the gap to what all together gain."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.answers import Answers
from analysis.fits import Estimate, reason_notes
from analysis.forest import shown_classes
from analysis.refusals import Refusal
from analysis.sheet import (
    PERCENT,
    Limits,
    any_interval,
    class_title,
    draw_interval,
    figures_text,
    limits_of,
    panel_column,
    refusal_notes,
    span_of,
    unfinished_notes,
    write_beside,
    write_sheet,
)
from analysis.synergy import Synergy
from experiments.style import INK, bar_style

Kind = Literal["gain", "loss", "sum", "gap", "total"]
_VERDICT_POINTS = 129.0  # from the axis to the verdict
_ROW = 0.18  # inches
_STYLES: dict[Kind, dict[str, Any]] = {
    "gain": bar_style(1),
    "loss": bar_style(6),
    "sum": bar_style(0),
    "gap": bar_style(2),
    "total": bar_style(0) | {"facecolor": "#666666"},
}


@dataclass(frozen=True)
class Step:
    """A bar from ``start`` to ``start`` plus the estimate, in AP."""

    label: str
    start: float
    estimate: Estimate
    kind: Kind


@dataclass(frozen=True)
class WaterfallPanel:
    """The steps of one class from top to bottom, within ``limits``, and the verdict on the gap."""

    class_name: str
    steps: tuple[Step, ...]
    verdict: str
    limits: Limits


@dataclass(frozen=True)
class Waterfall:
    """What the chart shows: the hard classes, then the mean over classes."""

    title: str
    panels: tuple[WaterfallPanel, ...]
    notes: tuple[str, ...]


def waterfall_of(answers: Answers) -> Waterfall | None:
    """Numbers and words of the chart; pure. ``None`` where none of the classes shown has a synergy."""
    shown = shown_classes(answers)
    parts = {part.class_name: part for part in answers.synergy if part.class_name in shown}
    found = [part for name in shown if isinstance(part := parts.get(name), Synergy)]
    if not found:
        return None
    steps = [steps_of(part) for part in found]
    limits, alike = limits_of([span_of((step.start, step.estimate) for step in row) for row in steps])
    panels = tuple(
        WaterfallPanel(part.class_name, row, part.verdict, limit)
        for part, row, limit in zip(found, steps, limits, strict=True)
    )
    notes = [
        "The gap is what all together gain beyond the sum of their gains alone."
        + any_interval(step.estimate for row in steps for step in row)
        * f" Lines: {PERCENT} intervals of each bar's own length, the gap's counted from the sum."
    ]
    notes += [] if alike else ["The classes have scales of their own: compare the figures, not the lengths."]
    if any(part.verdict == "none shown" for part in found):
        notes.append(
            "None shown: the interval of the gap holds 0, so that neither synergy nor antagonism is shown, nor ruled out."
        )
    notes += [f"{note[0].upper()}{note[1:]}." for note in dict.fromkeys(part.note for part in found if part.note)]
    notes += reason_notes((part.class_name, part.synergy) for part in found)
    notes += refusal_notes(part for part in parts.values() if isinstance(part, Refusal))
    methods = ", ".join(dict.fromkeys(part.method for part in found))
    title = f"Study {answers.study}: gains alone, summed, and together ({methods})\n{answers.model} on val"
    return Waterfall(title, panels, (*notes, *unfinished_notes(answers.unfinished)))


def steps_of(synergy: Synergy) -> tuple[Step, ...]:
    """The bars of one class; pure."""
    steps, reached = [], 0.0
    for factor, gain in synergy.alone.items():
        steps.append(Step(factor, reached, gain, "gain" if gain.value >= 0 else "loss"))
        reached += gain.value
    return (
        *steps,
        Step("sum of gains alone", 0.0, synergy.summed, "sum"),
        Step("gap (synergy)", synergy.summed.value, synergy.synergy, "gap"),
        Step("all together", 0.0, synergy.total, "total"),
    )


def plot_waterfall(panel: WaterfallPanel, ax: Axes) -> None:
    """Draw one class, figures to the right of the axis; thin lines carry what is reached from bar to bar."""
    ax.axvline(0, color=INK, linewidth=0.9, zorder=3)
    for place, step in enumerate(panel.steps):
        ax.barh([place], [step.estimate.value], left=step.start, height=0.62, zorder=2, **_STYLES[step.kind])
        draw_interval(ax, step.estimate, place, start=step.start, color=INK)
        write_beside(ax, figures_text(step.estimate), place, fontweight="bold" if step.kind == "gap" else "normal")
        if step.kind == "gap":
            write_beside(ax, panel.verdict, place, points=_VERDICT_POINTS, fontweight="bold")
        if place + 1 < len(panel.steps):
            ends = [step.start + step.estimate.value] * 2
            ax.plot(ends, [place + 0.31, place + 0.69], color=INK, linewidth=0.6, zorder=2)
    ax.set_yticks(range(len(panel.steps)), [step.label for step in panel.steps])
    ax.set_ylim(len(panel.steps) - 0.4, -0.6)
    ax.set_xlim(*panel.limits)
    ax.locator_params(axis="x", nbins=6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    ax.set_title(class_title(panel.class_name))


def write_waterfall(answers: Answers, folder: Path) -> list[Path]:
    """Write ``synergy.png`` and ``.svg``; no file where there is nothing to draw (see `waterfall_of`)."""
    chart = waterfall_of(answers)
    if chart is None:
        return []

    counts = [len(panel.steps) for panel in chart.panels]

    def draw(figure: Figure) -> None:
        axes = panel_column(figure, counts)
        for panel, ax in zip(chart.panels, axes, strict=True):
            plot_waterfall(panel, ax)
        axes[-1].set_xlabel("gain of AP over the baseline")

    height = _ROW * sum(counts) + 0.48 * len(counts) + 0.2
    return write_sheet(folder, "synergy", title=chart.title, notes=chart.notes, height=height, draw=draw)

"""The forest plot of main effects: an interval per factor, class by class, and the verdict in words beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.answer_frames import alias_text
from analysis.answers import Answers
from analysis.effects import FactorEffect, meanings_of
from analysis.fits import Estimate, reason_notes
from analysis.sheet import (
    PERCENT,
    Limits,
    any_interval,
    class_title,
    draw_interval,
    figures_text,
    limits_of,
    p_text,
    panel_column,
    refusal_notes,
    span_of,
    unfinished_notes,
    write_beside,
    write_sheet,
)
from experiments.goals import OVERALL
from experiments.style import INK, PALETTE

_MARKS: dict[str, dict[str, Any]] = {
    "up": {"marker": "^", "markerfacecolor": PALETTE[1], "markersize": 7},
    "down": {"marker": "v", "markerfacecolor": PALETTE[6], "markersize": 7},
    "none shown": {"marker": "o", "markerfacecolor": "white", "markersize": 5},
    "no interval": {"marker": "s", "markerfacecolor": PALETTE[0], "markersize": 4.5},
}
_VERDICT_POINTS = 120.0  # from the axis to the column of verdicts
_ROW = 0.19  # inches


@dataclass(frozen=True)
class ForestRow:
    """One effect: its figure, the verdict after correction, and the words of the verdict's column."""

    factor: str
    estimate: Estimate
    verdict: str
    words: str


@dataclass(frozen=True)
class ForestPanel:
    """The effects on one class, within ``limits`` of AP."""

    class_name: str
    rows: tuple[ForestRow, ...]
    limits: Limits


@dataclass(frozen=True)
class Forest:
    """What the forest plot shows: the hard classes, then the mean over classes."""

    title: str
    panels: tuple[ForestPanel, ...]
    notes: tuple[str, ...]


def shown_classes(answers: Answers) -> tuple[str, ...]:
    """The hard classes and the mean over classes."""
    return (*answers.hard, *([] if OVERALL in answers.hard else [OVERALL]))


def forest_of(answers: Answers) -> Forest | None:
    """Numbers and words of the forest plot; pure. ``None`` where no main effect is estimated in the classes shown."""
    shown = shown_classes(answers)
    effects = {name: [e for e in answers.effects.main if e.class_name == name] for name in shown}
    effects = {name: found for name, found in effects.items() if found}
    if not effects:
        return None
    limits, alike = limits_of([span_of((0.0, e.estimate) for e in found) for found in effects.values()])
    panels = tuple(
        ForestPanel(name, tuple(_row(effect) for effect in found), limits[place])
        for place, (name, found) in enumerate(effects.items())
    )
    listed = [effect for found in effects.values() for effect in found]
    notes = []
    if any_interval(effect.estimate for effect in listed):
        notes.append(f"Lines are {PERCENT} intervals, each for itself; verdicts go by Holm's p: {_family(answers)}.")
    notes += [] if alike else ["The classes have scales of their own: compare the figures, not the lengths."]
    notes += [*meanings_of(listed), *_alias_notes(listed), *reason_notes((e.class_name, e.estimate) for e in listed)]
    mains = set(answers.factors) | {"effects"}
    notes += refusal_notes(r for r in answers.effects.refusals if r.class_name in shown and r.subject in mains)
    paired = {r.class_name for r in answers.effects.refusals if ":" in r.subject} & set(shown)
    if paired and not any(effect.class_name in shown for effect in answers.effects.interactions):
        notes.append("No interaction is estimated: effects.csv says why.")
    seeds = f"seed{'s' * (len(answers.seeds) != 1)} {', '.join(answers.seeds)}"
    title = f"Study {answers.study}: what each factor does to AP\n{answers.model} on val, {seeds}"
    return Forest(title, panels, (*notes, *unfinished_notes(answers.unfinished)))


def plot_forest(panel: ForestPanel, ax: Axes) -> None:
    """Draw one class: a row per factor, a line at 0, and figures and verdicts to the right of the axis."""
    ax.axvline(0, color=INK, linewidth=0.9, zorder=1)
    for place, row in enumerate(panel.rows):
        draw_interval(ax, row.estimate, place, color=INK)
        ax.plot(
            [row.estimate.value], [place], linestyle="", markeredgecolor=INK, zorder=5, clip_on=False,
            **_MARKS[row.verdict],
        )  # fmt: skip
        write_beside(ax, figures_text(row.estimate), place)
        weight = "bold" if row.verdict in ("up", "down") else "normal"
        write_beside(ax, row.words, place, points=_VERDICT_POINTS, fontweight=weight)
    ax.set_yticks(range(len(panel.rows)), [row.factor for row in panel.rows])
    ax.set_ylim(len(panel.rows) - 0.4, -0.6)
    ax.set_xlim(*panel.limits)
    ax.locator_params(axis="x", nbins=6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    ax.set_title(class_title(panel.class_name))


def write_forest(answers: Answers, folder: Path) -> list[Path]:
    """Write ``effects.png`` and ``.svg``; no file where there is nothing to draw (see `forest_of`)."""
    forest = forest_of(answers)
    if forest is None:
        return []
    counts = [len(panel.rows) for panel in forest.panels]

    def draw(figure: Figure) -> None:
        axes = panel_column(figure, counts)
        for panel, ax in zip(forest.panels, axes, strict=True):
            plot_forest(panel, ax)
        axes[-1].set_xlabel("change of AP from off to on")

    height = _ROW * sum(counts) + 0.48 * len(counts) + 0.2
    return write_sheet(folder, "effects", title=forest.title, notes=forest.notes, height=height, draw=draw)


def _row(effect: FactorEffect) -> ForestRow:
    words = "" if effect.adjusted is None else f"{effect.verdict}, {p_text(effect.adjusted)}"
    return ForestRow(effect.effect, effect.estimate, effect.verdict, words)


def _family(answers: Answers) -> str:
    hard = ", ".join(answers.hard)
    return f"{hard} are corrected together, the other classes and {OVERALL} apart" if hard else "over all classes"


def _alias_notes(effects: Sequence[FactorEffect]) -> list[str]:
    """What cannot be told from each factor's effect, alike in every class whose runs are the same."""
    found: dict[str, None] = {}
    for effect in effects:
        if effect.aliases or effect.more:
            found[f"{effect.effect} with {alias_text(effect, most=2)}"] = None
    return [f"Aliases, which an effect cannot be told from: {'; '.join(found)}."] if found else []

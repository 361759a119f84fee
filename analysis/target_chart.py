"""AP of each arm against its targets, with intervals, and with what probability each target is met."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.answers import Answers
from analysis.arm_letters import arm_label, letters_note, letters_of
from analysis.attainment import UNDERPOWERED, Attainment, ClassAttainment
from analysis.fits import Estimate, reason_notes
from analysis.numerals import probability
from analysis.observations import UNEVEN
from analysis.refusals import Refusal
from analysis.sheet import (
    PERCENT,
    SMALL,
    Limits,
    any_interval,
    class_title,
    draw_interval,
    panel_column,
    refusal_notes,
    unfinished_notes,
    write_beside,
    write_sheet,
)
from analysis.targets import BASELINE
from experiments.goals import NEAR_ZERO
from experiments.style import INK, PALETTE

_MOST_ARMS, _FEWEST_ARMS = 12, 5
_MOST_ROWS = 36  # fill a page
_FARTHEST = 2.5  # times the highest AP: a target beyond is not on the axis
_CLOSE = 0.15  # of the axis: two targets' names would overlap
_ROW = 0.17  # inches
_FIRST, _COLUMN = 36.0, 102.0  # points from the axis to the first target's verdicts, and on to the next one's
_GLYPHS = {
    "met": ("▲", PALETTE[1]),
    "missed": ("▼", PALETTE[6]),
    "underpowered": ("■", PALETTE[2]),
    "undefined": ("○", INK),
}


@dataclass(frozen=True)
class TargetLine:
    """A target: its multiple or bound as shown, its height in AP (``None``: undefined), and whether it lies within the axis."""

    label: str
    height: float | None
    visible: bool


@dataclass(frozen=True)
class TargetRow:
    """An arm's AP and, target by target, the verdict with its probability in words; the baseline has none."""

    label: str
    estimate: Estimate
    verdicts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TargetPanel:
    """The baseline and a class's highest arms, from the highest on, within ``limits`` of AP."""

    class_name: str
    lines: tuple[TargetLine, ...]
    rows: tuple[TargetRow, ...]
    limits: Limits


@dataclass(frozen=True)
class TargetChart:
    """What the chart shows, class by class."""

    title: str
    panels: tuple[TargetPanel, ...]
    notes: tuple[str, ...]


def target_chart_of(answers: Answers) -> TargetChart | None:
    """Numbers and words of the chart; pure. ``None`` where no class can be judged."""
    found = [part for part in answers.targets if isinstance(part, ClassAttainment)]
    if not found:
        return None
    letters = letters_of(answers.factors, (arm.arm for part in found for arm in part.arms))
    most = max(_FEWEST_ARMS, min(_MOST_ARMS, _MOST_ROWS // len(found)))
    panels = tuple(_panel(part, letters, most) for part in found)
    means = [(one.class_name, mean) for one in found for mean in (one.baseline, *(arm.mean for arm in one.arms))]
    changes = [(one.class_name, arm.change) for one in found for arm in one.arms]
    notes = []
    if any_interval(mean for _, mean in means):
        notes.append(f"Lines are {PERCENT} intervals of the mean AP.")
    if any(line.visible for panel in panels for line in panel.lines):
        notes.append("Dashed: targets, as multiples of the baseline as measured.")
    if any_interval(change for _, change in changes):
        notes.append(
            "Verdicts and probabilities (P) are of the comparison within seeds, the baseline's uncertainty included: they can be "
            "clear where a line crosses an interval."
        )
    notes = [" ".join(notes)] if notes else []
    verdicts = {target.verdict for part in found for arm in part.arms for target in arm.targets}
    if "underpowered" in verdicts:
        notes.append(UNDERPOWERED)
    notes += letters_note(letters)
    notes += list(dict.fromkeys(_best_note(part, letters) for part in found))
    notes += [note for note in answers.notes if note == UNEVEN]
    rest = max(len(part.arms) for part in found) - most
    if rest > 0:
        notes.append(f"The {most} highest arms of each class are shown, all of them stand in targets.csv.")
        notes += [_count_note(part) for part in found]
    if any(_cut(row.estimate, panel.limits) for panel in panels for row in panel.rows):
        notes.append("Lines without an end go on beyond the axis.")
    if any(line.height is None for panel in panels for line in panel.lines):
        notes.append(
            f"Undefined: the baseline's AP is near zero (below {NEAR_ZERO:g}), and a multiple of it says nothing."
        )
    notes += list(dict.fromkeys(f"{note[0].upper()}{note[1:].rstrip('.')}." for part in found for note in part.notes))
    if reason_notes(means) == reason_notes(changes):
        notes += reason_notes(means)
    else:
        notes += [*reason_notes(means, of="a mean AP"), *reason_notes(changes, of="a change from the baseline")]
    notes += refusal_notes(part for part in answers.targets if isinstance(part, Refusal))
    title = f"Study {answers.study}: AP of each arm against the targets\n{answers.model} on val"
    return TargetChart(title, panels, (*notes, *unfinished_notes(answers.unfinished)))


def plot_targets(panel: TargetPanel, ax: Axes) -> None:
    """Draw one class: a row per arm, targets as dashed lines or, beyond the axis, in words; verdicts to the right."""
    for place, row in enumerate(panel.rows):
        draw_interval(ax, row.estimate, place, color=INK)
        ax.plot(
            [row.estimate.value], [place], marker="D" if row.label == BASELINE else "o", markersize=4.5, linestyle="",
            markerfacecolor=PALETTE[0] if row.label == BASELINE else PALETTE[1], markeredgecolor=INK, zorder=5,
            clip_on=False,  # at AP 0 half of it lies beyond the axis
        )  # fmt: skip
        write_beside(ax, f"{row.estimate.value:.3f}", place)
        for number, (verdict, words) in enumerate(row.verdicts):
            start = _FIRST + _COLUMN * number
            glyph, colour = _GLYPHS[verdict]
            write_beside(ax, glyph, place, points=start, color=colour)
            write_beside(ax, words, place, points=start + 9, fontweight="bold" if verdict == "met" else "normal")
    for number, line in enumerate(panel.lines):
        write_beside(ax, _heading(line), -1, points=_FIRST + _COLUMN * number, fontweight="bold")
        if line.visible and line.height is not None:
            ax.axvline(line.height, color=INK, linestyle=(0, (4, 2)), linewidth=1.2, zorder=3)
            ax.annotate(
                line.label, (line.height, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
                textcoords="offset points", ha=_side(panel, line.height), va="bottom", fontsize=SMALL,
            )  # fmt: skip
    write_beside(ax, "AP", -1, fontweight="bold")
    ax.set_yticks(range(len(panel.rows)), [row.label for row in panel.rows])
    ax.set_ylim(len(panel.rows) - 0.4, -0.6)
    ax.set_xlim(*panel.limits)
    ax.locator_params(axis="x", nbins=6)
    ax.tick_params(axis="y", length=0, labelsize=8, pad=6)
    for label in ax.get_yticklabels():
        if "·" in label.get_text() or " " in label.get_text():
            label.set_fontfamily("monospace")  # letters stand one below the other
    ax.grid(axis="x")
    ax.set_title(class_title(panel.class_name), pad=14)


def write_target_chart(answers: Answers, folder: Path) -> list[Path]:
    """Write ``targets.png`` and ``.svg``; no file where no class can be judged."""
    chart = target_chart_of(answers)
    if chart is None:
        return []
    counts = [len(panel.rows) for panel in chart.panels]

    def draw(figure: Figure) -> None:
        axes = panel_column(figure, counts)
        for panel, ax in zip(chart.panels, axes, strict=True):
            plot_targets(panel, ax)
        axes[-1].set_xlabel("AP (IoU 0.50:0.95)")

    height = _ROW * sum(counts) + 0.6 * len(counts) + 0.2
    return write_sheet(folder, "targets", title=chart.title, notes=chart.notes, height=height, draw=draw)


def _panel(part: ClassAttainment, letters: dict[str, str], most: int) -> TargetPanel:
    arms = sorted(part.arms, key=lambda arm: -round(arm.mean.value, 12))[:most]
    rows = [
        TargetRow(arm_label(arm.arm, letters), arm.mean, tuple((t.verdict, _words(t)) for t in arm.targets))
        for arm in arms
    ]
    rows.append(TargetRow(BASELINE, part.baseline, ()))
    rows.sort(key=lambda row: -round(row.estimate.value, 12))
    values = [row.estimate.value for row in rows]
    tops = [row.estimate.high for row in rows if row.estimate.high is not None]
    tallest = max(0.01, *values)
    # An interval of few seeds may be wider than all APs: it is cut off at the axis, not the APs squeezed.
    reach = min(1.0, max(tallest, min(max(tops, default=tallest), 2 * tallest)))
    heights = [target.bound(part.baseline.value) for target in part.goal.targets]
    visible = [height is not None and height <= min(1.0, _FARTHEST * reach) for height in heights]
    right = max([reach, *(h for h, seen in zip(heights, visible, strict=True) if seen and h is not None)])
    lines = tuple(
        TargetLine(target.label, height, seen)
        for target, height, seen in zip(part.goal.targets, heights, visible, strict=True)
    )
    return TargetPanel(part.class_name, lines, tuple(rows), (0.0, 1.06 * right))


def _side(panel: TargetPanel, height: float) -> str:
    """Where a target's name stands at its line: apart from another one's close by."""
    width = _CLOSE * (panel.limits[1] - panel.limits[0])
    seen = [line.height for line in panel.lines if line.visible and line.height is not None]
    close = [other for other in seen if 0 < abs(other - height) < width]
    return "center" if not close else "right" if close[0] > height else "left"


def _cut(estimate: Estimate, limits: Limits) -> bool:
    """Whether the interval goes on beyond the axis."""
    if estimate.low is None or estimate.high is None:
        return False
    return estimate.low < limits[0] or estimate.high > limits[1]


def _heading(line: TargetLine) -> str:
    """Such as ``5x: 0.630``, or ``0.030`` of an absolute target; those that lie beyond the axis are named so."""
    if line.height is None:
        return f"{line.label}: undefined"
    figure = f"{line.label}: {line.height:.3f}" if line.label.endswith("x") else line.label
    return figure if line.visible else f"{figure} (off axis)"


def _words(target: Attainment) -> str:
    if target.probability is None:
        return target.verdict
    return f"{target.verdict}, P {probability(target.probability).lstrip('0')}"


def _best_note(part: ClassAttainment, letters: dict[str, str]) -> str:
    best = part.best
    arm = best.attainment
    if best.candidates == 1:
        return f"No best arm was chosen: {arm.arm} is the only one that switches a factor."
    verdicts = ", ".join(f"{target.label} {target.verdict}" for target in arm.targets)
    widened = ": verdicts widened for the choice" * (arm.change.low is not None)
    return f"Best arm of {part.class_name}: {arm_label(arm.arm, letters)} ({verdicts}, chosen of {best.candidates}{widened})."


def _count_note(part: ClassAttainment) -> str:
    """How many arms have which verdict: a floor may be missed by arms that are too low to be shown."""
    counts = []
    for place, target in enumerate(part.goal.targets):
        number = Counter(arm.targets[place].verdict for arm in part.arms)
        counts.append(f"{target.label} {', '.join(f'{verdict} by {n}' for verdict, n in sorted(number.items()))}")
    return f"{part.class_name}, all {len(part.arms)} arms: {'; '.join(counts)}."

"""Charts of a study: numbers first (a small record), then drawing on an axis, then files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import patheffects, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.summary import Summary
from analysis.targets import BASELINE
from experiments.goals import OVERALL
from experiments.style import INK, RC, bar_style, save_figure

_HEADROOM = 1.3
_LOWEST_TOP = 0.01  # of AP: a lower axis would make much of nothing
_GROUP_WIDTH = 0.82
_DOT = "one seed"
_LEGEND_ROW = 0.21  # inches
_ARMS = 16  # more bars to a group cannot be told apart


@dataclass(frozen=True)
class TargetMark:
    """The conservative target over one group; ``height`` is ``None`` where the baseline is near zero.

    ``visible``: the line lies within the axis; otherwise an arrow at the top points to it.
    """

    group: int
    label: str
    height: float | None
    visible: bool


@dataclass(frozen=True)
class ClassMap:
    """What the per-class chart shows: mean APs (``heights``) and seeds' APs (``dots``), per arm and group."""

    title: str
    groups: tuple[str, ...]
    heights: dict[str, list[float | None]]
    dots: dict[str, list[list[float]]]
    targets: tuple[TargetMark, ...]
    top: float


def class_map(summary: Summary) -> ClassMap:
    """Numbers of the per-class chart; pure. Seeds are dots only where an arm has more than one.

    Of more arms than can be told apart, the baseline and the highest in the hard classes are shown.
    The axis ends a little above the highest bar or dot, and a target stretches it by a half at most.
    """
    judged = [goal.class_name for goal in summary.goals if goal.class_name != OVERALL] or [OVERALL]
    chosen = highlighted({arm.arm: [arm.cells[name].mean for name in judged] for arm in summary.arms}, limit=_ARMS)
    arms = [arm for arm in summary.arms if arm.arm in chosen]
    heights = {arm.label: [arm.cells[name].mean for name in summary.classes] for arm in arms}
    dots = {
        arm.label: [
            [ap for ap in arm.cells[name].values.values() if ap is not None] if len(arm.seeds) > 1 else []
            for name in summary.classes
        ]
        for arm in arms
    }
    drawn = [ap for row in heights.values() for ap in row if ap is not None]
    drawn += [ap for row in dots.values() for group in row for ap in group]
    tallest = max([_LOWEST_TOP, *drawn])
    targets = _targets(summary, limit=min(1.0, 1.5 * tallest))
    reached = [mark.height for mark in targets if mark.visible and mark.height is not None]
    seeds = ", ".join(str(seed) for seed in summary.seeds)
    title = (
        f"Study {summary.study}: AP per class\n{', '.join(summary.scales)} scale, {summary.model} on "
        f"{summary.split}, seed{'s' if len(summary.seeds) > 1 else ''} {seeds}"
    )
    if len(arms) < len(summary.arms):
        title += f"\nof {len(summary.arms)} arms the baseline and those highest in {' and '.join(judged)}"
    return ClassMap(
        title=title,
        groups=summary.classes,
        heights=heights,
        dots=dots,
        targets=targets,
        top=max(_HEADROOM * tallest, *(1.15 * height for height in reached), 0.0),
    )


def highlighted(finals: Mapping[str, Sequence[float | None]], *, limit: int) -> list[str]:
    """All arms, or, of more than ``limit``, the baseline and those that end highest; in their order; pure.

    Args:
        finals: final APs of each arm in the classes that count, which are averaged; the baseline's key is ``baseline``.
        limit: how many arms at most.
    """
    if len(finals) <= limit:
        return list(finals)

    def height(arm: str) -> float:
        known = [value for value in finals[arm] if value is not None]
        return sum(known) / len(known) if known else -1.0

    best = sorted((arm for arm in finals if arm != BASELINE), key=height, reverse=True)
    chosen = {BASELINE, *best[: limit - 1]}
    return [arm for arm in finals if arm in chosen]


def plot_class_map(chart: ClassMap, ax: Axes) -> None:
    """Draw the chart: bars grouped by class, one colour per arm, seeds as dots, targets as dashed lines."""
    width = _GROUP_WIDTH / len(chart.heights)
    points: list[tuple[float, float]] = []
    for place, (arm, heights) in enumerate(chart.heights.items()):
        xs = [group - _GROUP_WIDTH / 2 + (place + 0.5) * width for group in range(len(chart.groups))]
        known = [(x, height) for x, height in zip(xs, heights, strict=True) if height is not None]
        ax.bar([x for x, _ in known], [height for _, height in known], width=width, label=arm, **bar_style(place))
        points += [(x, ap) for x, aps in zip(xs, chart.dots[arm], strict=True) for ap in aps]
    if points:
        ax.scatter(
            [x for x, _ in points],
            [ap for _, ap in points],
            s=14,
            color="white",
            edgecolor=INK,
            linewidth=0.8,
            zorder=4,
            clip_on=False,
            label=_DOT,
        )
    labels = [f"{name} (mean)" if name == OVERALL else name for name in chart.groups]
    ax.set_xticks(range(len(labels)), labels)
    ax.set_ylim(0, chart.top)
    ax.set_ylabel("AP (IoU 0.50:0.95)")
    ax.set_title(chart.title, loc="left")
    ax.grid(axis="y")
    for mark in chart.targets:
        _draw_target(chart, mark, ax)


def write_class_map(summary: Summary, folder: Path) -> list[Path]:
    """Write ``per_class_map.png`` and ``.svg`` into a folder, each atomically; returns both paths."""
    chart = class_map(summary)
    with rc_context(RC):
        columns = 4 if max(len(arm) for arm in chart.heights) <= 24 else 2
        rows = -(-(len(chart.heights) + 1) // columns)
        height = 5.2 + _LEGEND_ROW * max(0, rows - 4)  # the axis keeps its height under a long legend
        figure = Figure(figsize=(10, height), dpi=150, layout="constrained")
        ax = figure.add_subplot()
        plot_class_map(chart, ax)
        entries = sorted(zip(*ax.get_legend_handles_labels(), strict=True), key=lambda entry: entry[1] == _DOT)
        handles, labels = zip(*entries, strict=True)
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
        return save_figure(figure, folder, "per_class_map")


def _targets(summary: Summary, *, limit: float) -> tuple[TargetMark, ...]:
    baseline = next((arm for arm in summary.arms if arm.arm == BASELINE), None)
    marks = []
    for goal in summary.goals:
        mean = baseline.cells[goal.class_name].mean if baseline else None
        if goal.class_name == OVERALL or mean is None:
            continue
        target = goal.targets[0]
        height = target.bound(mean)
        visible = height is not None and height <= limit
        marks.append(TargetMark(summary.classes.index(goal.class_name), f"{target.label} target", height, visible))
    return tuple(marks)


def _draw_target(chart: ClassMap, mark: TargetMark, ax: Axes) -> None:
    halo = [patheffects.withStroke(linewidth=3, foreground="white")]
    # A plate, not a halo, behind the words: matplotlib turns text with path effects into outlines in SVG.
    plate = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    text: dict[str, Any] = {"ha": "center", "fontsize": 9.5, "bbox": plate, "zorder": 6}
    if mark.height is not None and not mark.visible:
        ax.annotate(
            f"{mark.label} {mark.height:.3f}" + ("\n(above 1)" if mark.height > 1 else ""),
            xy=(mark.group, chart.top),
            xytext=(0, -16),
            textcoords="offset points",
            va="top",
            arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.4},
            **text,
        )
        return
    over = [row[mark.group] or 0.0 for row in chart.heights.values()]
    over += [ap for row in chart.dots.values() for ap in row[mark.group]]
    words = f"{mark.label} undefined\n(baseline near 0)"
    if mark.height is not None:
        over.append(mark.height)
        words = f"{mark.label} {mark.height:.3f}"
        half = _GROUP_WIDTH / 2 + 0.04
        ax.plot(
            [mark.group - half, mark.group + half],
            [mark.height] * 2,
            color=INK,
            linestyle=(0, (4, 2)),
            linewidth=1.6,
            path_effects=halo,
            zorder=5,
        )
    ax.annotate(words, xy=(mark.group, max(over)), xytext=(0, 5), textcoords="offset points", va="bottom", **text)

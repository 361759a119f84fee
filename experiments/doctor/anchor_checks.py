"""Checks of anchors against the labelled boxes. Torch-free."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from experiments.doctor.anchors import (
    AnchorGrid,
    Coverage,
    cover,
    listed,
    ratio_sets,
    ratios_to,
    read_grid,
    read_ratios,
    scale_sets,
)
from experiments.doctor.case import Case, Check
from experiments.doctor.findings import Finding

LEAST_COVERED = 0.9  # share of a class's boxes that should have an anchor with IoU above 0.5
_STRIDES = (
    3  # half a stride away from an anchor of its size, a box of 3 strides a side has IoU 0.53 with it, one of 2 0.39
)
_LARGER = 1.2  # times the side of a view: less than that is not worth a change
_GAIN = 0.05  # share of boxes (of a class, or at IoU 0.7 of all) that other anchors must gain to be spoken of


def coverages(case: Case) -> list[Coverage]:
    """Coverage of the labelled boxes by the configured ratios, the plan's, both also inverted, and fitted ones.

    Empty where there are no boxes, or no ratios that make anchors.

    Raises:
        UserError: the config's anchors are of a kind that is not known here.
    """
    boxes, grid = case.boxes("labelled"), _grid(case)
    if not len(boxes.labels) or min(_ratios(case), default=0) <= 0:
        return []
    return _covered(case, ratio_sets(_ratios(case), boxes.xyxy), grid)


def _covered(case: Case, sets: Mapping[str, Sequence[float]], grid: AnchorGrid) -> list[Coverage]:
    """Coverage of the labelled boxes by each set of ratios."""
    boxes = case.boxes("labelled")
    return [
        cover(title, ratios, boxes=boxes.xyxy, labels=boxes.labels, classes=case.classes, grid=grid)
        for title, ratios in sets.items()
    ]


def coverage_findings(case: Case) -> list[Finding]:
    """Classes whose boxes lack an anchor with IoU above 0.5, from where the RPN trains an anchor as a positive one.

    Where no box of any class has one, training would be pointless.
    """
    if min(_ratios(case), default=0) <= 0:
        says, evidence = "Anchor ratios must be above 0.", f"They are {listed(_ratios(case))} (height / width)."
        remedy = "Set model.detector.rpn_head.anchor_generator.ratios."
        return [Finding("anchor coverage", "error", says, evidence, remedy)]
    sets = coverages(case)
    if not sets:
        return []
    configured = sets[0]
    poor = _poor(configured)
    if not poor:
        return []
    best, scales, further = _advice(case, sets)
    changes = []
    if best.ratios != configured.ratios:
        changes.append(f"{ratios_to(best.ratios, _generator(case))} (height / width, {best.title})")
    if scales:
        changes.append(f"model.detector.rpn_head.anchor_generator.scales to {listed(scales)}")
    parts = [f"set {' and '.join(changes)}"] if changes else []
    if best.ratios != configured.ratios and convention_findings(case):  # which tells of other ratios
        parts = [f'set the ratios of "anchor convention" first and ask again; or, at once, {parts[0]}']
    if changes and best.overall[1] < configured.overall[1]:
        parts[0] += (
            f", though {best.overall[1]:.1%} of all boxes, not {configured.overall[1]:.1%}, then have an anchor above IoU 0.7"
        )
    remedy = "; ".join([*parts, further] if further else parts)
    none = configured.overall[0] == 0
    says = (
        "No box of any class has an anchor above IoU 0.5."
        if none
        else f"Of {_and(poor)}, less than {LEAST_COVERED:.0%} of the boxes have an anchor above IoU 0.5."
    )
    shares = ", ".join(
        f"{name} {configured.of_class[name][0]:.1%}" + (f" ({best.of_class[name][0]:.1%})" if changes else "")
        for name in poor
    )
    return [Finding(
        "anchor coverage", "error" if none else "warning", says,
        f"Share that has one{', in brackets with the remedy' if changes else ''}: {shares}.", f"{remedy[0].upper()}{remedy[1:]}.",
    )]  # fmt: skip


def shown(case: Case) -> list[Coverage]:
    """The coverages, and behind them that of the scales which the remedy proposes with one of these sets, where it does."""
    sets = coverages(case)
    if not sets or not _poor(sets[0]):
        return sets
    best, scales, _ = _advice(case, sets)
    return [*sets, replace(best, title=f"{best.title}, scales {listed(scales)}")] if scales else sets


def _poor(found: Coverage) -> list[str]:
    """Classes of whose boxes too few have an anchor."""
    return [name for name, shares in found.of_class.items() if shares[0] < LEAST_COVERED]


def _advice(case: Case, sets: list[Coverage]) -> tuple[Coverage, tuple[float, ...] | None, str]:
    """The anchors to set, their scales where those must change, and what else to do for classes that are still poor with them."""
    best, scales = _proposal(case, sets)
    left = [name for name in _poor(sets[0]) if best.of_class[name][0] < LEAST_COVERED]
    resizes, further = _further(case, left) if left else (False, "")
    if resizes:  # then other anchors are the best
        best, scales = sets[0], None
    return best, scales, further


def _worth(found: Coverage) -> float:
    """Shares of the classes, each up to the share that is wanted, summed. A remedy is never to lower it: so advice ends."""
    return sum(min(shares[0], LEAST_COVERED) for shares in found.of_class.values())


def _keeps(found: Coverage, now: Coverage) -> bool:
    """Whether no class has less than now, but for what it has above the share that is wanted."""
    return all(shares[0] >= min(now.of_class[name][0], LEAST_COVERED) for name, shares in found.of_class.items())


def _proposal(case: Case, sets: list[Coverage]) -> tuple[Coverage, tuple[float, ...] | None]:
    """The anchors that cover most, up to the share that is wanted of each class, and their scales where those must change.

    No class is to lose by it, but for what it has above that share; nor are all boxes above IoU 0.7, unless that gains enough.
    Of equals it is the configured ones, then the fitted ones; scales change, and grow in number, only where that gains enough.
    """
    tried = _tried(case, sets)
    dear, free = _most(tried, sets[0], fine=0), _most(tried, sets[0], fine=sets[0].overall[1])
    return dear if _worth(dear[0]) - _worth(free[0]) >= _GAIN else free


def _most(
    tried: Sequence[tuple[Sequence[Coverage], tuple[float, ...] | None]], now: Coverage, *, fine: float
) -> tuple[Coverage, tuple[float, ...] | None]:
    """What covers most of the sets tried, with its scales, of those with at least ``fine`` of all boxes above IoU 0.7."""
    best, scales = now, None
    for sets, own in tried:
        allowed = (one for one in reversed(sets) if _keeps(one, now) and one.overall[1] >= fine)
        found = max(allowed, key=_worth, default=best)
        if _worth(found) - _worth(best) >= _GAIN:
            best, scales = found, own
    return best, scales


def _tried(case: Case, sets: list[Coverage]) -> list[tuple[list[Coverage], tuple[float, ...] | None]]:
    """The sets with the configured scales, ``None``, and with others that reach from the smallest class to the largest."""
    boxes, grid = case.boxes("labelled"), _grid(case)
    sides = [np.percentile(np.sqrt(boxes.areas[boxes.labels == label]), (5, 95)) for label in np.unique(boxes.labels)]
    low, high = (
        min(side[0] for side in sides),
        max(side[1] for side in sides),
    )  # of the class with the smallest, the largest
    ratios = {one.title: one.ratios for one in sets}
    others = scale_sets(low, high, grid.strides)
    return [(sets, None), *((_covered(case, ratios, replace(grid, scales=scales)), scales) for scales in others)]


def _further(case: Case, left: Sequence[str]) -> tuple[bool, str]:
    """What to do for classes that neither ratios nor scales bring to the share that is wanted; first whether it resizes views."""
    boxes, stride = case.boxes("labelled"), min(_grid(case).strides)
    theirs = np.isin(boxes.labels, [case.classes.index(name) for name in left])
    sides = np.sqrt(boxes.areas[theirs])
    least = _STRIDES * stride
    small = float(np.mean(sides < least))
    if small < 0.5:
        tall = np.percentile(boxes.sides[theirs, 1] / boxes.sides[theirs, 0], (10, 90))
        return False, (
            f"for {_and(left)} further ratios or scales would be needed, smaller, larger or between these: most of their boxes "
            f"have a height / width of {tall[0]:.2g} to {tall[1]:.2g}"
        )
    why = (
        f"{small:.0%} of their boxes are smaller than {least} px, {_STRIDES} times the distance between anchors, and may lie "
        f"between them whatever ratios and scales are"
    )
    room = case.description["image_size"][0] / case.size[0]  # images are not enlarged
    if room < _LARGER:
        return False, f"for {_and(left)} take larger images, or leave them out of what is concluded: {why}"
    times = min(room, max(_LARGER, least / float(np.median(sides))))
    size = [round(side * times) for side in case.size]
    path = "model.detector.backbone.mvvit.image_size"
    return True, f"for {_and(left)} set {path} (height, width) to {listed(size)} and ask again: {why}"


def convention_findings(case: Case) -> list[Finding]:
    """Ratios that lean the other way than the boxes do, where reading them the other way round covers more boxes.

    Not where a class would lose anchors that it needs: "anchor coverage" would then ask for the present ones again.
    """
    sets = coverages(case)
    if not sets:
        return []
    configured, other = sets[:2]
    sides = case.boxes("labelled").sides
    aspect = float(np.median(sides[:, 0] / sides[:, 1]))
    tall = aspect < 1
    leaning = [ratio for ratio in configured.ratios if ratio != 1]
    against = [ratio for ratio in leaning if (ratio < 1) == tall]  # height / width below 1 is a wide anchor
    gain = other.overall[1] - configured.overall[1]
    if 2 * len(against) <= len(leaning) or gain < _GAIN or not _keeps(other, configured):
        return []
    kinds = ("tall", "wide") if tall else ("wide", "tall")
    return [Finding(
        "anchor convention", "warning",
        f"The boxes are {kinds[0]} (median width/height {aspect:.2f}), but {len(against)} of the {len(configured.ratios)} anchor "
        f"ratios make {kinds[1]} anchors: ratios are height / width.",
        f"Boxes with an anchor above IoU 0.5 / 0.7: {_pair(configured.overall)} % with {listed(configured.ratios)}, "
        f"{_pair(other.overall)} % with the same ratios read as width / height.",
        f"Set {ratios_to(other.ratios, _generator(case))}: {gain * 100:.1f} points more of the boxes then have an anchor above "
        f"IoU 0.7.",
    )]  # fmt: skip


def coverage_table(sets: Sequence[Coverage]) -> Table:
    """Percent of boxes whose best anchor is above IoU 0.5 / 0.7: a column for all boxes and each class, a row for each set."""
    table = Table(
        title="Labelled boxes with an anchor above IoU 0.5 / 0.7 (%)", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )  # fmt: skip
    table.add_column("ratios (height / width)")
    for name in ("all", *sets[0].of_class):
        table.add_column(name, justify="right")
    for entry in sets:
        cells = (entry.overall, *entry.of_class.values())
        ratios = ", ".join(f"{ratio:g}" for ratio in entry.ratios)
        table.add_row(
            f"{entry.title}\n  {ratios}", *(" / ".join(f"{100 * share:.0f}" for share in cell) for cell in cells)
        )
    return table


def _grid(case: Case) -> AnchorGrid:
    return read_grid(_generator(case), case.size)


def _ratios(case: Case) -> tuple[float, ...]:
    return read_ratios(_generator(case))


def _generator(case: Case) -> Any:
    return case.settings.model.detector.rpn_head.anchor_generator


def _pair(shares: tuple[float, ...]) -> str:
    return " / ".join(f"{100 * share:.1f}" for share in shares)


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


CHECKS = (
    Check("anchor coverage", ("data",), coverage_findings),
    Check("anchor convention", ("data",), convention_findings),
)

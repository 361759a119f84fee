"""Checks of anchors against the labelled boxes. Torch-free."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from experiments.doctor.anchors import AnchorGrid, Coverage, cover, ratio_sets, ratios_to, read_grid, read_ratios
from experiments.doctor.case import Case, Check
from experiments.doctor.findings import Finding

LEAST_COVERED = 0.9  # share of a class's boxes that should have an anchor with IoU above 0.5
_GAIN = 0.05  # share of boxes that another reading of the ratios must gain at IoU 0.7 to be spoken of


def coverages(case: Case) -> list[Coverage]:
    """Coverage of the labelled boxes by the configured ratios, the plan's, both also inverted, and fitted ones.

    Empty where there are no boxes, or no ratios that make anchors.

    Raises:
        UserError: the config's anchors are of a kind that is not known here.
    """
    boxes, grid = case.boxes("labelled"), _grid(case)
    if not len(boxes.labels) or min(_ratios(case), default=0) <= 0:
        return []
    return [
        cover(title, ratios, boxes=boxes.xyxy, labels=boxes.labels, classes=case.classes, grid=grid)
        for title, ratios in ratio_sets(_ratios(case), boxes.xyxy).items()
    ]


def coverage_findings(case: Case) -> list[Finding]:
    """Classes whose boxes lack an anchor with IoU above 0.5, from where the RPN trains an anchor as a positive one.

    Where no box of any class has one, training would be pointless.
    """
    if min(_ratios(case), default=0) <= 0:
        says, evidence = "Anchor ratios must be above 0.", f"They are {_list(_ratios(case))} (height / width)."
        remedy = "Set model.detector.rpn_head.anchor_generator.ratios."
        return [Finding("anchor coverage", "error", says, evidence, remedy)]
    sets = coverages(case)
    if not sets:
        return []
    configured = sets[0]
    poor = [name for name, shares in configured.of_class.items() if shares[0] < LEAST_COVERED]
    if not poor:
        return []
    # The fitted ones unless others cover more: ratios are fitted to shapes, and scales stay as they are.
    best = max(reversed(sets), key=lambda found: sum(found.of_class[name][0] for name in poor))
    boxes, grid = case.boxes("labelled"), _grid(case)
    sides = np.sqrt(boxes.areas)
    low, high = np.percentile(sides, (5, 95))
    anchors = sorted(stride * scale for stride in grid.strides for scale in grid.scales)
    helped = [name for name in poor if best.of_class[name][0] - configured.of_class[name][0] >= _GAIN]
    left = [name for name in poor if best.of_class[name][0] < LEAST_COVERED]
    remedies = []
    if helped:
        remedies.append(
            f"for {_and(helped)} set {ratios_to(best.ratios, _generator(case))} (height / width, {best.title})"
        )
    if left:
        remedies.append(
            f"for {_and(left)} change model.detector.rpn_head.anchor_generator.scales: the root of a box's area is {low:.0f} to "
            f"{high:.0f} px (P5 to P95 of all classes), that of an anchor {anchors[0]:g} to {anchors[-1]:g} px"
        )
    remedy = "; ".join(remedies) or "widen ratios or scales"
    shares = (f"{name} {configured.of_class[name][0]:.1%} ({best.of_class[name][0]:.1%})" for name in poor)
    none = configured.overall[0] == 0
    says = (
        "No box of any class has an anchor above IoU 0.5."
        if none
        else f"Of {_and(poor)}, less than {LEAST_COVERED:.0%} of the boxes have an anchor above IoU 0.5."
    )
    return [Finding(
        "anchor coverage", "error" if none else "warning", says,
        f"Share that has one, in brackets with ratios {best.title}: {', '.join(shares)}.", f"{remedy[0].upper()}{remedy[1:]}.",
    )]  # fmt: skip


def convention_findings(case: Case) -> list[Finding]:
    """Ratios that lean the other way than the boxes do, where reading them the other way round covers more boxes."""
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
    if 2 * len(against) <= len(leaning) or gain < _GAIN:
        return []
    kinds = ("tall", "wide") if tall else ("wide", "tall")
    return [Finding(
        "anchor convention", "warning",
        f"The boxes are {kinds[0]} (median width/height {aspect:.2f}), but {len(against)} of the {len(configured.ratios)} anchor "
        f"ratios make {kinds[1]} anchors: ratios are height / width.",
        f"Boxes with an anchor above IoU 0.5 / 0.7: {_pair(configured.overall)} % with {_list(configured.ratios)}, "
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


def _list(ratios: Sequence[float]) -> str:
    return f"[{', '.join(f'{ratio:g}' for ratio in ratios)}]"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


CHECKS = (
    Check("anchor coverage", ("data",), coverage_findings),
    Check("anchor convention", ("data",), convention_findings),
)

"""Contact sheets of a data set folder, by group and by class, as pictures or as one HTML page that needs no network."""

import base64
import html as markup
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from experiments.data.files import write_file
from experiments.data.groups import Box, Group, View
from experiments.data.sheets import Mark, SheetRow, ViewPicture, contact_sheet, encoded, view_picture, write_picture
from experiments.data.survey import read_splits
from experiments.errors import UserError
from experiments.runs import read_dataset

_GROUPS_PER_SHEET = 8
_CUT_MARGIN = 0.6  # around a box that is cut out, as a share of its longer side
_LEAST_CUT = 24  # px
CUT_HEIGHT = 150  # px of a cell


@dataclass(frozen=True)
class CutOut:
    """One box and where it is: ``view`` counts from 1."""

    group: str
    number: int
    view: View
    box: Box

    @property
    def area(self) -> float:
        """Share of the image."""
        left, top, right, bottom = self.box.xyxy
        return (right - left) * (bottom - top) / (self.view.width * self.view.height)


@dataclass(frozen=True)
class Sheet:
    """A contact sheet and what it shows, in a sentence; ``name`` is that of its file, without suffix."""

    name: str
    title: str
    picture: NDArray[np.uint8]


def browse(
    folder: Path,
    out: Path,
    *,
    split: str = "val",
    by: Literal["group", "class"] = "group",
    html: bool = False,
    limit: int = 40,
    progress: bool = True,
) -> list[Path]:
    """Write contact sheets of one split to the folder ``out``.

    Args:
        folder: the data set.
        split: train_labeled, train_unlabeled (with the boxes of its truth), val or test.
        by: ``group``: all views of a group in a row; ``class``: a sheet per class with boxes cut out, from small to large.
        html: one page, ``<split>-<by>.html``, with the sheets inside it, instead of PNG files.
        limit: most groups, or most boxes of a class; more are thinned out evenly.

    Returns:
        The files written.

    Raises:
        UserError: the folder is no data set, its annotations are faulty, it has no such split or boxes, or a file cannot be
            read or written.
    """
    if limit < 1:
        raise UserError(f"The limit is {limit}: give a whole number from 1 up.")
    description = read_dataset(folder)
    splits = read_splits(folder)
    if split not in splits:
        raise UserError(f"{folder} has no split {split!r} with boxes: choose one of {', '.join(splits)}.")
    classes: list[str] = description["classes"]
    groups = splits[split]
    make = _class_sheets if by == "class" else _group_sheets
    written: list[Path] = []
    sheets: list[Sheet] = []
    with Progress(disable=not progress) as bar:
        job = bar.add_task("Drawing sheets", total=None)
        for sheet in make(groups, classes, limit):
            bar.advance(job)
            if html:
                sheets.append(sheet)
            else:
                written.append(out / f"{split}-{sheet.name}.png")
                write_picture(sheet.picture, written[-1])
        bar.update(job, total=max(len(written), len(sheets)))
    if html:
        written.append(out / f"{split}-{by}.html")
        write_file(_page(f"{description['name']}: {split}", sheets).encode(), written[-1])
    return written


def group_rows(groups: Sequence[Group]) -> list[SheetRow]:
    """A row per group: all views with their boxes, numbered from 1."""
    return [
        SheetRow(group.name, [view_picture(view, caption=f"view {i}") for i, view in enumerate(group.views, start=1)])
        for group in groups
    ]


def cut_row(groups: Sequence[Group], classes: Sequence[str], label: int, limit: int) -> SheetRow | None:
    """At most ``limit`` boxes of a class, cut out with a margin, from small to large; ``None`` if it has no boxes.

    Of more boxes, those at evenly spaced ranks of area are taken: the smallest, the largest, and the variety between.
    """
    own = cut_outs(groups, label)
    if not own:
        return None
    pictures = [_cut_picture(own[rank]) for rank in spread(len(own), limit)]
    title = f"{classes[label]}: {len(pictures)} of {len(own)} boxes, small to large"
    return SheetRow(title, pictures)


def cut_outs(groups: Sequence[Group], label: int) -> list[CutOut]:
    """The boxes of a class, by their share of the image; equal ones in the order of the groups."""
    found = [
        CutOut(group.name, number, view, box)
        for group in groups
        for number, view in enumerate(group.views, start=1)
        for box in view.boxes
        if box.label == label
    ]
    return sorted(found, key=lambda cut: cut.area)


def spread(count: int, limit: int) -> list[int]:
    """At most ``limit`` of the ranks 0 to ``count`` - 1: the first, the last, and even steps between."""
    return [round(rank) for rank in np.linspace(0, count - 1, min(count, limit)).tolist()]


def _group_sheets(groups: Sequence[Group], classes: Sequence[str], limit: int) -> Iterator[Sheet]:
    shown = [groups[rank] for rank in spread(len(groups), limit)]
    for number, start in enumerate(range(0, len(shown), _GROUPS_PER_SHEET), start=1):
        part = shown[start : start + _GROUPS_PER_SHEET]
        names = part[0].name if len(part) == 1 else f"{part[0].name} to {part[-1].name}"
        title = f"{names}: {len(part)} of {len(groups)} groups, {len(part[0].views)} views each"
        yield Sheet(f"groups-{number:02d}", title, contact_sheet(group_rows(part), classes))


def _class_sheets(groups: Sequence[Group], classes: Sequence[str], limit: int) -> Iterator[Sheet]:
    for label, name in enumerate(classes):
        row = cut_row(groups, classes, label, limit)
        if row is not None:
            # Names come from data and may hold anything; the number keeps files apart.
            safe = re.sub(r"[^\w-]+", "-", name)[:40]
            sheet = contact_sheet([row], classes, cell_height=CUT_HEIGHT)
            yield Sheet(f"class-{label + 1}-{safe}", row.title, sheet)


def _cut_picture(cut: CutOut) -> ViewPicture:
    """The box with its surroundings, moved to where the cut begins."""
    left, top, right, bottom = cut.box.xyxy
    side = max((1 + 2 * _CUT_MARGIN) * max(right - left, bottom - top), _LEAST_CUT)
    x0, x1 = _span((left + right) / 2, side, cut.view.width)
    y0, y1 = _span((top + bottom) / 2, side, cut.view.height)
    image = view_picture(cut.view).image[y0:y1, x0:x1]
    mark = Mark((left - x0, top - y0, right - x0, bottom - y0), cut.box.label)
    size = f"{right - left:.0f} x {bottom - top:.0f} px, {100 * cut.area:.1f} %"
    return ViewPicture(image, (mark,), caption=f"{cut.group}\nview {cut.number}\n{size}")


def _span(centre: float, side: float, limit: int) -> tuple[int, int]:
    """A span of about ``side`` px around ``centre``, moved into 0 to ``limit``."""
    length = min(round(side), limit)
    start = min(max(round(centre - length / 2), 0), limit - length)
    return start, start + length


def _page(title: str, sheets: Sequence[Sheet]) -> str:
    """The sheets as one HTML page: pictures inside it, an index at its head, every name escaped."""
    parts = []
    for sheet in sheets:
        words = markup.escape(sheet.title)
        picture = base64.b64encode(encoded(sheet.picture, ".jpg")).decode()
        parts.append(
            f'<section id="{markup.escape(sheet.name)}"><h2>{words}</h2>\n'
            f'<div class="sheet"><img src="data:image/jpeg;base64,{picture}" alt="Contact sheet: {words}"></div></section>'
        )
    index = "\n".join(
        f'<li><a href="#{markup.escape(sheet.name)}">{markup.escape(sheet.title)}</a></li>' for sheet in sheets
    )
    return _PAGE.substitute(title=markup.escape(title), index=index, sheets="\n".join(parts))


_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; }
h2 { font-size: 1.1rem; }
.sheet { overflow-x: auto; }
.sheet img { display: block; }
</style>
</head>
<body>
<h1>$title</h1>
<nav aria-label="Sheets"><ul>
$index
</ul></nav>
<main>
$sheets
</main>
</body>
</html>
""")

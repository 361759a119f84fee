"""Contact sheets: rows of views with their boxes, drawn with Pillow. Torch-free.

A sheet is a legend of the classes, then row after row: a title, and the row's views beside each other, all fitted to cells
of one width. Images are RGB uint8 (H, W, 3); boxes are xyxy in px of the image they lie on, see :mod:`experiments.data.marks`.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from experiments.data.files import write_file
from experiments.data.groups import View
from experiments.data.marks import Mark, class_colours, class_tags, draw_marks, draw_tag, font, tag_size
from experiments.errors import UserError
from experiments.style import INK

__all__ = ["Mark", "SheetRow", "ViewPicture", "contact_sheet", "encoded", "view_picture", "write_picture"]

_MOST_COLUMNS = 12
_MOST_WIDTH = 2600  # px of a line of views; wider ones are broken
_WIDEST_CELL = 2.0  # width / height
_NARROWEST_CELL = 56  # px, so that captions can be read
_NARROWEST_SHEET = 420  # px, for the legend
_MARGIN, _GAP = 14, 6
_TEXT, _LINE = 13, 19  # px


@dataclass(frozen=True)
class ViewPicture:
    """One cell: an RGB image (H, W, 3), its annotated and its found boxes; the lines of ``caption`` stand below it."""

    image: NDArray[np.uint8]
    truth: tuple[Mark, ...] = ()
    found: tuple[Mark, ...] = ()
    caption: str = ""


@dataclass(frozen=True)
class SheetRow:
    """The views of one group under a title."""

    title: str
    views: Sequence[ViewPicture]


def view_picture(view: View, *, found: tuple[Mark, ...] = (), caption: str = "") -> ViewPicture:
    """Read the image of a view, with its annotated boxes.

    Raises:
        UserError: the file is no readable image.
    """
    try:
        with Image.open(view.path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except OSError:
        raise UserError(f"{view.path} is not a readable image: restore the file.") from None
    return ViewPicture(pixels, tuple(Mark(box.xyxy, box.label) for box in view.boxes), found, caption)


def contact_sheet(rows: Sequence[SheetRow], classes: Sequence[str], *, cell_height: int = 240) -> NDArray[np.uint8]:
    """Draw a sheet.

    Args:
        rows: at least one, each with at least one view; rows may differ in length, views in size.
        classes: class names in the order of the labels.
        cell_height: px; views are scaled to it, those more than twice as wide as high to its double in width. Rows of more
            than 12 views, or too wide for a page, are broken into lines of equal length.

    Returns:
        The sheet as RGB (H, W, 3).
    """
    pictures = [view for row in rows for view in row.views]
    cell_width = max(_NARROWEST_CELL, *(_fitted(view.image, cell_height)[0] for view in pictures))
    columns = _columns(max(len(row.views) for row in rows), cell_width)
    width = max(columns * (cell_width + _GAP) - _GAP, _NARROWEST_SHEET)
    parts = [_legend(classes, width, with_found=any(view.found for view in pictures))]
    parts += [_row(row, classes, width, cell_width, columns, cell_height) for row in rows]
    height = sum(part.height for part in parts)
    sheet = Image.new("RGB", (width + 2 * _MARGIN, height + 2 * _MARGIN), "white")
    top = _MARGIN
    for part in parts:
        sheet.paste(part, (_MARGIN, top))
        top += part.height
    return np.asarray(sheet)


def write_picture(picture: NDArray[np.uint8], path: Path) -> None:
    """Write an RGB picture as PNG or JPEG, by suffix; the file appears only when complete.

    Raises:
        UserError: another suffix, or a file that cannot be written.
    """
    if path.suffix not in (".png", ".jpg"):
        raise UserError(f"{path} is neither a .png nor a .jpg file: choose one of these suffixes.")
    write_file(encoded(picture, path.suffix), path)


def encoded(picture: NDArray[np.uint8], suffix: str) -> bytes:
    """An RGB picture as the bytes of a ``.png`` or ``.jpg`` file."""
    data = io.BytesIO()
    if suffix == ".png":
        Image.fromarray(picture).save(data, format="PNG")
    else:  # at full colour resolution: outlines are thin
        Image.fromarray(picture).save(data, format="JPEG", quality=90, subsampling=0)
    return data.getvalue()


def _columns(views: int, cell_width: int) -> int:
    """Views per line: as few lines as the page allows, of equal length."""
    fitting = max(1, min(_MOST_COLUMNS, _MOST_WIDTH // (cell_width + _GAP)))
    return ceil(views / ceil(views / fitting))


def _fitted(image: NDArray[np.uint8], cell_height: int) -> tuple[int, int]:
    """Width and height (px) of an image in its cell."""
    height, width = image.shape[:2]
    scale = min(cell_height / height, _WIDEST_CELL * cell_height / width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _row(
    row: SheetRow, classes: Sequence[str], width: int, cell_width: int, columns: int, cell_height: int
) -> Image.Image:
    """One row of ``width`` px: the title, then its views in lines of ``columns`` cells."""
    cells = [_cell(view, classes, _fitted(view.image, cell_height)) for view in row.views]
    tallest = max(cell.height for cell in cells)
    caption_lines = max(len(view.caption.splitlines()) for view in row.views)
    line_height = tallest + caption_lines * _LINE + _GAP
    picture = Image.new("RGB", (width, _LINE + _GAP + ceil(len(cells) / columns) * line_height), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((0, _GAP), _shortened(row.title, width, _TEXT + 1), INK, font(_TEXT + 1))
    for index, (view, cell) in enumerate(zip(row.views, cells, strict=True)):
        line, column = divmod(index, columns)
        x, y = column * (cell_width + _GAP), _LINE + _GAP + line * line_height
        picture.paste(cell, (x, y))
        for number, text in enumerate(view.caption.splitlines()):
            at = (x, y + tallest + 2 + number * _LINE)
            draw.text(at, _shortened(text, cell_width, _TEXT - 1), INK, font(_TEXT - 1))
    return picture


def _cell(view: ViewPicture, classes: Sequence[str], size: tuple[int, int]) -> Image.Image:
    """One view scaled to ``size`` (width, height), with its boxes."""
    height, width = view.image.shape[:2]
    cell = Image.fromarray(view.image).resize(size, Image.Resampling.LANCZOS)
    draw_marks(cell, view.truth, view.found, classes, scale=(size[0] / width, size[1] / height))
    return cell


def _legend(classes: Sequence[str], width: int, *, with_found: bool) -> Image.Image:
    """Every class with its tag and colour, in lines of at most ``width`` px."""
    legend = Image.new("RGB", (width, _LINE * (len(classes) + 1) + _GAP), "white")
    draw = ImageDraw.Draw(legend)
    x, y = 0, 0
    for name, tag, colour in zip(classes, class_tags(classes), class_colours(classes), strict=True):
        side, tall = tag_size(tag)
        text = _shortened(name, width - side - 6, _TEXT)
        length = side + 6 + ceil(font(_TEXT).getlength(text))
        if x and x + length > width:
            x, y = 0, y + _LINE
        draw_tag(draw, (x, y + 2, x + side, y + 2 + tall), tag, colour)
        draw.text((x + side + 6, y + 2 + tall / 2), text, INK, font(_TEXT), anchor="lm")
        x += length + 18
    if with_found:
        y += _LINE
        draw.text((0, y + 2), "solid: annotated   dashed: found, with its score", INK, font(_TEXT))
    return legend.crop((0, 0, width, y + _LINE + _GAP))


def _shortened(text: str, width: int, size: int) -> str:
    """The text, or as much of its beginning as fits ``width`` px, with an ellipsis."""
    if font(size).getlength(text) <= width:
        return text
    while text and font(size).getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"

"""Boxes on pictures, drawn with Pillow: an outline in the class's colour and a tag of a few letters. Torch-free.

Annotated boxes are solid with a filled tag, found ones (a teacher's) dashed with a dark tag that tells the score.
"""

import colorsys
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from experiments.data.defects import CLASSES
from experiments.style import PALETTE

Colour = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]  # left, top, right, bottom in px

# The plan's colours of the five classes, as in configs/base.py.
_DRILL_BIT_COLOURS: tuple[Colour, ...] = ((134, 34, 255), (0, 255, 206), (255, 128, 0), (254, 0, 86), (199, 252, 0))
_TEXT = 11  # px
_DASH = 5  # px
_CASING = (20, 20, 20)


@dataclass(frozen=True)
class Mark:
    """One box: ``xyxy`` in px of its image, ``label`` an index into the class list, ``score`` in [0, 1] if it was found."""

    xyxy: tuple[float, float, float, float]
    label: int
    score: float | None = None


def class_colours(classes: Sequence[str]) -> list[Colour]:
    """One RGB colour per class: the plan's for its five classes, else Okabe and Ito's; past those, hues far apart.

    Only Okabe and Ito's seven are safe for colour-blind readers; tags tell the classes apart in any case.
    """
    if set(classes) <= set(CLASSES):
        return [_DRILL_BIT_COLOURS[CLASSES.index(name)] for name in classes]
    colours = [_rgb(int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)) for colour in PALETTE[1:]]
    for index in range(len(classes) - len(colours)):
        # Steps of the golden ratio never come near each other; three levels of lightness part the rest.
        parts = colorsys.hls_to_rgb(index * 0.618 % 1, (0.35, 0.6, 0.78)[index % 3], 0.9)
        colours.append(_rgb(*(255 * part for part in parts)))
    return colours[: len(classes)]


def class_tags(classes: Sequence[str]) -> list[str]:
    """A few letters per class, all different: initials (``Severe_Rust`` -> SR), else more of the name, else its number."""
    tags: list[str] = []
    for index, name in enumerate(classes):
        words = re.findall(r"[^\W_]+", name) or [name]
        initials = "".join(word[0] for word in words[:3]).upper()
        choices = (initials, *(name[:length].strip() for length in (2, 3, 4)), str(index + 1), f"#{index + 1}")
        tags.append(next(choice for choice in choices if choice not in tags))
    return tags


def draw_marks(
    picture: Image.Image, truth: Sequence[Mark], found: Sequence[Mark], classes: Sequence[str], *, scale: tuple[float, float]
) -> None:  # fmt: skip
    """Draw annotated and found boxes onto a picture; tags come last, so that no outline crosses them.

    Args:
        picture: changed in place.
        truth, found: boxes in px of the image that the picture was scaled from.
        classes: class names in the order of the labels.
        scale: picture px per image px, across and down.
    """
    draw = ImageDraw.Draw(picture)
    colours, names = class_colours(classes), class_tags(classes)
    taken: list[Rectangle] = []
    tags = []
    for mark, dashed in [*((mark, False) for mark in truth), *((mark, True) for mark in found)]:
        left, top, right, bottom = (round(value * factor) for value, factor in zip(mark.xyxy, scale * 2, strict=True))
        box = (left, top, max(right - 1, left), max(bottom - 1, top))
        _draw_outline(draw, box, colours[mark.label], dashed=dashed)
        text = names[mark.label] + ("" if mark.score is None else f" {mark.score:.2f}")
        place = _tag_place(box, tag_size(text), picture.size, taken)
        taken.append(place)
        tags.append((place, text, colours[mark.label], dashed))
    for place, text, colour, dark in tags:
        draw_tag(draw, place, text, colour, dark=dark)


def tag_size(text: str) -> tuple[int, int]:
    """Width and height (px) of a tag."""
    return ceil(font(_TEXT).getlength(text)) + 4, _TEXT + 3


def draw_tag(draw: ImageDraw.ImageDraw, place: Rectangle, text: str, colour: Colour, *, dark: bool = False) -> None:
    """Draw a tag filled with its colour, or, if ``dark``, in light letters of its colour on a dark ground."""
    left, top, right, bottom = place
    bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 110
    ink: Colour = (0, 0, 0) if bright else (255, 255, 255)
    if dark:
        ink = _rgb(*(128 + value / 2 for value in colour))
    draw.rectangle((left, top, right - 1, bottom - 1), fill=_CASING if dark else colour)
    draw.text((left + 2, (top + bottom) / 2), text, ink, font(_TEXT), anchor="lm")


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans of ``size`` px. matplotlib brings it along, so that pictures are the same on every machine."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _draw_outline(draw: ImageDraw.ImageDraw, box: Rectangle, colour: Colour, *, dashed: bool) -> None:
    """A coloured line inside a dark one: it stands out on bright and on dark metal."""
    left, top, right, bottom = box
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=_CASING)
    draw.rectangle(box, outline=_CASING if dashed else colour, width=2)
    if not dashed:
        return
    for x in range(left, right + 1, 2 * _DASH):
        end = min(x + _DASH - 1, right)
        draw.rectangle((x, top, end, min(top + 1, bottom)), fill=colour)
        draw.rectangle((x, max(bottom - 1, top), end, bottom), fill=colour)
    for y in range(top, bottom + 1, 2 * _DASH):
        end = min(y + _DASH - 1, bottom)
        draw.rectangle((left, y, min(left + 1, right), end), fill=colour)
        draw.rectangle((max(right - 1, left), y, right, end), fill=colour)


def _tag_place(box: Rectangle, tag: tuple[int, int], picture: tuple[int, int], taken: Sequence[Rectangle]) -> Rectangle:
    """The first place around the box, moved into the picture, where the tag covers no other; else above the box."""
    left, top, right, bottom = box
    width, height = tag
    corners = ((left - 1, top - height), (left - 1, bottom + 1), (right - width + 2, top - height),
               (right - width + 2, bottom + 1), (right + 2, top), (left - width - 1, top), (left, top))  # fmt: skip
    places = []
    for x, y in corners:
        x, y = max(min(x, picture[0] - width), 0), max(min(y, picture[1] - height), 0)
        places.append((x, y, x + width, y + height))
    return next((place for place in places if not any(_overlap(place, other) for other in taken)), places[0])


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _rgb(red: float, green: float, blue: float) -> Colour:
    return round(red), round(green), round(blue)

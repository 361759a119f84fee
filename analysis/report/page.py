"""What a report's page is made of, as plain values, and how it becomes HTML.

Everything is text until the template escapes it; only charts are markup already (see :mod:`analysis.report.svg`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.paths import REPOSITORY

Tone = Literal["good", "bad", "warn", "quiet"]
SYMBOLS: dict[Tone, str] = {"good": "✓", "bad": "✗", "warn": "!", "quiet": "○"}
_SHORT, _LONG = 28, 48  # characters
_HOMES = re.compile(r"(?:/home|/Users)/[^/\s\"'<>&;:,)]+|(?<![\w/])/root(?![\w-])")


@dataclass(frozen=True)
class Cell:
    """Text of a table's cell; a ``tone`` colours it and sets its symbol before it, so that colour never speaks alone."""

    text: str
    tone: Tone | None = None

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.tone] if self.tone else ""

    @property
    def width(self) -> str:
        """How it is to be wrapped: short figures never, sentences only into lines of some length."""
        longest = max((len(line) for line in self.text.splitlines()), default=0)
        return "short" if longest <= _SHORT else "long" if longest > _LONG else "medium"


Content = str | Cell | tuple[Cell, ...]
"""What a table's cell holds: text, or one or more marked lines."""


@dataclass(frozen=True)
class Table:
    """A table: the first cell of a row is its heading. ``code`` names columns that hold commands, set as such."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Content, ...], ...]
    code: frozenset[str] = frozenset()

    @property
    def lines(self) -> list[list[tuple[Cell, ...]]]:
        """Rows of cells of lines."""
        return [[_lines(content) for content in row] for row in self.rows]


@dataclass(frozen=True)
class Picture:
    """A chart or photograph as markup, from :func:`analysis.report.svg.inline` or ``embedded``, and the words below it."""

    markup: str
    caption: str


@dataclass(frozen=True)
class Fold:
    """What most readers skip: shown when its ``summary`` is opened."""

    summary: str
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Section:
    """One part of the page; ``key`` is its anchor. What is empty is left out."""

    key: str
    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    folds: tuple[Fold, ...] = ()


@dataclass(frozen=True)
class Page:
    """A report: its verdict in sentences, and its sections in order. ``facts`` are a few words and their values."""

    title: str
    facts: tuple[tuple[str, str], ...]
    verdict: tuple[str, ...]
    sections: tuple[Section, ...]


def render(page: Page) -> str:
    """The page as one HTML document without scripts, links to elsewhere or paths of a home directory."""
    import jinja2
    from markupsafe import Markup

    here = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(here), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    style = (here / "style.css").read_text()
    return without_homes(
        environment.get_template("template.html").render(page=page, style=Markup(style), markup=Markup)
    )


def without_homes(text: str) -> str:
    """The text with the repository's folder left out of paths, and home directories, anybody's, as ``~``."""
    text = text.replace(f"{REPOSITORY}/", "")
    home = str(Path.home())
    if home not in ("/", ""):
        text = re.sub(rf"(?<![\w/]){re.escape(home)}(?![\w-])", "~", text)
    return _HOMES.sub("~", text)


def _lines(content: Content) -> tuple[Cell, ...]:
    if isinstance(content, str):
        return (Cell(content),)
    return (content,) if isinstance(content, Cell) else content


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

"""Markdown of the reference pages: tables and cells."""

import re
from collections.abc import Iterable, Sequence


def page(title: str, lead: str, parts: Iterable[str]) -> str:
    """A page; its first line says not to edit it."""
    head = "<!-- Written by `make docs` from the code; a test holds it equal. Do not edit. -->"
    return "\n\n".join([head, f"# {title}", lead, *parts]) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are cut loose from line ends and pipes."""
    lines = [_row(columns), _row(["---"] * len(columns)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def code(text: str) -> str:
    """As code; nothing for nothing."""
    return f"`{text}`" if text else ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """On one line, with pipes, and what would be read as HTML outside of code, escaped."""
    parts = " ".join(text.split()).replace("|", r"\|").split("`")
    return "`".join(part if number % 2 else re.sub(r"<(?!br>)", r"\<", part) for number, part in enumerate(parts))

"""What a command line tells: results, users' mistakes, and that it was stopped."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from experiments.errors import Terminated, UserError, told
from experiments.interrupts import sigterm_as_interrupt


def result_console() -> Console:
    """The terminal; what is no terminal, a file or a pipe, is wide enough for tables not to break names."""
    console = Console(markup=False, highlight=False)
    return console if console.is_terminal else Console(markup=False, highlight=False, width=140)


def speaks() -> bool:
    """Whether this is the only process, or the first of those that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def mistakes_told() -> Iterator[None]:
    """Tell a user's mistake in one sentence on standard error, and exit with status 2."""
    try:
        yield
    except (UserError, OSError) as error:
        _end(f"Error: {told(error)}", 2)


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        with mistakes_told():
            return super().invoke(ctx)


def command_line(words: str) -> typer.Typer:
    """A command line that tells users' mistakes in plain sentences, without frames, and its help as wide as the terminal."""
    return typer.Typer(
        cls=_Commands,
        help=words,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"max_content_width": 130},
    )


@contextmanager
def stop_told(words: str) -> Iterator[None]:
    """Say what Ctrl-C or SIGTERM leaves, on standard error, and exit with status 130 or 143."""
    try:
        with sigterm_as_interrupt():
            yield
    except KeyboardInterrupt as stop:
        _end(words, 143 if isinstance(stop, Terminated) else 130)


def _end(words: str, status: int) -> None:
    if speaks():
        print(words, file=sys.stderr)
    raise SystemExit(status) from None

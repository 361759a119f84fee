"""Where results are printed, and users' mistakes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from experiments.errors import UserError, told


@contextmanager
def mistakes_told() -> Iterator[None]:
    """Tell a user's mistake in one sentence on standard error, and exit with status 2."""
    try:
        yield
    except (UserError, OSError) as error:
        print(f"Error: {told(error)}", file=sys.stderr)
        raise SystemExit(2) from None


def result_console() -> Console:
    """The terminal; what is no terminal, a file or a pipe, is wide enough for tables not to break names."""
    console = Console(markup=False, highlight=False)
    return console if console.is_terminal else Console(markup=False, highlight=False, width=130)

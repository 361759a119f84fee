"""Where results are printed."""

from rich.console import Console


def result_console() -> Console:
    """The terminal; what is no terminal, a file or a pipe, is wide enough for tables not to break names."""
    console = Console(markup=False, highlight=False)
    return console if console.is_terminal else Console(markup=False, highlight=False, width=130)

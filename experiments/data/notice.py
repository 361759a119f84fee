"""Keeps what mmdet prints about data sets that this detector does not use off the console."""

import contextlib
import io
from collections.abc import Iterator

NOTICE = "Could not import OneDL. Skipping OneDL datasets."


@contextlib.contextmanager
def without_notice() -> Iterator[None]:
    """Import ``mmdet.datasets`` within this: of what is printed, ``NOTICE``, which it says twice, is left out, and nothing else."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield
    finally:
        for line in printed.getvalue().splitlines():
            if line != NOTICE:
                print(line)

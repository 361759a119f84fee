"""Locks between processes: no two train the same run at once. Torch-free."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from experiments.errors import UserError

LOCK_NAME = ".lock"


@contextmanager
def locked(folder: Path, *, waiting: Callable[[], None] | None = None, poll: float = 0.5) -> Iterator[bool]:
    """Hold a folder against all other processes that ask for it with this function; yields whether it was held by another.

    The lock is advisory, on ``folder/.lock``. The kernel releases it when the process ends, whatever ends it (and its data
    loading processes, which notice within seconds). The file stays: removing it would let two processes in.

    Args:
        folder: made if it is missing.
        waiting: called before every further attempt while another process holds the lock.
        poll: seconds between attempts.

    Raises:
        UserError: the folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK_NAME).open("a")
    except OSError as error:
        raise UserError(f"{folder} cannot be written to ({error.strerror}): choose another folder.") from None
    with file:
        waited = False
        while not _take(file):
            waited = True
            if waiting is not None:
                waiting()
            time.sleep(poll)
        try:
            yield waited
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # closing alone would leave it to forked children that still have the file


def _take(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""Locks between processes: no two train the same run at once. Torch-free."""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from experiments.errors import UserError

LOCK_NAME = ".lock"
_ATTEMPTS = 10
_BEAT = 1.0  # seconds between two signs of life of who holds a lock


@dataclass(frozen=True)
class Lock:
    """A folder that this process holds.

    Attributes:
        waited: whether another process held it before.
    """

    path: Path
    file: IO[str]
    waited: bool

    @property
    def lost(self) -> bool:
        """Whether another process has taken the folder over, because this one was silent."""
        return not _is_at(self.path, self.file)


@contextmanager
def locked(
    folder: Path, *, waiting: Callable[[], None] | None = None, poll: float = 0.5, patience: float | None = None
) -> Iterator[Lock]:
    """Hold a folder against all other processes that ask for it with this function.

    The lock is advisory, on ``folder/.lock``. The kernel releases it when the process ends, whatever ends it, and the processes
    that it has forked (those that load data end with it: ``experiments/data/loading.py``). The file stays; it goes only together
    with a folder that was made here and in which an error has left nothing else. Its time is touched while it is held; who is
    stopped or hangs, does so no more, and is then told by :attr:`Lock.lost` that it has the folder no longer.

    Args:
        folder: made if it is missing.
        waiting: called before every further attempt while another process holds the lock.
        poll: seconds between attempts.
        patience: seconds, by this process's own steady clock, after which a silent holder's lock is taken over; ``None``: never.

    Raises:
        UserError: the folder cannot be made or written to.
    """
    path = folder / LOCK_NAME
    made = not folder.exists()
    file = _opened(path)
    waited, watch = False, _Watch(path)
    while not (_take(file) and _is_at(path, file)):
        waited = True
        if waiting is not None:
            waiting()
        if patience is not None and watch.silence() > patience:
            _put_anew(path, watch.seen)
        if not _is_at(path, file):  # another process has put a new file there
            file.close()
            file = _opened(path)
        else:
            time.sleep(poll)
    with file, _beating(file):
        try:
            yield Lock(path, file, waited)
        except BaseException:
            if made and _is_at(path, file):
                _take_away(path)
            raise
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # closing alone would leave it to forked children that still have the file


def _opened(path: Path) -> IO[str]:
    """The lock file, in its folder, which another process may be taking away."""
    for attempt in range(_ATTEMPTS):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("a")
        except OSError as error:
            if not isinstance(error, FileNotFoundError) or attempt == _ATTEMPTS - 1:
                raise UserError(
                    f"{path.parent} cannot be written to ({error.strerror}): choose another folder."
                ) from None
    raise AssertionError


def _take_away(path: Path) -> None:
    """Remove a lock file that is held, and its folder, if there is nothing else in it; who waits for it makes both anew."""
    with contextlib.suppress(OSError):
        if os.listdir(path.parent) == [path.name]:
            path.unlink()
            path.parent.rmdir()


class _Watch:
    """How long a lock file has shown no sign of life."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen = _sign(path)
        self._since = time.monotonic()

    def silence(self) -> float:
        """Seconds since the last sign, or since this was made; the clocks of other machines do not count."""
        now = _sign(self.path)
        if now != self.seen:
            self.seen, self._since = now, time.monotonic()
        return time.monotonic() - self._since


def _sign(path: Path) -> tuple[int, int] | None:
    """Which file it is, and when it was touched."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _put_anew(path: Path, seen: tuple[int, int] | None) -> None:
    """Put a new lock file, which nobody holds yet, in place of a silent holder's, unless it shows signs of life again."""
    with path.with_name(f"{path.name}.new").open("a") as guard:  # one process at a time does so
        if _take(guard) and _sign(path) == seen and _is_at(Path(guard.name), guard):
            os.replace(guard.name, path)


def _is_at(path: Path, file: IO[str]) -> bool:
    """Whether an open file is still the one at this path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False


@contextmanager
def _beating(file: IO[str]) -> Iterator[None]:
    """Touch a file again and again while the context lasts."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(_BEAT):
            try:
                os.utime(file.fileno())
            except OSError:  # the folder is out of reach: who waits does not see it either
                continue

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _take(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

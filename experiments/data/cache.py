"""Views at the size that the model is fed, decoded once on a machine and kept on its disk for all processes. Torch-free.

A view is a file of its own. It is put in its place whole, carries a checksum and the stamp of the image file that it is from, and
is read into an array of the reader's own: what is damaged or out of date is decoded anew, and nobody can change what others read.
The system holds in memory what is read often, once for all processes; to map the file instead would save no copy.

Whether a view comes from here changes no pixel, so it is no setting of a run: ``$VIEW_CACHE`` names the folder, or says ``off``.
"""

import errno
import functools
import hashlib
import os
import re
import shutil
import struct
import time
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.data.files import write_file
from experiments.errors import UserError

LIMIT = 8 * 2**30
"""Bytes that all views may take, about: a process counts what others have kept once."""
RESERVE = 2 * 2**30
"""Bytes of the disk that are left free: checkpoints come first."""
KEPT = 30 * 24 * 3600.0
"""Seconds after which the views of a data set that no process has opened are removed."""

_SETTLED = 2.0  # seconds; a file that was written to just now may be changed again without its times showing it
_SET = re.compile(r"views-[0-9a-f]{32}")  # folders of other names are not ours, and never removed
_HEADER = struct.Struct("<4q2q")  # the image file's stamp; its height and width, px
_CHECKSUM = struct.Struct("<I")

Stamp = tuple[int, ...]


@dataclass(frozen=True)
class Decoded:
    """A view as the model is fed it: ``pixels`` (h, w, 3) uint8; ``stored`` is its file's height and width, px."""

    pixels: NDArray[np.uint8]
    stored: tuple[int, int]


class ViewCache:
    """The views of one data set at one size.

    Args:
        root: folder of all data sets' views; ``None``: keep nothing.
        data: the data set folder.
        size: height and width that views are fed at, px.
        recipe: what else decides about the pixels: the versions of what decodes.
    """

    def __init__(self, root: Path | None, *, data: Path, size: tuple[int, int], recipe: str) -> None:
        self._size = size
        self._root = root
        self._writes = root is not None
        self._room: int | None = None  # bytes that this process may still add
        if root is not None:
            self._folder = root / f"views-{_digest(f'{os.path.abspath(data)} {size} {recipe}')}"
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                os.utime(self._folder)
                _remove_unused(root)
            except OSError as error:
                self._give_up(error)

    def fetch(self, path: str, decode: Callable[[], Decoded]) -> Decoded:
        """The view of an image file, from here if it can be; the pixels are the caller's own.

        Raises:
            OSError: the image file cannot be looked at.
        """
        if self._root is None:
            return decode()
        found = os.stat(path)
        stamp = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        entry = self._folder / _digest(os.path.abspath(path))
        view = self._read(entry, stamp)
        if view is None:
            view = decode()
            if self._writes and time.time() - max(found.st_mtime, found.st_ctime) > _SETTLED:
                self._write(entry, stamp, view)
        return view

    def _read(self, entry: Path, stamp: Stamp) -> Decoded | None:
        """What an entry holds, if it is whole and of the image file with this stamp."""
        pixels = np.empty((*self._size, 3), np.uint8)
        try:
            with open(entry, "rb", buffering=0) as file:
                header, checksum = file.read(_HEADER.size), file.read(_CHECKSUM.size)
                size = file.readinto(pixels.data)
            *written, height, width = _HEADER.unpack(header)
            whole = size == pixels.nbytes and checksum == _checksum(header, pixels)
        except (OSError, struct.error):
            return None
        return Decoded(pixels, (height, width)) if whole and tuple(written) == stamp else None

    def _write(self, entry: Path, stamp: Stamp, view: Decoded) -> None:
        """Put an entry in its place, unless there is no room for it."""
        assert self._root is not None and view.pixels.shape == (*self._size, 3)
        header = _HEADER.pack(*stamp, *view.stored)
        try:
            if self._room is None:
                self._room = LIMIT - _bytes_in(self._root)
            self._room -= view.pixels.nbytes
            if self._room < 0:
                raise OSError(errno.EDQUOT, f"those that are there take {LIMIT / 2**30:.3g} GiB")
            if shutil.disk_usage(self._root).free < RESERVE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            write_file(header + _checksum(header, view.pixels) + view.pixels.tobytes(), entry)
        except (OSError, UserError) as error:
            self._give_up(error)

    def _give_up(self, error: OSError | UserError) -> None:
        """Keep nothing more, and say so; what is there is still read."""
        self._writes = False
        cause = error.__context__ if isinstance(error, UserError) else error
        reason = cause.strerror if isinstance(cause, OSError) else cause
        _tell(
            f"Decoded views cannot be kept in {self._root} ({reason}), so images are decoded each time they are needed; nothing "
            f"else changes. Make room, or name another folder in the environment variable VIEW_CACHE."
        )


@functools.cache
def _tell(text: str) -> None:
    """Warn once in a process and in those that it forks."""
    warnings.warn(text, RuntimeWarning, stacklevel=2)


def _checksum(header: bytes, pixels: NDArray[np.uint8]) -> bytes:
    return _CHECKSUM.pack(zlib.crc32(np.ascontiguousarray(pixels).data, zlib.crc32(header)))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()


def _sets(root: Path) -> list[Path]:
    return [
        Path(one.path) for one in os.scandir(root) if _SET.fullmatch(one.name) and one.is_dir(follow_symlinks=False)
    ]


def _remove_unused(root: Path) -> None:
    """Remove the views of data sets that no process has opened for long; what another process misses, it decodes."""
    for folder in _sets(root):
        with suppress(FileNotFoundError):  # another process removed it
            if time.time() - folder.stat().st_mtime > KEPT:
                shutil.rmtree(folder, ignore_errors=True)


def _bytes_in(root: Path) -> int:
    total = 0
    for folder in _sets(root):
        with suppress(FileNotFoundError):
            for one in os.scandir(folder):
                with suppress(FileNotFoundError):  # another process has put it in its place
                    total += one.stat().st_size
    return total

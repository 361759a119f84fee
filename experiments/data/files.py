"""Writing files and folders so that they appear only when complete, and reading files that others have put there."""

import errno
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.errors import UserError


def read_file(path: Path) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: it cannot be read, or is a named pipe or a device, whose content might never come.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def write_file(data: bytes, path: Path) -> None:
    """Write a file and the folders it lies in; readers see the old file or the new one, never a part.

    Raises:
        UserError: it cannot be written.
    """
    writing = _sibling(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            writing.write_bytes(data)
            os.replace(writing, path)
        finally:
            writing.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error) from None


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A hidden folder beside ``path`` to fill, which becomes ``path`` at the end; after an error nothing is left.

    Raises:
        UserError: it cannot be written.
    """
    building = _sibling(path)
    try:
        building.mkdir(parents=True)
        yield building
        os.replace(building, path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _sibling(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")


def unwritable(path: Path, error: OSError) -> UserError:
    """The mistake that a failed attempt to write a file is told as."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"The disk is full while writing {path}; free space or choose another folder.")
    return UserError(f"{path} cannot be written ({error.strerror or error}); choose another folder.")

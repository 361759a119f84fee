"""Writing files and folders so that they appear only when complete."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.errors import UserError


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
        raise _unwritable(path, error) from None


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
        raise _unwritable(path, error) from None
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _sibling(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")


def _unwritable(path: Path, error: OSError) -> UserError:
    if error.errno == errno.ENOSPC:
        return UserError(f"The disk is full while writing {path}; free space or choose another folder.")
    return UserError(f"{path} cannot be written ({error.strerror or error}); choose another folder.")

"""Writing a file so that it appears only when complete."""

import errno
import os
import uuid
from pathlib import Path

from experiments.errors import UserError


def write_file(data: bytes, path: Path) -> None:
    """Write a file and the folders it lies in; readers see the old file or the new one, never a part.

    Raises:
        UserError: it cannot be written.
    """
    writing = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            writing.write_bytes(data)
            os.replace(writing, path)
        finally:
            writing.unlink(missing_ok=True)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise UserError(f"The disk is full while writing {path}; free space or choose another folder.") from None
        reason = error.strerror or error
        raise UserError(f"{path} cannot be written ({reason}); choose another folder.") from None

"""SIGTERM as a clean stop: what a cluster or a service manager sends is answered like Ctrl-C."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from experiments.errors import Terminated


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM raise :class:`experiments.errors.Terminated` in the main thread, which alone may enter this."""
    owner = os.getpid()

    def stop(number: int, _: FrameType | None) -> None:
        if os.getpid() != owner:  # a forked child, which inherits the handler
            os._exit(128 + number)
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

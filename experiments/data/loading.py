"""What data loading processes do as they begin."""

import ctypes
import os
import signal
import sys

from mmengine.registry import FUNCTIONS

_PR_SET_PDEATHSIG = 1


@FUNCTIONS.register_module()
def end_with_parent(worker_id: int) -> None:
    """Have this process killed when the one that trains dies, whatever kills it.

    torch's own watch over it does not do: where the trainer dies with batches under way, a data loading process may wait for ever
    to hand one over, and keeps the run's lock meanwhile. Linux alone can do this; elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before this process could ask
        os._exit(1)

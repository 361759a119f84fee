"""When a run is taken to hang; torch-free."""

import math
import os
import threading

from experiments.errors import UserError

_DEFAULT = 60.0


def hang_minutes() -> float:
    """Minutes without an iteration after which a run hangs, by ``HANG_MINUTES``; infinite where that is 0.

    Raises:
        UserError: it is no number of minutes that can be waited for.
    """
    told = os.environ.get("HANG_MINUTES", "") or str(_DEFAULT)
    try:
        minutes = float(told)
    except ValueError:
        minutes = math.nan
    if not 0 <= 60 * minutes < threading.TIMEOUT_MAX:
        raise UserError(f"HANG_MINUTES is {told!r}: give minutes, or 0 for runs that may stand still for ever.")
    return minutes or math.inf

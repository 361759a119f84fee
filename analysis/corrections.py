"""P-values corrected for the number of tests that are made together."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

Method = Literal["holm", "benjamini-hochberg"]


def corrected(ps: Sequence[float], *, method: Method) -> list[float]:
    """Corrected p-values, in the given order, at most 1.

    ``holm`` holds the probability of any false alarm among the tests (Holm 1979), ``benjamini-hochberg`` the expected share of
    false ones among the alarms (1995).
    """
    values = np.asarray(ps, dtype=float)
    order = np.argsort(values)
    count = len(values)
    if method == "holm":
        stepped = np.maximum.accumulate((count - np.arange(count)) * values[order])
    else:
        stepped = np.minimum.accumulate((count / np.arange(1, count + 1) * values[order])[::-1])[::-1]
    result = np.empty(count)
    result[order] = np.minimum(stepped, 1.0)
    return [float(p) for p in result]

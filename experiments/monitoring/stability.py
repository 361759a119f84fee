"""How steady a loss is: pure functions of one figure per iteration."""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev, variance

POINTS = 20
_POINT = 50  # iterations that a point of the plan's log is the mean of
FLAT = 0.02  # relative change of a mean within which a loss counts as flat
_FLAT_SHARE, _FLAT_LEAST = 7, 100


def variation(losses: Sequence[float]) -> float | None:
    """Coefficient of variation (sample standard deviation over mean, a fraction) of a log of the losses, as the plan has it.

    The plan's figures are of 20 points in 1,000 iterations, each a mean over 50. Here too the losses are averaged in 20
    stretches of equal length, or fewer where there are fewer. Means over fewer than 50 iterations scatter more: what they vary
    by is scaled to 50, as if iterations were independent, so that it can be held against the plan's goals whatever the length.

    Returns:
        ``None`` for fewer than two losses, or a mean that is not positive.
    """
    points = min(POINTS, len(losses))
    if points < 2:
        return None
    edges = [round(place * len(losses) / points) for place in range(points + 1)]
    means = [fmean(losses[start:end]) for start, end in pairwise(edges)]
    length = len(losses) / points
    return stdev(means) / fmean(means) * sqrt(min(1.0, length / _POINT)) if fmean(means) > 0 else None


def flat_after(iterations: int) -> int:
    """Iterations without change after which the loss of a run of this length is flat.

    The plan's 5,000 of its 35,700, and no fewer than 100: noise hides the trend of fewer.
    """
    return max(_FLAT_LEAST, iterations // _FLAT_SHARE)


def half_means(figures: Sequence[float]) -> tuple[float, float] | None:
    """Means of the first and of the second half; ``None`` for fewer than two figures. An odd one counts to the second."""
    middle = len(figures) // 2
    return (fmean(figures[:middle]), fmean(figures[middle:])) if middle else None


def is_flat(losses: Sequence[float]) -> bool:
    """Whether the means of the two halves differ by less than 2 %, with two standard errors of chance allowed for.

    Iterations are taken to be independent. Where few of them scatter much, nothing can be said, and so the loss is not flat.
    """
    middle = len(losses) // 2
    if middle < 2:
        return False
    halves = (losses[:middle], losses[middle:])
    first, second = (fmean(half) for half in halves)
    error = sqrt(sum(variance(half) / len(half) for half in halves))
    return abs(second - first) + 2 * error < FLAT * abs(first)

"""What an estimate holds beside its effect: worked out from the runs that are there, whatever the design was."""

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.contrasts import Effect, Matrix, text_of

_SMALL = 0.05
_LISTED_ORDER = 3


@dataclass(frozen=True)
class Alias:
    """An effect that an estimate holds as well, ``coefficient`` times, both in the -1/+1 coding."""

    effect: str
    coefficient: float


def aliases_of(columns: Mapping[Effect, Matrix], effect: Effect, weights: Matrix) -> tuple[tuple[Alias, ...], int]:
    """What else the weighted sum of runs holds: its sum over every other effect's column, on the runs that there are."""
    scale = 2.0 ** len(effect)
    shares = {other: float(weights @ signs) / scale for other, signs in columns.items() if other and other != effect}
    kept = {other: share for other, share in shares.items() if abs(share) > _SMALL}
    listed = sorted((o for o in kept if len(o) <= _LISTED_ORDER), key=lambda o: (len(o), -abs(round(kept[o], 6))))
    return tuple(Alias(text_of(o), round(kept[o], 6)) for o in listed), len(kept) - len(listed)

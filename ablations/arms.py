"""An arm: one named combination of factor levels, trained as the base config plus its delta."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ablations.factors import FACTOR_NAMES, Level, delta, select, unknown

BASELINE = "baseline"
JOIN = "+"


@dataclass(frozen=True)
class Arm:
    """One combination; ``levels`` names every factor of the table, in its order."""

    name: str
    levels: dict[str, Level]

    @property
    def delta(self) -> dict[str, Any]:
        """Dotted config path -> value, of the factors that are on; empty for the baseline."""
        return delta(self.levels)


def arm_with(on: Collection[str]) -> Arm:
    """The arm with exactly the named factors on: their names joined by ``+`` in table order, or ``baseline``.

    Raises:
        UserError: a name is no factor's.
    """
    chosen = tuple(factor.name for factor in select(on)) if on else ()
    levels: dict[str, Level] = {name: "on" if name in chosen else "off" for name in FACTOR_NAMES}
    return Arm(name=JOIN.join(chosen) or BASELINE, levels=levels)


def arm_from_name(name: str) -> Arm:
    """The arm of a name such as ``baseline``, ``focal`` or ``focal+anchors``; the order of the parts is free.

    Raises:
        UserError: a part is no factor's name; the message tells the nearest ones.
    """
    if name == BASELINE:
        return arm_with(())
    parts = name.split(JOIN)
    for part in parts:
        if part not in FACTOR_NAMES:
            valid = (BASELINE, *FACTOR_NAMES) if len(parts) == 1 else FACTOR_NAMES
            raise unknown("arm" if len(parts) == 1 else "factor", part, valid)
    return arm_with(parts)

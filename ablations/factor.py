"""What a factor is: settings of the config that are switched together, each with its values off and on."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["off", "on"]
Value = bool | int | float | str | tuple[float, ...]


@dataclass(frozen=True)
class Range:
    """Sampled values from ``low`` to ``high``, both included; whole numbers where both bounds are ``int``."""

    low: int | float
    high: int | float


@dataclass(frozen=True)
class Choice:
    """Sampled values out of ``options``."""

    options: tuple[Value, ...]


@dataclass(frozen=True)
class Setting:
    """One value of the config, written to every one of ``paths`` (dotted; a number indexes a list).

    ``off == on`` marks a value that the table holds the base config to and no arm changes.
    """

    name: str
    paths: tuple[str, ...]
    off: Value
    on: Value
    search: Range | Choice | None = None


@dataclass(frozen=True)
class Factor:
    """Settings that are switched together.

    A factor with a ``strength`` is sampled as one number for all its settings: the share of the way from off, 0, to on, 1. One with
    ``scales`` is for these alone: at the others the baseline has its values on already.
    """

    name: str
    title: str
    meaning: str
    settings: tuple[Setting, ...]
    strength: Range | None = None
    scales: tuple[str, ...] | None = None


def plain(value: Value) -> bool | int | float | str | list[float]:
    """The value as JSON holds it: a tuple becomes a new list."""
    return list(value) if isinstance(value, tuple) else value

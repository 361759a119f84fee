"""Names of arms that are too long to stand beside an axis: a letter for each factor."""

from collections.abc import Iterable, Sequence
from string import ascii_uppercase

from analysis.targets import BASELINE

_LONGEST_NAME = 24


def letters_of(factors: Sequence[str], arms: Iterable[str]) -> dict[str, str]:
    """Factor -> letter where an arm's name is too long; else none."""
    longest = max((len(arm) for arm in arms), default=0)
    return dict(zip(factors, ascii_uppercase, strict=False)) if longest > _LONGEST_NAME else {}


def arm_label(arm: str, letters: dict[str, str]) -> str:
    """The name as it is, or with a place for each factor: ``A · · D · ·``."""
    if not letters or arm == BASELINE:
        return arm
    on = set(arm.split("+"))
    return " ".join(letter if name in on else "·" for name, letter in letters.items())


def letters_note(letters: dict[str, str]) -> list[str]:
    """Which letter is which factor."""
    told = ", ".join(f"{letter} {name}" for name, letter in letters.items())
    return [f"Letters are factors that are on: {told}."] if letters else []

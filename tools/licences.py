"""Under which licence each locked package is, as its installed metadata say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

from tools.lock import Pin

_CONDITIONS = re.compile(r"GPL|MPL|Mozilla|EPL|EUPL|CDDL|NVIDIA|Proprietary|CC-BY-N|SSPL|BUSL", re.IGNORECASE)
_PERMISSIVE = re.compile(r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|HPND|Zlib|Unlicense|CC0", re.IGNORECASE)
_HEADING = re.compile(r"(Apache License|MIT License|BSD [23]-Clause|Mozilla Public License|GNU \w+ (?:\w+ )?License).*")


@dataclass(frozen=True)
class Licence:
    """A package and its licence; ``permissive`` where that asks for no more than to be named and kept."""

    package: str
    name: str
    permissive: bool


def licences_of(pins: list[Pin]) -> tuple[list[Licence], list[str]]:
    """Of the pins that hold here: their licences, and the names of those that are not installed."""
    found, missing = [], []
    for pin in pins:
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        try:
            fields = metadata(pin.name).json
        except PackageNotFoundError:
            missing.append(pin.name)
            continue
        name = licence_name(fields.get("license_expression"), fields.get("classifier"), fields.get("license"))
        found.append(Licence(pin.name, name, is_permissive(name)))
    return found, missing


def licence_name(expression: Any, classifiers: Any, text: Any) -> str:
    """The SPDX expression, else what the classifiers say, else the free field; of a whole licence in it, its heading.

    Args:
        expression, text: text, or ``None``.
        classifiers: a list of text, or ``None``.
    """
    if expression:
        return expression
    named = [line.rsplit(" :: ", 1)[-1] for line in classifiers or [] if line.startswith("License ::")]
    if any(name != "OSI Approved" for name in named):
        return "; ".join(name for name in named if name != "OSI Approved")
    lines = (text or "").strip().splitlines()
    if len(lines) > 1:
        heading = _HEADING.search(text or "")
        return heading[1] if heading else lines[0]
    return lines[0] if lines else "not named"


def is_permissive(name: str) -> bool:
    """Whether a licence's name tells that it is: with any condition in it, it is not."""
    return _PERMISSIVE.search(name) is not None and _CONDITIONS.search(name) is None


def reason_for(name: str, accepted: Mapping[str, str]) -> str | None:
    """Why a package's licence is accepted; ``None`` where nothing is said of it."""
    return next((reason for pattern, reason in accepted.items() if fnmatch(name, pattern)), None)

"""The pins of ``requirements.lock``: which hold for which Python, and which come with PyTorch."""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"

_WITH_TORCH = re.compile(r"(torch|torchvision|triton|nvidia-.+|cuda-.+)$")


@dataclass(frozen=True)
class Pin:
    """One package of the lock.

    Attributes:
        name: normalised.
        marker: where it holds; ``None`` for everywhere.
        hashes: of its files, as ``sha256:...``.
    """

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]

    @property
    def with_torch(self) -> bool:
        """Whether it is PyTorch, or what PyTorch brings along for the card."""
        return _WITH_TORCH.match(self.name) is not None

    @property
    def line(self) -> str:
        """As pip reads it, without the marker."""
        return " ".join([f"{self.name}=={self.version}", *(f"--hash={value}" for value in self.hashes)])

    def holds(self, python: str) -> bool:
        """Whether it is wanted on x86-64 Linux with the first release of ``python``, like 3.12; later ones run it too."""
        return self.marker is None or self.marker.evaluate({
            "python_version": python, "python_full_version": f"{python}.0", "implementation_name": "cpython",
            "platform_python_implementation": "CPython", "os_name": "posix", "sys_platform": "linux",
            "platform_system": "Linux", "platform_machine": "x86_64",
        })  # fmt: skip


def read_lock(text: str) -> list[Pin]:
    """The pins in the text of a lock, in its order."""
    pins = []
    for block in re.split(r"\n(?=\S)", text.strip()):
        requirement = Requirement(re.split(r"\s*\\\n", block, maxsplit=1)[0])
        (pinned,) = requirement.specifier
        hashes = tuple(re.findall(r"--hash=(\S+)", block))
        pins.append(Pin(canonicalize_name(requirement.name), pinned.version, requirement.marker, hashes))
    return pins

"""What is wrong with a data set."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a data set: in which file, where in it, what and what to do about it.

    Attributes:
        severity: with an ``error`` nothing can be trained, or not what was meant; a ``warning`` is told to be judged.
        fixable: :func:`experiments.data.check.clip_boxes` mends it.
    """

    file: Path
    where: str
    what: str
    severity: Literal["error", "warning"] = "error"
    fixable: bool = False

    def __str__(self) -> str:
        return f"{self.file}: {self.where}: {self.what}" if self.where else f"{self.file} {self.what}"

"""Memory that a run takes, and what it may take. MiB everywhere."""

import os
import re
import resource
from pathlib import Path

from experiments.errors import UserError

SHORT = 0.9  # share of the budget above which it is about to be used up
_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_UNITS = {"": 2**10, "G": 2**10, "M": 1, "T": 2**20}


def parse_budget(text: str) -> float:
    """``32GB``, ``32GiB``, ``32`` or ``500MB`` in MiB; GB means GiB, as on a card's label.

    Raises:
        UserError: it is no amount of memory.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([GMT]?)(?:i?B)?\s*", text, flags=re.IGNORECASE)
    amount = float(found[1]) * _UNITS[found[2].upper()] if found else 0.0
    if amount <= 0:
        raise UserError(f"--memory-budget {text!r} is no amount of memory: give one like 32GB or 500MB.")
    return amount


def device_memory_mb() -> float:
    """All of the card's memory; without a card the machine's."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory / 2**20
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20


def reset_peak_memory() -> None:
    """Forget earlier runs' peaks: one process trains many."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    elif _CLEAR.exists():
        _CLEAR.write_text("5")  # Linux: resets the peak of the resident set


def peak_memory_mb() -> float:
    """Peak since the last reset: allocated on the GPU if there is one, else resident in main memory."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    if _STATUS.exists():
        return (
            next(int(line.split()[1]) for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM")) / 1024
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_reserved_mb() -> float | None:
    """Peak since the last reset of what PyTorch held of the GPU, used or not; ``None`` without one."""
    import torch

    return torch.cuda.max_memory_reserved() / 2**20 if torch.cuda.is_available() else None

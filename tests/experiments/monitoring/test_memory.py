"""Memory budgets as they are written, and what is measured."""

import subprocess
import sys

import pytest

from experiments.errors import UserError
from experiments.monitoring.memory import parse_budget


@pytest.mark.parametrize(
    ("text", "mb"),
    [("32GB", 32768), ("32 GiB", 32768), ("32", 32768), ("1.5g", 1536), ("500MB", 500), ("500m", 500), ("1TB", 2**20)],
)
def test_a_budget_is_read_in_mib_and_gb_means_gib(text: str, mb: float) -> None:
    assert parse_budget(text) == mb


@pytest.mark.parametrize("text", ["", "much", "-1GB", "0", "32KB", "nan", "inf", "32GBs"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="give one like 32GB"):
        parse_budget(text)


PEAKS = """
from experiments.monitoring.memory import device_memory_mb, peak_memory_mb, reset_peak_memory

reset_peak_memory()
print(device_memory_mb(), peak_memory_mb())
block = bytearray(200 * 2**20)
block[:: 2**12] = b"1" * len(block[:: 2**12])  # touched, so that it is resident
print(peak_memory_mb())
del block
reset_peak_memory()
print(peak_memory_mb())
"""


def test_a_peak_is_seen_and_forgotten() -> None:
    """In a process of its own: what earlier tests left behind may be freed at any moment."""
    out = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True, check=True).stdout
    device, before, peak, after = (float(figure) for figure in out.split())
    assert 150 < peak - before < 300
    assert after - before < 150
    assert peak < device

"""Commands given outside of the environment."""

import subprocess
import sys
from pathlib import Path

import pytest

from experiments.outside import not_installed

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("package", "lacks"), [
    ("experiments", "typer"), ("ablations", "typer"), ("analysis", "typer"), ("experiments.benchmarks.step", "rich"),
    ("analysis.benchmarks.coverage", "rich"),
])  # fmt: skip
def test_a_python_without_the_packages_says_how_to_get_them(package: str, lacks: str) -> None:
    bare = [sys.executable, "-S", "-m", package, "--help"]  # -S: without site-packages
    done = subprocess.run(bare, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: this Python has no package {lacks}: give `source .venv/bin/activate` first")
    assert len(done.stderr.splitlines()) == 1


def test_a_module_of_our_own_that_is_missing_is_a_fault() -> None:
    missing = ModuleNotFoundError("No module named 'experiments.nowhere'", name="experiments.nowhere")
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        not_installed(missing)

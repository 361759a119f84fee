"""Workers killed on the way: every arm is completed exactly once, with the ledger in a file and on a server."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def script() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("kill_study", Path(__file__).with_name("kill_study.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kill_study"] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


def check(script: ModuleType, folder: Path, data: Path, storage: str | None) -> None:
    count = script.kill_study(
        folder, design="factorial", factors="focal,anchors", workers=2, rounds=1, data=data, storage=storage
    )  # fmt: skip
    assert (count.records, count.jobs, count.running, count.twice) == (4, 4, 0, 0), count
    assert count.kills >= 3
    assert count.resumed >= 1


def test_with_a_file(script: ModuleType, tiny_data: Path, tmp_path: Path) -> None:
    check(script, tmp_path, tiny_data, None)


def test_with_a_server(script: ModuleType, tiny_data: Path, tmp_path: Path, postgresql: str) -> None:
    check(script, tmp_path, tiny_data, postgresql)
    assert not (tmp_path / "killed" / "study.db").exists()

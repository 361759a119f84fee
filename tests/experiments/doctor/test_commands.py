"""The doctor's command: what it prints and writes, and its exit status."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from experiments.doctor.commands import doctor


def ask(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(doctor)
    return CliRunner().invoke(app, ["cpu", *arguments])


@pytest.fixture(autouse=True)
def _runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))


def test_a_config_without_errors_exits_with_0_and_leaves_a_chart(plain_data: Path, tmp_path: Path) -> None:
    result = ask("--data", str(plain_data))
    assert result.exit_code == 0
    folder = tmp_path / "runs" / "doctor" / "cpu" / plain_data.name  # the next data set's has its own
    assert sorted(path.name for path in folder.iterdir()) == ["anchor_coverage.png", "anchor_coverage.svg"]
    assert "0 errors, 0 warnings, 3 notes." in result.output
    assert str(folder / "anchor_coverage.png") in result.output.replace("\n", "")


def test_an_error_exits_with_1_also_as_json(plain_data: Path, tmp_path: Path) -> None:
    result = ask(
        "--data", str(plain_data), "--set", "custom_hooks.0.momentum=0.999", "--json", "--out", str(tmp_path / "o")
    )
    assert result.exit_code == 1
    content = json.loads(result.output)
    assert [finding["check"] for finding in content["findings"] if finding["level"] == "error"] == ["EMA momentum"]
    assert content["coverage"][0]["ratios"] == [0.2, 0.35, 0.5, 1.0, 2.0]
    assert content["charts"] == [str(tmp_path / "o" / f"anchor_coverage.{kind}") for kind in ("png", "svg")]

"""All parts in one run: what is there, what is written, what is refused."""

import importlib
import inspect
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments.benchmarks import __main__ as bench
from experiments.benchmarks.figures import Findings


@pytest.mark.parametrize("part", bench.PARTS)
def test_every_part_can_be_measured_quickly(part: str) -> None:
    measure = importlib.import_module(f"experiments.benchmarks.{part}").measure
    assert list(inspect.signature(measure).parameters) == ["quick"]


def test_figures_are_written_as_parts_end_and_a_stop_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(*, quick: bool) -> Findings:
        findings = Findings("step")
        findings.ratio("speed", 8.0, goal=7)
        return findings

    def fail(*, quick: bool) -> Findings:
        raise KeyboardInterrupt

    parts = {"step": SimpleNamespace(measure=measure), "growth": SimpleNamespace(measure=fail)}
    monkeypatch.setattr(bench.importlib, "import_module", lambda name: parts[name.rpartition(".")[2]])
    monkeypatch.setattr(bench, "_machine", lambda: {"device": "none", "load": 0.0})
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "step,growth", "--quick", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        bench.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == f"Stopped; the parts that were done lie in {tmp_path}.\n"
    written = json.loads((tmp_path / "step.json").read_text())
    assert written["parts"][0]["ratios"][0]["verdict"] == "met"
    assert not (tmp_path / "growth.json").exists()


def test_an_unknown_part_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "step,speed"])
    with pytest.raises(SystemExit) as ended:
        bench.main()
    assert ended.value.code == 2
    assert "there is no part speed: give some of fusion" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["findings", "tracking", "arms"])
def test_a_data_folder_that_is_none_is_one_sentence(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [part, "--scale", "tiny", "--data", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"experiments.benchmarks.{part}").main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"Error: There is no folder {tmp_path / 'none'}: name that of a data set with --data (make: DATA=).\n"
    )

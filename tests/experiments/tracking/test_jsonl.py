"""One file of scalars for the whole run, whatever interrupted it."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.tracking.facts import Facts
from experiments.tracking.jsonl import JsonLines, cut_back
from experiments.tracking.tracker import Notice


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_line_is_there_at_once(facts: Callable[..., Facts], tmp_path: Path) -> None:
    tracker = JsonLines(facts())
    tracker.scalars({"train/loss": 2.5, "train/grad_norm": math.nan}, 10)
    path = tmp_path / "run" / "scalars.jsonl"
    assert lines(path) == [{"iteration": 10, "train/loss": 2.5, "train/grad_norm": None}]
    tracker.notice(Notice("Alarm: loss_ratio", "too much.", 12, bad=True))
    assert lines(path)[1] == {"iteration": 12, "notice": "Alarm: loss_ratio", "says": "too much."}
    tracker.finish({}, ended=True)


def test_a_run_that_continues_takes_off_what_lies_behind_its_checkpoint(
    facts: Callable[..., Facts], tmp_path: Path
) -> None:
    path = tmp_path / "run" / "scalars.jsonl"
    first = JsonLines(facts())
    for iteration in (10, 20, 30):
        first.scalars({"train/loss": 1.0}, iteration)
    with path.open("a") as file:
        file.write('{"iteration": 15, "train/lo')  # killed while it wrote
    second = JsonLines(facts(begins=20))
    second.scalars({"train/loss": 0.5}, 30)
    for tracker in (first, second):
        tracker.finish({}, ended=True)
    assert [(line["iteration"], line["train/loss"]) for line in lines(path)] == [(10, 1.0), (20, 1.0), (30, 0.5)]
    JsonLines(facts()).finish({}, ended=True)
    assert path.read_text() == ""  # begun anew


@pytest.mark.parametrize("broken", ["", "\n", "[]\n", '"x"\n', "{}\n", "\0\0\0\n", '{"iteration": null}\n'])
def test_what_is_no_line_is_taken_off(broken: str, tmp_path: Path) -> None:
    path = tmp_path / "scalars.jsonl"
    path.write_text('{"iteration": 1}\n' + broken)
    cut_back(path, 5)
    assert path.read_text() == '{"iteration": 1}\n'
    cut_back(tmp_path / "none.jsonl", 5)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scalars.jsonl"]

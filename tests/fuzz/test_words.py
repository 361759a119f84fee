"""What a user may type, at random: done, or refused in a sentence with exit status 2, and nothing is half written."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ablations.commands import app as ablations
from ablations.factors import FACTOR_NAMES
from ablations.request import OBJECTIVES, SCALES, request_of
from analysis.commands import app as analysis
from experiments.config import leaf_paths, parse_setting, set_path
from experiments.errors import UserError
from experiments.monitoring.memory import parse_budget

T = TypeVar("T")

# No NUL: a command line cannot hold one.
ODD = [
    "-1", "nan", "1e999", "../x", "/", "a" * 300, "a/" * 3000, "[" * 5000, "{}", "null", "--", "=", "[red]", "\udcff",
]  # fmt: skip
WORDS = st.text(st.characters(exclude_characters="\x00"), max_size=12) | st.sampled_from(ODD)


def some(*known: str) -> st.SearchStrategy[str]:
    """Up to three words joined by commas, known ones among them."""
    return st.lists(st.sampled_from(known) | WORDS, max_size=3).map(",".join)


def done(call: Callable[[], T]) -> T | None:
    """What it gives; ``None`` where it is refused in a sentence."""
    refused = ""
    try:
        return call()
    except UserError as error:
        refused = str(error)
    assert refused
    return None


CONFIG: dict[str, Any] = {
    "model": {"gamma": 2.5, "ratios": [0.2, 0.35], "size": (96, 48), "on": True, "name": "SGD", "nothing": None},
    "hooks": [{"type": "A", "momentum": 0.1}], "load_from": None, "resume": False,
}  # fmt: skip
PATHS = st.sampled_from([*leaf_paths(CONFIG), "model.", "hooks.-1", "model.gamma.x"]) | WORDS


@given(st.builds("{}{}{}".format, PATHS, st.sampled_from(["=", ".", ""]), WORDS))
def test_settings(text: str) -> None:
    setting = done(lambda: parse_setting(text))
    if setting is None:
        return
    config = copy.deepcopy(CONFIG)
    done(lambda: set_path(config, *setting))
    kinds = {path: type(value) for path, value in leaves(CONFIG).items() if value is not None}
    assert all(isinstance(leaves(config)[path], kind | int) for path, kind in kinds.items() if path in leaves(config))


def leaves(config: dict[str, Any]) -> dict[str, Any]:
    """The values of a config that are neither sections nor lists."""
    return {f"model.{name}": value for name, value in config["model"].items() if not isinstance(value, list | tuple)}


@given(
    design=some("alone", "factorial", "fractional-16", "optuna"), factors=some(*FACTOR_NAMES, "all"),
    scale=st.sampled_from(SCALES) | WORDS, seeds=st.integers(-1, 3) | st.integers(), trials=st.integers(),
    control=st.booleans(), space=some("all", "thresholds", "roi_gamma"), objective=st.sampled_from(OBJECTIVES) | WORDS,
    study=st.none() | WORDS, storage=st.none() | WORDS, grace=st.floats(min_value=1) | st.just(float("nan")),
)  # fmt: skip
def test_requests(**options: Any) -> None:
    request = done(lambda: request_of(data=None, runs_root=Path("runs"), **options))
    if request is not None:
        assert request.folder.parent == Path("runs").resolve()
        assert len({arm.name for arm in request.arms}) == len(request.arms) > 0


@given(WORDS)
def test_budgets(text: str) -> None:
    budget = done(lambda: parse_budget(text))
    assert budget is None or budget > 0


_PLAN = (
    "--design", "--factors", "--seeds", "--trials", "--space", "--objective", "--scale", "--data", "--workers", "--json",
    "--control", "--from-start",
)  # fmt: skip
OPTIONS = {
    "plan": _PLAN, "status": ("--study", "--json", "--storage"), "show": ("--study", "--seed", "--json"), "retry": ("--study",),
    "list": ("--json",), "table": ("--study", "--model", "--json"), "effects": ("--study", "--every"), "report": ("--study",),
}  # fmt: skip
FLAGS = ("--json", "--control", "--from-start", "--every")
GIVEN = (
    st.sampled_from(
        ["1", "2", "alone", "focal", "tiny", "thresholds", "pareto", "s", "teacher", "", "sqlite:///none.db"]
    )
    | WORDS
)


@pytest.mark.parametrize("command", OPTIONS)
@given(draw=st.data())
def test_command_lines(command: str, tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject) -> None:
    runs = tmp_path_factory.getbasetemp() / "no-runs"
    runs.mkdir(exist_ok=True)
    words = [command]
    for option in draw.draw(st.lists(st.sampled_from(OPTIONS[command]), max_size=4)):
        words += [option] if option in FLAGS else [option, draw.draw(GIVEN)]
    words += draw.draw(st.lists(GIVEN, max_size=1))
    app = analysis if command in ("table", "effects", "report") else ablations
    result = CliRunner().invoke(app, words, env={"RUNS": str(runs), "STORAGE": None})
    assert result.exit_code in (0, 2), (words, result.output, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exception)
    assert result.exit_code == 0 or "Error" in result.output or "Usage" in result.output, (words, result.output)
    assert list(runs.iterdir()) == []
    assert not Path("none.db").exists()

"""Requests: default names, what is refused, and that the stored command repeats the request."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ablations.commands import app
from ablations.request import Request, cards_in, names_in, request_of
from experiments.errors import UserError

DEFAULTS: dict[str, Any] = {
    "design": "alone", "factors": "all", "scale": "cpu", "seeds": 1, "control": False, "space": "all", "objective": "pareto",
    "trials": 20, "study": None, "data": None, "runs_root": None, "storage": None,
}  # fmt: skip


def request(**options: Any) -> Request:
    return request_of(**{**DEFAULTS, **options})


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "alone-all"),
        ({"factors": "focal"}, "ablation-focal"),
        ({"factors": "focal", "scale": "gpu"}, "ablation-focal-gpu"),
        ({"factors": "anchors, focal"}, "alone-focal-anchors"),
        ({"design": "alone,leave-one-out"}, "alone+leave-one-out-all"),
        ({"design": "alone, leave-one-out", "factors": "focal,fusion"}, "alone+leave-one-out-focal-fusion"),
        ({"design": "fractional-16", "scale": "paper"}, "fractional-16-all-paper"),
        ({"design": "optuna"}, "study-all"),
        ({"design": "optuna", "space": "thresholds", "objective": "ratio"}, "study-thresholds-ratio"),
        ({"design": "optuna", "space": "roi_gamma,rpn_gamma", "scale": "tiny"}, "study-settings-tiny"),
        ({"study": "mine", "scale": "gpu"}, "mine"),
        ({"factors": "focal", "from_start": True}, "ablation-focal-from-start"),
        ({"design": "fractional-16", "scale": "gpu", "from_start": True}, "fractional-16-all-from-start-gpu"),
    ],
)
def test_the_default_name_is_a_folder_name(options: dict[str, Any], name: str) -> None:
    made = request(**options)
    assert made.study == name
    assert re.fullmatch(r"[A-Za-z0-9._+-]+", name)
    assert made.folder == made.runs_root / name


def test_cards_are_named_by_number_or_by_their_own_name() -> None:
    assert cards_in("") == []
    assert cards_in("0, 1,GPU-8f6f2a3c-1,MIG-3/4/0") == ["0", "1", "GPU-8f6f2a3c-1", "MIG-3/4/0"]
    with pytest.raises(UserError, match=r"--gpus '0,foo' names no card 'foo': give numbers, like 0,1"):
        cards_in("0,foo")


def test_a_joined_design_has_the_arms_of_both() -> None:
    made = request(design="alone, leave-one-out", factors="focal,anchors,fusion", control=True)
    assert made.design == "alone,leave-one-out"
    assert [arm.name for arm in made.arms] == [
        "baseline", "focal", "anchors", "fusion", "focal+anchors+fusion", "anchors+fusion", "focal+fusion", "focal+anchors",
        "control",
    ]  # fmt: skip


def test_from_the_start_all_arms_are_and_the_baseline_is_the_usual_one() -> None:
    made = request(factors="focal", control=True, from_start=True)
    assert [arm.delta.get("from_start") for arm in made.arms] == [None, True, None]
    assert "from_start" not in request(factors="focal").arms[1].delta


def test_a_search_trains_the_baseline_and_samples() -> None:
    made = request(design="optuna", space="roi_gamma, rpn_gamma", trials=7)
    assert [arm.name for arm in made.arms] == ["baseline"]
    assert made.search is not None
    assert made.search.model_dump() == {"space": ["roi_gamma", "rpn_gamma"], "objective": "pareto", "trials": 7}
    assert request().search is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"design": "optuna", "control": True}, "--control belongs to a design's arms"),
        ({"design": "optuna", "from_start": True}, "--from-start belongs to a design's arms"),
        ({"scale": "paper", "from_start": True}, "paper has no burn-in, so from_start would change nothing"),
        ({"factors": "pseudo_labels,banded", "from_start": True}, "--from-start would change none of these arms"),
        ({"design": "optuna", "factors": "focal"}, "--factors belongs to a design's arms"),
        ({"design": ""}, "There is no design ''"),
        ({"design": "alone,optuna"}, "There is no design 'optuna'"),
        ({"study": "a b"}, "--study 'a b' is no folder name"),
        ({"study": "burn-in"}, "is taken by the runs that all studies share"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        request(**options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"factors": "focal", "seeds": 3, "control": True, "scale": "tiny"},
        {"factors": "focal", "from_start": True},
        {"design": "alone, leave-one-out", "factors": "focal,fusion", "study": "both"},
        {"data": Path("own data"), "runs_root": Path("other 'runs'"), "storage": "sqlite:///a file.db"},
        {"design": "optuna", "space": "thresholds", "objective": "ratio", "trials": 5, "seeds": 2},
        {"design": "optuna", "space": "roi_gamma, rpn_gamma"},
    ],
)
def test_the_stored_command_repeats_the_request(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE", raising=False)
    begun: list[Request] = []

    def begin(request: Request) -> None:
        begun.append(request)
        raise UserError("Seen.")

    monkeypatch.setattr("ablations.commands.begin", begin)
    made = request(**options)
    python, module, name, *words = shlex.split(made.command)
    assert (python, module, name) == ("python", "-m", "ablations")
    assert CliRunner().invoke(app, words).stderr == "Error: Seen.\n"
    assert begun == [made]


def test_the_stored_command_has_no_password() -> None:
    made = request(storage="postgresql://me:secret@host/name")
    assert made.storage == "postgresql://me:secret@host/name"
    assert "--storage" not in made.command  # STORAGE has to hold it
    assert "--storage postgresql://me@host/name" in request(storage="postgresql://me@host/name").command


def test_names_in() -> None:
    assert names_in(" focal, anchors ,,") == ["focal", "anchors"]


@pytest.mark.parametrize(
    ("factor", "scale", "scales"), [("bfloat16", "gpu", "tiny and cpu"), ("float32", "cpu", "gpu and paper")]
)
def test_a_precision_that_the_scale_has_already_is_refused(factor: str, scale: str, scales: str) -> None:
    with pytest.raises(UserError, match=f"{factor} would change nothing at scale {scale}.*it is for {scales}"):
        request(factors=f"focal,{factor}", scale=scale)


def test_what_the_scales_precision_costs_is_a_study() -> None:
    arms = request(factors="float32", scale="gpu", seeds=5).arms
    assert [(arm.name, arm.delta) for arm in arms] == [("baseline", {}), ("float32", {"model.precision": "float32"})]

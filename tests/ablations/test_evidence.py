"""Which records count: by status, config, data, and an identity that still holds."""

from typing import Any

import pytest

from ablations.evidence import comparable, replicate_of, settings_of
from experiments.errors import UserError
from experiments.records import Data, Record
from experiments.runs import run_identity


def record(
    delta: dict[str, Any] | None = None,
    *,
    config: str = "cpu",
    data: str = "f",
    seed: int = 0,
    split: int = 0,
    **other: Any,
) -> Record:
    content = {
        "identity": run_identity(config=config, delta=delta or {}, seed=seed, split=split, data_fingerprint=data),
        "study": "s",
        "arm": "a",
        "kind": "arm",
        "config": config,
        "seed": seed,
        "split": split,
        "iterations": 1,
        "delta": delta or {},
        "data": Data(name=data, fingerprint=data, classes=[]),
        "versions": {},
        "device": "cpu",
        "status": "completed",
    }
    return Record.model_validate(content | other)


def test_only_completed_runs_of_the_config_as_it_stands_count() -> None:
    good = [record(), record({"train_cfg.max_iters": 5}, seed=3, split=3), record({"a": [1, 0]}, kind="burn_in")]
    others = [
        record(status="failed"),
        record(config="tiny"),
        record(data="other"),
        record(identity="before-the-config-changed"),
    ]
    assert comparable([*others, *good], config="cpu", data="f") == good


def test_a_config_that_is_not_there_is_named() -> None:
    stray = record().model_copy(update={"config": "gone.py"})
    with pytest.raises(UserError, match=r"gone\.py"):
        comparable([stray], config="gone.py", data="f")


def test_replicates_differ_in_seed_and_split_and_share_their_settings() -> None:
    one, two = record({"b": 1, "a": [2]}), record({"a": [2], "b": 1}, seed=1, split=2)
    assert settings_of(one.delta) == settings_of(two.delta) == '{"a": [2], "b": 1}'
    assert (replicate_of(one), replicate_of(two)) == ((0, 0), (1, 2))

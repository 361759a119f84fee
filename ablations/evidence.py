"""Which records tell something about runs that are still to come: completed, of the same config as it stands now, same data."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from experiments.records import Record
from experiments.runs import FROM_START, run_identity

BUDGET_PATH = "train_cfg.max_iters"


def comparable(records: Iterable[Record], *, config: str, data: str) -> list[Record]:
    """The completed records, burn-ins too, of a config and a data set.

    A run whose identity is no longer the one its settings would have now was trained before the config changed: left out.

    Args:
        records: any.
        config: name or path of the config, as records have it.
        data: fingerprint of the data set.

    Raises:
        UserError: the config's file is unreadable.
    """
    same = [r for r in records if (r.status, r.config, r.data.fingerprint) == ("completed", config, data)]
    return [
        r
        for r in same
        if r.identity == run_identity(config=config, delta=r.delta, seed=r.seed, split=r.split, data_fingerprint=data)
    ]


def settings_of(delta: Mapping[str, Any]) -> str:
    """A delta as one hashable text, whatever the order of its paths."""
    return json.dumps(dict(delta), sort_keys=True)


def load_of(delta: Mapping[str, Any]) -> str:
    """What memory and pace of a run depend on: its settings, but for how long it trains, and whether its burn-in has them too."""
    return settings_of({path: value for path, value in delta.items() if path not in (BUDGET_PATH, FROM_START)})


def replicate_of(record: Record) -> tuple[int, int]:
    """Seed and number of the labelled split: what the replicates of an arm differ in, and what arms share."""
    return record.seed, record.split

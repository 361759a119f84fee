"""What K costs and keeps: tokens of each FPN level, what a defect gets of them, and measured memory and time. Pure."""

from collections.abc import Sequence

import pandas as pd

from analysis.results import Study
from experiments.records import Record


def token_frame(study: Study) -> pd.DataFrame:
    """One row per K and level, finest first: columns ``K``, ``level``, ``cells``, ``tokens`` of a view, ``share`` kept (0 to 1),
    and for each class the tokens that its median defect gets, where they are spread evenly over the view.

    Empty where no record tells cells: records of before they did.
    """
    records = [run.record for run in study.completed]
    cells = next((record.cells_per_level for record in records if record.cells_per_level), [])
    shares = next((record.data.box_shares for record in records if record.data.box_shares), {})
    rows = [
        {
            "K": label,
            "level": f"P{place + 2}",
            "cells": cells[place],
            "tokens": tokens,
            "share": tokens / cells[place],
            **{name: share * tokens for name, share in shares.items()},
        }
        for label, found in _by_tokens(records, cells).items()
        for place, tokens in enumerate(found[0].tokens_per_level)
    ]
    return pd.DataFrame(rows, columns=["K", "level", "cells", "tokens", "share", *shares])


def token_cost_frame(study: Study) -> pd.DataFrame:
    """One row per K: columns ``K``, ``runs``, ``peak memory MiB`` and ``ms per iteration`` (training, without validation), both
    means over its runs, NaN where no record tells them. Runs of one K differ in other factors too.
    """
    records = [run.record for run in study.completed]
    cells = next((record.cells_per_level for record in records if record.cells_per_level), [])
    rows = [
        {
            "K": label,
            "runs": len(found),
            "peak memory MiB": _mean([record.peak_memory_mb for record in found]),
            "ms per iteration": _mean([_milliseconds(record) for record in found]),
        }
        for label, found in _by_tokens(records, cells).items()
    ]
    return pd.DataFrame(rows, columns=["K", "runs", "peak memory MiB", "ms per iteration"])


def _by_tokens(records: Sequence[Record], cells: list[int]) -> dict[str, list[Record]]:
    """The records by K, smallest first; ``all`` where every cell of every level is a token of its own."""
    told = [record for record in records if cells and len(record.tokens_per_level) == len(cells)]
    found: dict[str, list[Record]] = {}
    for record in sorted(told, key=lambda record: (record.tokens_per_level, record.num_tokens or 0)):
        label = "all" if record.tokens_per_level == cells else str(record.num_tokens)
        found.setdefault(label, []).append(record)
    return found


def _milliseconds(record: Record) -> float | None:
    seconds = record.seconds.get("training")
    return None if seconds is None else 1000 * seconds / record.iterations


def _mean(figures: Sequence[float | None]) -> float | None:
    told = [figure for figure in figures if figure is not None]
    return sum(told) / len(told) if told else None

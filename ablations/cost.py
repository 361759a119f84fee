"""How long runs will take, from records of runs that took their time."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from ablations.evidence import BUDGET_PATH, load_of
from experiments.records import Record

_HOUR = 3600.0


@dataclass(frozen=True)
class Cost:
    """An estimate; hours are ``None`` where something is to be trained that nothing has been measured of.

    Attributes:
        hours: until all is trained, with the workers given.
        run_hours, burn_in_hours: of one worker that trains them one after the other.
        records, burn_in_records: how many records of arms and of burn-ins the estimate rests on.
        device: what these ran on, joined by " and "; ``None`` if there are none.
    """

    hours: float | None
    run_hours: float | None
    burn_in_hours: float | None
    records: int
    burn_in_records: int
    device: str | None


def estimate_cost(
    records: Iterable[Record],
    runs: Sequence[Mapping[str, Any]],
    *,
    burn_ins: Sequence[Mapping[str, Any]] = (),
    workers: int = 1,
    speedup: float | None = None,
    iterations: int | None = None,
) -> Cost:
    """Estimate how long runs take, from the pace of comparable ones.

    A run is taken to train at the pace (seconds per iteration) of the records with the same settings, since K and the number of
    layers change it; where there are none, at the mean over the arms that there are. Validation and whatever else takes time
    are added as they were. Records of one device count, that of most of them; of a kind that it has none of, those of others.

    Args:
        records: comparable ones (:func:`ablations.evidence.comparable`).
        runs: the deltas of the runs to train, one for each seed.
        burn_ins: the deltas of the burn-ins that are missing: each takes as long as those with its settings did, or all on average.
        workers: how many train at the same time.
        speedup: how many times the work of one these workers do together, as measured; ``workers`` if not given, which holds
            where each has its own device, or where the records were trained by as many sharing one.
        iterations: of a run whose delta does not set them; if not given, those of the records whose delta does not either.
    """
    timed = [r for r in records if r.status == "completed" and {"training", "total"} <= r.seconds.keys()]
    devices = Counter(record.device for record in timed)
    device = max(devices, key=lambda name: devices[name]) if devices else None
    arms, burnt_in = (_of(device, [r for r in timed if r.kind == kind]) for kind in ("arm", "burn_in"))
    first: dict[str, list[float]] = defaultdict(list)
    for record in burnt_in:
        first[load_of(record.delta)].append(_seconds(record, record.iterations))
    every = [value for values in first.values() for value in values]

    used: set[str] = set()
    seconds: list[float | None] = []
    for delta in runs:
        base = _base(arms, delta, iterations)
        used |= {record.identity for group in base for record in group}
        planned = delta.get(BUDGET_PATH, iterations)
        means = [mean(_seconds(record, planned or record.iterations) for record in group) for group in base]
        seconds.append(mean(means) if means else None)
    known = [value for value in seconds if value is not None]
    run_seconds = sum(known) if len(known) == len(seconds) else None
    before = [mean(first.get(load_of(delta), every)) for delta in burn_ins] if every else []
    burn_in_seconds = sum(before) if len(before) == len(burn_ins) else None
    total = None
    if run_seconds is not None and burn_in_seconds is not None:
        # Workers cannot share a run, nor begin it before its burn-in: it takes that long at least.
        longest = max(known, default=0.0) + max(before, default=0.0)
        total = max(longest, (run_seconds + burn_in_seconds) / (speedup or workers))
    return Cost(
        hours=_hours(total),
        run_hours=_hours(run_seconds),
        burn_in_hours=_hours(burn_in_seconds),
        records=len(used),
        burn_in_records=len(every) if burn_ins else 0,
        device=" and ".join(dict.fromkeys(r.device for r in [*arms, *(burnt_in if burn_ins else ())])) or None,
    )


def _of(device: str | None, records: Sequence[Record]) -> Sequence[Record]:
    """Those of a device, or all where it has none."""
    return [record for record in records if record.device == device] or records


def _base(arms: Sequence[Record], delta: Mapping[str, Any], iterations: int | None) -> list[list[Record]]:
    """The records that a run's pace is taken from, by arm: its own arm if there are any."""
    budget_known = BUDGET_PATH in delta or iterations is not None
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in arms:
        if budget_known or BUDGET_PATH not in record.delta:  # else their iterations are not this run's
            groups[load_of(record.delta)].append(record)
    own = load_of(delta)
    return [groups[own]] if own in groups else list(groups.values())


def _seconds(record: Record, iterations: int) -> float:
    """Seconds of a run of ``iterations`` at a record's pace; all but the training takes as long as it took there."""
    seconds = record.seconds
    rest = seconds["total"] - seconds["training"] + seconds.get("harness", 0.0)  # records of older runs have no harness
    return seconds["training"] / record.iterations * iterations + rest


def _hours(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / _HOUR

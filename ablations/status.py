"""How a study stands: counts, what runs where and how fast, what failed and why, when it will be done."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ablations.evidence import settings_of
from ablations.trials import Entry
from experiments.monitoring.console import pace
from experiments.runs import followed
from experiments.studies import Study

STATES = ("completed", "running", "waiting", "failed", "pruned")
_LEAST_SECONDS = 0.5  # what took less was not trained, but found among the runs of another study
_BEFORE_TRAINING = ("burn-in", "waiting")
_TRAINING = ("training", "validating")


@dataclass(frozen=True)
class Status:
    """``remaining`` is an estimate in seconds, ``None`` before the first job is done or where nothing is left to train."""

    study: str
    scale: str
    entries: tuple[Entry, ...]
    counts: dict[str, int]
    remaining: float | None

    @property
    def unfinished(self) -> int:
        """Jobs that run or wait."""
        return self.counts["running"] + self.counts["waiting"]


def status_of(study: Study, entries: Sequence[Entry]) -> Status:
    """The state of a study from its ledger's entries."""
    counts = Counter(entry.state for entry in entries)
    return Status(
        study=study.study,
        scale=study.scale,
        entries=tuple(entries),
        counts={state: counts[state] for state in STATES},
        remaining=remaining_seconds(entries, study=study.study),
    )


def is_reused(entry: Entry, *, study: str) -> bool:
    """Whether a completed job has runs that another study had trained."""
    return entry.state == "completed" and any(record["study"] != study for record in entry.records.values())


def remaining_seconds(entries: Sequence[Entry], *, study: str) -> float | None:
    """Seconds until the last job is done, if jobs take as long as those that this study trained did on average.

    A burn-in is no part of that: it counts once for all jobs that continue from it, if none of them has come past it, and takes as
    long as the longest that this study waited for. The work that is left is shared by as many workers as are training now (at least
    one).
    """
    done = [entry for entry in entries if entry.state == "completed" and not is_reused(entry, study=study)]
    took = [seconds for entry in done if (seconds := _training_seconds(entry)) > _LEAST_SECONDS]
    running = [entry for entry in entries if entry.state == "running"]
    waiting = sum(entry.state == "waiting" for entry in entries)
    if not took or not (running or waiting):
        return None
    mean = sum(took) / len(took)
    left = waiting * mean + sum(_seconds_left(entry, mean) for entry in running)
    return (left + _burn_in_seconds_left(entries, done)) / max(1, len(running))


def _burn_in_seconds_left(entries: Sequence[Entry], done: Sequence[Entry]) -> float:
    """Of all burn-ins that no job has come past; nothing if none was waited for yet, or nobody knows how long."""
    each = max((entry.seconds or 0.0) - _training_seconds(entry) for entry in done)
    left: dict[tuple[int, str], float] = {}  # of each that is not known to be trained
    trained = set()
    for entry in entries:
        keys = {(run.seed, settings_of(followed(run.delta))) for run in entry.runs}
        if entry.state == "waiting" or (entry.state == "running" and entry.progress.get("phase") not in _TRAINING):
            left |= {key: min(left.get(key, each), _left_of(each, entry, ("burn-in",))) for key in keys}
        else:
            trained |= keys
    return sum(seconds for key, seconds in left.items() if key not in trained)


def _training_seconds(entry: Entry) -> float:
    """How long the runs of a completed job took by their records; where these do not say, how long the job did."""
    told = [record["seconds"] for record in entry.records.values()]
    if told and all("total" in seconds for seconds in told):
        return float(sum(seconds["total"] + seconds.get("harness", 0.0) for seconds in told))
    return entry.seconds or 0.0


def _seconds_left(entry: Entry, mean: float) -> float:
    """Of a running job."""
    if entry.progress.get("phase") in _BEFORE_TRAINING and len(entry.runs) == 1:
        return mean
    return _left_of(mean, entry, _TRAINING)


def _left_of(whole: float, entry: Entry, phases: Sequence[str]) -> float:
    """What is left of so many seconds, which a job spends in these phases.

    By how far its only run is; of several, and where that is not known, by how long the job has been running.
    """
    told = entry.progress
    if told.get("phase") in phases and told.get("iterations") and len(entry.runs) == 1:
        return whole * (1 - told["iteration"] / told["iterations"])
    return max(0.0, whole - (entry.seconds or 0.0))


def status_view(status: Status, *, now: datetime) -> Group:
    """What `status` prints: one line of counts, a table of what runs, a line for each failed job."""
    total = len(status.entries)
    counts = ", ".join(f"{number} {state}" for state, number in status.counts.items() if number)
    line = f"Study {status.study} at scale {status.scale}: {total} jobs: {counts or 'none'}"
    if status.remaining is not None:
        end = now + timedelta(seconds=status.remaining)
        line += f"; about {duration(status.remaining)} left, until {end:%H:%M}" + (
            f" on {end:%d %b}" if end.date() > now.date() else ""
        )
    parts: list[Any] = [Text(line)]
    running = [entry for entry in status.entries if entry.state == "running"]
    if running:
        parts.append(_running_table(running))
    for entry in status.entries:
        if entry.state == "failed":
            parts.append(Text(f"failed: {label(entry)}: {first_line(entry.reason)}", style="red"))
    return Group(*parts)


def _running_table(running: Sequence[Entry]) -> Table:
    table = Table("arm", "seeds", "phase", "iteration", "rate", "for", "worker", box=box.SIMPLE_HEAD)
    for entry in running:
        told = entry.progress
        done, total, rate = told.get("iteration"), told.get("iterations"), told.get("rate")
        table.add_row(
            Text(entry.arm),
            ", ".join(str(run.seed) for run in entry.runs),
            str(told.get("phase", "starting")),
            f"{done} of {total}" if total else "",
            pace(rate) if rate else "",
            duration(entry.seconds or 0.0),
            Text(str(told.get("worker", ""))),
        )
    return table


def as_plain(status: Status) -> dict[str, Any]:
    """The status as JSON holds it; records are left out."""
    return {
        "study": status.study,
        "scale": status.scale,
        "counts": status.counts,
        "remaining_seconds": status.remaining,
        "jobs": [
            {
                "arm": entry.arm,
                "runs": [{"seed": run.seed, "split": run.split, "identity": run.identity} for run in entry.runs],
                "state": entry.state,
                "seconds": entry.seconds,
                "deaths": entry.deaths,
                "reason": entry.reason,
                "progress": entry.progress if entry.state == "running" else {},
                "params": entry.params,
                "values": entry.values,
            }
            for entry in status.entries
        ],
    }


def label(entry: Entry) -> str:
    """``focal, seed 1``."""
    return f"{entry.arm}, seed{'s' if len(entry.runs) > 1 else ''} {', '.join(str(run.seed) for run in entry.runs)}"


def first_line(reason: str | None) -> str:
    """The first line of a reason."""
    return (reason or "no reason").splitlines()[0]


def duration(seconds: float) -> str:
    """Seconds under two minutes, minutes under two hours, else hours with one decimal."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

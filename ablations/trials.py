"""What one trial of the ledger says: its job, its state, what came of it, and whether another follows it."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from experiments.records import Record
from experiments.studies import StudyRun

MAX_DEATHS = 10  # an arm whose workers died this often is failed: it may be what kills them
STATES = {
    TrialState.WAITING: "waiting",
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "completed",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


@dataclass(frozen=True)
class Job:
    """What one trial is for: one replicate of an arm, or all replicates of one sampled setting.

    A sampled setting that is not drawn yet has runs with an empty delta and identity. ``params`` are what dashboards show
    and samplers learn from; with ``distributions`` they stand, without they are drawn as given when the trial is claimed.
    """

    runs: tuple[StudyRun, ...]
    params: dict[str, Any] = field(default_factory=dict)
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What no two jobs of a study share: the identity, or the name of a sampled setting."""
        return self.runs[0].arm if self.runs[0].sampled else self.runs[0].identity


@dataclass(frozen=True)
class Outcome:
    """What came of a job: ``records`` by identity, and the objective values where all its runs completed."""

    state: str
    records: dict[str, Record] = field(default_factory=dict)
    values: tuple[float, ...] | None = None
    constraint: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Entry:
    """One job as the ledger tells it.

    ``state`` is waiting, running, completed, pruned or failed. ``progress`` is what its worker said last: ``phase``,
    ``iteration``, ``iterations``, ``rate`` (iterations per second), ``worker``. ``seconds`` is how long it took or takes by now.
    """

    number: int
    state: str
    runs: tuple[StudyRun, ...]
    params: dict[str, Any]
    values: tuple[float, ...] | None
    constraint: float | None
    progress: dict[str, Any]
    reason: str | None
    seconds: float | None
    deaths: int
    records: dict[str, Any]

    @property
    def arm(self) -> str:
        """The arm's name."""
        return self.runs[0].arm


def after_death(study: optuna.Study, trial: FrozenTrial) -> None:
    """Optuna's callback for a stale trial, which it has failed."""
    if not gives_up(trial):
        follow(study, trial, deaths_of(trial))


def follow(study: optuna.Study, trial: FrozenTrial, deaths: int) -> None:
    """Queue a copy of a failed trial: same job, same drawn values."""
    kept = {name: value for name, value in trial.user_attrs.items() if name in ("key", "runs")}
    fixed = trial.system_attrs.get("fixed_params")
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={**kept, "deaths": deaths, "follows": trial.number},
            system_attrs={"fixed_params": fixed} if fixed else None,
        )
    )


def machine() -> str | None:
    """What tells this machine, since it was started, and this container on it from all others; Linux alone knows."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def is_gone(progress: Mapping[str, Any]) -> bool:
    """Whether a trial's worker ran on this machine and does no more."""
    told = progress.get("machine")
    return told is not None and told == machine() and not Path(f"/proc/{progress['process']}").exists()


def first_numbers(trials: Sequence[FrozenTrial]) -> dict[str, int]:
    """Job -> number of its first trial: the order in which jobs were queued."""
    return {trial.user_attrs["key"]: trial.number for trial in reversed(trials)}


def followed_numbers(trials: Sequence[FrozenTrial]) -> set[int | None]:
    """Numbers of the trials that others follow."""
    return {trial.user_attrs.get("follows") for trial in trials}


def deaths_of(trial: FrozenTrial) -> int:
    """How many workers this job has cost, where the one of this failed trial died as well."""
    return int(trial.user_attrs.get("deaths", 0)) + 1


def gives_up(trial: FrozenTrial) -> bool:
    """Whether a job has cost so many workers, with that of this failed trial, that it is not queued again by itself."""
    return deaths_of(trial) >= MAX_DEATHS


def died(trial: FrozenTrial) -> bool:
    """Whether the trial failed because its worker died: who fails an arm gives a reason."""
    attributes = trial.user_attrs
    return trial.state == TrialState.FAIL and not attributes.get("reason") and not attributes.get("duplicate")


def will_be_followed(trial: FrozenTrial) -> bool:
    """Whether the trial's worker died and its job is queued again by itself, or will be."""
    return died(trial) and not gives_up(trial)


def entry_of(trial: FrozenTrial) -> Entry:
    """The job of a trial, as that trial tells it."""
    attributes = trial.user_attrs
    start, end = trial.datetime_start, trial.datetime_complete or datetime.now()
    reason = attributes.get("reason")
    if died(trial):
        reason = f"its worker died, {deaths_of(trial)} times in all, without finishing it"
    constraints = [v for name, v in trial.system_attrs.items() if name.startswith("constraints:")]
    return Entry(
        number=trial.number,
        state="waiting" if will_be_followed(trial) else STATES[trial.state],
        runs=tuple(StudyRun.model_validate(run) for run in attributes["runs"]),
        params=trial.params,
        values=tuple(trial.values) if trial.values else None,
        constraint=constraints[0] if constraints else None,
        progress=attributes.get("progress") or {},
        reason=reason,
        seconds=(end - start).total_seconds() if start else None,
        deaths=int(attributes.get("deaths", 0)),
        records=attributes.get("records") or {},
    )


def plain(records: Mapping[str, Record]) -> dict[str, Any]:
    """Records as JSON holds them, by identity."""
    return {identity: json.loads(record.model_dump_json()) for identity, record in records.items()}  # NaN becomes null

"""The ledger of a study: Optuna's relational storage as the queue of its arms and the memory of what came of them.

Every replicate of an arm, and every sampled setting with its replicates, is one trial. Waiting trials are the queue: a
worker claims one, beats its heart while it trains, and finishes it. The trial of a worker that died is failed as stale and
followed by one that waits again, with the same arm or the same sampled values. A failed trial that none follows is a failed
arm, until it is retried.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import fail_stale_trials, get_storage
from optuna.trial import FrozenTrial, TrialState

from ablations.storage import STORAGE_ERRORS, beats, open_storage, patiently
from ablations.trials import (
    STATES,
    Entry,
    Job,
    Outcome,
    after_death,
    entry_of,
    first_numbers,
    follow,
    followed_numbers,
    is_gone,
    machine,
    plain,
    will_be_followed,
)  # fmt: skip
from experiments.errors import UserError
from experiments.studies import Study, StudyRun

GRACE = 60.0  # seconds without a heartbeat after which a worker counts as dead


class UnknownStudy(UserError):
    """A storage does not hold the ledger of a study."""


class Ledger:
    """The ledger of one study in a storage. Every method waits for a storage that is out of reach for a while.

    Args:
        name: the study's.
        url: the storage's.

    Raises:
        UserError: the storage cannot be opened.
    """

    def __init__(self, *, name: str, url: str) -> None:
        self.name, self.grace = name, GRACE
        self.backend = open_storage(url, grace=GRACE, on_stale=after_death)
        self.storage = get_storage(self.backend)
        self._study: optuna.Study | None = None

    def close(self) -> None:
        """Close the connections to the storage."""
        self.backend.remove_session()
        self.backend.engine.dispose()

    @property
    def study(self) -> optuna.Study:
        """Optuna's study.

        Raises:
            UnknownStudy: the storage has none of this name, or one that these commands have not begun.
        """
        if self._study is None:
            try:
                self._study = patiently(lambda: optuna.load_study(study_name=self.name, storage=self.storage))
                self._adopt(self.header())
            except KeyError:
                raise UnknownStudy(
                    f"There is no study {self.name!r} in the storage: begin it with `run`, or name another with --study."
                ) from None
        return self._study

    def create(self, header: Study) -> None:
        """Make the study in the storage unless it is there; ``header`` is the study, whose runs do not count."""
        ratio = header.search is not None and header.search.objective == "ratio"
        names = ["ratio"] if ratio else header.hard_classes
        self._study = patiently(
            lambda: optuna.create_study(
                study_name=self.name, storage=self.storage, directions=["maximize"] * len(names), load_if_exists=True
            )
        )
        if len(self._study.directions) != len(names):
            raise UserError(
                f"Study {self.name} maximises other figures ({self._study.metric_names}): choose another --study (make: STUDY=)."
            )
        stored = patiently(lambda: self.study.user_attrs).get("header")
        known = Study.model_validate(stored) if stored else header
        if _essence(known) != _essence(header):
            raise UserError(
                f"The storage holds another study {self.name} (scale {known.scale}, data {known.data_fingerprint}): "
                "choose another --study (make: STUDY=)."
            )
        self._adopt(known)
        content = header.model_copy(update={"grace": known.grace}).model_dump(mode="json", exclude={"runs", "requests"})
        patiently(self.study.set_user_attr, "header", content)
        patiently(self.study.set_metric_names, names)

    def _adopt(self, header: Study) -> None:
        """Count workers as dead as the study does: all have to agree on it."""
        self.grace = header.grace
        self.backend.heartbeat_interval, self.backend.grace_period = beats(header.grace)

    def header(self) -> Study:
        """The study without its runs and requests."""
        return Study.model_validate(patiently(lambda: self.study.user_attrs)["header"])

    def sample_with(self, sampler: BaseSampler, pruner: BasePruner) -> None:
        """How claimed trials draw their values, and when they are pruned."""
        self.study.sampler, self.study.pruner = sampler, pruner

    def add(self, jobs: Sequence[Job], settle: Callable[[Job], Outcome | None]) -> None:
        """Queue the jobs that the ledger does not hold; one that ``settle`` has an outcome for is complete at once."""
        known = {trial.user_attrs["key"] for trial in self._trials()}
        for job in jobs:
            if job.key in known:
                continue
            attributes: dict[str, Any] = {"key": job.key, "runs": [run.model_dump(mode="json") for run in job.runs]}
            options: dict[str, Any] = {"state": TrialState.WAITING}
            if job.distributions:
                options |= {"params": job.params, "distributions": job.distributions}
            elif job.params:
                options |= {"system_attrs": {"fixed_params": job.params}}
            outcome = settle(job)
            if outcome is not None:
                attributes["records"] = plain(outcome.records)
                options |= {"state": TrialState.COMPLETE, "values": outcome.values}
            trial = optuna.create_trial(user_attrs=attributes, **options)
            patiently(self.study.add_trial, trial)

    def claim(self, ready: Callable[[Entry], bool] = lambda entry: True) -> "Claim | None":
        """Take the first waiting job, in the order in which jobs were first queued, that is ``ready``; ``None`` if none is."""
        self.recover()
        trials = self._trials()
        first = first_numbers(trials)
        for trial in sorted(trials, key=lambda trial: first[trial.user_attrs["key"]]):
            if trial.state != TrialState.WAITING or not ready(entry_of(trial)):
                continue
            # The heartbeat comes first: a running trial without one would never count as stale.
            patiently(self.backend.record_heartbeat, trial._trial_id)
            with contextlib.suppress(UpdateFinishedTrialError):
                if patiently(self.storage.set_trial_state_values, trial._trial_id, TrialState.RUNNING):
                    claimed = patiently(optuna.trial.Trial, self.study, trial._trial_id)
                    if not self._is_duplicate(trial):
                        return Claim(self, claimed)
                    patiently(claimed.set_user_attr, "duplicate", True)
                    patiently(self.study.tell, claimed, None, TrialState.FAIL, True)
        return None

    def _is_duplicate(self, claimed: FrozenTrial) -> bool:
        """Whether an earlier trial has the same job: two workers may have followed one dead trial at the same moment."""
        trials = self._trials()
        followed = followed_numbers(trials)
        return any(
            trial.user_attrs["key"] == claimed.user_attrs["key"]
            and (trial.state != TrialState.FAIL or (trial.user_attrs.get("reason") and trial.number not in followed))
            for trial in trials
            if trial.number < claimed.number
        )

    def recover(self) -> None:
        """Fail the trials whose worker is dead; each is followed by one that waits."""
        patiently(fail_stale_trials, self.study)
        trials = self._trials()
        for trial in trials:  # of a worker that died on this machine nobody needs to wait for the silence
            if trial.state == TrialState.RUNNING and is_gone(trial.user_attrs.get("progress") or {}):
                with contextlib.suppress(UpdateFinishedTrialError):
                    if patiently(self.storage.set_trial_state_values, trial._trial_id, TrialState.FAIL):
                        patiently(after_death, self.study, trial)
        followed = followed_numbers(trials)
        for trial in trials:  # who failed one may have died before it queued the next
            if trial.number in followed or not will_be_followed(trial):
                continue
            if (datetime.now() - (trial.datetime_complete or datetime.now())).total_seconds() > self.grace:
                patiently(after_death, self.study, trial)

    def retry(self, arms: Sequence[str] = ()) -> list[Entry]:
        """Queue the failed jobs again, all or those of the named arms; returns them."""
        chosen = [e for e in self.entries() if e.state == "failed" and (not arms or e.arm in arms)]
        trials = {trial.number: trial for trial in self._trials()}
        for entry in chosen:
            patiently(follow, self.study, trials[entry.number], 0)
        return chosen

    def entries(self) -> list[Entry]:
        """All jobs in the order in which they were queued, each as its last trial tells."""
        trials = self._trials()
        followed = followed_numbers(trials)
        current = [t for t in trials if t.number not in followed and not t.user_attrs.get("duplicate")]
        first = first_numbers(trials)
        return [entry_of(trial) for trial in sorted(current, key=lambda trial: first[trial.user_attrs["key"]])]

    def _trials(self) -> list[FrozenTrial]:
        return patiently(lambda: self.study.get_trials(deepcopy=False))


class Claim:
    """A claimed trial: this process trains it. Keeps its heart beating while it is entered as a context."""

    def __init__(self, ledger: Ledger, trial: optuna.trial.Trial) -> None:
        self.ledger, self.trial = ledger, trial
        self.runs = [StudyRun.model_validate(run) for run in trial.user_attrs["runs"]]
        self.progress: dict[str, Any] = {
            "worker": f"{socket.gethostname()}:{os.getpid()}", "process": os.getpid(), "machine": machine(),
        }  # fmt: skip
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Claim":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        storage, number = self.ledger.backend, self.trial._trial_id
        while True:
            # A storage out of reach is no reason to stop training: the next beat tries again.
            with contextlib.suppress(*STORAGE_ERRORS, UpdateFinishedTrialError):
                storage.record_heartbeat(number)
                storage.set_trial_user_attr(number, "progress", dict(self.progress))
            if self._stop.wait(self.ledger.grace / 6):
                return

    def draw(self, runs: Sequence[StudyRun]) -> None:
        """Write down what was drawn for a sampled setting: its runs, with delta and identity."""
        self.runs = list(runs)
        content = [run.model_dump(mode="json") for run in runs]
        patiently(self.trial.set_user_attr, "runs", content)

    def finish(self, outcome: Outcome) -> None:
        """Write down what came of it. A trial that was taken over meanwhile is its new worker's."""
        attributes: dict[str, Any] = {"records": plain(outcome.records), "reason": outcome.reason}
        state = {text: state for state, text in STATES.items()}[outcome.state]
        values = outcome.values if state == TrialState.COMPLETE else None
        with contextlib.suppress(UpdateFinishedTrialError):
            for name, value in attributes.items():
                patiently(self.trial.set_user_attr, name, value)
            if outcome.constraint is not None:
                patiently(self.trial.set_constraint, "overall", outcome.constraint)
            patiently(self.ledger.study.tell, self.trial, values, state, True)

    def give_back(self) -> None:
        """Put it back into the queue, for another worker to continue: this one stops."""
        study, number = self.ledger.study, self.trial._trial_id

        def give_back() -> None:
            with contextlib.suppress(UpdateFinishedTrialError):
                if self.ledger.storage.set_trial_state_values(number, TrialState.FAIL):
                    trial = self.ledger.storage.get_trial(number)
                    follow(study, trial, trial.user_attrs.get("deaths", 0))

        patiently(give_back, patience=10)  # who stops does not wait for long: the job will count as stale


def _essence(header: Study) -> object:
    """What two studies of one name must have in common to be the same."""
    search = (header.search.space, header.search.objective) if header.search else None
    return header.scale, header.data_fingerprint, header.hard_classes, search

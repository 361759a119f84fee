"""A worker: one process that claims the jobs of a study one after the other and trains them."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ablations.arms import BASELINE
from ablations.ledger import Claim, Ledger
from ablations.objective import intermediate_ratio, make_pruner, make_sampler, overall_constraint, ratio, values_of
from ablations.space import suggest
from ablations.status import first_line
from ablations.storage import STORAGE_ERRORS, StorageLost, patiently
from ablations.trials import Entry, Outcome
from experiments.errors import Pruned, TakenOver, UserError
from experiments.interrupts import undisturbed
from experiments.monitoring.console import FailAction
from experiments.paths import study_options
from experiments.records import Record
from experiments.runs import read_dataset, run_identity
from experiments.studies import Study, StudyRun, arm_folder

_POLL = 2.0  # seconds between looks at a queue that others are working on


@dataclass(frozen=True)
class Place:
    """Where a worker leaves runs and finds the data set folder, and how it watches what it trains there.

    ``memory_budget_mb`` and ``on_fail`` are as :func:`experiments.train.train_run` has them.
    """

    runs_root: Path
    data: Path
    memory_budget_mb: float | None = None
    on_fail: FailAction = "warn"


def work(
    ledger: Ledger, place: Place, *, progress: bool, tell: Callable[[], object], parent: int | None = None
) -> None:
    """Train the study's jobs until none is left; waits while other workers still train, to take over what they may lose.

    Args:
        ledger: the study's.
        place: where data and runs are.
        progress: show progress bars.
        tell: called after every job that this worker finished.
        parent: id of the process that started this one; without it, the job in hand is the last.

    Raises:
        UserError: the data are not the study's, or the arms that sampled settings are judged by have failed.
        KeyboardInterrupt: this process was told to stop; the job it had waits again.
    """
    study = ledger.header()
    found = read_dataset(place.data)["fingerprint"]
    if found != study.data_fingerprint:
        raise UserError(
            f"{place.data} has the fingerprint {found}, but study {study.study} is on {study.data_fingerprint}: "
            "give its data set with --data."
        )
    if study.search is not None:
        ledger.sample_with(make_sampler(study.search.objective), make_pruner(study.search.objective))
    while parent is None or os.getppid() == parent:
        entries = ledger.entries()
        with undisturbed():
            claim = ledger.claim(partial(_may_start, entries=entries, study=study))
        if claim is None:
            if not any(entry.state in ("waiting", "running") for entry in entries):
                return
            _check_references(entries, study, place)
            time.sleep(_POLL)
            continue
        with claim:
            try:
                outcome = _Training(ledger, claim, study, place, progress).outcome()
            except TakenOver:  # who has it will finish it: this worker was stopped for a while
                with undisturbed():
                    claim.give_back()
                continue
            except BaseException:
                with undisturbed():
                    claim.give_back()
                raise
            with undisturbed():
                claim.finish(outcome)
        tell()


def _may_start(entry: Entry, *, entries: list[Entry], study: Study) -> bool:
    """Sampled studies train their baselines first: everything else is judged by them."""
    return (
        study.search is None or _is_reference(entry) or all(e.state == "completed" for e in entries if _is_reference(e))
    )


def _is_reference(entry: Entry) -> bool:
    return entry.arm == BASELINE


def _check_references(entries: list[Entry], study: Study, place: Place) -> None:
    failed = [entry for entry in entries if _is_reference(entry) and entry.state == "failed"]
    if study.search is not None and failed:
        raise UserError(
            f"The baseline of study {study.study} failed ({first_line(failed[0].reason)}), and sampled settings are judged by it: "
            f"mend the cause, then: python -m ablations retry {study_options(place.runs_root / study.study)}."
        )


class _Training:
    """One claimed job while it trains: also the observer that its runs report to."""

    def __init__(self, ledger: Ledger, claim: Claim, study: Study, place: Place, show_progress: bool) -> None:
        self.ledger, self.claim, self.study, self.place = ledger, claim, study, place
        self.show_progress = show_progress
        self.records: dict[str, Record] = {}

    def outcome(self) -> Outcome:
        """Train every run of the job; the first that does not complete ends it."""
        from experiments.train import train_run

        if self.study.search is not None:
            self._draw(self.study.search.space)
        for run in self.claim.runs:
            self._check(run)
            try:
                record = train_run(
                    config=self.study.scale, study=self.study.study, arm=run.arm, levels=run.levels, delta=run.delta,
                    seed=run.seed, split=run.split, data=self.place.data, runs_root=self.place.runs_root,
                    folder=arm_folder(self.place.runs_root, run.identity), sampled=run.sampled, progress=self.show_progress,
                    observer=self,
                    memory_budget_mb=self.place.memory_budget_mb, on_fail=self.place.on_fail,
                    patience=self.ledger.grace,
                )  # fmt: skip
            except (StorageLost, TakenOver, *STORAGE_ERRORS):
                raise
            except Exception as error:  # whatever befalls one arm, the others go on
                reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
                return Outcome("failed", self.records, reason=reason)
            self.records[run.identity] = record
            if record.status != "completed":
                return Outcome(record.status, self.records, reason=record.reason)
        try:
            return self._completed()
        except (KeyError, AssertionError) as error:
            return Outcome(
                "failed", self.records, reason=f"Its record cannot be judged ({type(error).__name__}: {error})."
            )

    def _check(self, run: StudyRun) -> None:
        if run.identity != self._identity(run):
            raise UserError(
                f"Here {run.arm} is another run than in study {self.study.study}: this copy of the repository has other "
                f"configs; use the one that the study was begun with."
            )

    def _identity(self, run: StudyRun) -> str:
        return run_identity(
            config=self.study.scale, delta=run.delta, seed=run.seed, split=run.split,
            data_fingerprint=self.study.data_fingerprint,
        )  # fmt: skip

    def _draw(self, space: list[str]) -> None:
        """Let the sampler draw its values; an arm of the design is given its own and keeps its delta."""
        delta = patiently(partial(suggest, self.claim.trial, space, width=_width(self.study.scale)))
        if not self.claim.runs[0].sampled:
            return
        drawn = [run.model_copy(update={"delta": delta}) for run in self.claim.runs]
        self.claim.draw([run.model_copy(update={"identity": self._identity(run)}) for run in drawn])

    def _completed(self) -> Outcome:
        records = list(self.records.values())
        values = values_of(records, self.study.hard_classes)
        if self.study.search is None:
            return Outcome("completed", self.records, values)
        baseline = records if self.claim.runs[0].arm == BASELINE else self._baseline()
        constraint = overall_constraint(records, baseline, floor=self.study.goals.overall_floor)
        if self.study.search.objective == "ratio":
            values = (ratio(values, values_of(baseline, self.study.hard_classes)),)
        return Outcome("completed", self.records, values, constraint)

    def _baseline(self) -> list[Record]:
        """The baseline's records of the seeds that this job has."""
        seeds = {run.seed for run in self.claim.runs}
        found = [
            Record.model_validate(record)
            for entry in self.ledger.entries()
            if entry.arm == BASELINE
            for record in entry.records.values()
        ]
        return [record for record in found if record.seed in seeds]

    def progress(self, *, phase: str, iteration: int, iterations: int, rate: float | None) -> None:
        """What `status` shows; the claim's heart writes it down."""
        self.claim.progress.update(phase=phase, iteration=iteration, iterations=iterations, rate=rate)

    def validated(self, record: Record, iteration: int) -> None:
        """Tell the pruner of a setting that is searched for by its ratio; its first seed decides."""
        search = self.study.search
        if search is None or search.objective != "ratio" or record.seed != self.claim.runs[0].seed:
            return
        if not self.claim.runs[0].sampled:
            return
        value = intermediate_ratio(record, self._baseline(), classes=self.study.hard_classes, iteration=iteration)
        patiently(self.claim.trial.report, value, iteration)
        if iteration < record.iterations and patiently(self.claim.trial.should_prune):  # else nothing is left to save
            raise Pruned(
                f"at iteration {iteration} its ratio {value:.3f} is below the median of the settings before it"
            )


def _width(scale: str) -> int:
    """Channels of MVViT at a scale: its number of heads divides them."""
    from experiments.config import load_config

    return int(load_config(scale).model.detector.backbone.mvvit.embed_dims)

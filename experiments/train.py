"""Train one run: base config + delta + seed + split + data -> a run folder with ``record.json``."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from mmengine.dist import get_world_size

from experiments.attempts import Job, train, write
from experiments.checkpoints import checkpoints, last_whole
from experiments.checks import check_buildable, check_data, read_run_groups
from experiments.clock import Clock
from experiments.config import import_components, load_config
from experiments.doctor.boxes import median_shares
from experiments.errors import UserError
from experiments.fitting import fit_to_data
from experiments.goals import read_goals
from experiments.hooks.monitor import Policy
from experiments.locks import Lock, locked
from experiments.monitoring.console import FailAction
from experiments.monitoring.gates import broken_off
from experiments.monitoring.hang import hang_minutes
from experiments.monitoring.memory import device_memory_mb
from experiments.observer import Observer, Watch
from experiments.prepare import prepared_data
from experiments.ranks import first_rank, join, share_batch
from experiments.records import RECORD_NAME, Data, Record, read_record
from experiments.runs import (
    BURN_IN_STUDY,
    FROM_START,
    WEIGHTS_NAME,
    burn_in_delta,
    burn_in_name,
    check_from_start,
    completed_record,
    default_split,
    read_dataset,
    run_folder,
    run_identity,
)
from experiments.studies import arm_folder
from experiments.tokens import cells_per_level, tokens_of
from experiments.tracking.choice import Tracking, chosen_trackers

_PACKAGES = (
    "torch",
    "torchvision",
    "onedl-mmengine",
    "onedl-mmcv",
    "onedl-mmdetection",
    "pycocotools",
    "faster-coco-eval",
    "numpy",
)


def train_run(
    *,
    config: str,
    study: str,
    arm: str = "baseline",
    levels: Mapping[str, str] | None = None,
    delta: Mapping[str, Any] | None = None,
    seed: int = 0,
    split: int | None = None,
    data: Path | None = None,
    runs_root: Path,
    folder: Path | None = None,
    sampled: bool = False,
    progress: bool = True,
    observer: Observer | None = None,
    launcher: str = "none",
    memory_budget_mb: float | None = None,
    on_fail: FailAction = "warn",
    patience: float = 60.0,
) -> Record:
    """Train one arm, or return the record of the identical run that is completed already.

    An interrupted run continues from its last checkpoint. The burn-in that the config asks for is trained first, unless
    it is there already; it is shared by all the arms of one config, data set, seed and split, but for what it follows of
    an arm's changes (:func:`experiments.runs.followed`). Where another process trains
    the same run or burn-in, this one waits for it and takes what comes of it. Where GPU memory runs out, the run goes on
    with fewer pooled MVViT tokens (``num_tokens`` in the record). What the seconds in the record count: see
    :class:`experiments.records.Record`.

    Args:
        config: name of a scale (``cpu``) or path of a config file.
        study, arm: name the run, and its folder ``runs_root/study/arm-seed<seed>`` unless ``folder`` is given.
        levels: factor levels, for the record.
        delta: dotted config paths -> values.
        seed: of initialisation, data order and augmentation.
        split: number of the labelled/unlabelled split, 0 for the one the data set ships with; default
            :func:`experiments.runs.default_split`.
        data: data set folder; default the scale's own synthetic set, made here if it is missing.
        runs_root: folder of all studies.
        folder: the run folder.
        sampled: whether a sampler chose the delta; trackers are told.
        progress: show progress on the console.
        observer: is told how far the run is, and may end it.
        launcher: ``pytorch`` in processes that torchrun started: they train the run together, each with its share of every
            batch, and all return its record.
        memory_budget_mb: what the run is to stay within, MiB; default all of the card's, or of the machine's without one.
        on_fail: what follows when a gate of an arm's monitoring checklist fails before its end: ``warn``; ``stop``, with the
            status ``failed``; or ``prune``, with the status ``pruned``.
        patience: seconds after which another process that trains the same run, and shows no sign of life, is not waited for.

    Returns:
        The record, with status ``completed``, or ``failed`` or ``pruned`` (and the reason).

    Raises:
        UserError: config, delta or data are wrong; told before anything is trained or written, if it can be known then.
        TakenOver: another process trains the run by now, because this one was stopped for a while.
        Exception: what the observer raised (other than ``Pruned``); like after an interrupt, the run can be continued.
    """
    if study == BURN_IN_STUDY:
        raise UserError(
            f"The study name {BURN_IN_STUDY} is taken by the shared burn-ins: choose another --study (make: STUDY=)."
        )
    tracking, minutes = Tracking(chosen_trackers(), group=study, sampled=sampled), hang_minutes()
    # What is wrong there is told before data are rendered, or another run's folder is met.
    load_config(config, delta or {})
    harness = Clock()
    join(launcher)
    with harness.paused():
        data = first_rank(lambda: prepared_data(config, data, progress=progress))
    run = _Run(
        config=config, study=study, arm=arm, levels=levels or {}, delta=dict(delta or {}), seed=seed,
        split=default_split(seed, data) if split is None else split, data=data, description=read_dataset(data),
        runs_root=runs_root, own_folder=folder, progress=progress, watch=Watch(observer), launcher=launcher, kind="arm",
        memory_budget_mb=memory_budget_mb, on_fail=on_fail, patience=patience,
        tracking=tracking, hang_minutes=minutes,
    )  # fmt: skip
    return _train(run, harness)


@dataclass(frozen=True)
class _Run:
    """A run as it is asked for; see :func:`train_run`."""

    config: str
    study: str
    arm: str
    levels: Mapping[str, str]
    delta: dict[str, Any]
    seed: int
    split: int
    data: Path
    description: Mapping[str, Any]
    runs_root: Path
    own_folder: Path | None
    progress: bool
    watch: Watch
    launcher: str
    kind: Literal["arm", "burn_in"]
    memory_budget_mb: float | None
    on_fail: FailAction
    patience: float
    tracking: Tracking
    hang_minutes: float

    @property
    def identity(self) -> str:
        return self._identity(self.delta)

    def _identity(self, delta: Mapping[str, Any]) -> str:
        fingerprint = self.description["fingerprint"]
        return run_identity(
            config=self.config, delta=delta, seed=self.seed, split=self.split, data_fingerprint=fingerprint
        )

    def baseline(self) -> Record | None:
        """The record of the baseline of this config, data, seed and split, as far as a study has it trained here."""
        folder = arm_folder(self.runs_root, self._identity({}))
        return read_record(folder) if (folder / RECORD_NAME).exists() else None

    def policy(self) -> Policy:
        """How the run is judged while it trains."""
        return Policy(
            budget_mb=self.memory_budget_mb or device_memory_mb(), on_fail=self.on_fail,
            goals=read_goals(self.data, self.description["classes"]), baseline=self.baseline,
        )  # fmt: skip

    @property
    def name(self) -> str:
        """The arm's; a burn-in is named by its config and identity."""
        return self.arm if self.kind == "arm" else burn_in_name(self.config, self.identity)

    @property
    def folder(self) -> Path:
        own = run_folder(runs_root=self.runs_root, study=self.study, arm=self.name, seed=self.seed)
        return self.own_folder or own

    @property
    def title(self) -> str:
        return f"{'burn-in' if self.kind == 'burn_in' else self.arm} (seed {self.seed})"

    def burn_in(self, changes: Mapping[str, Any]) -> "_Run":
        """The burn-in that this arm continues from, by what the config changes for one and what of the arm's it follows."""
        delta = burn_in_delta(changes, self.delta)
        return replace(self, study=BURN_IN_STUDY, levels={}, delta=delta, own_folder=None, kind="burn_in")


def _train(run: _Run, harness: Clock) -> Record:
    """Train a run, after the burn-in that it continues from, unless it is completed."""
    done = first_rank(lambda: completed_record(run.folder, run.identity))
    if done is not None:
        return done
    settings = load_config(run.config, run.delta)
    if run.kind == "arm":
        check_from_start(run.config, settings, run.delta)
    burn_in = settings.pop("burn_in", None)
    settings.pop(FROM_START, None)
    fit_to_data(settings, run.description, run.data)
    settings.train_dataloader.dataset.split = run.split
    settings.train_dataloader.sampler.seed = run.seed
    if get_world_size() > 1:
        share_batch(settings, get_world_size())
    import_components(settings)
    first_rank(lambda: _check(settings, run))

    weights = None if settings.load_from is None else Path(settings.load_from)
    first = None
    if burn_in and run.kind == "arm":
        if weights:
            raise UserError(
                f"{run.config} continues from its burn-in, so load_from would change nothing: use a config without one."
            )
        with harness.paused():
            first = _train(run.burn_in(burn_in), Clock())
        weights = run.burn_in(burn_in).folder / WEIGHTS_NAME
    held: list[Lock] = []  # the first rank's
    with ExitStack() as stack:
        with harness.paused():
            settled = first_rank(lambda: _hold(run, stack, held, iterations=settings.train_cfg.max_iters))
        if settled is not None:
            return settled
        record = first_rank(lambda: _begin(run, settings, first))
        harness.before = record.seconds.get("harness", 0.0)
        if first is not None and first.status != "completed":
            record.status, record.reason = "failed", f"The burn-in that it continues from failed: {first.reason}"
            record.gates = broken_off(record, trouble=None, goals=run.policy().goals)
            write(record, run.folder)
            return record
        train(Job(
            settings=settings, record=record, folder=run.folder, weights=weights, bar=run.title if run.progress else None,
            launcher=run.launcher, watch=run.watch, policy=run.policy(), harness=harness,
            tracking=run.tracking, lost=lambda: any(lock.lost for lock in held), hang_minutes=run.hang_minutes,
        ))  # fmt: skip
    # Ranks measure their own times; after a failure they may not be in step any more.
    return record if record.status == "failed" else first_rank(lambda: record)


def _check(settings: Any, run: _Run) -> None:
    check_data(settings, run.data, run.description)
    check_buildable(settings)


def _hold(run: _Run, stack: ExitStack, held: list[Lock], *, iterations: int) -> Record | None:
    """Hold the run's folder until the stack is closed; the record, if another process has meanwhile settled the run.

    The lock is added to ``held``.
    """
    told = not run.progress

    def waiting() -> None:
        nonlocal told
        if not told:
            print(f"{run.title}: waits for another process that trains it", flush=True)
            told = True
        run.watch.progress(phase="waiting", iteration=0, iterations=iterations)

    lock = stack.enter_context(locked(run.folder, waiting=waiting, patience=run.patience))
    held.append(lock)
    done = completed_record(run.folder, run.identity)
    if done is None and lock.waited and (run.folder / RECORD_NAME).exists():
        other = read_record(run.folder)
        return other if other.status == "failed" else None  # it would fail here as it has just failed there
    return done


def _begin(run: _Run, settings: Any, burn_in: Record | None) -> Record:
    """The record to begin or, with what it holds of the run so far, to continue with."""
    description, ranks = run.description, get_world_size()
    validation = read_run_groups(settings, run.data)["validation"]
    record = Record.model_validate({
        "identity": run.identity, "study": run.study, "arm": run.name, "kind": run.kind, "levels": dict(run.levels),
        "config": run.config, "seed": run.seed, "split": run.split, "iterations": settings.train_cfg.max_iters,
        "delta": run.delta, "burn_in": None if burn_in is None else burn_in.identity,
        "data": Data(
            name=description["name"], fingerprint=description["fingerprint"], classes=description["classes"],
            box_shares=median_shares(validation, description["classes"]),
        ),
        "versions": {"python": sys.version.split()[0], **{name: version(name) for name in _PACKAGES}},
        "device": f"{ranks} x {_device()}" if ranks > 1 else _device(),
        "num_tokens": tokens_of(settings), "cells_per_level": cells_per_level(settings),
    })  # fmt: skip
    previous = read_record(run.folder) if (run.folder / RECORD_NAME).exists() else None
    if previous is None:
        for checkpoint in checkpoints(run.folder):  # whoever deleted the record wants the run trained again
            checkpoint.unlink()
        return record
    record.damaged_checkpoints = previous.damaged_checkpoints
    begun = last_whole(run.folder)[0] is not None
    if previous.status == "running" or begun:
        record.num_tokens = previous.num_tokens or record.num_tokens
        record.tokens_reduced_from = previous.tokens_reduced_from
    if begun:
        record.validations, record.seconds = previous.validations, previous.seconds
        record.resumed_from, record.fresh_weights = previous.resumed_from, previous.fresh_weights
        record.peak_memory_mb, record.peak_reserved_mb = previous.peak_memory_mb, previous.peak_reserved_mb
        record.history, record.alarms, record.gates = previous.history, previous.alarms, previous.gates
    return record


def _device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu ({torch.get_num_threads()} threads)"

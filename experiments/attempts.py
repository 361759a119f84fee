"""Training a run whose settings are checked, whose lock is held and whose record is begun: until it is over."""

import copy
import gc
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_world_size, is_main_process

from experiments.burn_in import save_weights
from experiments.checkpoints import checkpoints, last_whole
from experiments.clock import Clock
from experiments.config import set_path
from experiments.data.loading import end_with_parent
from experiments.errors import Pruned, Stopped, TakenOver, UserError
from experiments.hooks.checkpoint import WholeCheckpointHook
from experiments.hooks.monitor import MonitorHook, Policy
from experiments.hooks.observer import ObserverHook
from experiments.hooks.progress import ProgressHook
from experiments.hooks.randomness import RandomnessHook
from experiments.hooks.record import RecordHook
from experiments.hooks.tracking import TrackingHook
from experiments.hooks.watchdog import WatchdogHook
from experiments.monitoring.gates import Trouble, broken_off
from experiments.observer import Watch
from experiments.ranks import distribute, first_rank, unwrapped
from experiments.records import Record, write_record
from experiments.runner import FileLogRunner, release
from experiments.tokens import NUM_TOKENS, STEPS, fewer_tokens
from experiments.tracking.choice import Tracking
from experiments.tracking.facts import without_paths

_LOG_LINES = 20


@dataclass(frozen=True)
class Job:
    """A run to train.

    Attributes:
        settings: the config, with everything but what this module sets.
        record: changed in place.
        folder: of the run.
        weights: what it starts from, or ``None``.
        bar: title of the progress bar; ``None`` for no bar.
        launcher: ``none`` or ``pytorch``.
        watch: tells who watches.
        policy: how it is judged while it trains.
        harness: the clock of what is neither training nor validation.
        tracking: by whom it is tracked, and as what.
        lost: whether another process has taken the run over; nothing is written then.
        hang_minutes: without an iteration, after which this process ends itself.
    """

    settings: Any
    record: Record
    folder: Path
    weights: Path | None
    bar: str | None
    launcher: str
    watch: Watch
    policy: Policy
    harness: Clock
    tracking: Tracking
    lost: Callable[[], bool]
    hang_minutes: float


def train(job: Job) -> None:
    """Train until the run is completed, failed or pruned, and write its record.

    Where GPU memory runs out, it goes on from its last checkpoint with the next lower K, :mod:`experiments.tokens`. That
    takes one process: ranks that wait for one that ran out cannot be called back, so there the run fails.

    Raises:
        UserError: a user's mistake that only training brought to light; the record says failed.
        TakenOver: another process trains the run by now.
        KeyboardInterrupt: the run can be continued, as after whatever the observer raises.
    """
    record = job.record
    again = True
    while again:
        try:
            again = _attempt(job)
        finally:
            gc.collect()  # runner and model hold each other in cycles, and other processes may need the memory
            torch.cuda.empty_cache()
            record.seconds["harness"] = job.harness.seconds
            _write(job)
    if record.status in ("completed", "pruned") and is_main_process():
        for checkpoint in checkpoints(job.folder):
            checkpoint.unlink(missing_ok=True)


def _reduce_tokens(job: Job) -> bool:
    """Go down to the next lower K in the record, and return ``True``; where there is none, the run has failed.

    Attention in bands has no K to lower: it is over all tokens.
    """
    record, ranks = job.record, get_world_size()
    fewer = None if record.num_tokens is None else fewer_tokens(record.num_tokens)
    if fewer is not None and ranks == 1:
        record.tokens_reduced_from = record.tokens_reduced_from or record.num_tokens
        record.num_tokens = fewer
    else:
        advice = "use a GPU with more memory, or set model.detector.backbone.mvvit.with_checkpoint=true"
        if fewer is not None:
            advice = f"set {NUM_TOKENS}={fewer}, or train in one process, which does that by itself"
        steps = ", ".join(map(str, STEPS))
        record.status = "failed"
        tokens = (
            "all tokens in bands of rows" if record.num_tokens is None else f"K={record.num_tokens} (steps: {steps})"
        )
        record.reason = f"GPU memory ran out with {tokens}; {advice}"
        record.log_tail = _log_tail(job.folder)
        _broken_off(job, "out_of_memory")
    return record.status != "failed"


def _attempt(job: Job) -> bool:
    """One attempt, whose outcome is in the record; returns whether another one is to be made, with less memory."""
    warnings.filterwarnings("ignore", module=r"(mmengine|mmdet|mmcv|torch)\b.*")  # no user can act on these
    record, settings = job.record, _settings(job)
    keeper = RecordHook(record=record, folder=job.folder, weights=job.weights, harness=job.harness, lost=job.lost)
    bar = ProgressHook(title=job.bar) if job.bar and is_main_process() else None
    tracker = TrackingHook(
        record=record,
        tracking=job.tracking,
        settings=settings,
        folder=job.folder,
        tell=None if bar is None else bar.tell,
    )
    runner, again, mistake = None, False, None
    try:
        runner = FileLogRunner.from_cfg(settings)
        runner.lost = job.lost
        runner.register_hook(RandomnessHook(seed=record.seed))
        runner.register_hook(tracker)
        runner.register_hook(keeper)
        runner.register_hook(MonitorHook(record=record, policy=job.policy, tell=None if bar is None else bar.tell))
        if bar is not None:
            runner.register_hook(bar, priority="LOWEST")
        runner.register_hook(ObserverHook(watch=job.watch, record=record))
        with WatchdogHook(title=f"{record.arm} (seed {record.seed})", minutes=job.hang_minutes) as watchdog:
            runner.register_hook(watchdog)
            runner.train()
        model = unwrapped(runner.model)
        keeper.check()
        first_rank(lambda: save_weights(model, job.folder))
        record.status = "completed"
    except torch.OutOfMemoryError as error:
        if runner is not None:
            runner.logger.exception("GPU memory ran out.")
        again = _reduce_tokens(job)  # trackers, which end below, hear of it
        traceback.clear_frames(error.__traceback__)  # they hold on to model and data loading processes
    except TakenOver:
        raise
    except (Pruned, Stopped) as ended:
        record.status, record.reason = "pruned" if isinstance(ended, Pruned) else "failed", str(ended)
        _broken_off(job, None)
    except Exception as error:  # every failure of an arm is a recorded state, whatever its cause
        if error is job.watch.error:
            raise
        diverged = isinstance(error, FloatingPointError) or (runner is not None and _diverged(runner.model))
        reason = _reason(error, diverged=diverged)
        record.status, record.reason = "failed", without_paths(reason)
        _broken_off(job, "diverged" if diverged else None)
        if runner is not None:
            runner.logger.exception("The run failed.")
        record.log_tail = _log_tail(job.folder)
        mistake = UserError(reason) if isinstance(error, UserError) else None
        traceback.clear_frames(error.__traceback__)  # likewise
    finally:
        if bar is not None:
            bar.end()
        keeper.measure()
        try:
            _write(job)  # trackers may take their time to end, and be interrupted
        finally:
            tracker.end()
            if runner is not None:
                runner.close()
            job.harness.leave_out(keeper.loop_seconds)
            release(settings.experiment_name)
    if mistake is not None:
        raise mistake
    return again


def _settings(job: Job) -> Any:
    """The config of one attempt."""
    settings, record = copy.deepcopy(job.settings), job.record
    settings.work_dir = str(job.folder)
    settings.experiment_name = f"{record.study}-{record.arm}-seed{record.seed}-{time.time_ns()}"
    settings.randomness = {"seed": record.seed}
    settings.default_hooks.checkpoint.type = WholeCheckpointHook.__name__
    for loader in (settings.train_dataloader, settings.val_dataloader):
        loader.worker_init_fn = {"type": end_with_parent.__name__}
    ours = [WholeCheckpointHook.__module__, end_with_parent.__module__]
    settings.custom_imports.imports = [*settings.custom_imports.imports, *ours]
    checkpoint, damaged = first_rank(lambda: last_whole(job.folder))
    settings.resume = checkpoint is not None
    # Weights that a run starts from are loaded by RecordHook, as weights alone.
    settings.load_from = None if checkpoint is None else str(checkpoint)
    for name in damaged:
        _tell_damage(job, name, checkpoint)
    if record.num_tokens is not None:
        set_path(settings, NUM_TOKENS, record.num_tokens)
    if job.launcher != "none":
        distribute(settings)
    return settings


def _tell_damage(job: Job, name: str, used: Path | None) -> None:
    """Remove a checkpoint that is not whole, and tell of it in the record and on the console."""
    instead = "the run begins anew" if used is None else f"the one before, {used.name}, is used"
    job.record.damaged_checkpoints.append(name)
    if is_main_process():
        (job.folder / name).unlink(missing_ok=True)
        print(f"{job.record.arm} (seed {job.record.seed}): the checkpoint {name} is damaged; {instead}.", flush=True)


def _broken_off(job: Job, trouble: Trouble | None) -> None:
    """Judge the gates of an arm that ended before its end."""
    if job.record.kind == "arm":
        job.record.gates = broken_off(job.record, trouble=trouble, goals=job.policy.goals)


def _write(job: Job) -> None:
    if not job.lost():
        write(job.record, job.folder)


def write(record: Record, folder: Path) -> None:
    """Write a record that every rank has."""
    if is_main_process():
        write_record(record, folder)


def _reason(error: Exception, *, diverged: bool) -> str:
    """One line on why a run failed; divergence is named, since it surfaces as all kinds of errors."""
    # Errors of data loader processes carry their whole traceback; the last line says what happened.
    said = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {said[-1] if said else traceback.extract_tb(error.__traceback__)[-1]}"
    if isinstance(error, UserError):
        return said[-1].removeprefix(f"{UserError.__module__}.{UserError.__name__}: ")
    return f"training diverged; lower optim_wrapper.optimizer.lr ({what})" if diverged else what


def _diverged(model: Any) -> bool:
    """Whether a weight is NaN, infinite, or so large that activations must overflow."""
    return any(not bool((parameter.abs() < 1e6).all()) for parameter in model.parameters())


def _log_tail(folder: Path) -> list[str]:
    """The last lines of the newest log in a run folder, without the paths of this machine: records are passed on."""
    logs = sorted(folder.glob("*/*.log"), key=lambda path: path.stat().st_mtime)
    return without_paths(logs[-1].read_text().splitlines()[-_LOG_LINES:]) if logs else []

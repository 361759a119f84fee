"""Upload of the W&B runs that were kept offline, by W&B's own command."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.login import check_login
from analysis.results import find_study
from experiments.errors import UserError
from experiments.records import RECORD_NAME, read_record
from experiments.runs import BURN_IN_STUDY
from experiments.studies import arm_folder, read_study

WANDB = (sys.executable, "-m", "wandb")


@dataclass(frozen=True)
class Offline:
    """A run folder's offline W&B folders (one per attempt), relative to it: those to be uploaded, and those that were."""

    folder: Path
    waiting: tuple[Path, ...]
    synced: tuple[Path, ...]


def sync(root: Path, study: str | None, *, tell: Callable[[str], object], command: Sequence[str] = WANDB) -> bool:
    """Upload what is not uploaded yet, run by run; returns whether all of that went well.

    Args:
        root: folder of all studies.
        study: its runs and their burn-ins alone; ``None`` for all.
        tell: is given a line per run, and a last one that sums up.
        command: W&B's.

    Raises:
        UserError: there is no such study, or nobody is logged in.
    """
    found = [offline_runs(folder) for folder in run_folders(root, study)]
    waiting = [run for run in found if run.waiting]
    synced = sum(len(run.synced) for run in found)
    if not waiting:
        tell(f"Nothing to upload: {synced} offline W&B folder{_s(synced)} uploaded already." if synced else "Nothing to upload: "
             "no run has an offline W&B folder.")  # fmt: skip
        return True
    check_login("Uploading runs")
    failed = 0
    for run in waiting:
        name = f"{run.folder.parent.name}/{run.folder.name}"
        words = [*command, "sync", "--yes", *map(str, run.waiting)]
        environment = {**os.environ, "WANDB_ERROR_REPORTING": "false"}
        done = subprocess.run(
            words, cwd=run.folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        # W&B's command ends well whatever the server says: only the mark that it leaves tells what was uploaded.
        if done.returncode or offline_runs(run.folder).waiting:
            failed += 1
            said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            tell(f"failed: {name}: {said[-1] if said else 'wandb sync gave no reason'}")
        else:
            tell(f"uploaded: {name} ({', '.join(path.name for path in run.waiting)})")
    tell(f"{len(waiting) - failed} run{_s(len(waiting) - failed)} uploaded, {failed} failed, {synced} W&B folder{_s(synced)} "
         "uploaded before.")  # fmt: skip
    return not failed


def offline_runs(folder: Path) -> Offline:
    """What W&B left in a run folder; it marks what is uploaded by a file ``run-<id>.wandb.synced``."""
    waiting: list[Path] = []
    synced: list[Path] = []
    for path in sorted(folder.glob("wandb/offline-run-*")):
        if list(path.glob("*.wandb")):
            (synced if list(path.glob("*.wandb.synced")) else waiting).append(path.relative_to(folder))
    return Offline(folder, tuple(waiting), tuple(synced))


def run_folders(root: Path, study: str | None) -> list[Path]:
    """The folders of a study's runs, its burn-ins first; of every run that W&B has heard of where no study is named.

    Raises:
        UserError: there is no such study.
    """
    if study is None:
        return sorted({path.parent for path in root.glob("*/*/wandb")})
    listed = read_study(find_study(study, root))
    if listed is None:
        raise UserError(f"{root / study} is no study: name another.")
    arms = list(dict.fromkeys(arm_folder(root, run.identity) for run in listed.runs))
    burn_ins = {read_record(arm).burn_in for arm in arms if (arm / RECORD_NAME).exists()}
    wanted = [
        path for name in sorted(filter(None, burn_ins)) for path in (root / BURN_IN_STUDY).glob(f"*-{name}-seed*")
    ]
    return [*wanted, *(arm for arm in arms if arm.is_dir())]


def _s(number: int) -> str:
    return "" if number == 1 else "s"

"""A run as a W&B run: kept offline in the run folder, and sent as it goes only where ``WANDB_MODE=online``.

What wandb would tell of the machine by itself (user, host, git, program, packages, console, hardware) is switched off, and its
log in Python, which is full of paths, is not kept. Staged files have paths relative to the run folder, from which
``wandb sync`` is therefore to be called; online, relative to the working directory.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

# wandb reports its own errors and usage whatever the mode; it looks here when it is imported.
os.environ["WANDB_ERROR_REPORTING"] = "false"

import wandb

from experiments.errors import UserError
from experiments.tracking.facts import PROJECT, STEP, Facts
from experiments.tracking.tracker import Notice, Plain, Sheet

FOLDER_NAME = "wandb"
_PATIENCE = 30.0  # seconds for the server to answer at the beginning, and to take the rest at the end
_DATA_DIR = "WANDB_DATA_DIR"  # where wandb keeps copies of files until they are sent


class WeightsAndBiases:
    """One W&B run per run: its id is the run's identity, so that a run that continues, continues there too.

    The group is the study, the project ``WANDB_PROJECT`` or :data:`PROJECT`. Steps are iterations. Where a continued run passes
    its old iterations again, the server keeps what it has.

    Raises:
        UserError: W&B is to be online, and nobody is logged in.
    """

    wants_sheets = True

    def __init__(self, facts: Facts) -> None:
        online = os.environ.get("WANDB_MODE") == "online"
        settings = private_settings(facts.folder, online=online)
        wandb.setup(settings)  # starts wandb's process, once; what it asks a server before a run, it asks as silently
        logging.getLogger("wandb").setLevel(logging.CRITICAL)
        if online and not wandb.login(prompt=False, verify=False):
            raise UserError("WANDB_MODE is online, but there is no key: call wandb login, or set WANDB_API_KEY.")
        self._folder = facts.folder
        self._identity = facts.identity
        self._defined: set[str] = set()
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT, group=facts.group, name=facts.name, id=facts.identity,
            job_type=facts.job_type, tags=list(facts.tags), config=dict(facts.config), resume="allow", reinit="create_new",
            settings=settings,
        )  # fmt: skip
        # Tables log artifacts of their own, by this method too.
        relocated = _relocated(self._run.log_artifact, Path.cwd() if online else facts.folder)
        self._run.log_artifact = relocated  # type: ignore[method-assign]
        self._run.define_metric(STEP, hidden=True)
        self._log_settings(facts)

    def _log_settings(self, facts: Facts) -> None:
        artifact = wandb.Artifact(f"settings-{facts.identity}", type="config")
        with self._staged():
            with artifact.new_file("settings.json", mode="w") as file:
                json.dump(facts.settings, file, indent=1, default=str)
            self._run.log_artifact(artifact)

    def scalars(self, figures: Mapping[str, float], iteration: int) -> None:
        """Log; what is logged at one iteration, is one step."""
        for name in figures.keys() - self._defined:
            self._run.define_metric(name, step_metric=STEP, summary=aggregation(name))
            self._defined.add(name)
        self._run.log({**figures, STEP: iteration}, step=iteration)

    def sheets(self, name: str, sheets: Sequence[Sheet], iteration: int) -> None:
        """Log a table, one row per group."""
        table = wandb.Table(columns=["iteration", "group", "views", "annotated", "found"])
        for sheet in sheets:
            picture = wandb.Image(sheet.picture, file_type="jpg")
            table.add_data(iteration, sheet.group, picture, sheet.annotated, sheet.found)
        with self._staged():
            self._run.log({name: table, STEP: iteration}, step=iteration)

    def notice(self, notice: Notice) -> None:
        """Alert, where something is bad."""
        if notice.bad:
            self._run.alert(notice.title, notice.says, level="WARN")

    def finish(self, summary: Mapping[str, Plain], *, ended: bool) -> None:
        """Write the summary and close the run."""
        self._run.summary.update(dict(summary))
        self._run.finish(exit_code=0 if ended else 1)

    @contextmanager
    def _staged(self) -> Iterator[None]:
        """Let wandb copy files that are to be sent into the run folder, instead of into the home folder."""
        before = os.environ.get(_DATA_DIR)
        os.environ[_DATA_DIR] = str(self._folder / FOLDER_NAME)
        try:
            yield
        finally:
            if before is None:
                del os.environ[_DATA_DIR]
            else:
                os.environ[_DATA_DIR] = before


def private_settings(folder: Path, *, online: bool) -> wandb.Settings:
    """Settings with which wandb tells nothing of the machine, prints nothing, asks nothing, and waits for a limited time."""
    return wandb.Settings(
        mode="online" if online else "offline", root_dir=str(folder), use_dot_wandb=False, symlink=False,
        host="", username="", email="", program="", x_executable="python",
        x_disable_meta=True, x_disable_stats=True, x_disable_machine_info=True, x_save_requirements=False,
        save_code=False, disable_code=True, disable_git=True, disable_job_creation=True, label_disable=True,
        console="off", silent=True, init_timeout=_PATIENCE, finish_timeout=_PATIENCE,
        max_end_of_run_history_metrics=0, max_end_of_run_summary_metrics=0,
    )  # fmt: skip


def aggregation(name: str) -> Literal["max", "min", "last"]:
    """Which of its values a figure is summed up by: the highest AP, the lowest loss, the last of anything else."""
    if name.endswith(("/AP", "/AP50")):
        return "max"
    return "min" if name.startswith("train/") and "loss" in name.split("/")[1] else "last"


def _relocated(log: Callable[..., Any], base: Path) -> Callable[..., Any]:
    """Log artifacts with the paths of their staged files relative to ``base``: whole ones would name the home folder."""

    def relocated(artifact: wandb.Artifact, *args: Any, **options: Any) -> Any:
        for entry in artifact.manifest.entries.values():
            if entry.local_path is not None:
                entry.local_path = os.path.relpath(entry.local_path, base)
        return log(artifact, *args, **options)

    return relocated

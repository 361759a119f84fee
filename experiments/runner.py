"""mmengine's runner, with its log in the run folder and not on the console, and nothing left of it afterwards."""

import logging
import os
import pickle
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import torch
from mmengine import Config
from mmengine.dist import is_main_process, master_only
from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.utils import ManagerMixin

from experiments.checkpoints import read_checkpoint
from experiments.data.files import unwritable
from experiments.errors import UserError
from experiments.tracking.facts import without_paths


class FileLogRunner(Runner):
    """A ``Runner`` whose log goes to its file alone: the console shows progress instead.

    What it writes does not tell of machine and user: paths are cut to their last part. Its checkpoints are whole or not there,
    and are read without running what they hold.

    Attributes:
        lost: whether another process has taken the run over: a checkpoint is then not put into its folder.
    """

    lost: Callable[[], bool] = staticmethod(lambda: False)

    @classmethod
    def from_cfg(cls, cfg: Config) -> Self:
        """Build a runner. The config's text is kept as it is: formatting it takes longer than an iteration, per checkpoint."""
        return super().from_cfg(Config(cfg.to_dict(), filename=cfg.filename, format_python_code=False))

    def build_logger(self, *args: Any, **options: Any) -> MMLogger:
        """Build the library's logger and take its console handler off."""
        logger = super().build_logger(*args, **options)
        for handler in [h for h in logger.handlers if type(h) is logging.StreamHandler]:
            logger.removeHandler(handler)
        for handler in logger.handlers:
            handler.setFormatter(_Discreet(handler.formatter))
        return logger

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """Log what decides about figures: versions, device, seed and config; the library tells of the machine as well."""
        device = (
            torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu, {torch.get_num_threads()} threads"
        )
        facts = f"Python {platform.python_version()} on {sys.platform}, torch {torch.__version__} on {device}, seed {self.seed}"
        self.logger.info(f"{facts}, {self.world_size} process(es)\nConfig:\n{self.cfg.pretty_text}")

    @master_only
    def dump_config(self) -> None:
        """Write the config into the run folder."""
        name = Path(self.cfg.filename).name if self.cfg.filename else f"{self.timestamp}.py"
        (Path(self.work_dir) / name).write_text(without_paths(self.cfg.pretty_text))

    def _init_model_weights(self) -> None:
        try:
            super()._init_model_weights()
        except pickle.UnpicklingError as error:
            raise UserError(
                f"The file of weights that an init_cfg names holds more than weights and could run code, so it is not loaded: name "
                f"another, or save its state_dict alone. {str(error).splitlines()[0]}"
            ) from None

    def load_checkpoint(self, filename: str, map_location: Any = "cpu", **_: Any) -> dict[str, Any]:
        """Load a checkpoint of this run; see :func:`experiments.checkpoints.read_checkpoint` for what is refused."""
        checkpoint = read_checkpoint(Path(filename), map_location=map_location)
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        model = self.model.module if is_model_wrapper(self.model) else self.model
        model.load_state_dict(checkpoint["state_dict"], strict=False)
        self._has_loaded = True
        return checkpoint

    def save_checkpoint(self, out_dir: str, filename: str, **options: Any) -> None:
        """Write a checkpoint beside its place, and put it there when it is whole.

        Raises:
            UserError: it cannot be written.
        """
        writing, there = Path(out_dir) / f".{filename}", Path(out_dir) / filename
        try:
            super().save_checkpoint(out_dir, writing.name, **options)
            if is_main_process() and not self.lost():
                os.replace(writing, there)
        except OSError as error:
            raise unwritable(there, error) from None
        finally:
            if is_main_process():
                writing.unlink(missing_ok=True)

    def close(self) -> None:
        """End the data loading processes: each one left to the garbage collector would hold it up for five seconds."""
        self._train_loop = self._val_loop = None


class _Discreet(logging.Formatter):
    """Formats as another formatter does, tracebacks too, and cuts paths to their last part."""

    def __init__(self, inner: logging.Formatter | None) -> None:
        super().__init__()
        self.inner = inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        return without_paths(self.inner.format(record))


def release(experiment: str) -> None:
    """Give up what the library keeps of a runner for ever, log files among it: a process may train many runs.

    Args:
        experiment: the ``experiment_name`` that its config had; the library adds a time to it.
    """
    for kind in _kinds(ManagerMixin):
        for name in [name for name in kind._instance_dict if name.startswith(f"{experiment}_")]:
            instance = kind._instance_dict.pop(name)
            for handler in instance.handlers if isinstance(instance, MMLogger) else ():
                handler.close()


def _kinds(kind: Any) -> list[Any]:
    """A class and all that derive from it."""
    return [kind, *(found for derived in kind.__subclasses__() for found in _kinds(derived))]

"""mmengine's runner, with its log in the run folder and not on the console, and nothing left of it afterwards."""

import logging
from typing import Any, Self

from mmengine import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmengine.utils import ManagerMixin


class FileLogRunner(Runner):
    """A ``Runner`` whose log goes to its file alone: the console shows progress instead."""

    @classmethod
    def from_cfg(cls, cfg: Config) -> Self:
        """Build a runner. The config's text is kept as it is: formatting it takes longer than an iteration, per checkpoint."""
        return super().from_cfg(Config(cfg.to_dict(), filename=cfg.filename, format_python_code=False))

    def build_logger(self, *args: Any, **options: Any) -> MMLogger:
        """Build the library's logger and take its console handler off."""
        logger = super().build_logger(*args, **options)
        for handler in [h for h in logger.handlers if type(h) is logging.StreamHandler]:
            logger.removeHandler(handler)
        return logger

    def close(self) -> None:
        """End the data loading processes: each one left to the garbage collector would hold it up for five seconds."""
        self._train_loop = self._val_loop = None


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

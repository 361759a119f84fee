"""mmengine's runner, with its log in the run folder and not on the console."""

import logging
from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner


class FileLogRunner(Runner):
    """A ``Runner`` whose log goes to its file alone: the console shows progress instead."""

    def build_logger(self, *args: Any, **options: Any) -> MMLogger:
        """Build the library's logger and take its console handler off."""
        logger = super().build_logger(*args, **options)
        for handler in [h for h in logger.handlers if type(h) is logging.StreamHandler]:
            logger.removeHandler(handler)
        return logger

"""Checkpoints that are whole or not there."""

from pathlib import Path
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from experiments.checkpoints import checkpoints


@HOOKS.register_module()
class WholeCheckpointHook(CheckpointHook):
    """mmengine's hook, which removes an old checkpoint only when the new one is there, and writes no file that names a path.

    Which one to go on from is told by :func:`experiments.checkpoints.last_whole`.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Leave out the config, which names paths; it stands in the run folder."""
        for part in (checkpoint["meta"], checkpoint["message_hub"]["runtime_info"]):
            part.pop("cfg", None)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        runner.save_checkpoint(
            self.out_dir, self.filename_tmpl.format(step), save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler, meta=meta, by_epoch=self.by_epoch,
        )  # fmt: skip
        if self.max_keep_ckpts > 0 and is_main_process():
            for old in checkpoints(Path(self.out_dir))[: -self.max_keep_ckpts]:
                old.unlink(missing_ok=True)

"""The teacher as exponential moving average of the student."""

from typing import Any

import torch
from mmdet.engine.hooks import MeanTeacherHook
from mmdet.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module()
class MultiViewMeanTeacherHook(MeanTeacherHook):
    """mmdet's mean teacher with buffers, and without its copy of the student at iteration 0.

    After each iteration teacher = (1 - momentum) * teacher + momentum * student: momentum 0.001 keeps 99.9 % of the teacher.
    Buffers follow too: without them a trainable BatchNorm's running statistics never reach the teacher. The library's copy
    at iteration 0 would overwrite a teacher that was loaded; here the model itself starts its teacher as a copy.

    Args:
        momentum: the student's share per step.
        interval: iterations between steps.
        swapped: a fault, to be measured: hand over 1 - momentum, the teacher's share, for the student's. It is then a copy.

    Raises:
        ValueError: momentum is above 0.5, which makes the teacher a copy of the student (0.999 is a usual mistake for 0.001).
    """

    def __init__(self, *, momentum: float = 0.001, interval: int = 1, swapped: bool = False) -> None:
        if not 0 < momentum <= 0.5:
            raise ValueError(
                f"Mean teacher momentum {momentum} makes the teacher nearly a copy of the student: it is the student's share "
                f"per step, so give {1 - momentum:.3g} to keep {momentum:.1%} of the teacher."
            )
        super().__init__(momentum=1 - momentum if swapped else momentum, interval=interval, skip_buffer=False)

    def before_train(self, runner: Runner) -> None:
        """Nothing: see the class."""

    @torch.no_grad()
    def momentum_update(self, model: Any, momentum: float) -> None:
        """Move the teacher's floating-point state towards the student's; copy counters."""
        teacher, student = model.teacher.state_dict(), model.student.state_dict()
        moving = [name for name, value in teacher.items() if value.is_floating_point()]
        torch._foreach_lerp_([teacher[n] for n in moving], [student[n] for n in moving], momentum)
        counters = [name for name in teacher if not teacher[name].is_floating_point()]
        if counters:
            torch._foreach_copy_([teacher[n] for n in counters], [student[n] for n in counters])

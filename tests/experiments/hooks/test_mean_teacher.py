"""The teacher is an average of the student: the right way round, buffers included, nothing overwritten."""

import copy

import pytest
from torch import nn

import models  # noqa: F401
from experiments.hooks.mean_teacher import MultiViewMeanTeacherHook


class Pair(nn.Module):
    """A student of ones with a BatchNorm, and a teacher of zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.student = nn.BatchNorm1d(2)
        self.teacher = copy.deepcopy(self.student)
        for model, value in ((self.student, 1.0), (self.teacher, 0.0)):
            for tensor in model.state_dict().values():
                tensor.fill_(value)


def test_momentum_is_the_students_share() -> None:
    pair = Pair()
    MultiViewMeanTeacherHook(momentum=0.001).momentum_update(pair, 0.001)
    assert pair.teacher.weight.tolist() == pytest.approx([0.001, 0.001])
    MultiViewMeanTeacherHook(momentum=0.001).momentum_update(pair, 0.001)
    assert pair.teacher.weight.tolist() == pytest.approx([0.001999, 0.001999])


def test_running_statistics_follow_and_counters_are_copied() -> None:
    pair = Pair()
    MultiViewMeanTeacherHook(momentum=0.1).momentum_update(pair, 0.1)
    assert pair.teacher.running_mean.tolist() == pytest.approx([0.1, 0.1])
    assert pair.teacher.num_batches_tracked.item() == 1
    assert pair.student.weight.tolist() == [1.0, 1.0]


def test_a_loaded_teacher_is_not_overwritten() -> None:
    class Runner:
        iter = 0
        model = Pair()

    MultiViewMeanTeacherHook().before_train(Runner())
    assert Runner.model.teacher.weight.tolist() == [0.0, 0.0]


def test_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.999 makes the teacher nearly a copy.*give 0\.001"):
        MultiViewMeanTeacherHook(momentum=0.999)


def test_averaging_builds_no_graph() -> None:
    pair = Pair()
    MultiViewMeanTeacherHook().momentum_update(pair, 0.1)
    assert pair.teacher.weight.grad_fn is None


def test_swapped_shares_make_the_teacher_a_copy_of_the_student() -> None:
    hook = MultiViewMeanTeacherHook(momentum=0.001, swapped=True)
    assert hook.momentum == pytest.approx(0.999)
    pair = Pair()
    hook.momentum_update(pair, hook.momentum)
    assert pair.teacher.weight.tolist() == pytest.approx([0.999, 0.999])

"""Watches a run while it trains: keeps its history, raises alarms and judges the gates of the monitoring checklist."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from experiments import alarms
from experiments.errors import Pruned, Stopped
from experiments.goals import PLAN, Goals
from experiments.monitoring import gates
from experiments.monitoring.console import FailAction, note_told
from experiments.monitoring.memory import peak_memory_mb, peak_reserved_mb
from experiments.monitoring.windows import PSEUDO_BOXES, TEACHER_BOXES, branch_loss, figures_of
from experiments.ranks import first_rank, on_any_rank
from experiments.records import Alarm, Gate, Record, Validation, Window

_SCOPE = "train/"


@dataclass(frozen=True)
class Policy:
    """How a run is judged, and what follows.

    Attributes:
        budget_mb: memory that it may take, MiB.
        on_fail: what a failed gate does while there is something left to save: a warning; or the run ends, as failed, or as
            pruned, unless it is the baseline.
        goals: the data set's.
        baseline: gives the baseline's record of the run's seed and split as far as it has come, or ``None``.
    """

    budget_mb: float = math.inf
    on_fail: FailAction = "warn"
    goals: Goals = PLAN
    baseline: Callable[[], Record | None] = lambda: None


@HOOKS.register_module()
class MonitorHook(Hook):
    """Puts history, alarms and gates into the record; tells each alarm, and each gate that fails, once.

    Figures come from the message hub, which a checkpoint keeps: a run that continues goes on as if it had not stopped. Supervised
    steps have no pseudo-boxes, so a burn-in or a supervised control raises no alarm about them; gates are for arms. Of several
    ranks the first one decides, on its own share of the batches, and all hear of it.

    Args:
        record: of the run; changed in place. It is written with the next validation, checkpoint or end.
        policy: how it is judged.
        tell: shows a line to the user.
    """

    priority = "LOW"  # after the message hub has the figures, before a checkpoint or the record is written

    def __init__(self, *, record: Record, policy: Policy, tell: Callable[[str], None] | None = None) -> None:
        self.record = record
        self.policy = policy
        self.tell = tell

    def before_train(self, runner: Runner) -> None:
        """Set the pace by the run's length; cut the record back to where the run begins or continues."""
        from mmdet.engine.hooks import MeanTeacherHook  # loads all of mmdet, which wants our models first

        record, start = self.record, runner.iter
        record.alarms = alarms.up_to(record.alarms, start)
        record.gates = gates.up_to(record.gates, start)
        record.history = [window for window in record.history if window.iteration <= start]
        record.memory_budget_mb = self.policy.budget_mb if math.isfinite(self.policy.budget_mb) else None
        labelled = runner.train_loop.dataloader.dataset.datasets[0]
        self._truth = alarms.truth_of(labelled.groups, labelled.metainfo["classes"])
        self._num_views = labelled.num_views
        self._window = alarms.window_of(runner.max_iters)
        averaging = next((hook for hook in runner.hooks if isinstance(hook, MeanTeacherHook)), None)
        self._settled = (
            0 if averaging is None else alarms.settled_after(averaging.momentum, interval=averaging.interval)
        )
        # A run that a gate has ended does not get past it by being tried again.
        self._act(runner, start, [gate for gate in record.gates if gate.verdict == "failed"])

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Stop at a loss that is not finite; judge where a window ends."""
        iteration = runner.iter + 1
        loss = runner.message_hub.log_scalars[f"{_SCOPE}loss"].current()
        if on_any_rank(not math.isfinite(loss)):  # a rank that stopped alone would leave the others waiting for it
            _diverged(self._logged(runner), iteration)
        if iteration % self._window == 0:
            unlabelled = data_batch["inputs"].get("unsup_student")
            views = 0 if unlabelled is None else len(unlabelled)
            self._act(runner, iteration, first_rank(lambda: self._judge_window(runner, iteration, views)))

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Judge the scores, which the record holds already."""
        self._act(runner, runner.iter, first_rank(lambda: self._judge_validation(runner)))

    def after_train(self, runner: Runner) -> None:
        """Judge what falls due at the end."""
        first_rank(lambda: self._judge(runner, runner.iter))

    def _judge_window(self, runner: Runner, iteration: int, views: int) -> list[Gate]:
        logged, record, window = self._logged(runner), self.record, self._window
        figures = figures_of(
            logged, window=window, stretch=max(window, gates.milestones(runner.max_iters)[0]), classes=list(self._truth),
            truth=sum(one.boxes for one in self._truth.values()),
        )  # fmt: skip
        figures |= {"memory_allocated_mb": self._allocated_mb, "memory_reserved_mb": self._reserved_mb}
        record.history.append(Window(iteration=iteration, figures=figures))
        self._raise(runner, [
            *alarms.loss_variance(figures["loss_cv"], iteration=iteration),
            *alarms.loss_flat(logged["loss"], iteration=iteration, iterations=runner.max_iters),
            *alarms.memory_short(self._peak_mb, self.policy.budget_mb, iteration=iteration),
        ])  # fmt: skip
        if views:
            of_class = {name: logged[f"{PSEUDO_BOXES}_{label}"] for label, name in enumerate(self._truth)}
            self._raise(runner, [
                *alarms.missing_classes(
                    of_class, self._truth, iteration=iteration, window=window, views=views, groups=views / self._num_views
                ),
                *alarms.loss_ratio(
                    unsupervised=branch_loss(logged, "unsup", window), supervised=branch_loss(logged, "sup", window),
                    iteration=iteration,
                ),
                *alarms.box_count(
                    {name: figures[f"boxes/initial/{name}"] or 0.0 for name in of_class}, self._truth, iteration=iteration
                ),
            ])  # fmt: skip
        return self._judge(runner, iteration)

    def _judge_validation(self, runner: Runner) -> list[Gate]:
        teacher, student = (self._latest(self.record, model) for model in ("teacher", "student"))
        if teacher is None or student is None:
            return []
        if f"{_SCOPE}{PSEUDO_BOXES}" in runner.message_hub.log_scalars:
            self._raise(runner, alarms.teacher_worse(
                teacher=_overall(teacher), student=_overall(student), iteration=runner.iter, settled=self._settled
            ))  # fmt: skip
        baseline = self.policy.baseline() if self.record.kind == "arm" else None
        before = self._latest(baseline, "teacher", runner.iter) if baseline else None
        if before is not None:
            goals = self.policy.goals
            self._raise(runner, alarms.overall_down(
                teacher.scores, before.scores, hard=goals.hard, floor=goals.overall_floor, iteration=runner.iter
            ))  # fmt: skip
        return self._judge(runner, runner.iter)

    def _judge(self, runner: Runner, iteration: int) -> list[Gate]:
        """Bring the gates up to date; returns those that fail now."""
        record, logged = self.record, self._logged(runner)
        if record.kind != "arm":
            return []
        asked, had = record.tokens_reduced_from, record.num_tokens
        seen = gates.Evidence(
            iteration=iteration, iterations=record.iterations, losses=logged.get("loss", []),
            given=logged.get(TEACHER_BOXES, []), kept=logged.get(PSEUDO_BOXES, []), peak_mb=self._peak_mb,
            budget_mb=self.policy.budget_mb, reduced=(asked, had) if asked and had else None,
        )  # fmt: skip
        scores = gates.judge_scores(record, baseline=self.policy.baseline(), goals=self.policy.goals)
        now = gates.settled(record.gates, [*gates.judge_training(seen), *scores])
        failed = gates.failures(record.gates, now)
        record.gates = now
        for gate in failed:
            self._say(runner, f"Gate, {gate.line}")
        return failed

    @property
    def _allocated_mb(self) -> float:
        return max(self.record.peak_memory_mb or 0.0, peak_memory_mb())

    @property
    def _reserved_mb(self) -> float | None:
        reserved = peak_reserved_mb()
        return None if reserved is None else max(self.record.peak_reserved_mb or 0.0, reserved)

    @property
    def _peak_mb(self) -> float:
        """What counts against the budget: on a GPU all that PyTorch holds, elsewhere the resident set."""
        return self._reserved_mb or self._allocated_mb

    def _act(self, runner: Runner, iteration: int, failed: list[Gate]) -> None:
        """Do what the policy says of failed gates; a run at its end stands, and so does the baseline, which others need."""
        if not failed or self.policy.on_fail == "warn" or iteration >= runner.max_iters or not self.record.delta:
            return
        reason = f"its gate failed: {failed[0].line}"
        raise Pruned(reason) if self.policy.on_fail == "prune" else Stopped(reason)

    def _raise(self, runner: Runner, found: list[Alarm]) -> None:
        for alarm in alarms.keep(self.record.alarms, found):
            self._say(runner, f"Alarm, {alarm.line}")

    def _say(self, runner: Runner, line: str) -> None:
        runner.logger.warning(line)
        if self.tell is not None:
            self.tell(line)
            note_told(self.record, line)

    @staticmethod
    def _logged(runner: Runner) -> dict[str, list[float]]:
        scalars = runner.message_hub.log_scalars
        return {
            name.removeprefix(_SCOPE): history.data[0].tolist()
            for name, history in scalars.items()
            if name.startswith(_SCOPE)
        }

    @staticmethod
    def _latest(record: Record, model: str, iteration: int | None = None) -> Validation | None:
        found = record.final(model)
        if iteration is None:
            return found
        return next(
            (v for v in record.validations if (v.model, v.split, v.iteration) == (model, "val", iteration)), None
        )


def _overall(validation: Validation) -> float:
    ap = validation.scores["all"].ap
    return math.nan if ap is None else ap


def _diverged(logged: dict[str, list[float]], iteration: int) -> NoReturn:
    """Name the losses that are not finite.

    Raises:
        FloatingPointError: always.
    """
    names = [name for name, values in logged.items() if "loss" in name and not math.isfinite(values[-1])]
    raise FloatingPointError(f"not finite at iteration {iteration}: {', '.join(names) or 'a loss of another process'}")

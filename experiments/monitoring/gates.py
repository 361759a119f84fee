"""The gates of the plan's monitoring checklist: what a run must show by when, judged by pure functions, torch-free.

The plan's milestones are 1,000, 2,500 and 10,000 of 10,000 further iterations; here they are the same shares of a run's own length.
Scores are the teacher's on val. They are compared with the baseline's at the same iteration (same scale, data, seed and split), or,
where the data set's ``targets.toml`` gives the figures that the plan has of its own data, with those.

A gate is passed, failed, or not reached: the run ended before its milestone, or what it is judged by is not to be had; its sentence
tells which. A verdict that is given stays.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.goals import NEAR_ZERO, OVERALL, Goals, at_whose_cost, beside
from experiments.monitoring.stability import half_means, variation
from experiments.monitoring.windows import kept_ratio
from experiments.records import Gate, GateName, Record, Validation, Verdict

_PARTS = (10, 4, 1)  # a tenth, a quarter, all of the run
STEADY = 0.03  # coefficient of variation of the total loss
Trouble = Literal["diverged", "out_of_memory"]

_ROUNDING = 1e-9
_WITHOUT = "it is the baseline, which others are compared with"


@dataclass(frozen=True)
class Evidence:
    """What a run has shown so far, beside its scores; sequences hold one figure per iteration.

    Attributes:
        iteration, iterations: done, 0 where that is not known, and to do in all.
        losses: the total loss.
        given, kept: boxes per view of the teacher, before and after the initial threshold; empty in a supervised run.
        peak_mb, budget_mb: memory that it took and may take, MiB.
        reduced: K that it was asked to have and has, if memory ran out.
        trouble: why it ended, if it did so by one of these; the last words are in ``reason``.
    """

    iteration: int
    iterations: int
    losses: Sequence[float] = ()
    given: Sequence[float] = ()
    kept: Sequence[float] = ()
    peak_mb: float = 0.0
    budget_mb: float = math.inf
    reduced: tuple[int, int] | None = None
    trouble: Trouble | None = None
    reason: str | None = None


@dataclass(frozen=True)
class _Due:
    """A gate to be judged: its name, its class if any, its milestone, and the iteration at which the verdict falls."""

    name: GateName
    milestone: int
    subject: str | None = None
    iteration: int | None = None

    def gate(self, verdict: Verdict, says: str, **figures: float | None) -> Gate:
        return Gate(
            name=self.name, subject=self.subject, milestone=self.milestone, verdict=verdict, says=says, figures=figures,
            iteration=None if verdict == "not_reached" else self.iteration,
        )  # fmt: skip

    def judge(self, passed: bool, says: str, **figures: float | None) -> Gate:
        return self.gate("passed" if passed else "failed", says, **figures)

    def absent(self, why: str, **figures: float | None) -> Gate:
        return self.gate("not_reached", why, **figures)

    def too_early(self, iterations: int) -> Gate:
        return self.absent(f"due at iteration {self.milestone} of {iterations}, which the run has not come to")


def milestones(iterations: int) -> tuple[int, int, int]:
    """The iterations of a run of this length at which gates fall due."""
    early, middle, end = (math.ceil(iterations / part) for part in _PARTS)
    return early, middle, end


def judge_training(seen: Evidence) -> list[Gate]:
    """The gates that need no scores."""
    early, _, end = milestones(seen.iterations)
    judged: list[tuple[GateName, int, Callable[[_Due, Evidence], Gate]]] = [
        ("stability", early, _stability),
        ("memory", early, _memory),
        ("kept_ratio", early, _kept_ratio),
        ("falling_loss", end, _falling_loss),
        ("finite_loss", end, _finite_loss),
        ("out_of_memory", end, _out_of_memory),
    ]
    failed_early = {
        "finite_loss": seen.trouble == "diverged",
        "out_of_memory": seen.trouble == "out_of_memory" or seen.reduced is not None,
    }
    gates = []
    for name, milestone, judge in judged:
        due = _Due(name, milestone, iteration=seen.iteration or None)
        reached = seen.iteration >= milestone or failed_early.get(name, False)
        gates.append(judge(due, seen) if reached else due.too_early(seen.iterations))
    return gates


def judge_scores(record: Record, *, baseline: Record | None, goals: Goals) -> list[Gate]:
    """The gates that scores decide, of a record's validations so far; two records suffice, so that it can be done later.

    Args:
        record: of an arm.
        baseline: the baseline's record of the same seed and split, as far as it has come; ``None`` where there is none.
        goals: the data set's.
    """
    _, middle, end = milestones(record.iterations)
    gates = []
    for milestone in (middle, end):
        found = _validation(record, milestone.__le__)
        risen = []
        for name in (*goals.hard, OVERALL):
            due = _Due(
                "overall_ap" if name == OVERALL else "class_ap", milestone, None if name == OVERALL else name,
                iteration=found.iteration if found else None,
            )  # fmt: skip
            score = found.scores.get(name) if found else None
            if found is None:
                gates.append(due.too_early(record.iterations))
            elif score is None or score.ap is None:
                gates.append(due.absent(f"there is no AP of {name}: the split holds no box of it"))
            else:
                before = _before(name, found.iteration, baseline, goals, is_baseline=not record.delta)
                if before.ap is not None and score.ap > before.ap + _ROUNDING:
                    risen.append(name)
                gates.append(_score(due, score.ap, before, goals, last=milestone == end, risen=risen))
    return gates


def broken_off(record: Record, *, trouble: Trouble | None, goals: Goals) -> list[Gate]:
    """The gates of a run that ended before its end, by ``trouble`` or something else: what it had not come to is not reached."""
    seen = Evidence(iteration=0, iterations=record.iterations, trouble=trouble, reason=record.reason)
    scores = judge_scores(record, baseline=None, goals=goals)
    return settled(record.gates, [*judge_training(seen), *scores])


def settled(earlier: Sequence[Gate], now: Sequence[Gate]) -> list[Gate]:
    """``now``, in its order by milestone, with the verdicts that were given earlier; gates that only ``earlier`` has are kept."""
    given = {_key(gate): gate for gate in earlier if gate.verdict != "not_reached"}
    gates = {_key(gate): gate for gate in [*earlier, *now]} | given
    return sorted(gates.values(), key=lambda gate: gate.milestone)


def up_to(gates: Sequence[Gate], iteration: int) -> list[Gate]:
    """What had been judged at an iteration that a run continues from."""
    return [gate for gate in gates if (gate.iteration or gate.milestone) <= iteration]


def failures(earlier: Sequence[Gate], now: Sequence[Gate]) -> list[Gate]:
    """The gates of ``now`` that failed and had not failed before."""
    known = {_key(gate) for gate in earlier if gate.verdict == "failed"}
    return [gate for gate in now if gate.verdict == "failed" and _key(gate) not in known]


def _key(gate: Gate) -> tuple[str, str | None, int]:
    return gate.name, gate.subject, gate.milestone


def _validation(record: Record, fits: Callable[[int], bool]) -> Validation | None:
    """The first validation of the teacher on val whose iteration fits."""
    found = [v for v in record.validations if (v.model, v.split) == ("teacher", "val") and fits(v.iteration)]
    return min(found, key=lambda v: v.iteration, default=None)


def _iterations(due: _Due) -> str:
    return "1 iteration" if due.milestone == 1 else f"{due.milestone} iterations"


def _stability(due: _Due, seen: Evidence) -> Gate:
    found = variation(seen.losses[: due.milestone])
    if found is None:
        return due.absent(f"how the loss varies cannot be told from {_iterations(due)}")
    says = f"the loss varies by {found:.1%} over the first {due.milestone} iterations (goal: below {STEADY:.0%})"
    return due.judge(found < STEADY, says, loss_cv=found)


def _memory(due: _Due, seen: Evidence) -> Gate:
    says = f"{seen.peak_mb / 1024:.2f} GiB at its peak, of {seen.budget_mb / 1024:.2f} GiB"
    return due.judge(seen.peak_mb <= seen.budget_mb, says, peak_mb=seen.peak_mb, budget_mb=seen.budget_mb)


def _kept_ratio(due: _Due, seen: Evidence) -> Gate:
    if not seen.given:
        return due.absent("the run is supervised: it has no pseudo-labels")
    middle = due.milestone // 2
    if middle == 0:
        return due.absent(f"whether it rises cannot be told from {_iterations(due)}")
    parts = (slice(0, middle), slice(middle, due.milestone))
    first, then = (kept_ratio(seen.kept[part], seen.given[part]) or 0.0 for part in parts)
    if first == then == 1:
        return due.absent(
            "the teacher keeps all of its boxes from the start, a share that cannot rise", first=first, then=then
        )
    says = f"the teacher keeps {then:.1%} of its boxes, after {first:.1%} (iterations {middle + 1} to {due.milestone}, and before)"
    return due.judge(then > first, says, first=first, then=then)


def _falling_loss(due: _Due, seen: Evidence) -> Gate:
    halves = half_means(seen.losses)
    if halves is None:
        return due.absent("one iteration is too few to tell whether the loss falls")
    says = f"the mean loss is {halves[1]:.3g} in the second half of the run, after {halves[0]:.3g} in the first"
    return due.judge(halves[1] < halves[0], says, first=halves[0], then=halves[1])


def _finite_loss(due: _Due, seen: Evidence) -> Gate:
    if seen.trouble == "diverged":
        return due.judge(False, seen.reason or "training diverged")
    return due.judge(True, f"all losses of {seen.iterations} iterations are finite")


def _out_of_memory(due: _Due, seen: Evidence) -> Gate:
    if seen.reduced is not None:
        asked, had = seen.reduced
        says = f"memory ran out with K={asked}, and the run went on with K={had}"
        return due.judge(False, says, asked=asked, had=had)
    if seen.trouble == "out_of_memory":
        return due.judge(False, seen.reason or "memory ran out", peak_mb=seen.peak_mb)
    return due.judge(True, "memory never ran out", peak_mb=seen.peak_mb)


@dataclass(frozen=True)
class _Before:
    """The AP that a score is compared with, as a fraction; ``None`` where there is none, and ``what`` says why or whose."""

    ap: float | None
    what: str


def _before(name: str, iteration: int, baseline: Record | None, goals: Goals, *, is_baseline: bool) -> _Before:
    figure = goals.overall_least if name == OVERALL else goals.hard[name].before
    if figure is not None:
        return _Before(figure, "the plan's")
    if is_baseline:
        return _Before(None, _WITHOUT)
    found = _validation(baseline, iteration.__eq__) if baseline else None
    score = found.scores.get(name) if found else None
    if score is None or score.ap is None:
        return _Before(None, f"no baseline of this seed and split was validated at iteration {iteration}")
    return _Before(score.ap, "the baseline's")


def _score(due: _Due, ap: float, before: _Before, goals: Goals, *, last: bool, risen: Sequence[str]) -> Gate:
    name = due.subject or OVERALL
    if before.ap is None:
        return due.absent(f"AP {ap:.3f}; {before.what}", ap=ap)
    overall = due.name == "overall_ap"
    if last and not overall and before.ap < NEAR_ZERO:
        why = (
            f"AP {ap:.3f}; {before.what} {beside(before.ap, NEAR_ZERO)} is near zero, a multiple of which means nothing"
        )
        return due.absent(why, ap=ap, before=before.ap)
    if before.ap < NEAR_ZERO and ap < NEAR_ZERO:
        now, then = (beside(value, NEAR_ZERO) for value in (ap, before.ap))
        why = f"AP {now} and {before.what} {then} are near zero, between which nothing can be told"
        return due.absent(why, ap=ap, before=before.ap)
    if overall:
        floor = before.ap if goals.overall_least is not None else goals.overall_floor * before.ap
        passed = ap >= floor - _ROUNDING
        says = f"overall AP {ap:.3f}, {before.what} {before.ap:.3f}" + ("" if passed else f", {at_whose_cost(risen)}")
        return due.judge(passed, says, ap=ap, before=before.ap, bound=floor)
    multiple = goals.hard[name].conservative if last else 1.0
    bound = multiple * before.ap
    of = f"{multiple:g} times " if last else ""
    shown, least = beside(ap, bound), beside(bound, ap)
    least = "that very figure" if least == shown else least
    says = f"AP {shown}, to be above {least} ({of}{before.what} {before.ap:.3f})"
    return due.judge(ap > bound + _ROUNDING, says, ap=ap, before=before.ap, bound=bound)

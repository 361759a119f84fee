"""A study's verdict in two sentences: which targets were met, and what could not be told."""

from collections.abc import Sequence

from analysis.report.page import listed
from analysis.summary import ArmSummary, Summary
from analysis.targets import BASELINE, Comparison, Goal
from experiments.goals import OVERALL


def verdict_of(summary: Summary, *, limits: Sequence[str]) -> tuple[str, str]:
    """Two sentences; pure.

    Args:
        summary: of the study; its comparisons say which targets were met.
        limits: what the design cannot tell, in clauses that go on from "this study cannot tell".
    """
    return _targets(summary), _untold(summary, limits)


def _targets(summary: Summary) -> str:
    arms = [arm for arm in summary.arms if arm.comparisons]
    if not any(arm.arm == BASELINE for arm in summary.arms):
        return "No target can be judged: the study has no completed run of the baseline."
    if not arms:
        return "No target was judged: only the baseline has results."
    judged = {goal: _judged(goal, arms) for goal in summary.goals}
    clauses = [_on_goal(goal, pairs) for goal, pairs in judged.items() if pairs]
    undefined = [goal for goal, pairs in judged.items() if not pairs]
    if undefined:
        reasons = dict.fromkeys(
            reason for goal in undefined for arm in arms if (reason := _comparison(arm, goal).reason)
        )
        which = "its target is" if len(undefined) == 1 else "their targets is"
        clauses.append(
            f"whether {listed([_name(goal) for goal in undefined])} reached {which} undefined, since {listed(list(reasons))}"
        )
    return _sentence("; ".join(clauses))


def _judged(goal: Goal, arms: Sequence[ArmSummary]) -> list[tuple[ArmSummary, Comparison]]:
    """The arms for which the goal's first target is met or missed."""
    compared = [(arm, _comparison(arm, goal)) for arm in arms]
    return [(arm, one) for arm, one in compared if one.judgements[0].verdict != "undefined"]


def _on_goal(goal: Goal, judged: Sequence[tuple[ArmSummary, Comparison]]) -> str:
    if goal.class_name == OVERALL:
        kept = sum(one.judgements[0].verdict == "met" for _, one in judged)
        fall = f"{100 * (1 - goal.targets[0].multiple):.0f} %"
        if len(judged) == 1:
            return f"overall mAP {'did not fall' if kept else 'fell'} by more than {fall}"
        return f"overall mAP did not fall by more than {fall} in {_of(kept, len(judged))} arms"
    best, figures = max(judged, key=lambda pair: pair[1].ratio or 0.0)
    told = f"{figures.baseline:.3f} to {figures.value:.3f}, {figures.ratio:.2f}x"
    met = [sum(one.judgements[place].verdict == "met" for _, one in judged) for place in range(len(goal.targets))]
    others = list(zip(goal.targets, met, strict=True))[1:]
    bound = f"{goal.targets[0].label} of the baseline's AP"
    if len(judged) == 1:
        also = "".join(f" {'and' if n else 'but not'} {target.label}" for target, n in others)
        clause = f"{_name(goal)} exceeded {bound}{also}" if met[0] else f"{_name(goal)} did not exceed {bound}"
        return f"{clause} ({best.label}, {told})"
    also = "".join(f" and {target.label} in {n or 'none'}" for target, n in others) if met[0] else ""
    return f"{_name(goal)} exceeded {bound} in {_of(met[0], len(judged))} arms{also} (best: {best.label}, {told})"


def _untold(summary: Summary, limits: Sequence[str]) -> str:
    clauses = []
    seeds = {len(arm.seeds) for arm in summary.arms}
    if 1 in seeds:
        who = "every arm" if seeds == {1} else "some arms"
        clauses.append(f"whether these differences are more than run-to-run noise, since {who} ran with a single seed")
    if sum(bool(arm.comparisons) for arm in summary.arms) > 1:
        clauses.append("how good the best arm really is, since it was picked by the very scores that are shown")
    clauses += limits
    if summary.unfinished:
        clauses.append(
            f"what {len(summary.unfinished)} unfinished run{'s' * (len(summary.unfinished) > 1)} would have scored"
        )
    clauses.append(f"how any of it carries over to data other than {summary.data}")
    *first, last = clauses
    return _sentence(f"this study cannot tell {'; '.join([*first, f'nor {last}']) if first else last}")


def _comparison(arm: ArmSummary, goal: Goal) -> Comparison:
    return next(one for one in arm.comparisons if one.class_name == goal.class_name)


def _name(goal: Goal) -> str:
    return "overall mAP" if goal.class_name == OVERALL else goal.class_name


def _of(number: int, total: int) -> str:
    return f"{number or 'none'} of {total}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."

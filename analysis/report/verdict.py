"""A study's verdict in two sentences, on the targets and on the factors, and a third on what could not be told."""

from collections.abc import Sequence

from analysis.answers import Answers
from analysis.attainment import ClassAttainment
from analysis.effects import FactorEffect
from analysis.numerals import signed, times
from analysis.report.page import listed
from analysis.summary import ArmSummary, Summary
from analysis.synergy import Synergy
from analysis.targets import BASELINE, OVERALL_NAME, Comparison, Goal
from experiments.goals import OVERALL


def verdict_of(summary: Summary, *, limits: Sequence[str], answers: Answers | None = None) -> tuple[str, ...]:
    """Two sentences, or three where ``answers`` tell what factors did; pure.

    Args:
        summary: of the study; its comparisons say which targets were met.
        limits: what the design cannot tell, in clauses that go on from "this study cannot tell".
        answers: effects, synergy and the certainty of targets, where they were worked out.
    """
    factors = [_factors(answers)] if answers and answers.effects.main else []
    return _targets(summary, answers), *factors, _untold(summary, limits, answers)


def _factors(answers: Answers) -> str:
    """What main effects and synergy on the hard classes came to, and what the mean over classes paid for it."""
    main = answers.effects.main
    hard = [effect for effect in main if effect.family == "hard"] or list(main)
    judged = [effect for effect in hard if effect.verdict != "no interval"]
    silent = [effect for effect in hard if effect.verdict == "no interval"]
    told = [effect for effect in main if effect.verdict in ("up", "down")]
    why = list(dict.fromkeys(effect.estimate.reason for effect in silent if effect.estimate.reason))
    reasons = listed(why) if why else ""
    on_hard = " on the hard classes" * (hard[0].family == "hard")
    clauses = []
    if not judged:
        clauses.append(f"no effect{on_hard} can be told from chance, since {reasons}")
    else:
        shown = [effect for effect in told if effect in hard]
        of = f"{len(judged)} main effects{on_hard}"
        clauses.append(
            f"of {of} {len(shown)} {'is' if len(shown) == 1 else 'are'} beyond chance: {listed([_effect(one) for one in shown])}"
            if shown
            else f"of {of} none is beyond chance"
        )
        if silent:
            clauses.append(f"{len(silent)} more have no interval, since {reasons}")
    overall = [effect for effect in told if effect.class_name == OVERALL]
    if overall:
        clauses.append(f"on {OVERALL_NAME}, {listed([_effect(effect, named=False) for effect in overall])}")
    return _sentence("; ".join([*clauses, *_synergy(answers)]))


def _synergy(answers: Answers) -> list[str]:
    found = [one for one in answers.synergy if isinstance(one, Synergy) and one.class_name in answers.hard]
    told = [one for one in found if one.verdict in ("synergy", "antagonism")]
    clauses = [f"{one.class_name} shows {one.verdict} ({signed(one.synergy.value)})" for one in told]
    silent = [one.class_name for one in found if one.verdict == "none shown"]
    if silent:
        clauses.append(f"no synergy is shown for {listed(silent)}")
    untold = [one.class_name for one in found if one.verdict == "no interval"]
    if untold:
        clauses.append(f"whether there is synergy cannot be told for {listed(untold)}")
    elif not found and len(answers.factors) > 1:
        clauses.append("whether there is synergy cannot be told from these arms")
    return clauses


def _effect(effect: FactorEffect, *, named: bool = True) -> str:
    on = f" on {effect.class_name}" if named else ""
    return f"{effect.effect} ({signed(effect.estimate.value)}{on})"


def _certainty(goal: Goal, answers: Answers | None) -> str:
    """In how many arms the intervals settle a goal's first target, or that there is none and means alone were judged."""
    found = [one for one in answers.targets if isinstance(one, ClassAttainment)] if answers else []
    arms = [arm for one in found if one.class_name == goal.class_name for arm in one.arms]
    verdicts = [arm.targets[0].verdict for arm in arms if arm.change.low is not None]
    if not verdicts:
        return " (by the means alone: there is no interval)" if arms else ""
    words = {"met": "met", "missed": "missed", "underpowered": "left open"}
    counts = [
        word + f" in {verdicts.count(key)}" * (len(verdicts) > 1) for key, word in words.items() if key in verdicts
    ]
    return f", and by 95 % intervals the target is {listed(counts)}"


def _targets(summary: Summary, answers: Answers | None) -> str:
    arms = [arm for arm in summary.arms if arm.comparisons and not arm.control]
    if not any(arm.arm == BASELINE for arm in summary.arms):
        return "No target can be judged: the study has no completed run of the baseline."
    if not arms:
        return _sentence(f"no target was judged: {_why_no_arm(summary)}")
    judged = {goal: _judged(goal, arms) for goal in summary.goals}
    clauses = [_on_goal(goal, pairs) + _certainty(goal, answers) for goal, pairs in judged.items() if pairs]
    undefined = [goal for goal, pairs in judged.items() if not pairs]
    if undefined:
        reasons = dict.fromkeys(
            reason for goal in undefined for arm in arms if (reason := _comparison(arm, goal).reason)
        )
        which = "its target is" if len(undefined) == 1 else "their targets is"
        clauses.append(
            f"whether {listed([_name(goal) for goal in undefined])} reached {which} undefined, since {listed(list(reasons))}"
        )
    text = "; ".join(clauses)  # a class keeps its name, which may begin with a small letter
    return f"{text}." if text.startswith(tuple(summary.classes)) else _sentence(text)


def _why_no_arm(summary: Summary) -> str:
    if summary.sampled:
        several = summary.sampled > 1
        settings = f"the {summary.sampled} sampled setting{'s' * several} that {'have' if several else 'has'} results"
        by_search = f"{settings} {'are' if several else 'is'} judged by the study's search"
        if summary.search is None:
            return f"{by_search}, which has not been done yet"
        chosen = next((setting.label for setting in summary.search.settings if setting.chosen), "none")
        return f"{by_search}, which chose {'the ' * (chosen == BASELINE)}{chosen} (see Sampled settings)"
    if any(arm.control for arm in summary.arms):
        return "beside the baseline only controls have results, which switch no factor"
    return "only the baseline has results"


def _judged(goal: Goal, arms: Sequence[ArmSummary]) -> list[tuple[ArmSummary, Comparison]]:
    """The arms for which the goal's first target is met or missed."""
    compared = [(arm, _comparison(arm, goal)) for arm in arms]
    return [(arm, one) for arm, one in compared if one.judgements[0].verdict != "undefined"]


def _on_goal(goal: Goal, judged: Sequence[tuple[ArmSummary, Comparison]]) -> str:
    if goal.class_name == OVERALL:
        kept = sum(one.judgements[0].verdict == "met" for _, one in judged)
        fall = f"{100 * (1 - goal.targets[0].multiple):.0f} %"
        if len(judged) == 1:
            return f"{OVERALL_NAME} {'did not fall' if kept else 'fell'} by more than {fall}"
        return f"{OVERALL_NAME} did not fall by more than {fall} in {_of(kept, len(judged))} arms"
    best, figures = max(judged, key=lambda pair: round(pair[1].ratio or 0.0, 12))  # of equals the first
    told = f"{figures.baseline:.3f} to {figures.value:.3f}, {times(figures.ratio or 0.0)}"
    met = [sum(one.judgements[place].verdict == "met" for _, one in judged) for place in range(len(goal.targets))]
    others = list(zip(goal.targets, met, strict=True))[1:]
    bound = f"{goal.targets[0].label} of the baseline's AP"
    if (reach := goal.targets[0].bound(figures.baseline or 0.0)) is not None and reach >= 1:
        bound += f" (which is {reach:.2f}, above what an AP can be)"
    if len(judged) == 1:
        also = "".join(f" {'and' if n else 'but not'} {target.label}" for target, n in others)
        clause = f"{_name(goal)} exceeded {bound}{also}" if met[0] else f"{_name(goal)} did not exceed {bound}"
        return f"{clause} ({best.label}, {told})"
    also = "".join(f" and {target.label} in {n or 'none'}" for target, n in others) if met[0] else ""
    return f"{_name(goal)} exceeded {bound} in {_of(met[0], len(judged))} arms{also} (best: {best.label}, {told})"


def _untold(summary: Summary, limits: Sequence[str], answers: Answers | None) -> str:
    clauses = []
    seeds = {len(arm.seeds) for arm in summary.arms}
    if 1 in seeds:
        who = "every arm" if seeds == {1} else "some arms"
        what, rest = "whether these differences are more than run-to-run noise", ""
        if answers and any(effect.verdict != "no interval" for effect in answers.effects.main):
            what = "whether factors act alike in other seeds"
            # Without repeats the error is the two-way model's residual: analysis.fits, fit_effects and fit_arms.
            rest = " (its intervals rest on what main effects and two-way interactions leave over)" * (seeds == {1})
        clauses.append(f"{what}, since {who} ran with a single seed{rest}")
    if sum(bool(arm.comparisons) and not arm.control for arm in summary.arms) > 1:
        clauses.append("how good the best arm really is, since it was picked by the very scores that are shown")
    clauses += limits
    if summary.unfinished:
        clauses.append(
            f"what {len(summary.unfinished)} unfinished run{'s' * (len(summary.unfinished) > 1)} would have scored"
        )
    clauses.append(f'how any of it carries over to data sets other than "{summary.data}"')
    *first, last = clauses
    return _sentence(f"this study cannot tell {'; '.join([*first, f'nor {last}']) if first else last}")


def _comparison(arm: ArmSummary, goal: Goal) -> Comparison:
    return next(one for one in arm.comparisons if one.class_name == goal.class_name)


def _name(goal: Goal) -> str:
    return OVERALL_NAME if goal.class_name == OVERALL else goal.class_name


def _of(number: int, total: int) -> str:
    return f"{number or 'none'} of {total}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."

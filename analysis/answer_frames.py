"""Answers as flat frames, for CSV and LaTeX: one row per figure, refused ones among them with the reason."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from analysis.aliases import Alias
from analysis.answers import Answers
from analysis.attainment import ArmAttainment, ClassAttainment
from analysis.effects import FactorEffect
from analysis.fits import Estimate
from analysis.numerals import signed
from analysis.refusals import Refusal
from analysis.shapley import Shapley
from analysis.synergy import Synergy


def effects_frame(answers: Answers) -> pd.DataFrame:
    """Main effects, then interactions, then what is refused."""
    found = [_effect(effect) for effect in (*answers.effects.main, *answers.effects.interactions)]
    refused = [_refused(refusal, "effect") for refusal in answers.effects.refusals]
    return _frame([*found, *refused], ["class", "effect", "estimate", "low", "high"])


def shapley_frame(answers: Answers) -> pd.DataFrame:
    """One row per class and factor, and the total of each class."""
    rows: list[dict[str, Any]] = []
    for found in answers.shapley:
        if isinstance(found, Shapley):
            for value in found.values:
                over = value.resampled
                rows.append(
                    {
                        "class": found.class_name, "factor": value.factor, **_figures(value.estimate),
                        "low over seeds": over.low if over else None, "high over seeds": over.high if over else None,
                        "share of total": value.share, "method": found.method, "note": found.note,
                    }
                )  # fmt: skip
            total = {"class": found.class_name, "factor": "total", **_figures(found.total)}
            rows.append({**total, "method": found.method, "note": found.note})
        else:
            rows.append(_refused(found, "factor"))
    return _frame(rows, ["class", "factor", "estimate", "low", "high"])


def synergy_frame(answers: Answers) -> pd.DataFrame:
    """Each factor alone, their sum, the total gain and the synergy, class by class."""
    rows: list[dict[str, Any]] = []
    for found in answers.synergy:
        if isinstance(found, Synergy):
            parts = {
                **{f"{factor} alone": gain for factor, gain in found.alone.items()},
                "sum of gains alone": found.summed,
                "all together": found.total,
                "synergy": found.synergy,
            }
            for name, estimate in parts.items():
                verdict = found.verdict if name == "synergy" else None
                told = {"class": found.class_name, "gain": name, **_figures(estimate)}
                rows.append({**told, "verdict": verdict, "method": found.method, "note": found.note})
        else:
            rows.append(_refused(found, "gain"))
    return _frame(rows, ["class", "gain", "estimate", "low", "high"])


def targets_frame(answers: Answers) -> pd.DataFrame:
    """One row per class, arm and target; the best arm's, widened for the choice, stand last in their class."""
    rows: list[dict[str, Any]] = []
    for found in answers.targets:
        if isinstance(found, ClassAttainment):
            for arm in found.arms:
                rows += _attained(arm, best=False)
            rows += _attained(found.best.attainment, best=True)
        else:
            rows.append(_refused(found, "arm"))
    return _frame(rows, ["class", "arm", "best", "target", "verdict"])


def efficiency_frame(answers: Answers) -> pd.DataFrame:
    """The plan's table: share of boxes, AP, and their quotient."""
    rows = [
        {
            "arm": row.arm,
            "class": row.class_name,
            "boxes": row.boxes,
            "share": row.share,
            "AP": row.ap,
            "AP / share": row.value,
        }
        for row in answers.efficiency
    ]
    return _frame(rows, ["arm", "class", "boxes", "share", "AP", "AP / share"])


def alias_text(effect: FactorEffect, *, most: int, letters: Mapping[str, str] | None = None) -> str:
    """The aliases in words, such as ``pseudo_labels:fusion`` or ``-0.10 focal:anchors:pooling and 19 more``.

    Args:
        effect: whose.
        most: how many are named.
        letters: factor -> the letter to write instead, as in ``CE, DF +1``.
    """

    def name(alias: Alias) -> str:
        written = "".join(letters[part] for part in alias.effect.split(":")) if letters else alias.effect
        return {1.0: "", -1.0: "-"}.get(alias.coefficient, f"{alias.coefficient:+.2f} ") + written

    names = [name(alias) for alias in effect.aliases]
    rest = len(names) - len(names[:most]) + effect.more
    told = ", ".join(names[:most])
    if letters:
        return f"{told}{' ' if told else ''}+{rest}" if rest else told
    if not rest:
        return told
    return f"{told} and {rest} more" if told else f"{rest} of four factors and more"


def _effect(effect: FactorEffect) -> dict[str, Any]:
    return {
        "class": effect.class_name, "effect": effect.effect, **_figures(effect.estimate), "corrected p": effect.adjusted,
        "family": effect.family, "verdict": effect.verdict, "meaning": effect.meaning, "basis": effect.basis,
        "aliases": alias_text(effect, most=99),
        "low over seeds": effect.over_seeds.low if effect.over_seeds else None,
        "high over seeds": effect.over_seeds.high if effect.over_seeds else None,
        "p of seeds agreeing": effect.disagreement,
        "by seed": "; ".join(f"{seed}: {signed(value, 4)}" for seed, value in effect.by_seed.items()),
    }  # fmt: skip


def _attained(arm: ArmAttainment, *, best: bool) -> list[dict[str, Any]]:
    ratio = arm.ratio
    shared = {
        "class": arm.class_name, "arm": arm.arm, "best": best, "seeds": arm.seeds, "AP": arm.mean.value,
        "change": arm.change.value, "change low": arm.change.low, "change high": arm.change.high,
        "ratio": ratio.value if ratio else None, "ratio low": ratio.low if ratio else None,
        "ratio high": ratio.high if ratio else None,
    }  # fmt: skip
    return [
        {
            **shared, "target": f"{t.label} ({t.target})", "probability": None if best else t.probability,
            "probability at least": t.probability if best else None, "verdict": t.verdict,
        }
        for t in arm.targets
    ]  # fmt: skip


def _figures(estimate: Estimate) -> dict[str, Any]:
    return {
        "estimate": estimate.value, "low": estimate.low, "high": estimate.high, "error": estimate.error,
        "degrees": estimate.degrees, "p": estimate.p, "reason": estimate.reason,
    }  # fmt: skip


def _refused(refusal: Refusal, column: str) -> dict[str, Any]:
    return {"class": refusal.class_name, column: refusal.subject, "verdict": "refused", "reason": refusal.reason}


def _frame(rows: Iterable[dict[str, Any]], first: list[str]) -> pd.DataFrame:
    """The rows, the columns ``first`` before the others."""
    listed = list(rows)
    names = dict.fromkeys([*first, *(name for row in listed for name in row)])
    return pd.DataFrame(listed, columns=list(names))

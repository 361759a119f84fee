"""The files of a study's answers in its report folder: CSV with everything, LaTeX with what a thesis shows."""

from pathlib import Path

import pandas as pd

from analysis.answer_frames import (
    effects_frame,
    efficiency_frame,
    shapley_frame,
    synergy_frame,
    targets_frame,
)
from analysis.answers import Answers
from analysis.frame import results_frame, unfinished_frame, write_csv
from analysis.latex import write_latex
from analysis.results import Study
from analysis.tokens import token_cost_frame, token_frame

_SHOWN = {
    "effects": ["class", "effect", "estimate", "low", "high", "corrected p", "verdict"],
    "shapley": ["class", "factor", "estimate", "low", "high", "method"],
    "synergy": ["class", "gain", "estimate", "low", "high", "verdict"],
    "targets": [
        "class",
        "arm",
        "best",
        "change",
        "change low",
        "change high",
        "ratio",
        "target",
        "probability",
        "probability at least",
        "verdict",
    ],
    "efficiency": ["arm", "class", "boxes", "share", "AP", "AP / share"],
    "tokens": ["K", "level", "cells", "tokens", "share"],
    "token_cost": ["K", "runs", "peak memory MiB", "ms per iteration"],
    "results": ["arm", "class", "seeds", "mean AP", "deviation"],
}
_CAPTIONS = {
    "effects": "Main effects and interactions on AP with 95 % intervals; p corrected by Holm and by Benjamini and Hochberg.",
    "shapley": "Shapley values of the factors in AP, with 95 % intervals.",
    "synergy": "Gains alone, together, and their difference in AP, with 95 % intervals.",
    "targets": "Changes from the baseline, ratios and targets; the best arm's figures are widened for the choice.",
    "efficiency": "Share of boxes, AP, and AP over share.",
    "tokens": "Tokens of a view at each level by K, and the share of cells kept.",
    "token_cost": "Peak memory and time of a training iteration by K, means over runs.",
    "results": "Mean AP over seeds and sample deviation.",
}


def write_answers(answers: Answers, study: Study, folder: Path) -> list[Path]:
    """Write ``results``, ``effects``, ``shapley``, ``synergy``, ``targets`` and ``efficiency``, each as CSV and LaTeX, the same of
    ``tokens`` and ``token_cost`` where records tell them, and ``unfinished.csv`` where runs give no number; returns the paths."""
    scores = results_frame(study)
    frames = {
        "effects": effects_frame(answers),
        "shapley": shapley_frame(answers),
        "synergy": synergy_frame(answers),
        "targets": targets_frame(answers),
        "efficiency": efficiency_frame(answers),
    }
    told = {"tokens": token_frame(study), "token_cost": token_cost_frame(study)}
    frames |= {name: frame for name, frame in told.items() if len(frame)}
    files = [write_csv(scores, folder / "results.csv")]
    files += [write_csv(frame, folder / f"{name}.csv") for name, frame in frames.items()]
    frames["results"] = _means(scores[scores["model"] == answers.model])
    for name, frame in frames.items():
        shown = frame[[column for column in _SHOWN[name] if column in frame.columns]]
        caption = f"Study {answers.study}, {answers.model} on val. {_CAPTIONS[name]}"
        files.append(write_latex(shown, folder / f"{name}.tex", caption=caption, label=f"tab:{name}"))
    if study.unfinished:
        files.append(write_csv(unfinished_frame(study), folder / "unfinished.csv"))
    return files


def _means(scores: pd.DataFrame) -> pd.DataFrame:
    groups = scores.groupby(["arm", "class"], sort=False)["AP"]
    means = groups.agg(["count", "mean", "std"]).reset_index()
    return means.rename(columns={"count": "seeds", "mean": "mean AP", "std": "deviation"})

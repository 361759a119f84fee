"""The teacher that runs start with, and what its scores say of the thresholds. Torch-free to import."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.config import setting_words
from experiments.doctor.findings import Finding
from experiments.doctor.scores import CHECK, Thresholds, class_scores, threshold_findings
from experiments.doctor.sources import Split, burn_in_weights, labelled_groups, spread
from experiments.runs import TRUTH_NAME

GROUPS = 24


def examine_teacher(
    settings: Any,
    *,
    config: str,
    delta: Mapping[str, Any],
    description: Mapping[str, Any],
    data: Path,
    seed: int,
    split: int,
    runs_root: Path,
    progress: bool = False,
) -> list[Finding]:
    """Judge the thresholds of a config by the teacher that its runs start with, on validation views.

    Where that teacher does not exist yet, one note says so and nothing else is said.

    Args:
        settings: the config with its changes, fitted to the data.
        config: its name or path.
        delta: its changes, dotted paths -> values.
        description: what :func:`experiments.runs.read_dataset` says of the data.
        data: the data set folder.
        seed, split: of the burn-in.
        runs_root: folder of all studies.

    Raises:
        UserError: the data or the weights are faulty.
    """
    weights = burn_in_weights(
        settings, config=config, delta=delta, description=description, seed=seed, split=split, runs_root=runs_root
    )
    if weights is None and settings.load_from:
        weights = Path(settings.load_from)
    if weights is None:
        return [_untrained(config, delta, data=data, seed=seed, split=split, has_burn_in=bool(settings.burn_in))]
    from experiments.doctor.predictions import teacher_boxes

    # The images that thresholds apply to, where their boxes are known: thresholds proposed from val could not be judged there.
    on: Split = "train_unlabeled_truth" if (data / TRUTH_NAME).is_file() else "val"
    every = labelled_groups(settings, data=data, on=on, split=split)
    groups = spread(every, GROUPS)
    found = teacher_boxes(settings, weights, groups, progress=progress)
    if found.fresh:
        return [_fresh(found.fresh, weights)]
    semi = settings.model.semi_train_cfg
    thresholds = Thresholds(
        initial=semi.pseudo_label_initial_score_thr,
        classify=semi.cls_pseudo_thr,
        propose=semi.rpn_pseudo_thr,
        regress=semi.reg_pseudo_thr,
    )
    about = f"{len(groups)} of {len(every)} groups of {on}, the teacher of {weights.parent.name}"
    return threshold_findings(
        class_scores(found.views, description["classes"], thresholds),
        thresholds,
        about=about,
        views=len(found.views),
        config=f"{config} --data {data}",
    )


def _untrained(
    config: str, delta: Mapping[str, Any], *, data: Path, seed: int, split: int, has_burn_in: bool
) -> Finding:
    if has_burn_in:
        again = shlex.join([config, *setting_words(delta)])
        return Finding(
            CHECK,
            "note",
            "The burn-in that runs continue from is not trained yet, so thresholds could not be held against its teacher's "
            "scores.",
            f"Config {config}, seed {seed}, split {split}, data {data}.",
            f"`python -m experiments train {again} --data {data} --seed {seed} --split {split} --name {data.name}` trains it "
            "first; then ask again.",
        )
    return Finding(
        CHECK,
        "note",
        f"{config} has no burn-in and loads no weights, so there is no teacher whose scores thresholds could be held against.",
        "burn_in is empty and load_from is not set.",
        f"Train it, then `python -m experiments audit {config} --data {data} --weights RUN_FOLDER` measures the teacher.",
    )


def _fresh(fresh: Sequence[str], weights: Path) -> Finding:
    parts = sorted({".".join(name.split(".")[:2]) for name in fresh})
    return Finding(
        CHECK,
        "note",
        f"The teacher's scores say nothing yet: {len(fresh)} weights do not fit these settings and start untrained.",
        f"Of {weights}: {', '.join(parts)}.",
        "Ask again with the settings of the baseline, whose burn-in fits, or measure the trained run by `python -m experiments "
        "audit`.",
    )

"""``python -m experiments audit``: what a teacher's boxes are worth at every threshold, on images whose labels are known."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from experiments.config import load_config, parse_setting, setting_words
from experiments.console import result_console
from experiments.doctor.audit import (
    ALL,
    PRECISION_AIM,
    Aim,
    Audit,
    Operation,
    audit_views,
    missed_boxes,
    proposed_settings,
)
from experiments.doctor.sources import Split, burn_in_weights, labelled_groups, split_of, weights_in
from experiments.errors import UserError
from experiments.fitting import fit_to_data
from experiments.goals import read_goals
from experiments.paths import runs_root
from experiments.prepare import prepared_data
from experiments.records import RECORD_NAME, read_record
from experiments.runs import TRUTH_NAME, default_split, read_dataset

_AIMS: tuple[tuple[Aim, str], ...] = (
    ("configured", "configured"),
    ("F1", "best F1"),
    ("precision", f"precision {PRECISION_AIM:g}"),
)
_ON_VAL = (
    "Thresholds chosen on val cannot be judged on val afterwards: judge them on the test split, or choose them on "
    "train_unlabeled_truth where the data set has it."
)
_ON_LABELLED = "The teacher has learnt from these labels: its figures are better here than on images it has not seen."


def audit(
    config: Annotated[str, typer.Argument(help="Scale (tiny, cpu, gpu, paper) or path of a config file.")],
    weights: Annotated[
        Path | None, typer.Option(help="Run folder or file of weights; default the burn-in of config, data and seed.")
    ] = None,
    on: Annotated[
        Split | None,
        typer.Option(
            help="Labelled images to judge on; default train_unlabeled_truth, or val where that is not there."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change one setting: dotted.path=value; repeatable.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Data set folder; default the scale's synthetic set.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the burn-in.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; default runs/audit/<config>/<data set>.")
    ] = None,
) -> None:
    """Measure precision and recall of the teacher's boxes per class and threshold, and propose thresholds."""
    console = result_console()
    place = prepared_data(config, data)
    folder = out or runs_root() / "audit" / Path(config).stem / place.resolve().name
    delta = dict(parse_setting(text) for text in settings or [])
    found, lines, notes = audit_run(config, delta=delta, weights=weights, on=on, data=place, seed=seed, out=folder)
    for note in notes:
        console.print(note, style="yellow", markup=False, highlight=False)
    console.print(_table(found))
    for aim, title in _AIMS[1:]:
        missed = "keeps a box that is right" if aim == "F1" else "reaches it"
        sets = " ".join(f"--set {line}" for line in lines[aim]) or f"no threshold {missed}"
        console.print(f"For the {title} over all classes: {sets}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"Curves, chart and pictures: {folder}", markup=False, highlight=False, soft_wrap=True)


def audit_run(
    config: str, *, delta: dict[str, Any], weights: Path | None, on: Split | None, data: Path, seed: int, out: Path,
    progress: bool = True,
) -> tuple[Audit, dict[Aim, list[str]], list[str]]:  # fmt: skip
    """Predict, measure, and write ``audit.csv``, ``proposals.json``, chart and pictures into ``out``.

    Args:
        config: name of a scale or path of a config file.
        delta: dotted config paths -> values.
        weights: run folder or file; default the burn-in of config, data and seed.
        on: which images; default ``train_unlabeled_truth`` if it is there, else ``val``.
        data: the data set folder.
        seed: of the burn-in.
        out: folder to write to.
        progress: show a progress bar.

    Returns:
        The figures, the proposed settings by aim, and what a reader must know about them.

    Raises:
        UserError: config, data or weights are faulty, or the burn-in is not trained.
    """
    description = read_dataset(data)
    goals = read_goals(data, description["classes"])
    loaded = load_config(config, delta)
    fit_to_data(loaded, description, data)
    named = split_of(weights) if weights is not None else None
    split = default_split(seed, data) if named is None else named
    if on is None:
        on = "train_unlabeled_truth" if (data / TRUTH_NAME).is_file() else "val"
    groups = labelled_groups(loaded, data=data, on=on, split=split)
    if weights is None:
        weights = burn_in_weights(
            loaded, config=config, delta=delta, description=description, seed=seed, split=split, runs_root=runs_root()
        )
        if weights is None:
            again = shlex.join([config, *setting_words(delta)])
            raise UserError(
                f"There is no trained burn-in of {config} on {data} with seed {seed}: train it first (python -m experiments train "
                f"{again} --data {data} --seed {seed} --name {data.name}), or name weights with --weights."
            )
    file = weights_in(weights)
    if not file.is_file():
        raise UserError(
            f"{file} does not exist: give --weights a run folder that holds weights.pth, or a file of weights."
        )
    run = file.parent
    if (run / RECORD_NAME).is_file() and read_record(run).data.fingerprint != description["fingerprint"]:
        raise UserError(f"The run in {run} was trained on other data than {data}: name that folder with --data.")
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out} cannot be made ({error.strerror}): choose another folder with --out.") from None
    from experiments.doctor.predictions import teacher_boxes

    try:
        predictions = teacher_boxes(loaded, file, groups, progress=progress)
    except UserError:
        for folder in made:
            folder.rmdir()
        raise
    classes, semi = description["classes"], loaded.model.semi_train_cfg
    found = audit_views(
        predictions.views, classes, configured=semi.pseudo_label_initial_score_thr,
        floor=loaded.model.detector.test_cfg.rcnn.score_thr, generator=np.random.default_rng(0),
    )  # fmt: skip
    lines = {
        aim: proposed_settings(found, aim, classify=semi.cls_pseudo_thr, propose=semi.rpn_pseudo_thr)
        for aim, _ in _AIMS[1:]
    }
    from experiments.doctor.audit_files import write_chart, write_curves, write_pictures, write_proposals

    source = {
        "config": config,
        "weights": _shown(weights),
        "data": description["name"],
        "images": on,
        "split": str(split),
    }
    write_curves(found, out / "audit.csv")
    write_proposals(found, lines, source, out / "proposals.json")
    write_chart(found, out, of=f"config {Path(config).stem}, {on} of data set {data.resolve().name}")
    hard = list(goals.hard) or classes
    threshold = semi.pseudo_label_initial_score_thr
    missed = missed_boxes(predictions.views, [classes.index(name) for name in hard], threshold=threshold)
    write_pictures(groups, predictions.views, classes, missed, threshold=threshold, folder=out)
    return found, lines, _notes(on, predictions.fresh)


def _notes(on: Split, fresh: tuple[str, ...]) -> list[str]:
    notes = {"val": [_ON_VAL], "train_labeled": [_ON_LABELLED]}.get(on, [])
    if fresh:
        parts = sorted({".".join(name.split(".")[:2]) for name in fresh})
        notes = [
            *notes,
            f"{len(fresh)} weights of the detector do not fit these settings and were left untrained, so the figures say "
            f"little ({', '.join(parts)}): give the settings that the weights were trained with.",
        ]
    return notes


def _table(found: Audit) -> Table:
    """Precision and recall per class at each threshold, with 95 % intervals over specimens."""
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        title=f"Teacher's boxes against the annotated ones at IoU 0.5: {found.groups} groups of {found.specimens} specimens",
    )
    for head in ("class", "boxes", "threshold", "", "kept", "precision", "recall"):
        table.add_column(head, justify="left" if head in ("class", "threshold") else "right")
    for name in (*found.classes, ALL):
        for aim, title in _AIMS:
            entry = found.operation(name, aim)
            first = aim == "configured"
            told = ("-", "-", "-", "-") if entry is None else _cells(entry)
            boxes = str(found.curves[name].truths)
            table.add_row(
                name if first else "", boxes if first else "", title, *told, end_section=title == _AIMS[-1][1]
            )
    return table


def _cells(entry: Operation) -> tuple[str, str, str, str]:
    precision = _share(entry.precision, entry.precision_interval)
    return f"{entry.threshold:.2f}", str(entry.kept), precision, _share(entry.recall, entry.recall_interval)


def _share(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if interval is None else f"{value:.2f} ({interval[0]:.2f}-{interval[1]:.2f})"


def _shown(weights: Path) -> str:
    """The place of weights in the runs folder, or their file's name: what is written tells of no machine."""
    place, root = weights.resolve(), runs_root().resolve()
    return str(place.relative_to(root)) if place.is_relative_to(root) else place.name

"""``python -m experiments data``: make, import and look into data sets."""

import os
import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from experiments.console import command_line, result_console, stop_told
from experiments.data.survey import LABELLED, UNLABELLED
from experiments.goals import TARGETS_NAME, plan_goals, read_goals
from experiments.paths import data_root, runs_root

app = command_line("Make, import and look into data sets.")
_STOPPED = "Stopped; nothing was written."
console = result_console()


Folder = Annotated[Path, typer.Argument(help="Data set folder.")]


@app.command("make")
def make(
    preset: Annotated[str, typer.Option(help="tiny, cpu, gpu, paper, or views.")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="Data set folder; default data/<preset>.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed gives other bits.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes; default one per core.")] = None,
) -> None:
    """Render a synthetic data set of drill bits, with its data card."""
    from experiments.data.card import write_card
    from experiments.data.description import CARD_NAME
    from experiments.data.synthesis import make_dataset

    folder = out or data_root() / preset
    with stop_told(_STOPPED):
        description = make_dataset(preset, folder, seed=seed, workers=workers)
    if not (folder / CARD_NAME).exists():
        write_card(folder)
    _describe(folder, description)


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="COCO, YOLO or Pascal VOC export: a folder, or a COCO .json file.")],
    out: Annotated[Path | None, typer.Option(help="Data set folder; default data/<name of SOURCE>.")] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            help="Regular expression on file names, with the named groups 'group' and 'view'; not needed with --views 1."
        ),
    ] = None,
    specimen_by: Annotated[
        str | None,
        typer.Option(help="Regular expression with the named group 'specimen': splits go by it. Default: each group is one."),
    ] = None,
    views: Annotated[int, typer.Option(help="Views per group.")] = 8,
    layout: Annotated[Literal["auto", "coco", "yolo", "voc"], typer.Option(help="How SOURCE is laid out.")] = "auto",
    labelled: Annotated[float, typer.Option(help="Share of the training groups that keep their labels, 0.05 to 1.")] = 0.6,
    val: Annotated[float, typer.Option(help="Share of all groups for validation.")] = 0.15,
    test: Annotated[float, typer.Option(help="Share of all groups for the test split; 0 for none.")] = 0.15,
    seed: Annotated[int, typer.Option(help="Another seed splits otherwise.")] = 0,
    unlabelled: Annotated[
        Path | None, typer.Option(help="Folder of further images without labels, for training.")
    ] = None,
    clip: Annotated[bool, typer.Option("--clip", help="Clip boxes to their images, and drop those that are empty.")] = False,
    drop_incomplete: Annotated[
        bool, typer.Option("--drop-incomplete", help="Leave out groups that lack a view.")
    ] = False,
) -> None:  # fmt: skip
    """Import an annotated data set of your own, grouped by view and split by specimen."""
    from experiments.data.card import write_card
    from experiments.data.intake import import_dataset

    folder = out or data_root() / Path(os.path.abspath(source)).with_suffix("").name
    with stop_told(_STOPPED):
        description = import_dataset(
            source, folder, group_by=group_by, specimen_by=specimen_by, views=views, layout=layout, labelled=labelled,
            val=val, test=test, seed=seed, unlabelled=unlabelled, clip=clip, drop_incomplete=drop_incomplete,
        )  # fmt: skip
    write_card(folder)
    for note in description.get("notes", ()):
        _tell(f"Note: {note}")
    _tell(f"Classes: {', '.join(description['classes'])}.")
    _describe(folder, description)
    if labelled < 1 and unlabelled is None:
        shown, hidden = (description["splits"][split]["groups"] for split in (LABELLED, UNLABELLED))
        _tell(
            f"Training sees the labels of {shown} of its {shown + hidden} groups; those of the others are hidden from it, in "
            f"train_unlabeled_truth.json (--labelled)."
        )
    guessed = [] if plan_goals(description["classes"]).hard else read_goals(folder, description["classes"]).hard
    if guessed:
        _tell(f"Hard classes guessed: {', '.join(guessed)} (fewest boxes); edit {folder / TARGETS_NAME}.")
    _tell(f"Next: {shlex.join(['python', '-m', 'experiments', 'data', 'check', str(folder)])}")


@app.command("check")
def check(
    folder: Folder,
    fix: Annotated[
        Literal["clip"] | None, typer.Option(help="clip: clip boxes to their images, drop empty ones; originals are kept.")
    ] = None,
) -> None:  # fmt: skip
    """Check every box, image, id, group and split of a data set, and list all problems."""
    from experiments.data.check import check_dataset, clip_boxes

    for sentence in clip_boxes(folder) if fix else ():
        _tell(sentence)
    problems = check_dataset(folder)
    errors = [problem for problem in problems if problem.severity == "error"]
    for problem in sorted(problems, key=lambda problem: problem.severity):
        _tell(str(problem), style="red" if problem.severity == "error" else "yellow")
    fixable = sum(problem.fixable for problem in errors)
    remedy = f"; --fix clip mends {fixable} of them" if fixable else ""
    warnings = len(problems) - len(errors)
    _tell(f"{folder}: {_number(len(errors), 'error')}, {_number(warnings, 'warning')}{remedy}.")
    if errors:
        raise typer.Exit(1)


@app.command("stats")
def stats(folder: Folder, json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Print box statistics, for drill bits beside those of the real data."""
    from experiments.data.survey import read_survey, show_survey, survey_json

    survey = read_survey(folder)
    if json:
        typer.echo(survey_json(survey))
    else:
        show_survey(survey, console)


@app.command("browse")
def browse(
    folder: Folder,
    out: Annotated[Path | None, typer.Option(help="Where the pictures go; default runs/browse/<name of FOLDER>.")] = None,
    split: Annotated[str, typer.Option(help="Name of the annotation file without .json.")] = "val",
    by: Annotated[
        Literal["group", "class"], typer.Option(help="group: all views of a group in a row; class: cut-out boxes.")
    ] = "group",
    html: Annotated[bool, typer.Option("--html", help="One HTML page instead of PNG files.")] = False,
    limit: Annotated[int, typer.Option(help="Groups, or boxes per class, at most.")] = 40,
) -> None:  # fmt: skip
    """Draw contact sheets with boxes."""
    from experiments.data.browse import browse as draw

    for path in draw(
        folder,
        out or runs_root() / "browse" / Path(os.path.abspath(folder)).name,
        split=split,
        by=by,
        html=html,
        limit=limit,
    ):
        _tell(str(path))


def _describe(folder: Path, description: dict[str, object]) -> None:
    """Say what a data set folder holds."""
    splits = description["splits"]
    assert isinstance(splits, dict)
    told = ", ".join(
        f"{name} {_number(counts['groups'], 'group')} ({_number(counts['boxes'], 'box', 'boxes')})"
        for name, counts in splits.items()
    )
    _tell(f"{folder}: {told}")


def _number(count: int, noun: str, several: str | None = None) -> str:
    return f"{count} {noun if count == 1 else several or noun + 's'}"


def _tell(text: str, *, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

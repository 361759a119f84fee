"""The statistics of a data set folder, split by split: read, shown as tables, or as plain JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.data.defects import CLASSES
from experiments.data.groups import Group, read_groups
from experiments.data.statistics import BoxStatistics, Row, compare, measure
from experiments.runs import TRUTH_NAME, read_dataset

LABELLED, UNLABELLED = "train_labeled", "train_unlabeled"


@dataclass(frozen=True)
class SplitSurvey:
    """One split: its groups, images and boxes; ``None`` where its boxes are not known."""

    groups: int
    images: int
    boxes: BoxStatistics | None


@dataclass(frozen=True)
class Survey:
    """What a data set holds.

    Attributes:
        splits: by name of the annotation file; the unlabelled split is measured by its truth, and left out where it is empty.
        training: boxes of all training groups whose boxes are known.
        comparison: ``training`` beside the plan's figures; empty for other classes than the plan's.
    """

    name: str
    fingerprint: str
    classes: tuple[str, ...]
    views: int
    splits: dict[str, SplitSurvey]
    training: BoxStatistics
    comparison: tuple[Row, ...]


def read_survey(folder: Path) -> Survey:
    """Measure a data set folder.

    Raises:
        UserError: it is no data set, or its annotations are faulty.
    """
    description = read_dataset(folder)
    classes = tuple(description["classes"])
    groups = read_splits(folder)
    training = measure([group for split in (LABELLED, UNLABELLED) for group in groups.get(split, [])], classes)
    splits = {split: _survey(own, measure(own, classes)) for split, own in groups.items()}
    shown = folder / "annotations" / f"{UNLABELLED}.json"
    if not (folder / TRUTH_NAME).is_file() and shown.is_file() and _lists_images(shown):
        own = read_groups(shown, images=folder / "images", classes=classes, views=description["views"])
        splits = {LABELLED: splits.pop(LABELLED), UNLABELLED: _survey(own, None), **splits}
    return Survey(
        name=description["name"],
        fingerprint=description["fingerprint"],
        classes=classes,
        views=description["views"],
        splits=splits,
        training=training,
        comparison=tuple(compare(training)) if set(classes) == set(CLASSES) else (),
    )


def _survey(groups: Sequence[Group], boxes: BoxStatistics | None) -> SplitSurvey:
    return SplitSurvey(len(groups), sum(len(group.views) for group in groups), boxes)


def read_splits(folder: Path) -> dict[str, list[Group]]:
    """The groups of every split whose boxes are known; the unlabelled split is read from its truth.

    Raises:
        UserError: it is no data set, or its annotations are faulty.
    """
    description = read_dataset(folder)
    files = {
        split: folder / "annotations" / f"{split}.json" for split in (LABELLED, UNLABELLED, "val", "test")
    } | {UNLABELLED: folder / TRUTH_NAME}  # fmt: skip
    return {
        split: read_groups(path, images=folder / "images", classes=description["classes"], views=description["views"])
        for split, path in files.items()
        if split in (LABELLED, "val") or (path.is_file() and _lists_images(path))
    }


def show_survey(survey: Survey, console: Console) -> None:
    """Print a survey as tables."""
    console.print(
        f"{survey.name}: views per group {survey.views}, fingerprint {survey.fingerprint}", markup=False, soft_wrap=True
    )
    console.print(_splits_table(survey))
    console.print(_classes_table(survey))
    if survey.comparison:
        console.print(_comparison_table(survey.comparison))


def survey_json(survey: Survey) -> str:
    """A survey as JSON; shares and areas are fractions, what has no boxes is left out or null."""
    return json.dumps(asdict(survey), indent=1)


def _splits_table(survey: Survey) -> Table:
    table = Table("Split", title="Splits", title_justify="left")
    for column in ("groups", "images", "boxes", "boxes per view", "at most"):
        table.add_column(column, justify="right")
    for cells in split_cells(survey):
        table.add_row(*cells)
    return table


def split_cells(survey: Survey) -> list[tuple[str, ...]]:
    """Per split as a reader wants it: name, groups, images, boxes, boxes per view, most in a view; ``-`` for what is not known."""
    rows = []
    for name, split in survey.splits.items():
        own = split.boxes
        told = ["-"] * 3 if own is None else [str(own.boxes), f"{own.boxes_per_view:.2f}", str(own.most_per_view)]
        rows.append((name, str(split.groups), str(split.images), *told))
    return rows


def _classes_table(survey: Survey) -> Table:
    table = Table("Class", title="Training boxes", title_justify="left", caption="aspect: width / height")
    for column in ("boxes", "share", "mean area", "aspect P25", "median", "P75", "below 0.5"):
        table.add_column(column, justify="right")
    for cells in class_cells(survey.training):
        table.add_row(*cells)
    return table


def class_cells(boxes: BoxStatistics) -> list[tuple[str, ...]]:
    """Per class as a reader wants it: name, boxes, share, mean area, aspect P25, median, P75, share below 0.5."""
    rows = []
    for name, share in boxes.shares.items():
        row = [name, str(round(share * boxes.boxes)), f"{100 * share:.1f} %"]
        own = boxes.aspects.get(name)
        if own is None:
            row += ["-"] * 5
        else:
            row += [f"{100 * boxes.areas[name]:.2f} %", f"{own.p25:.2f}", f"{own.median:.2f}", f"{own.p75:.2f}"]
            row += [f"{100 * own.below_half:.0f} %"]
        rows.append(tuple(row))
    return rows


def _comparison_table(rows: tuple[Row, ...]) -> Table:
    table = Table("Measure", title="Training boxes beside the plan's", title_justify="left")
    for column in ("here", "plan", "tolerance"):
        table.add_column(column, justify="right")
    table.add_column("")
    for row in rows:
        table.add_row(row.measure, *row.written(), Text("ok", "green") if row.ok else Text("off", "bold red"))
    return table


def _lists_images(path: Path) -> bool:
    """Whether a split holds anything; where all training groups are labelled, the unlabelled one does not."""
    try:
        return json.loads(path.read_text()).get("images") != []
    except (ValueError, OSError, AttributeError):
        return True  # reading its groups tells what is wrong

"""The data card of a data set folder: ``CARD.md`` with pictures beside it in ``card/``.

It is a view of what lies there: writing it again gives the same card, and the data set's fingerprint does not cover it.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.data.browse import CUT_HEIGHT, cut_row, group_rows, spread
from experiments.data.charts import box_chart, draw_box_chart
from experiments.data.description import CARD_NAME
from experiments.data.files import write_file
from experiments.data.groups import Group
from experiments.data.prose import CLASS_LOOKS, DIFFICULTY, NOT, SYNTHETIC
from experiments.data.sheets import contact_sheet, write_picture
from experiments.data.splits import specimen_of
from experiments.data.statistics import REFERENCE
from experiments.data.survey import LABELLED, UNLABELLED, Survey, class_cells, read_splits, read_survey, split_cells
from experiments.runs import read_dataset

_PICTURES = "card"
_SHOWN_GROUPS = 5
_SHOWN_BOXES = 12


def write_card(folder: Path, *, measurements: str | None = None) -> Path:
    """Write the data card of a folder.

    Args:
        folder: the data set.
        measurements: Markdown of what was measured about its difficulty; default a pointer to the README.

    Raises:
        UserError: it is no data set, its annotations or images are faulty, or a file cannot be written.
    """
    description, survey, splits = read_dataset(folder), read_survey(folder), read_splits(folder)
    pictures = folder / _PICTURES
    training = [group for split in (LABELLED, UNLABELLED) for group in splits.get(split, [])]
    plan = REFERENCE if survey.comparison else None
    write_picture(draw_box_chart(box_chart(training, survey.classes, plan=plan)), pictures / "boxes.png")
    shown = chosen_groups(splits["val"])
    write_picture(contact_sheet(group_rows(shown), survey.classes), pictures / "views.jpg")
    looks = []
    for label, name in enumerate(survey.classes):
        row = cut_row(splits["val"], survey.classes, label, _SHOWN_BOXES)
        if row is not None:
            write_picture(
                contact_sheet([row], survey.classes, cell_height=CUT_HEIGHT), pictures / f"class-{label + 1}.jpg"
            )
            words = CLASS_LOOKS[name] if "preset" in description else ""
            looks += [f"**{_plain(name)}.** {words}".rstrip()]
            looks += [f"![Boxes of {_plain(name)}, small to large]({_PICTURES}/class-{label + 1}.jpg)"]
    text = _text(description, survey, looks, measurements)
    write_file(text.encode(), folder / CARD_NAME)
    return folder / CARD_NAME


def chosen_groups(groups: Sequence[Group], count: int = _SHOWN_GROUPS) -> list[Group]:
    """One group each of ``count`` specimens at even steps: their first and their last in turn, so that light varies."""
    own: dict[str, list[Group]] = {}
    for group in groups:
        own.setdefault(specimen_of(group.name), []).append(group)
    specimens = list(own)
    chosen = [specimens[rank] for rank in spread(len(specimens), count)]
    return [own[specimen][-(place % 2)] for place, specimen in enumerate(chosen)]


def _text(
    description: Mapping[str, Any], survey: Survey, looks: Sequence[str], measurements: str | None
) -> str:  # fmt: skip
    """The card in Markdown: blocks with an empty line between."""
    synthetic = "preset" in description
    classes = ", ".join(map(_plain, survey.classes))
    blocks = [
        f"# Data card: {_plain(survey.name)}",
        SYNTHETIC if synthetic else "Images of objects, imported with their annotations.",
        "## How it was made",
        _origin(description),
        "## What it holds",
        _table(_SPLIT_HEAD, split_cells(survey)),
        f"Views per group: {survey.views}. Classes: {classes}.",
        "## Boxes",
        "Training groups, labelled and unlabelled where their boxes are known. Aspect is width / height.",
        _table(_CLASS_HEAD, class_cells(survey.training)),
        f"![Shape and size of the boxes by class]({_PICTURES}/boxes.png)",
    ]
    if survey.comparison:
        off = sum(not row.ok for row in survey.comparison)
        rows = [(row.measure, *row.written(), "ok" if row.ok else "**off**") for row in survey.comparison]
        blocks += [
            "Beside the figures of the plan's real data, each with its tolerance, which sets from `cpu` up are held to:",
            _table(("measure", "here", "plan", "tolerance", ""), rows),
            f"{off or 'None'} of these measures lie{'s' if off == 1 else ''} outside the tolerance.",
        ]
    blocks += ["## What it looks like", f"![Groups of the validation split, a row each]({_PICTURES}/views.jpg)", *looks]
    if synthetic:
        blocks += ["## How the difficulty comes about", DIFFICULTY]
    if synthetic or measurements:
        blocks += ["## Measured difficulty", measurements or _MEASUREMENTS]
    if synthetic:
        blocks += ["## What it is not", NOT]
    blocks += ["## Files", _FILES, "## Citing", _citing(description, survey)]
    return "\n\n".join(blocks) + "\n"


def _origin(description: Mapping[str, Any]) -> str:
    if "preset" not in description:
        known = {key: description[key] for key in ("layout", "seed") if key in description}
        return "Imported (" + ", ".join(f"{key}: {_plain(str(value))}" for key, value in known.items()) + ")."
    preset, seed, version = description["preset"], description["seed"], description["version"]
    height, width = description["image_size"]
    return (
        f"    python -m experiments data make --preset {preset} --seed {seed}\n\n"
        f"Generator {version}, preset {preset}, seed {seed}: crops of {width} x {height} px. The same generator, preset and seed "
        f"give the same bytes, whatever the number of processes."
    )


def _citing(description: Mapping[str, Any], survey: Survey) -> str:
    if "preset" not in description:
        return f"Fingerprint {survey.fingerprint}. Rights and licence are those of the photographs' owner."
    return (
        f'Name the generator version, the preset, the seed and the fingerprint: "synthetic drill bits, generator '
        f"{description['version']}, preset {description['preset']}, seed {description['seed']}, fingerprint "
        f"{survey.fingerprint}\". No photograph and no third party's data went into it; it may be used as the repository may."
    )


_MEASUREMENTS = "Whether the neighbouring views help is measured with a shuffled-views control: see the README."
_SPLIT_HEAD = ("split", "groups", "images", "boxes", "boxes per view", "most in a view")
_CLASS_HEAD = ("class", "boxes", "share", "mean area", "aspect P25", "median", "P75", "below 0.5")
_FILES = """\
    images/<group>_crop_<view>.*       one view; the specimen is the group's name up to its first underscore
    annotations/<split>.json           COCO; every image names its group in base_img_id
    annotations/train_unlabeled.json   no boxes; where they are known, train_unlabeled_truth.json has them, for
                                       dealing labels out anew and for judging pseudo-labels
    dataset.json                       classes, views, image size, splits"""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: words to the left, figures to the right."""
    cells = [[_plain(row[0]), *row[1:]] for row in rows]
    rule = "|".join(["---", *["---:"] * (len(head) - 1)])
    return "\n".join([f"| {' | '.join(head)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in cells)])


def _plain(name: str) -> str:
    """A name that comes from data, so that Markdown shows it as it is."""
    return re.sub(r"([\\`*\[\]<>|&#!])", r"\\\1", name.replace("\n", " "))

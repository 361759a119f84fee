"""The data card: what it says, that it is repeatable, and that the data set stays the same."""

import json
import re
import shutil
from pathlib import Path

import pytest

from experiments.data.card import chosen_groups, write_card
from experiments.data.groups import Group
from experiments.data.survey import read_survey
from experiments.runs import read_dataset


@pytest.fixture
def folder(tiny_data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_data, tmp_path / "tiny"))


def test_the_card_tells_origin_figures_and_limits(folder: Path) -> None:
    before = read_dataset(folder)
    text = write_card(folder).read_text()
    assert read_dataset(folder) == before  # a card is no part of the data set
    assert "python -m experiments data make --preset tiny --seed 0" in text
    assert before["version"] in text and before["fingerprint"] in text
    survey = read_survey(folder)
    val = survey.splits["val"].boxes
    assert val is not None and f"| val | 2 | 16 | {val.boxes} |" in text
    assert text.count("| **off** |") == sum(not row.ok for row in survey.comparison)
    for heading in (
        "How it was made",
        "What it holds",
        "Boxes",
        "How the difficulty comes about",
        "What it is not",
        "Citing",
    ):
        assert f"\n## {heading}\n" in text
    assert "1,448 boxes" in text and "5,566" in text
    assert "see the README" in text


def test_its_pictures_lie_beside_it(folder: Path) -> None:
    text = write_card(folder).read_text()
    named = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert named == ["card/boxes.png", "card/views.jpg", *(f"card/class-{i}.jpg" for i in range(1, 6))]
    assert sorted(f"card/{path.name}" for path in (folder / "card").iterdir()) == sorted(named)


def test_writing_it_again_gives_the_same_bytes(folder: Path) -> None:
    def content() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (write_card(folder), *(folder / "card").iterdir())}

    assert content() == content()


def test_measurements_take_the_place_of_the_pointer(folder: Path) -> None:
    text = write_card(folder, measurements="Shuffled views lose 0.05.").read_text()
    assert "## Measured difficulty\n\nShuffled views lose 0.05." in text
    assert "see the README" not in text


def test_imported_data_get_no_claims_of_the_synthetic_set(folder: Path) -> None:
    description = json.loads((folder / "dataset.json").read_text())
    for key in ("preset", "version"):
        del description[key]
    (folder / "dataset.json").write_text(json.dumps(description | {"layout": "coco", "name": "my_<b>_bits"}))
    text = write_card(folder).read_text()
    assert text.startswith("# Data card: my_\\<b\\>_bits\n")
    assert "Imported (layout: coco, seed: 0)." in text
    for absent in ("Rendered", "data make", "What it is not", "stains", "shuffled", "A missing chunk"):
        assert absent not in text
    assert read_dataset(folder)["fingerprint"] in text


def test_groups_are_chosen_from_several_specimens_first_and_last_in_turn() -> None:
    names = ["S1_bright_1", "S1_dark_1", "S2_bright_1", "S2_dark_1", "S3_bright_1", "S4_bright_1", "S4_dark_1"]
    groups = [Group(name, ()) for name in names]
    assert [group.name for group in chosen_groups(groups, 4)] == [
        "S1_bright_1",
        "S2_dark_1",
        "S3_bright_1",
        "S4_dark_1",
    ]
    assert [group.name for group in chosen_groups(groups, 2)] == ["S1_bright_1", "S4_dark_1"]
    assert [group.name for group in chosen_groups(groups[:1], 5)] == ["S1_bright_1"]

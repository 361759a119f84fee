"""The survey of a data set folder: its splits, the plan's figures beside it, tables and JSON."""

import io
import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from experiments.data.card import write_card
from experiments.data.survey import SplitSurvey, read_survey, show_survey, survey_json
from experiments.errors import UserError
from experiments.runs import read_dataset


@pytest.fixture
def own_data(tmp_path: Path) -> Path:
    """Two views of 40 x 20 px and other classes than the plan's; category ids that are no indices; nothing unlabelled."""
    folder = tmp_path / "own"
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").mkdir()
    for split, name in (("train_labeled", "A_1"), ("val", "B_1")):
        images = [
            {"id": view, "file_name": f"{name}_crop_{view}.jpg", "width": 40, "height": 20, "base_img_id": name}
            for view in (1, 2)
        ]
        for image in images:
            Image.new("RGB", (40, 20)).save(folder / "images" / str(image["file_name"]))
        boxes = [{"id": 1, "image_id": 1, "category_id": 70, "bbox": [0, 0, 10, 8]}]
        content = {"images": images, "annotations": boxes, "categories": [{"id": 70, "name": "crack <b>"}]}
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(content))
    empty = {"images": [], "annotations": [], "categories": []}
    for name in ("train_unlabeled", "train_unlabeled_truth"):
        (folder / "annotations" / f"{name}.json").write_text(json.dumps(empty))
    description = {"name": "own", "classes": ["dent", "crack <b>"], "views": 2, "image_size": [20, 40]}
    (folder / "dataset.json").write_text(json.dumps(description))
    return folder


def test_every_split_of_the_synthetic_set_is_measured(tiny_data: Path) -> None:
    survey = read_survey(tiny_data)
    description = read_dataset(tiny_data)
    found = {
        name: (own.groups, own.images, own.boxes.boxes) for name, own in survey.splits.items() if own.boxes is not None
    }
    assert found == {name: (own["groups"], own["images"], own["boxes"]) for name, own in description["splits"].items()}
    assert survey.training.boxes == found["train_labeled"][2] + found["train_unlabeled"][2]
    assert survey.fingerprint == description["fingerprint"]
    assert len(survey.comparison) == 20


def test_own_classes_are_told_by_name_without_a_reference(own_data: Path) -> None:
    survey = read_survey(own_data)
    assert survey.comparison == ()
    assert list(survey.splits) == ["train_labeled", "val"]
    assert survey.training.shares == {"dent": 0.0, "crack <b>": 1.0}
    assert survey.training.areas == pytest.approx({"crack <b>": 0.1})  # 80 of 800 px
    assert survey.training.aspects["crack <b>"].median == pytest.approx(1.25)
    assert survey.training.boxes_per_view == 0.5


def test_unlabelled_groups_whose_boxes_are_not_known_are_counted(tiny_data: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_data, tmp_path / "copy"))
    (folder / "annotations" / "train_unlabeled_truth.json").unlink()
    survey = read_survey(folder)
    assert list(survey.splits) == ["train_labeled", "train_unlabeled", "val", "test"]
    known = survey.splits["train_labeled"].boxes
    assert survey.splits["train_unlabeled"] == SplitSurvey(4, 32, None)
    assert survey.training == known
    assert json.loads(survey_json(survey))["splits"]["train_unlabeled"]["boxes"] is None
    console = Console(record=True, width=120, file=io.StringIO())
    show_survey(survey, console)
    row = next(line for line in console.export_text().splitlines() if "train_unlabeled" in line)
    assert re.findall(r"[\w-]+", row) == ["train_unlabeled", "4", "32", "-", "-", "-"]
    assert "| train_unlabeled | 4 | 32 | - | - | - |" in write_card(folder).read_text()


def test_tables_mark_what_is_off(tiny_data: Path, own_data: Path) -> None:
    console = Console(record=True, width=120, file=io.StringIO())
    show_survey(read_survey(tiny_data), console)
    text = console.export_text()
    assert "train_unlabeled" in text
    assert "Severe_Rust width/height median" in text
    off = sum(not row.ok for row in read_survey(tiny_data).comparison)
    assert off > 0  # 8 groups are too few to match the plan's figures
    assert text.count(" off ") == off
    show_survey(read_survey(own_data), console)
    text = console.export_text()
    assert "crack <b>" in text
    assert "plan" not in text


def test_json_holds_the_same_figures(tiny_data: Path) -> None:
    survey = read_survey(tiny_data)
    plain = json.loads(survey_json(survey))
    assert plain["training"]["shares"] == survey.training.shares
    val = survey.splits["val"].boxes
    assert val is not None
    assert plain["splits"]["val"]["boxes"]["aspects"]["Broken"]["median"] == pytest.approx(val.aspects["Broken"].median)
    assert [row["ok"] for row in plain["comparison"]] == [row.ok for row in survey.comparison]


def test_what_cannot_be_read_is_named(tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no data set"):
        read_survey(tmp_path)
    folder = shutil.copytree(tiny_data, tmp_path / "copy")
    (folder / "annotations" / "test.json").write_text("{")
    with pytest.raises(UserError, match=r"test\.json"):
        read_survey(folder)
    (folder / "annotations" / "test.json").unlink()
    assert "test" not in read_survey(folder).splits
    (folder / "annotations" / "val.json").unlink()
    with pytest.raises(UserError, match=r"val\.json does not exist"):
        read_survey(folder)

"""Browsing a data set: which groups and boxes are shown, as pictures and as a page."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.data.browse import browse, cut_outs, cut_row, spread
from experiments.data.groups import Box, Group, View
from experiments.errors import UserError


def test_ranks_are_spread_evenly_with_both_ends() -> None:
    assert spread(3, 5) == [0, 1, 2]
    assert spread(9, 3) == [0, 4, 8]
    assert spread(10, 1) == [0]
    assert spread(0, 4) == []


@pytest.fixture
def groups(tmp_path: Path) -> list[Group]:
    """Two groups of one 100 x 200 px view; label 1 has boxes of 40 x 40, 10 x 20 and 60 x 90 px."""
    made = []
    for name, boxes in (("A_1", [Box((10, 150, 50, 190), 1), Box((0, 0, 5, 5), 0)]),
                        ("B_1", [Box((90, 0, 100, 20), 1), Box((20, 60, 80, 150), 1)])):  # fmt: skip
        path = tmp_path / f"{name}_crop_1.png"
        pixels = np.zeros((200, 100, 3), dtype=np.uint8)
        pixels[..., 0], pixels[..., 1] = np.arange(100), np.arange(200)[:, None]
        Image.fromarray(pixels).save(path)
        made.append(Group(name, (View(1, path, 100, 200, tuple(boxes)),)))
    return made


def test_boxes_of_a_class_come_from_small_to_large(groups: list[Group]) -> None:
    cuts = cut_outs(groups, 1)
    assert [(cut.group, cut.number, cut.area) for cut in cuts] == [
        ("B_1", 1, pytest.approx(0.01)), ("A_1", 1, pytest.approx(0.08)), ("B_1", 1, pytest.approx(0.27)),
    ]  # fmt: skip
    assert cut_outs(groups, 2) == []
    assert cut_row(groups, ["x", "y", "z"], 2, 5) is None


def test_boxes_are_cut_out_with_what_lies_around_them(groups: list[Group]) -> None:
    row = cut_row(groups, ["x", "y"], 1, 2)
    assert row is not None
    assert row.title == "y: 2 of 3 boxes, small to large"
    small, large = row.views
    # a span of 2.2 x 20 = 44 px around (95, 10), moved into the image: x 56..100, y 0..44
    assert small.image.shape == (44, 44, 3)
    assert small.image[0, 0].tolist() == [56, 0, 0]
    assert small.truth[0].xyxy == (34, 0, 44, 20)
    assert small.caption.splitlines() == ["B_1", "view 1", "10 x 20 px, 1.0 %"]
    # 2.2 x 90 = 198 px is wider than the image: all its columns, rows 6..204 moved to 2..200
    assert large.image.shape == (198, 100, 3)
    assert large.image[0, 0].tolist() == [0, 2, 0]
    assert large.truth[0].xyxy == (20, 58, 80, 148)


def test_groups_are_written_eight_to_a_sheet(tiny_data: Path, tmp_path: Path) -> None:
    content = json.loads((tiny_data / "annotations" / "train_labeled.json").read_text())
    assert len({image["base_img_id"] for image in content["images"]}) == 4
    written = browse(tiny_data, tmp_path / "out", split="train_labeled", progress=False)
    assert [path.name for path in written] == ["train_labeled-groups-01.png"]
    with Image.open(written[0]) as four:
        tall = four.height
    written = browse(tiny_data, tmp_path / "out", split="train_labeled", limit=2, progress=False)
    with Image.open(written[0]) as two:
        assert two.height < 0.6 * tall


def test_classes_are_written_a_sheet_each(tiny_data: Path, tmp_path: Path) -> None:
    written = browse(tiny_data, tmp_path, split="train_unlabeled", by="class", progress=False)
    assert [path.name for path in written] == [
        "train_unlabeled-class-1-Broken.png", "train_unlabeled-class-2-Chipped.png",
        "train_unlabeled-class-3-Scratched.png", "train_unlabeled-class-4-Severe_Rust.png",
        "train_unlabeled-class-5-Tip_Wear.png",
    ]  # fmt: skip
    assert sorted(tmp_path.iterdir()) == written


class _Page(HTMLParser):
    """Collects the tags of a page, and refuses what does not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_escapes_names(tiny_data: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_data, tmp_path / "data")
    evil = '"><script>alert(1)</script>'
    for path in [folder / "dataset.json", *(folder / "annotations").glob("*.json")]:
        path.write_text(path.read_text().replace('"Chipped"', json.dumps(evil)))
    (page,) = browse(folder, tmp_path / "out", by="class", html=True, progress=False)
    assert page.name == "val-class.html"
    text = page.read_text()
    parser = _Page()
    parser.feed(text)
    assert parser.open == []
    tags = [tag for tag, _ in parser.seen]
    assert "script" not in tags
    pictures = [attributes for tag, attributes in parser.seen if tag == "img"]
    assert len(pictures) == 5
    assert all(own["src"].startswith("data:image/jpeg;base64,") and own["alt"] for own in pictures)
    links = [attributes["href"] for tag, attributes in parser.seen if tag == "a"]
    assert links == [f"#{attributes['id']}" for tag, attributes in parser.seen if tag == "section"]
    assert not re.search(r"https?://", text)
    assert "color-scheme: light dark" in text and "width=device-width" in text


def test_what_cannot_be_shown_is_told(tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="no split 'train' with boxes: choose one of train_labeled, train_unlabeled, val"
    ):
        browse(tiny_data, tmp_path / "out", split="train", progress=False)
    with pytest.raises(UserError, match="limit is 0"):
        browse(tiny_data, tmp_path / "out", limit=0, progress=False)
    with pytest.raises(UserError, match="holds no data set"):
        browse(tmp_path, tmp_path / "out", progress=False)
    assert list(tmp_path.iterdir()) == []

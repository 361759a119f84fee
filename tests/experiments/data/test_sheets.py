"""Contact sheets: layout, any number and size of views, and writing pictures."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from experiments.data.groups import Box, View
from experiments.data.sheets import Mark, SheetRow, ViewPicture, contact_sheet, view_picture, write_picture
from experiments.errors import UserError

GREEN = (0, 90, 0)


def plain(height: int, width: int, caption: str = "") -> ViewPicture:
    return ViewPicture(np.full((height, width, 3), GREEN, dtype=np.uint8), caption=caption)


def cells(sheet: NDArray[np.uint8]) -> list[tuple[int, int, int, int]]:
    """The green rectangles of a sheet as (x, y, width, height), line by line."""
    green = (sheet == GREEN).all(axis=2)
    found = []
    for top, bottom in _runs(green.any(axis=1)):
        for left, right in _runs(green[top:bottom].any(axis=0)):
            rows = _runs(green[top:bottom, left:right].any(axis=1))
            found.append((left, top, right - left, rows[-1][1] - rows[0][0]))
    return found


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def test_views_stand_beside_each_other_and_rows_below() -> None:
    rows = [SheetRow("a", [plain(100, 50)] * 3), SheetRow("b", [plain(100, 50)] * 3)]
    found = cells(contact_sheet(rows, ["dent"], cell_height=200))
    assert [(x, width, height) for x, _, width, height in found] == [
        (14, 100, 200), (120, 100, 200), (226, 100, 200), (14, 100, 200), (120, 100, 200), (226, 100, 200),
    ]  # fmt: skip
    assert found[3][1] - found[0][1] == 200 + 6 + 19 + 6  # a view, a gap, the next title and its gap


@pytest.mark.parametrize(
    ("views", "lines"), [(1, [1]), (8, [8]), (12, [12]), (13, [7, 6]), (16, [8, 8]), (25, [9, 9, 7])]
)
def test_rows_above_twelve_views_are_broken_evenly(views: int, lines: list[int]) -> None:
    found = cells(contact_sheet([SheetRow("a", [plain(100, 60)] * views)], ["dent"], cell_height=100))
    tops = [y for _, y, _, _ in found]
    assert [tops.count(top) for top in sorted(set(tops))] == lines


def test_wide_views_are_broken_before_the_page_ends() -> None:
    sheet = contact_sheet([SheetRow("a", [plain(100, 1000)] * 8)], ["dent"], cell_height=240)
    found = cells(sheet)
    assert {(width, height) for _, _, width, height in found} == {(480, 48)}  # twice as wide as a cell is high
    assert len({y for _, y, _, _ in found}) == 2
    assert sheet.shape[1] <= 2700


def test_captions_take_room_below_their_views() -> None:
    without = contact_sheet([SheetRow("a", [plain(100, 60)])], ["dent"], cell_height=100)
    captioned = contact_sheet([SheetRow("a", [plain(100, 60, "view 1\nlarge")])], ["dent"], cell_height=100)
    assert captioned.shape[0] == without.shape[0] + 2 * 19
    assert (captioned[-14 - 6 - 38 : -14] < 100).all(axis=2).any()


def test_boxes_are_drawn_in_their_cells_and_dashes_explained() -> None:
    image = np.full((100, 50, 3), GREEN, dtype=np.uint8)
    truth = Mark((10, 20, 40, 80), 0)
    bare, marked, both = (
        contact_sheet([SheetRow("a", [view])], ["dent"], cell_height=200)
        for view in (ViewPicture(image), ViewPicture(image, (truth,)), ViewPicture(image, (truth,), (truth,)))
    )
    left, top, _, _ = cells(bare)[0]
    changed = (bare != marked).any(axis=2)
    # the outline and its casing: 20..80 x 40..160 of the cell, one px more around
    assert np.flatnonzero(changed[top + 100]).tolist() == [left + x for x in (19, 20, 21, 78, 79, 80)]
    assert both.shape[0] == marked.shape[0] + 19  # a line on what dashes mean


def test_long_names_stay_on_the_sheet() -> None:
    sheet = contact_sheet([SheetRow("t" * 400, [plain(100, 60, "c" * 90)])], ["n" * 300, "second"], cell_height=100)
    assert sheet.shape[1] == 420 + 28
    assert (sheet[:, -14:] == 255).all()


def test_a_view_is_read_with_its_boxes(tmp_path: Path) -> None:
    Image.new("L", (4, 6), 77).save(tmp_path / "a_crop_1.png")
    view = View(1, tmp_path / "a_crop_1.png", 4, 6, (Box((1, 2, 3, 4), 2),))
    picture = view_picture(view, caption="x")
    assert picture.image.shape == (6, 4, 3)
    assert (picture.image == 77).all()
    assert picture.truth == (Mark((1, 2, 3, 4), 2),)
    (tmp_path / "a_crop_1.png").write_text("no image")
    with pytest.raises(UserError, match=r"a_crop_1\.png is not a readable image"):
        view_picture(view)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pictures_are_written_whole_and_alike(tmp_path: Path, suffix: str) -> None:
    picture = np.full((20, 30, 3), (10, 200, 90), dtype=np.uint8)
    path = tmp_path / "deep" / f"a{suffix}"
    write_picture(picture, path)
    first = path.read_bytes()
    write_picture(picture, path)
    assert path.read_bytes() == first
    assert np.abs(np.asarray(Image.open(path)).astype(int) - picture).max() <= (0 if suffix == ".png" else 3)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_picture_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    picture = np.zeros((2, 2, 3), dtype=np.uint8)
    with pytest.raises(UserError, match=r"neither a \.png nor a \.jpg"):
        write_picture(picture, tmp_path / "a.gif")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="cannot be written"):
        write_picture(picture, tmp_path / "file" / "a.png")
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        write_picture(picture, tmp_path / "taken.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken.png"]

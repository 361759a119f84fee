"""What is drawn of a teacher's boxes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.data.groups import Group, View
from experiments.data.sheets import SheetRow
from experiments.tracking import pictures
from experiments.tracking.pictures import Found, sheet_of


def found(count: int) -> Found:
    """Boxes with scores from 0.9 on downwards."""
    left = np.arange(count, dtype=np.float64)
    boxes = np.stack([left, left, left + 9, left + 9], axis=1)
    return Found(boxes.reshape(-1, 4), np.zeros(count, dtype=np.intp), 0.9 - 0.01 * left)


def test_the_five_best_boxes_of_a_view_are_drawn_and_the_others_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (40, 80)).save(tmp_path / "v.png")
    views = tuple(View(number, tmp_path / "v.png", 40, 80, ()) for number in range(3))
    drawn: list[SheetRow] = []
    draw = pictures.contact_sheet
    monkeypatch.setattr(pictures, "contact_sheet", lambda rows, *a, **k: drawn.extend(rows) or draw(rows, *a, **k))
    sheet = sheet_of(Group("g", views), [found(5), found(42), found(0)], ["dent"])
    assert sheet.found == 47
    assert [row.title for row in drawn] == ["g: annotated", "g: teacher, the 5 best of a view"]
    assert [len(view.found) for view in drawn[1].views] == [5, 5, 0]
    assert [mark.score for mark in drawn[1].views[1].found] == pytest.approx([0.9, 0.89, 0.88, 0.87, 0.86])
    assert [view.caption for view in drawn[1].views] == ["", "37 more", ""]
    drawn.clear()
    sheet_of(Group("g", views), [found(5)] * 3, ["dent"])
    assert drawn[1].title == "g: teacher"

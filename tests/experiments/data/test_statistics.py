"""Box statistics of hand-made COCO folders."""

import json
import math
from pathlib import Path

import pytest

from experiments.data.defects import CLASSES
from experiments.data.statistics import REFERENCE, AspectStatistics, BoxStatistics, compare, measure
from experiments.errors import UserError


def write(root: Path, name: str, images: int, boxes: list[tuple[int, int, float, float]]) -> None:
    """Boxes are (image id, category id, width, height) in crops of 100 x 50 px."""
    content = {
        "images": [{"id": i + 1, "height": 100, "width": 50} for i in range(images)],
        "annotations": [
            {"id": i, "image_id": image, "category_id": kind, "bbox": [1, 2, w, h]}
            for i, (image, kind, w, h) in enumerate(boxes)
        ],
    }
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "annotations" / f"{name}.json").write_text(json.dumps(content))


def test_measures_hand_made_boxes(tmp_path: Path) -> None:
    write(tmp_path, "a", 2, [(1, 4, 10, 20), (1, 4, 10, 40), (1, 1, 25, 20)])
    write(tmp_path, "b", 3, [(1, 4, 30, 40), (1, 4, 10, 10), (3, 2, 5, 10)])
    found = measure(tmp_path, ["a", "b"])
    assert found.boxes == 6
    assert found.boxes_per_view == pytest.approx(6 / 5)
    assert found.most_per_view == 3  # image 1 of a and image 1 of b are different images
    assert found.shares == pytest.approx(
        {"Broken": 1 / 6, "Chipped": 1 / 6, "Scratched": 0, "Severe_Rust": 4 / 6, "Tip_Wear": 0}
    )
    # aspects of rust 0.25 0.5 0.75 1: quartiles by linear interpolation; 0.5 is not below 0.5
    rust = found.aspects["Severe_Rust"]
    assert (rust.p25, rust.median, rust.p75, rust.below_half) == pytest.approx((0.4375, 0.625, 0.8125, 0.25))
    # areas 200, 400, 1200, 100 px of 5000
    assert found.areas["Severe_Rust"] == pytest.approx(475 / 5000)
    assert found.areas["Broken"] == pytest.approx(0.1)
    assert "Scratched" not in found.areas


def test_the_reference_meets_itself() -> None:
    rows = compare(REFERENCE)
    assert len(rows) == 5 + 2 * 4 + 5 + 2
    assert all(row.ok for row in rows)
    assert sum(REFERENCE.shares.values()) == pytest.approx(1.0)
    by_name = {row.measure: row for row in rows}
    assert by_name["Severe_Rust width/height median"].reference == 0.44
    assert by_name["Severe_Rust share below 0.5"].reference == 0.60
    assert by_name["Chipped width/height P75"].reference == 0.67
    assert by_name["Broken mean area"].tolerance == pytest.approx(0.01416)


@pytest.mark.parametrize(
    ("measure_name", "change"),
    [
        ("Chipped share of boxes", {"shares": REFERENCE.shares | {"Chipped": 0.203}}),
        ("Tip_Wear mean area", {"areas": REFERENCE.areas | {"Tip_Wear": 0.0177 * 1.25}}),
        (
            "Severe_Rust width/height median",
            {"aspects": REFERENCE.aspects | {"Severe_Rust": AspectStatistics(0.33, 0.48, 0.61, 0.60)}},
        ),
        ("boxes per view", {"boxes_per_view": 1.6}),
        ("most boxes in a view", {"most_per_view": 7}),
    ],
)
def test_each_departure_is_told(measure_name: str, change: dict[str, object]) -> None:
    found = BoxStatistics(**(REFERENCE.__dict__ | change))  # type: ignore[arg-type]
    assert [row.measure for row in compare(found) if not row.ok] == [measure_name]


def test_a_class_without_boxes_is_not_ok(tmp_path: Path) -> None:
    write(tmp_path, "a", 1, [(1, 1, 10, 10)])
    rows = {row.measure: row for row in compare(measure(tmp_path, ["a"]))}
    assert math.isnan(rows["Chipped mean area"].value)
    assert not rows["Chipped mean area"].ok
    assert not rows["Chipped width/height median"].ok


def test_a_split_without_boxes_is_measured(tmp_path: Path) -> None:
    write(tmp_path, "a", 2, [])
    found = measure(tmp_path, ["a"])
    assert (found.boxes, found.boxes_per_view, found.most_per_view) == (0, 0.0, 0)
    assert found.shares == dict.fromkeys(CLASSES, 0.0)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"images": [], "annotations": []}'])
def test_a_folder_that_cannot_be_measured_is_named(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "annotations").mkdir()
    if content is not None:
        (tmp_path / "annotations" / "val.json").write_text(content)
    with pytest.raises(UserError, match=r"val\.json"):
        measure(tmp_path, ["val"])

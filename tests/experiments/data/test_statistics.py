"""Box statistics of hand-made groups, and those of the presets beside the plan's."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from experiments.data.defects import CLASSES
from experiments.data.groups import Box, Group, View
from experiments.data.scenes import group_boxes
from experiments.data.specimens import PRESETS, plan
from experiments.data.statistics import REFERENCE, AspectStatistics, BoxStatistics, Row, compare, measure

HEIGHT = 160  # px; below it, the least side of a box (2 px) would drop more boxes than at full size


def group(*views: list[tuple[int, float, float]], size: tuple[int, int] = (50, 100)) -> Group:
    """Boxes are (label, width, height), in images of ``size`` (width, height)."""
    made = [
        View(i, Path(f"g_crop_{i}.jpg"), *size, tuple(Box((1, 2, 1 + w, 2 + h), label) for label, w, h in boxes))
        for i, boxes in enumerate(views, start=1)
    ]
    return Group("g", tuple(made))


def test_measures_hand_made_boxes() -> None:
    first = group([(3, 10, 20), (3, 10, 40), (0, 25, 20)], [])
    second = group([(3, 30, 40), (3, 10, 10)], [], [(1, 5, 10)])
    found = measure([first, second], CLASSES)
    assert found.boxes == 6
    assert found.boxes_per_view == pytest.approx(6 / 5)
    assert found.most_per_view == 3  # view 1 of the first and view 1 of the second are different images
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


def test_own_classes_and_image_sizes_are_measured() -> None:
    found = measure([group([(1, 10, 20)]), group([(1, 10, 20)], size=(100, 200))], ["dent", "crack"])
    assert found.shares == {"dent": 0.0, "crack": 1.0}
    assert found.areas == pytest.approx({"crack": (200 / 5000 + 200 / 20000) / 2})


def test_groups_without_boxes_are_measured() -> None:
    found = measure([group([], [])], CLASSES)
    assert (found.boxes, found.boxes_per_view, found.most_per_view) == (0, 0.0, 0)
    assert found.shares == dict.fromkeys(CLASSES, 0.0)
    assert measure([], CLASSES).boxes_per_view == 0.0


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
        (
            "Chipped width/height P25",
            {"aspects": REFERENCE.aspects | {"Chipped": AspectStatistics(0.33, 0.51, 0.67, 0.47)}},
        ),
        (
            "Chipped share below 0.5",
            {"aspects": REFERENCE.aspects | {"Chipped": AspectStatistics(0.39, 0.51, 0.67, 0.53)}},
        ),
        ("boxes per view", {"boxes_per_view": 1.6}),
        ("most boxes in a view", {"most_per_view": 7}),
    ],
)
def test_each_departure_is_told(measure_name: str, change: dict[str, object]) -> None:
    found = BoxStatistics(**(REFERENCE.__dict__ | change))  # type: ignore[arg-type]
    assert [row.measure for row in compare(found) if not row.ok] == [measure_name]


def test_a_class_without_boxes_is_not_ok() -> None:
    rows = {row.measure: row for row in compare(measure([group([(0, 10, 10)])], CLASSES))}
    assert rows["Chipped mean area"].value is None
    assert not rows["Chipped mean area"].ok
    assert not rows["Chipped width/height median"].ok
    assert rows["Chipped mean area"].written() == ("no boxes", "1.47 %", "±0.29 points")


def test_figures_are_written_for_readers() -> None:
    assert Row("share", 0.1829, 0.182, 0.02, True, percent=True).written() == ("18.3 %", "18.2 %", "±2.0 points")
    assert Row("median", 0.444, 0.44, 0.03, True, percent=False).written() == ("0.44", "0.44", "±0.03")
    assert Row("most", 4, 6, 0, True, percent=False).written() == ("4", "6", "at most")


@pytest.mark.parametrize(("name", "seed"), [("cpu", 0), ("cpu", 1), ("gpu", 0), ("paper", 0)])
def test_the_presets_match_the_plan(name: str, seed: int) -> None:
    """All training groups by geometry alone, at 160 px of height with one sample per pixel: 1 to 5 s each."""
    full = PRESETS[name]
    preset = replace(full, height=HEIGHT, width=round(full.width * HEIGHT / full.height), supersample=1)
    planned = plan(preset, seed)
    groups = [
        group(*([(box[0], box[3], box[4]) for box in view] for view in group_boxes(own, preset)),
              size=(preset.width, preset.height))
        for split in ("train_labeled", "train_unlabeled")
        for own in planned[split]
    ]  # fmt: skip
    found = measure(groups, CLASSES)
    assert [asdict(row) for row in compare(found) if not row.ok] == []
    assert found.boxes == pytest.approx(1.4 * 8 * len(groups), rel=0.1)


def test_small_splits_hold_boxes_of_every_class() -> None:
    preset = replace(PRESETS["cpu"], height=HEIGHT, width=64, supersample=1)
    labels = [box[0] for own in plan(preset, 0)["val"] for view in group_boxes(own, preset) for box in view]
    assert 400 <= len(labels) <= 500
    assert min(labels.count(label) for label in range(len(CLASSES))) >= 25

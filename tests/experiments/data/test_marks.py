"""Boxes on pictures: colours, tags and where they are drawn."""

import numpy as np
import pytest
from PIL import Image

from experiments.config import load_config
from experiments.data.defects import CLASSES
from experiments.data.marks import Mark, class_colours, class_tags, draw_marks

RED = (254, 0, 86)  # Severe_Rust


def drawn(
    truth: tuple[Mark, ...] = (), found: tuple[Mark, ...] = (), scale: tuple[float, float] = (1.0, 1.0)
) -> np.ndarray:
    picture = Image.new("RGB", (100, 200), (128, 128, 128))
    draw_marks(picture, truth, found, CLASSES, scale=scale)
    return np.asarray(picture)


def is_red(picture: np.ndarray) -> np.ndarray:
    return np.asarray((picture == RED).all(axis=2))


def test_the_drill_bits_colours_are_those_of_the_config() -> None:
    metainfo = load_config("tiny").val_dataloader.dataset.metainfo
    assert [tuple(colour) for colour in metainfo.palette] == class_colours(list(metainfo.classes))
    assert class_colours(["Tip_Wear", "Broken"]) == [(199, 252, 0), (134, 34, 255)]


@pytest.mark.parametrize("count", [1, 7, 8, 30])
def test_other_classes_get_colours_and_tags_of_their_own(count: int) -> None:
    names = [f"dent {i}" for i in range(count)]
    assert len(set(class_colours(names))) == count
    assert len(set(class_tags(names))) == count
    assert class_colours(names)[0] == (0, 114, 178)  # Okabe and Ito's blue


def test_tags_are_initials_where_those_differ() -> None:
    assert class_tags(CLASSES) == ["B", "C", "S", "SR", "TW"]
    assert class_tags(["crack on edge", "___", "\N{LATIN CAPITAL LETTER O WITH DIAERESIS}l"]) == [
        "COE",
        "_",
        "\N{LATIN CAPITAL LETTER O WITH DIAERESIS}",
    ]
    assert class_tags(["scratch", "scar", "scab", "s", "S"]) == ["S", "sc", "sca", "s", "5"]


def test_a_box_is_outlined_where_it_is_at_its_scale() -> None:
    # 10..30 x 40..60 in the image, twice as large in the picture: 20..60 x 80..120
    red = is_red(drawn((Mark((10, 40, 30, 60), 3),), scale=(2.0, 2.0)))
    assert red[100, 20] and red[100, 21] and not red[100, 22] and not red[100, 19]
    assert red[100, 59] and not red[100, 60]
    assert red[80, 45:60].all() and red[119, 20:60].all()
    assert not red[90:110, 25:55].any()


def test_found_boxes_are_dashed() -> None:
    solid = is_red(drawn((Mark((20, 80, 60, 180), 3),)))
    dashed = is_red(drawn(found=(Mark((20, 80, 60, 180), 3, 0.5),)))
    assert solid[80:180, 20].all()
    assert dashed[80:85, 20].all() and not dashed[85:90, 20].any() and dashed[90:95, 20].all()
    assert dashed[179, 20:25].all() and not dashed[179, 25:30].any() and dashed[179, 30:35].all()


def test_the_tags_of_boxes_in_one_place_do_not_cover_each_other() -> None:
    one, other = Mark((20, 80, 60, 120), 0), Mark((20, 80, 60, 120), 3)
    both = drawn((one, other))
    violet, red = (both == (134, 34, 255)).all(axis=2), is_red(both)
    assert violet[:79].sum() > 50  # above the box
    assert red[121:].sum() > 50  # below it


@pytest.mark.parametrize("xyxy", [(0, 0, 100, 200), (95, 190, 100, 200), (0, 0, 1, 1), (0, 0, 0.2, 0.2)])
def test_tags_stay_in_the_picture(xyxy: tuple[float, float, float, float]) -> None:
    dark = (drawn(found=(Mark(xyxy, 3, 0.87),)) == (20, 20, 20)).all(axis=2)
    assert dark.sum() > 200  # the dark ground of "SR 0.87"

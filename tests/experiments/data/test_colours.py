"""Colour changes by tables: hand-worked levels, and pixel for pixel what mmcv and mmdet make."""

from typing import Any

import mmcv
import numpy as np
import pytest
from mmdet.registry import TRANSFORMS
from mmengine.registry import init_default_scope

import models  # noqa: F401  (installs the operators before mmdet is imported)
from experiments.data import colours
from experiments.data.transforms import ColorAugmentation

RANDOM = np.random.default_rng(0)
IMAGES = {
    "every level": RANDOM.integers(0, 256, (61, 37, 3), dtype=np.uint8),  # of a size that no vector register divides
    "grey": RANDOM.integers(90, 130, (40, 16, 3), dtype=np.uint8),
    "dark and bright": RANDOM.choice(np.array([0, 3, 250, 255], np.uint8), (33, 8, 3)),
    "one channel": np.stack([np.full((9, 9), 7), RANDOM.integers(0, 256, (9, 9)), np.zeros((9, 9))], -1).astype(
        np.uint8
    ),
    "one colour": np.full((5, 4, 3), 128, np.uint8),
    "a pixel": np.array([[[1, 2, 3]]], np.uint8),
}
FACTORS = [round(tenths / 10, 1) for tenths in range(31)]


def row(*levels: int) -> Any:
    """An image of one row, the same in all channels."""
    return np.repeat(np.array(levels, np.uint8)[None, :, None], 3, axis=2)


def levels(image: Any) -> list[int]:
    assert (image == image[..., :1]).all()
    return [int(level) for level in image[0, :, 0]]


def test_levels_by_hand() -> None:
    assert levels(colours.autocontrast(row(50, 100, 150))) == [0, 127, 255]  # (100 - 50) * 2.55 = 127.5
    assert levels(colours.brightness(row(10, 101, 200), 1.5)) == [15, 151, 255]
    assert levels(colours.contrast(row(50, 100, 150), 0.5)) == [75, 100, 125]
    assert levels(colours.posterize(row(63, 64, 200), 2.0)) == [0, 64, 192]
    assert levels(colours.posterize(row(63, 64, 200), 1.2)) == [0, 64, 192]
    many = row(*[10] * 300, *[20] * 300, *[30] * 300)  # steps of 600 // 255 = 2: 0, (300 + 1) // 2 and (600 + 1) // 2
    assert sorted(set(levels(colours.equalize(many)))) == [0, 150, 255]


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES.keys())
def test_every_pixel_is_as_mmcv_makes_it(image: Any) -> None:
    before = image.copy()
    same = [
        (colours.autocontrast(image), mmcv.auto_contrast(image)),
        (colours.equalize(image), mmcv.imequalize(image)),
        *((colours.brightness(image, factor), mmcv.adjust_brightness(image, factor)) for factor in FACTORS),
        *((colours.contrast(image, factor), mmcv.adjust_contrast(image, factor)) for factor in FACTORS),
        *((colours.sharpness(image, factor), mmcv.adjust_sharpness(image, factor)) for factor in FACTORS),
        *((colours.posterize(image, bits), mmcv.posterize(image, bits)) for bits in range(9)),
    ]
    for ours, theirs in same:
        assert ours.dtype == np.uint8
        assert np.array_equal(ours, theirs)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("factor", FACTORS)
def test_the_table_of_contrast_is_right_for_every_mean(factor: float) -> None:
    for mean in range(256):
        image = np.full((16, 16, 3), mean, np.uint8)
        image[0, 0], image[0, 1] = mean - min(mean, 255 - mean), mean + min(mean, 255 - mean)  # the mean stays
        assert np.array_equal(colours.contrast(image, factor), mmcv.adjust_contrast(image, factor))


def test_a_mirrored_view_of_an_image_is_one_too() -> None:
    image = IMAGES["every level"][:, ::-1]
    assert np.array_equal(colours.autocontrast(image), mmcv.auto_contrast(image))
    assert np.array_equal(colours.equalize(image), mmcv.imequalize(image))


def test_draws_and_pixels_are_those_of_mmdets_transforms_in_turn() -> None:
    init_default_scope("mmdet")
    settings: dict[str, dict[str, Any]] = {
        "AutoContrast": {"prob": 0.6},
        "Equalize": {"prob": 0.5},
        "Brightness": {"prob": 0.8, "min_mag": 0.7, "max_mag": 1.4},
        "Contrast": {"prob": 0.8, "min_mag": 0.7, "max_mag": 1.5},
        "Sharpness": {"prob": 0.5, "min_mag": 0.7, "max_mag": 2.0},
        "Posterize": {"prob": 0.3, "min_mag": 4.0, "max_mag": 8.0},
    }
    ours = ColorAugmentation(
        autocontrast={"prob": 0.6},
        equalize={"prob": 0.5},
        brightness={"prob": 0.8, "magnitude": (0.7, 1.4)},
        contrast={"prob": 0.8, "magnitude": (0.7, 1.5)},
        sharpness={"prob": 0.5, "magnitude": (0.7, 2.0)},
        posterize={"prob": 0.3, "magnitude": (4.0, 8.0)},
    )
    theirs = [TRANSFORMS.build({"type": f"mmdet.{name}", **setting}) for name, setting in settings.items()]
    views = [{"img": RANDOM.integers(20, 240, (24, 12, 3), dtype=np.uint8)} for _ in range(60)]
    np.random.seed(3)
    found = [view["img"] for view in ours({"views": views})["views"]]
    after = np.random.rand()
    np.random.seed(3)
    for view, image in zip(views, found, strict=True):
        expected: Any = dict(view)
        for transform in theirs:
            expected = transform(expected)
        assert np.array_equal(image, expected["img"])
    assert np.random.rand() == after

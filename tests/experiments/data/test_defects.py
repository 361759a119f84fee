"""Defects and look-alikes on the surface, and the boxes of what is visible."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.data.bits import Bit, Surface, blank_surface
from experiments.data.defects import (
    BROKEN,
    CHIPPED,
    CLASSES,
    SCRATCHED,
    SEVERE_RUST,
    TIP_WEAR,
    Defect,
    Difficulty,
    draw,
    visible_boxes,
)

BIT = Bit(
    radius=0.16,
    helix=2.4,
    phase=1.0,
    flute_depth=0.4,
    flute_start=0.3,
    tip=0.95,
    cone=0.1,
    warmth=0.0,
    seed=5,
)


def surface(rows: int = 240) -> Surface:
    z = ((np.arange(rows) + 0.5) / rows).astype(np.float32)
    return blank_surface(BIT, z, rows * 6 // 5)


def defect(kind: int | str, z: float = 0.6, height: float = 0.12, angle: float = 0.6, seed: int = 9) -> Defect:
    theta = BIT.edge(z, 0) - 0.3 * angle
    return Defect(kind, z, theta, height, angle, seed)


WORN = defect(TIP_WEAR, z=0.9, height=0.06, angle=1.2)
ALL = [defect(BROKEN, angle=1.2), defect(CHIPPED), defect(SCRATCHED), defect(SEVERE_RUST), WORN]


def test_the_classes_stand_in_the_order_of_the_data() -> None:
    assert CLASSES == ("Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear")
    assert [found.kind for found in ALL] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("one", ALL, ids=CLASSES)
def test_a_defect_marks_its_place_alone_and_shows_there(one: Defect) -> None:
    clean, drawn = surface(), surface()
    draw(drawn, BIT, one, 3, Difficulty())
    assert set(np.unique(drawn.labels)) == {0, 8}
    z = drawn.z[drawn.labels.any(1)]
    assert abs(float(z.mean()) - one.z) < 0.25 * one.height
    assert float(z.max() - z.min()) < 1.5 * one.height
    marked = drawn.labels > 0
    change = np.abs(drawn.albedo - clean.albedo).max(-1) + np.abs(drawn.radius - clean.radius)
    assert change[marked].mean() > 0.02
    assert change[~marked].mean() < 0.1 * change[marked].mean()


@pytest.mark.parametrize("one", ALL, ids=CLASSES)
def test_a_defect_lies_at_the_same_place_at_every_resolution(one: Defect) -> None:
    shares = []
    for rows in (240, 480):
        drawn = surface(rows)
        draw(drawn, BIT, one, 0, Difficulty())
        shares.append((drawn.z[drawn.labels.any(1)].mean(), float((drawn.labels > 0).mean())))
    assert shares[0][0] == pytest.approx(shares[1][0], abs=0.005)
    assert shares[0][1] == pytest.approx(shares[1][1], rel=0.25)


@pytest.mark.parametrize("name", ["film", "stain", "smudge", "dust"])
def test_a_look_alike_shows_but_is_not_marked(name: str) -> None:
    clean, drawn = surface(), surface()
    draw(drawn, BIT, defect(name), 0, Difficulty())
    assert not drawn.labels.any()
    assert not drawn.facing.any()
    assert drawn.radius == pytest.approx(clean.radius, rel=0.004)  # a stain is as rough as rust; outlines stay whole
    assert np.abs(drawn.albedo - clean.albedo).max() + drawn.tint.max() > 0.05


@pytest.mark.parametrize(("kind", "name"), [(SEVERE_RUST, "stain"), (CHIPPED, "smudge")])
def test_from_the_side_a_defect_and_its_look_alike_have_the_same_colours(kind: int, name: str) -> None:
    true, false = surface(), surface()
    draw(true, BIT, ALL[kind], 0, Difficulty())
    draw(false, BIT, replace(ALL[kind], kind=name), 0, Difficulty())
    assert np.array_equal(true.albedo, false.albedo)
    shows = true.facing[..., 3] > 0.3
    assert (shows & (true.labels > 0)).sum() > 0.5 * (true.labels > 0).sum()  # and from the front the true one shows


def test_broken_removes_metal_and_wear_rounds_the_tip() -> None:
    clean, drawn = surface(), surface()
    draw(drawn, BIT, ALL[BROKEN], 0, Difficulty())
    lost = 1 - drawn.radius[drawn.labels > 0] / clean.radius[drawn.labels > 0]
    assert lost.max() > 0.25
    worn = surface()
    draw(worn, BIT, WORN, 0, Difficulty())
    assert worn.gloss[worn.labels > 0].mean() > clean.gloss[worn.labels > 0].mean() + 0.1


@pytest.mark.parametrize(
    ("kind", "faint", "strong"),
    [
        (SEVERE_RUST, Difficulty(rust=(0.1, 0.1)), Difficulty(rust=(0.8, 0.8))),
        (CHIPPED, Difficulty(chip=0.02), Difficulty(chip=0.4)),
        (SCRATCHED, Difficulty(scratch=(0.05, 0.05)), Difficulty(scratch=(0.6, 0.6))),
    ],
)
def test_the_contrasts_take_effect(kind: int, faint: Difficulty, strong: Difficulty) -> None:
    clean = surface()
    changes = []
    for difficulty in (faint, strong):
        drawn = surface()
        draw(drawn, BIT, ALL[kind], 0, difficulty)
        changes.append(np.abs(drawn.albedo - clean.albedo)[drawn.labels > 0].mean())
    assert changes[1] > 3 * changes[0]


def test_chip_depth_takes_effect() -> None:
    radii = []
    for depth in (0.01, 0.2):
        drawn = surface()
        draw(drawn, BIT, ALL[CHIPPED], 0, Difficulty(chip_depth=(depth, depth)))
        radii.append(drawn.radius[drawn.labels > 0].mean())
    assert radii[1] < 0.97 * radii[0]


def test_a_defect_outside_the_picture_is_nowhere() -> None:
    drawn = surface()
    for one in (*ALL, defect("film")):
        away = Defect(one.kind, -2.0, 1.0, one.height, one.angle, 1)
        draw(drawn, BIT, away, 0, Difficulty())
    assert not drawn.labels.any()


def test_boxes_are_tight_around_the_visible_pixels() -> None:
    labels = np.zeros((3, 20, 12), dtype=np.uint8)
    labels[0, 4:10, 3:8] |= 1  # 6 high, 5 wide: 30 px, the best view of the first defect
    labels[0, 8:12, 6:10] |= 2  # the second defect overlaps it
    labels[1, 4:10, 0:2] |= 1  # 12 px = 40 % of the best view
    labels[2, 4:6, 0:2] |= 1  # 4 px = 13 %: too little is visible
    boxes = visible_boxes(labels, 2, share=0.3, side=2)
    plain = [[(index, box.tolist()) for index, box in view] for view in boxes]
    assert plain == [
        [(0, [3.0, 4.0, 5.0, 6.0]), (1, [6.0, 8.0, 4.0, 4.0])],
        [(0, [0.0, 4.0, 2.0, 6.0])],
        [],
    ]
    assert [len(view) for view in visible_boxes(labels, 2, share=0.3, side=3)] == [2, 0, 0]
    assert [len(view) for view in visible_boxes(labels, 2, share=0.1, side=2)] == [2, 1, 1]


def test_no_boxes_where_nothing_is_visible() -> None:
    assert visible_boxes(np.zeros((2, 4, 4), dtype=np.uint8), 3, share=0.3, side=1) == [[], []]

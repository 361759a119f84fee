"""Geometry and shading of one bit, against hand-worked numbers."""

import numpy as np
import pytest

from experiments.data.bits import (
    TAU,
    Bit,
    Lighting,
    Surface,
    blank_surface,
    noise,
    project,
    sample_bit,
    sample_lighting,
    shade,
    shape,
)

ROWS = ((np.arange(80) + 0.5) / 80).astype(np.float32)
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
FRONT = np.zeros(1, dtype=np.float32)
AXIS = np.full(80, 24, dtype=np.float32)


def lamp(**changes: object) -> Lighting:
    settings: dict[str, object] = {
        "exposure": 1.0,
        "ambient": 0.2,
        "diffuse": 0.5,
        "key": (-0.6, 0.0, 0.8),
        "strips": (),
        "glare": 0.0,
        "glare_at": 0.0,
        "noise": 0.0,
        "background": (0.0, 0.0, 0.0),
        "glints": (),
    }
    return Lighting(**(settings | changes))  # type: ignore[arg-type]


def cylinder(columns: int = 720) -> Surface:
    theta = ((np.arange(columns) + 0.5) * (TAU / columns)).astype(np.float32)
    full = np.full((80, columns), 0.25, dtype=np.float32)
    albedo = np.full((80, columns, 3), 0.6, dtype=np.float32)
    facing = np.zeros((80, columns, 4), dtype=np.float32)
    return Surface(ROWS, theta, full, albedo, full * 2, full * 0, facing, np.zeros((80, columns), dtype=np.uint8))


def test_a_pixel_of_a_cylinder_sees_the_arc_sine_of_its_place() -> None:
    seen = project(cylinder().radius, FRONT, AXIS, 80, 48)  # radius 20 px around x = 24
    assert seen.shape == (1, 80, 48)
    assert np.flatnonzero(seen[0, 7] >= 0).tolist() == list(range(4, 44))
    # the centre of pixel 34 is 10.5 px right of the axis: asin(10.5 / 20) = 31.67 degrees
    assert seen[0, 7, 34] == pytest.approx(2 * 31.668 - 0.5, abs=0.02)
    # the same pixel, seen after a turn of 90 degrees
    turned = project(cylinder().radius, FRONT + np.float32(np.pi / 2), AXIS, 80, 48)
    assert turned[0, 7, 34] == pytest.approx(2 * (31.668 + 90) - 0.5, abs=0.02)


def test_the_nearest_surface_hides_what_is_behind_it() -> None:
    radius = np.full((80, 720), 0.125, dtype=np.float32)  # 10 px
    radius[:, 80:160] = 0.25  # 20 px between 40 and 80 degrees
    seen = project(radius, FRONT, AXIS, 80, 48)[0, 40]
    assert seen[24 + 3] == pytest.approx(2 * np.degrees(np.arcsin(0.35)) - 0.5, abs=0.02)
    # the wall at 40 degrees spans x = 10 sin 40 = 6.4 to 20 sin 40 = 12.9 px: it hides the small circle there
    assert seen[24 + 7 : 24 + 12] == pytest.approx([79.5] * 5, abs=0.6)
    # beyond it the large radius: asin(15.5 / 20) = 50.8 degrees
    assert seen[24 + 15] == pytest.approx(2 * 50.805 - 0.5, abs=0.05)
    assert (seen[24 + 20 :] == -1).all()


def test_a_patch_is_foreshortened_by_the_cosine_of_its_angle() -> None:
    columns = 3600
    radius = np.full((4, columns), 0.25, dtype=np.float32)
    axis = np.full(4, 120, dtype=np.float32)
    marked = np.zeros(columns, dtype=bool)
    marked[500:700] = True  # 50..70 degrees
    widths = []
    for view in (60, 0):
        phi = np.full(1, np.radians(view), dtype=np.float32)
        seen = project(radius, phi, axis, 400, 240)[0, 0]  # radius 100 px
        widths.append(int(marked[np.rint(seen[seen >= 0]).astype(int) % columns].sum()))
    # 2 R sin 10 = 34.7 px from the front; R (sin 70 - sin 50) = 17.4 px, half of it, from 60 degrees aside
    assert widths == pytest.approx([34.7, 17.4], abs=1.0)


def test_the_shape_has_shank_flutes_and_tip() -> None:
    theta = ((np.arange(720) + 0.5) * (TAU / 720)).astype(np.float32)
    z = np.array([0.1, 0.7, 0.9, 0.96], dtype=np.float32)
    shank, fluted, cone, below = shape(BIT, z, theta)
    assert shank == pytest.approx(np.full(720, 0.975 * 0.16), rel=1e-5)
    assert fluted.max() == pytest.approx(0.16, rel=1e-5)
    assert fluted.min() == pytest.approx(0.6 * 0.16, rel=1e-3)
    assert cone.max() == pytest.approx(0.08, rel=1e-3)  # half way down the cone
    assert (below == 0).all()


def test_the_cutting_edge_is_where_the_flute_begins() -> None:
    z = 0.7
    around = BIT.edge(z, 0) + np.array([-0.03, 0.05], dtype=np.float32)
    land, flute = shape(BIT, np.array([z], dtype=np.float32), around.astype(np.float32))[0]
    assert land == pytest.approx(0.16, rel=1e-4)
    assert flute < 0.9 * 0.16


def test_noise_belongs_to_the_place_and_closes_around_the_bit() -> None:
    theta = np.linspace(0, TAU, 64, endpoint=False).astype(np.float32)
    dense = noise(3, ROWS, theta, (20, 12))
    assert noise(3, ROWS[::4], theta[::2], (20, 12)) == pytest.approx(dense[::4, ::2], abs=1e-6)
    assert noise(3, ROWS, theta + np.float32(TAU), (20, 12)) == pytest.approx(dense, abs=0.15)
    assert 0.5 < dense.std() < 1.5
    assert not np.array_equal(noise(4, ROWS, theta, (20, 12)), dense)


def test_light_stands_still_while_the_bit_turns() -> None:
    phis = np.array([0.0, 1.0], dtype=np.float32)
    surface = cylinder()
    seen = project(surface.radius, phis, AXIS, 80, 48)
    first, second = shade(surface, seen, phis, lamp(strips=((0.5, 0.2, 1.0),), glare=0.4, glare_at=0.3))
    assert first == pytest.approx(second, abs=0.02)  # an even cylinder looks the same from all sides


def test_a_facing_colour_shows_within_14_degrees_of_the_camera_and_not_beyond_26() -> None:
    plain, red = cylinder(), cylinder()
    red.facing[:] = (0.6, 0.0, 0.0, 1.0)
    seen = project(plain.radius, FRONT, AXIS, 80, 48)
    before, after = (shade(surface, seen, FRONT, lamp())[0, 40] for surface in (plain, red))
    assert (before[5:43] > 0).all()
    # radius 20 px around x = 24: 4.5 px aside are 13 degrees, 9.5 px are 28
    assert after[20:28, 1] == pytest.approx(np.zeros(8), abs=1e-6)
    assert after[20:28, 0] == pytest.approx(before[20:28, 0], abs=1e-6)  # the steel's 0.6 too
    assert after[5:15] == pytest.approx(before[5:15])
    assert after[33:43] == pytest.approx(before[33:43])
    assert 0 < after[30, 1] < before[30, 1]  # between them


def test_the_side_of_the_lamp_is_brighter_and_exposure_scales() -> None:
    surface = cylinder()
    seen = project(surface.radius, FRONT, AXIS, 80, 48)
    image = shade(surface, seen, FRONT, lamp())[0]
    assert image[40, 10, 0] > 1.3 * image[40, 37, 0]  # the key lamp stands to the left
    assert (image[40, :4] == 0).all()  # background
    half = shade(surface, seen, FRONT, lamp(exposure=0.5))[0]
    assert half == pytest.approx(image / 2, abs=1e-6)


def test_draws_are_repeatable_and_dark_is_darker() -> None:
    assert sample_bit(np.random.default_rng(1)) == sample_bit(np.random.default_rng(1))
    lamps = [
        sample_lighting(np.random.default_rng(2), name, glare=0.3, glints=1.0, views=8)
        for name in ("bright", "dark", "dark")
    ]
    assert lamps[1] == lamps[2]
    assert lamps[1].exposure < lamps[0].exposure
    assert lamps[1].noise > lamps[0].noise


def test_a_blank_surface_holds_no_defect() -> None:
    surface = blank_surface(BIT, ROWS, 192)
    assert surface.radius.shape == surface.labels.shape == (80, 192)
    assert not surface.labels.any()
    assert not surface.tint.any()
    assert 0.3 < surface.albedo.mean() < 0.9

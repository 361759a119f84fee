"""One group: the eight views of one shot of a bit, and the boxes of the defects they show."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from experiments.data.bits import Floats, Lighting, Surface, blank_surface, project, sample_lighting, shade
from experiments.data.defects import Difficulty, draw, visible_boxes
from experiments.data.specimens import VIEWS, Group, Preset

LEAST_SHARE = 0.25  # a view shows a defect if it shows this share of what the best view shows
LEAST_SIDE = 0.0125  # in crop heights, and never below 2 px

Box = tuple[int, float, float, float, float]  # class index, x, y, w, h in pixels of the crop


def group_boxes(group: Group, preset: Preset, difficulty: Difficulty | None = None) -> list[list[Box]]:
    """The boxes of each view, by geometry alone (no shading); the same as those of ``render_group``."""
    return pose(group, preset, difficulty or Difficulty()).boxes


class Scene(NamedTuple):
    """A bit in the pose of one shot: its surface, what the pixels see (V, Z, W), view angles (V,), boxes."""

    surface: Surface
    seen: Floats
    phis: Floats
    boxes: list[list[Box]]


def pose(group: Group, preset: Preset, difficulty: Difficulty) -> Scene:
    """Build the surface of a bit, put it in the pose of this shot and find what each view shows."""
    rng = group.generator(0)
    factor = preset.supersample
    scale, bit, defects = preset.height * factor, group.specimen.bit, group.specimen.defects
    shift, offset, tilt = rng.normal(0, 0.006), rng.normal(0, 0.003), rng.normal(0, 0.006)
    z = ((np.arange(scale) + 0.5) / scale - shift).astype(np.float32)
    columns = 64 * int(np.ceil(2 * np.pi * bit.radius * scale * 1.2 / 64))
    surface = blank_surface(bit, z, columns)
    for look_alike in group.specimen.look_alikes:
        draw(surface, bit, look_alike, 0, difficulty)
    for label, defect in enumerate(defects):
        draw(surface, bit, defect, label, difficulty)
    turn = rng.uniform(0, 2 * np.pi) if group.shot > 1 else rng.normal(0, 0.08)
    phis = (turn + np.arange(VIEWS) * (2 * np.pi / VIEWS)).astype(np.float32)
    axis = (preset.width * factor / 2 + scale * (offset + tilt * (z - 0.5))).astype(np.float32)
    seen = project(surface.radius, phis, axis, scale, preset.width * factor)
    column = np.rint(np.maximum(seen, 0)).astype(np.int32) % columns
    labels = np.where(seen >= 0, surface.labels[np.arange(scale)[None, :, None], column], 0).astype(np.uint8)
    side = max(2.0, LEAST_SIDE * preset.height) * factor
    found = visible_boxes(labels, len(defects), share=LEAST_SHARE, side=side)
    boxes: list[list[Box]] = []
    for view in found:
        scaled = [(int(defects[i].kind), *(box / factor).tolist()) for i, box in view]
        boxes.append([(kind, x, y, w, h) for kind, x, y, w, h in scaled])
    return Scene(surface, seen, phis, boxes)


def render_group(
    group: Group, preset: Preset, difficulty: Difficulty | None = None
) -> tuple[NDArray[np.uint8], list[list[Box]]]:
    """Render one group.

    Returns:
        Views (V, H, W, 3) in RGB, and for each view its boxes as (class index, x, y, w, h) in pixels.
    """
    difficulty = difficulty or Difficulty()
    surface, seen, phis, boxes = pose(group, preset, difficulty)
    rng = group.generator(1)
    lighting = sample_lighting(rng, group.lighting, glare=difficulty.glare, glints=difficulty.glints, views=VIEWS)
    image = shade(surface, seen, phis, lighting)
    views = np.empty((VIEWS, preset.height, preset.width, 3), dtype=np.uint8)
    for view in range(VIEWS):
        views[view] = _develop(image[view], seen[view] >= 0, lighting, preset, rng)
    return views, boxes


def _develop(
    image: Floats, solid: NDArray[np.bool_], lighting: Lighting, preset: Preset, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Put a rendered view before its background, average it down to pixels, add the noise of the camera."""
    fall = np.linspace(1.06, 0.90, len(solid), dtype=np.float32)[:, None, None]
    backdrop = np.asarray(lighting.background, dtype=np.float32) * fall
    full = np.where(solid[..., None], image, backdrop).astype(np.float32)
    small = cv2.resize(full, (preset.width, preset.height), interpolation=cv2.INTER_AREA)
    small = small + rng.standard_normal(small.shape, dtype=np.float32) * np.float32(lighting.noise)
    return np.asarray(np.clip(small, 0, 1) ** (1 / 1.25) * 255 + 0.5, dtype=np.uint8)

"""The five defect classes and the harmless look-alikes, drawn onto the surface of a bit.

Everything lives in surface coordinates (see ``bits``): a defect is a place, an extent and a seed, the same in
every view, shot and scale. Drawing changes the maps of a ``Surface`` and marks the defect's bit in
``labels``; look-alikes change the maps and mark nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.data.bits import TAU, Bit, Floats, Surface, noise, smoothstep

CLASSES = ("Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear")
BROKEN, CHIPPED, SCRATCHED, SEVERE_RUST, TIP_WEAR = range(5)


@dataclass(frozen=True)
class Difficulty:
    """What makes the classes hard: contrasts (0..1), strengths and rates. Change these to tune the task.

    ``rust`` is the range of opacity of rust, ``chip_depth`` the depth of a nick as a share of the radius,
    ``chip`` the brightness change of its fracture, ``scratch`` the brightness change of a line, ``glare`` the
    veil of the highlight. Mean numbers of look-alikes per bit: ``films`` and ``stains`` (of rust),
    ``smudges`` (of chips), ``dust`` (specks); ``glints`` is the mean number of passing reflections per view.
    """

    rust: tuple[float, float] = (0.20, 0.50)
    chip_depth: tuple[float, float] = (0.015, 0.05)
    chip: float = 0.34
    scratch: tuple[float, float] = (0.8, 1.6)
    glare: float = 0.30
    films: float = 0.6
    stains: float = 1.2
    smudges: float = 1.4
    dust: float = 4.0
    glints: float = 0.5


@dataclass(frozen=True)
class Defect:
    """A defect (``kind`` is a class index) or a look-alike (``kind`` is its name).

    ``z`` and ``theta`` are its centre, ``height`` (crop heights) and ``angle`` (rad) its full extents.
    """

    kind: int | str
    z: float
    theta: float
    height: float
    angle: float
    seed: int


class _Patch(NamedTuple):
    """The window of the surface around a defect: an index into the maps and local coordinates in -1..1."""

    at: tuple[NDArray[np.intp], ...]
    z: Floats
    theta: Floats
    v: Floats  # (n, 1)
    u: Floats  # (n, m)


def _patch(surface: Surface, defect: Defect, *, lean: float = 0.0, margin: float = 1.5) -> _Patch | None:
    """Cut the window, sheared by ``lean`` (rad per crop height); None where it misses the surface."""
    half_z, half_t = defect.height / 2, defect.angle / 2
    rows = np.flatnonzero(np.abs(surface.z - defect.z) <= half_z * margin)
    if rows.size == 0:
        return None
    reach = min(half_t * margin + abs(lean) * half_z * margin, np.pi * 0.98)
    offset = np.mod(surface.theta - defect.theta + np.pi, TAU) - np.pi
    columns = np.flatnonzero(np.abs(offset) <= reach)
    if columns.size == 0:
        return None
    columns = columns[np.argsort(offset[columns])]
    z, theta = surface.z[rows], (defect.theta + offset[columns]).astype(np.float32)
    v = ((z - defect.z) / half_z).astype(np.float32)[:, None]
    u = ((offset[columns][None, :] - lean * (z - defect.z)[:, None]) / half_t).astype(np.float32)
    return _Patch(np.ix_(rows, columns), z, theta, v, u)


def _rough(seed: int, patch: _Patch, cells: tuple[int, int]) -> Floats:
    """Two octaves of noise over a patch, about unit variance."""
    coarse = noise(seed, patch.z, patch.theta, cells)
    fine = noise(seed + 1, patch.z, patch.theta, (cells[0] * 2, cells[1] * 2))
    return np.asarray(0.8 * coarse + 0.45 * fine, dtype=np.float32)


def _blend(surface: Surface, patch: _Patch, alpha: Floats, colour: Floats, gloss: float) -> None:
    surface.albedo[patch.at] += alpha[..., None] * (colour - surface.albedo[patch.at])
    surface.gloss[patch.at] += alpha * (np.float32(gloss) - surface.gloss[patch.at])


def _show_facing(surface: Surface, patch: _Patch, opacity: Floats, colour: NDArray[np.floating]) -> None:
    """Lay on a colour that only shows where the surface faces the camera."""
    colour = np.clip(colour, 0, 1.5) * opacity[..., None]
    before = surface.facing[patch.at]
    surface.facing[patch.at] = before * (1 - opacity[..., None]) + np.dstack([colour, opacity]).astype(np.float32)


def _mark(surface: Surface, patch: _Patch, mask: NDArray[np.bool_], label: int) -> None:
    surface.labels[patch.at] |= np.where(mask, np.uint8(1 << label), np.uint8(0))


def _broken(surface: Surface, bit: Bit, defect: Defect, label: int, _: Difficulty) -> None:
    """A missing chunk: the radius is cut back to a jagged, dull fracture."""
    patch = _patch(surface, defect)
    if patch is None:
        return
    rng = np.random.default_rng(defect.seed)
    inside = 1 - np.sqrt(patch.u**2 + patch.v**2) + 0.13 * _rough(defect.seed, patch, (24, 16))
    depth = rng.uniform(0.36, 0.5)
    facets = noise(defect.seed + 7, patch.z, patch.theta, (40, 26))
    floor = bit.radius * (1 - depth * smoothstep(inside / 0.45) ** 0.6 + 0.03 * np.round(facets * 1.5))
    before = surface.radius[patch.at]
    cut = (inside > 0) & (floor < before * 0.985)
    after = np.where(cut, floor, before)
    surface.radius[patch.at] = after
    grain = 0.40 + 0.13 * noise(defect.seed + 3, patch.z, patch.theta, (130, 110)) + 0.05 * facets
    colour = np.repeat(grain[..., None], 3, axis=2) * np.array([1.0, 0.98, 0.95], dtype=np.float32)
    _blend(surface, patch, cut.astype(np.float32) * 0.85, colour.astype(np.float32), 0.1)
    _mark(surface, patch, cut, label)


def _chipped(surface: Surface, bit: Bit, defect: Defect, label: int | None, difficulty: Difficulty) -> None:
    """Nicks along a cutting edge, seldom deep; the steel around shines where it faces the camera. Without a label: a smudge."""
    patch = _patch(surface, defect, lean=bit.helix, margin=1.3)
    if patch is None:
        return
    rng = np.random.default_rng(defect.seed)
    scallops = 0.30 * np.cos(patch.v * rng.uniform(5, 8) + rng.uniform(0, TAU))
    inside = 1 - np.abs(patch.u) ** 1.5 - np.abs(patch.v) ** 3 + scallops * (1 - patch.v**2)
    inside = inside + 0.16 * _rough(defect.seed, patch, (60, 40))
    nick = (inside > 0) & (np.abs(patch.v) < 1) & (np.abs(patch.u) < 1)
    alpha = smoothstep(inside / 0.5) * nick
    depth = rng.uniform(*difficulty.chip_depth)
    ragged = 1 + 0.25 * noise(defect.seed + 5, patch.z, patch.theta, (50, 36))
    if label is not None:
        surface.radius[patch.at] *= 1 - depth * alpha * np.clip(ragged, 0.2, 2)
    sign = 1.0 if rng.random() < 0.6 else -1.0
    change = 1 + sign * difficulty.chip * (0.8 + 0.5 * noise(defect.seed + 3, patch.z, patch.theta, (90, 70)))
    _blend(surface, patch, alpha, surface.albedo[patch.at] * change[..., None], 0.35)
    if label is not None:
        _mark(surface, patch, nick, label)
        around = _patch(surface, replace(defect, height=1.8 * defect.height, angle=3.5 * defect.angle), lean=bit.helix)
        assert around is not None
        rubbed = smoothstep((1 - around.u**2 - around.v**2 + 0.15 * _rough(defect.seed + 9, around, (60, 40))) / 0.5)
        _show_facing(surface, around, 0.7 * rubbed, np.array([1.30, 1.26, 1.16], dtype=np.float32))


def _scratched(surface: Surface, bit: Bit, defect: Defect, label: int, difficulty: Difficulty) -> None:
    """Three to six thin lines across the extent, crossing each other."""
    patch = _patch(surface, defect, margin=1.05)
    if patch is None:
        return
    rng = np.random.default_rng(defect.seed)
    sign = rng.choice([-1.0, 1.0])
    strength = rng.uniform(*difficulty.scratch)
    contrast = strength if rng.random() < 0.65 else -min(strength, 0.85)
    arc = bit.radius * defect.angle / 2
    width = max(rng.uniform(0.0036, 0.0060), 0.6 * float(surface.z[1] - surface.z[0]))
    mask = np.zeros(patch.u.shape, dtype=bool)
    lines = int(rng.integers(3, 7))
    length = np.hypot(arc, defect.height / 2)
    for line in range(lines):
        shift = 0.0 if line == 0 else rng.uniform(-0.35, 0.35)
        reach = 1.0 if line == 0 else rng.uniform(0.35, 0.75)
        bow = rng.uniform(-0.12, 0.12)
        lean = sign if line % 2 == 0 else -sign
        off = patch.u - lean * patch.v - shift - bow * (1 - patch.v**2)
        distance = np.abs(off) * arc * (defect.height / 2) / length
        near = (distance < width) & (np.abs(patch.v) <= reach) & (np.abs(patch.u) <= 1)
        fade = np.clip(1 - distance / width, 0, 1) ** 0.5 * near
        surface.albedo[patch.at] *= (1 + contrast * fade)[..., None]
        surface.radius[patch.at] *= 1 - 0.006 * fade
        mask |= near
    _mark(surface, patch, mask, label)


def _rusted(surface: Surface, bit: Bit, defect: Defect, label: int | None, difficulty: Difficulty) -> None:
    """A brown, dull, pitted patch with a ragged rim; it glows orange where it faces the camera. Without a label: a stain."""
    patch = _patch(surface, defect)
    if patch is None:
        return
    rng = np.random.default_rng(defect.seed)
    inside = 1 - np.sqrt(patch.u**2 + patch.v**2) + 0.16 * _rough(defect.seed, patch, (22, 14))
    speckle = _rough(defect.seed + 11, patch, (90, 64))
    opacity = rng.uniform(*difficulty.rust)
    alpha = np.clip(opacity * smoothstep(inside / 0.28) * (0.85 + 0.22 * speckle), 0, 0.9).astype(np.float32)
    brown = np.array([0.43, 0.31, 0.22], dtype=np.float32) * rng.uniform(0.8, 1.25)
    shades = brown * (1 + 0.16 * noise(defect.seed + 4, patch.z, patch.theta, (60, 44)))[..., None]
    _blend(surface, patch, alpha, shades.astype(np.float32), 0.15)
    surface.radius[patch.at] *= 1 + 0.0015 * opacity * speckle * (inside > 0)
    if label is not None:
        orange = np.array([0.62, 0.30, 0.10]) * (1 + 0.25 * speckle)[..., None]
        _show_facing(surface, patch, 0.8 * smoothstep(inside / 0.28), orange)
        _mark(surface, patch, inside > 0.08, label)


def _worn(surface: Surface, bit: Bit, defect: Defect, label: int, _: Difficulty) -> None:
    """A cutting lip rubbed round and shiny at the tip."""
    patch = _patch(surface, defect, margin=1.2)
    if patch is None:
        return
    inside = 1 - np.abs(patch.u) ** 2.5 - np.abs(patch.v) ** 2.5 + 0.10 * _rough(defect.seed, patch, (40, 20))
    there = surface.radius[patch.at] > 0
    alpha = (smoothstep(inside / 0.4) * there).astype(np.float32)
    before = surface.radius[patch.at]
    smooth = np.minimum(before, bit.radius * np.sqrt(np.clip((bit.tip - patch.z) / bit.cone, 0, 1))[:, None])
    surface.radius[patch.at] = before + alpha * (smooth * 0.93 - before)
    shine = np.array([1.5, 1.47, 1.40], dtype=np.float32) * np.ones((*alpha.shape, 1), dtype=np.float32)
    rubbed = shine * (1 + 0.06 * noise(defect.seed + 2, patch.z, patch.theta, (40, 160)))[..., None]
    _blend(surface, patch, alpha * 0.9, rubbed.astype(np.float32), 0.95)
    _mark(surface, patch, (inside > 0) & there, label)


def _look_alike(surface: Surface, bit: Bit, defect: Defect, difficulty: Difficulty) -> None:
    """Draw a film, a stain, a smudge or dust.

    A film (heat tint) is glossy, brown from the side and bluish from the front; a stain is what rust looks like from the side,
    and a smudge what a chip does, but from every side; dust is a speck.
    """
    if defect.kind == "stain":
        _rusted(surface, bit, defect, None, difficulty)
        return
    if defect.kind == "smudge":
        _chipped(surface, bit, defect, None, difficulty)
        return
    patch = _patch(surface, defect)
    if patch is None:
        return
    rng = np.random.default_rng(defect.seed)
    inside = 1 - np.sqrt(patch.u**2 + patch.v**2)
    if defect.kind == "film":
        inside = inside + 0.16 * _rough(defect.seed, patch, (22, 14))
        mottled = 0.85 + 0.2 * _rough(defect.seed + 2, patch, (60, 40))
        alpha = rng.uniform(0.4, 0.8) * smoothstep(inside / 0.6) * mottled
        surface.tint[patch.at] = np.maximum(surface.tint[patch.at], np.clip(alpha, 0, 0.9))
    else:
        level = rng.uniform(0.5, 1.4)
        alpha = smoothstep((inside + 0.2 * _rough(defect.seed, patch, (60, 40))) / 0.7)
        surface.albedo[patch.at] *= (1 + (level - 1) * alpha)[..., None]


_DRAW: tuple[Callable[[Surface, Bit, Defect, int, Difficulty], None], ...] = (
    _broken,
    _chipped,
    _scratched,
    _rusted,
    _worn,
)


def draw(surface: Surface, bit: Bit, defect: Defect, label: int, difficulty: Difficulty) -> None:
    """Draw a defect or a look-alike onto the maps in place; a defect is marked as bit ``label`` (0..7)."""
    if isinstance(defect.kind, int):
        _DRAW[defect.kind](surface, bit, defect, label, difficulty)
    else:
        _look_alike(surface, bit, defect, difficulty)


def visible_boxes(
    labels: NDArray[np.uint8], count: int, *, share: float, side: float
) -> list[list[tuple[int, Floats]]]:
    """Tight boxes of the visible pixels of each defect in each view.

    Args:
        labels: (V, H, W) bit masks of what the pixels show.
        count: number of defects.
        share: least visible pixels, as a share of those in the view that shows this defect best.
        side: least width and height in pixels.

    Returns:
        For each view a list of (defect, [x, y, w, h] in pixels).
    """
    boxes: list[list[tuple[int, Floats]]] = [[] for _ in labels]
    for defect in range(count):
        mask = (labels >> defect) & 1
        area = mask.sum(axis=(1, 2), dtype=np.int64)
        for view in np.flatnonzero((area > 0) & (area >= share * area.max())):
            x, y = np.flatnonzero(mask[view].any(0)), np.flatnonzero(mask[view].any(1))
            box = np.array([x[0], y[0], x[-1] + 1 - x[0], y[-1] + 1 - y[0]], dtype=np.float32)
            if box[2] >= side and box[3] >= side:
                boxes[view].append((defect, box))
    return boxes

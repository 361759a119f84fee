"""One drill bit: its surface in cylinder coordinates, its projection into the views, and its shading.

Conventions. Lengths are in crop heights (1 = the height of the image); ``z`` runs down the image, the tip is
at the bottom; ``theta`` runs around the bit in radians. Maps over the surface are (Z, T): Z rows (one per
image row, so a view never mixes rows) and T columns of equal angle. A view at angle ``phi`` sees a surface
point at ``x = axis + r sin(theta - phi)``; it faces the camera where ``cos(theta - phi) > 0``. Light and
camera stand still while the bit turns, so a highlight stays in the image and a defect wanders under it.
Images are RGB.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
TAU = 2 * np.pi
_FACING = (
    0.90,
    0.97,
)  # cosines: within 14 degrees of the camera a surface faces it, beyond 26 it does not; views are 45 apart
EDGE = 1.6  # half width of a flute in its own phase (rad; one flute spans pi of the circumference)


@dataclass(frozen=True)
class Bit:
    """Shape of an unharmed bit: two helical flutes below a plain shank, a conical tip."""

    radius: float
    helix: float  # turn of the flutes in rad per crop height
    phase: float
    flute_depth: float  # share of the radius
    flute_start: float
    tip: float  # z of the point
    cone: float  # height of the cone
    warmth: float  # tint of the steel, -1 (blue) .. 1 (straw)
    seed: int

    def edge(self, z: float, flute: int) -> float:
        """Angle of the cutting edge of a flute at height ``z``."""
        return self.phase + self.helix * z + flute * np.pi - EDGE / 2


@dataclass
class Surface:
    """Maps over one bit, all (Z, T) but ``albedo`` (Z, T, 3) and ``facing`` (Z, T, 4); ``radius`` is in crop heights.

    ``tint`` is a transparent film whose colour turns with the viewing angle; ``facing`` is colour times opacity, and opacity,
    of what shows only where the surface faces the camera; bit i of ``labels`` marks defect i. ``z`` (Z,) and ``theta`` (T,)
    are the coordinates of rows and columns.
    """

    z: Floats
    theta: Floats
    radius: Floats
    albedo: Floats
    gloss: Floats
    tint: Floats
    facing: Floats
    labels: NDArray[np.uint8]


class Glint(NamedTuple):
    """A passing reflection in one view; it lights the surface around ``z`` whose normal has this x part."""

    view: int
    z: float
    height: float
    normal: float
    strength: float


@dataclass(frozen=True)
class Lighting:
    """One set-up of lamps and camera; ``strips`` are (position, width, strength) of the strip lamps."""

    exposure: float
    ambient: float
    diffuse: float
    key: tuple[float, float, float]
    strips: tuple[tuple[float, float, float], ...]
    glare: float
    glare_at: float
    noise: float
    background: tuple[float, float, float]
    glints: tuple[Glint, ...]


def sample_bit(rng: np.random.Generator) -> Bit:
    """Draw the shape of one bit."""
    return Bit(
        radius=rng.uniform(0.154, 0.164),
        helix=rng.uniform(2.0, 2.7),
        phase=rng.uniform(0, TAU),
        flute_depth=rng.uniform(0.34, 0.44),
        flute_start=rng.uniform(0.20, 0.30),
        tip=rng.uniform(0.945, 0.965),
        cone=rng.uniform(0.085, 0.105),
        warmth=rng.uniform(-1, 1),
        seed=int(rng.integers(2**32)),
    )


def noise(seed: int, z: Floats, theta: Floats, cells: tuple[int, int]) -> Floats:
    """Smooth noise over (z, theta), periodic in theta; ``cells`` per crop height and per turn.

    It depends on the place alone, not on the resolution of the map.
    """
    lattice = np.random.default_rng(seed).standard_normal((cells[0] + 8, cells[1])).astype(np.float32)
    rows = (z * cells[0] + 4).astype(np.float32)
    columns = (np.mod(theta, TAU) * (cells[1] / TAU)).astype(np.float32)
    lattice = np.pad(lattice, ((0, 0), (0, 1)), mode="wrap")
    at_x, at_y = np.meshgrid(columns, rows)
    smooth = cv2.remap(lattice, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(smooth * np.float32(1.5), dtype=np.float32)


def smoothstep(value: NDArray[np.floating]) -> Floats:
    """0 below 0, 1 above 1, smooth between."""
    clipped = np.clip(value, 0, 1)
    return np.asarray(clipped * clipped * (3 - 2 * clipped), dtype=np.float32)


def shape(bit: Bit, z: Floats, theta: Floats) -> Floats:
    """Radius (Z, T) of the unharmed bit; 0 below the tip."""
    column = z[:, None]
    phase = np.mod(2 * (theta[None, :] - bit.phase - bit.helix * column) + np.pi, TAU) - np.pi
    along = np.clip((phase + EDGE) / (2 * EDGE), 0, 1)
    valley = np.sqrt(along) * (1 - along) / 0.3849  # steep at the cutting edge, gentle behind
    land = np.where((phase > EDGE) & (phase < np.pi - 0.55), 0.022, 0.0)  # clearance beside the narrow margin
    fluted = smoothstep((column - bit.flute_start) / 0.09)
    body = 1 - fluted * (bit.flute_depth * valley + land)
    body = body * np.where(column < bit.flute_start - 0.01, 0.975, 1.0)
    cone = np.clip((bit.tip - column) / bit.cone, 0, 1)
    return np.asarray(bit.radius * body * cone, dtype=np.float32)


def blank_surface(bit: Bit, z: Floats, columns: int) -> Surface:
    """The unharmed surface at rows ``z``: shape, machining marks and the colour of the steel."""
    theta = ((np.arange(columns) + 0.5) * (TAU / columns)).astype(np.float32)
    radius = shape(bit, z, theta)
    turned = noise(bit.seed, z, theta, (240, 3))
    cloudy = noise(bit.seed + 1, z, theta, (14, 9))
    grain = noise(bit.seed + 2, z, theta, (150, 120))
    level = 0.62 * (1 + 0.035 * turned + 0.05 * cloudy + 0.035 * grain)
    steel = np.array([1 + 0.04 * bit.warmth, 1.0, 1 - 0.05 * bit.warmth], dtype=np.float32)
    albedo = (level[..., None] * steel).astype(np.float32)
    gloss = np.clip(0.62 + 0.10 * cloudy, 0.2, 1).astype(np.float32)
    empty = np.zeros_like(radius)
    facing = np.zeros((*radius.shape, 4), dtype=np.float32)
    return Surface(z, theta, radius, albedo, gloss, empty, facing, np.zeros(radius.shape, dtype=np.uint8))


def project(radius: Floats, phis: Floats, axis: Floats, scale: float, width: int) -> Floats:
    """Find what each pixel sees: fractional theta column (V, Z, W), -1 where it sees the background.

    Every step between neighbouring theta columns is drawn as the span of pixel centres it covers, nearest
    first.

    Args:
        radius: (Z, T) in crop heights.
        phis: (V,) view angles in radians.
        axis: (Z,) x of the axis of the bit in pixels.
        scale: pixels per crop height.
        width: W in pixels.
    """
    rows, columns = radius.shape
    reach = int(columns * 0.31)
    seen = np.full((len(phis), rows * width), -1, dtype=np.float32)
    for view, phi in enumerate(phis):
        middle = int(np.floor(phi / TAU * columns))
        index = np.arange(middle - reach, middle + reach + 1)
        angle = (index + 0.5) * (TAU / columns) - phi
        local = radius[:, index % columns] * np.float32(scale)
        x = axis[:, None] + local * np.sin(angle).astype(np.float32)
        near = local * np.cos(angle).astype(np.float32)
        first = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int32)
        count = np.maximum(first[:, 1:] - first[:, :-1], 0).ravel()
        spans = np.flatnonzero(count)
        repeat = np.repeat(np.arange(len(spans)), count[spans])
        start = np.cumsum(count[spans]) - count[spans]
        row, step = np.divmod(spans, len(index) - 1)
        pixel = first[row, step][repeat] + (np.arange(len(repeat)) - start[repeat])
        left, right = x[row, step][repeat], x[row, step + 1][repeat]
        share = (pixel + np.float32(0.5) - left) / (right - left)
        before, behind = near[row, step][repeat], near[row, step + 1][repeat]
        depth = (before + (behind - before) * share).astype(np.float32)
        flat = row[repeat] * width + pixel
        nearest = np.full(rows * width, -np.inf, dtype=np.float32)
        np.maximum.at(nearest, flat, depth)
        front = depth >= nearest[flat]
        place = (index[step][repeat] + share)[front] % columns
        seen[view, flat[front]] = place
    return seen.reshape(len(phis), rows, width)


def shade(surface: Surface, seen: Floats, phis: Floats, lighting: Lighting) -> Floats:
    """Colour (V, Z, W, 3) in 0..1 of what the pixels see; the background stays 0."""
    views, rows, width = seen.shape
    columns = surface.theta.size
    step_z, step_t = float(surface.z[1] - surface.z[0]), TAU / columns
    radius = surface.radius
    slope_t = (np.roll(radius, -1, 1) - np.roll(radius, 1, 1)) / (2 * step_t) / np.maximum(radius, 0.01)
    slope_z = np.gradient(radius, step_z, axis=0)
    hollow = np.clip(radius / np.maximum(radius.max(1, keepdims=True), 1e-6), 0, 1) ** 1.3
    first = np.dstack([surface.albedo, surface.gloss])
    second = np.dstack([slope_t, slope_z, hollow, surface.tint]).astype(np.float32)
    at_x = np.maximum(seen, 0).reshape(views * rows, width)
    at_y = np.repeat(np.tile(np.arange(rows, dtype=np.float32), views)[:, None], width, axis=1)
    look_up = [
        cv2.remap(np.pad(m, ((0, 0), (0, 1), (0, 0)), mode="wrap"), at_x, at_y, cv2.INTER_LINEAR).reshape(
            views, rows, width, 4
        )
        for m in (first, second, surface.facing)
    ]
    albedo, gloss = look_up[0][..., :3], look_up[0][..., 3]
    turn, fall, hollow, film = (look_up[1][..., i] for i in range(4))
    angle = (seen + np.float32(0.5)) * np.float32(step_t) - phis[:, None, None]
    sine, cosine = np.sin(angle), np.cos(angle)
    shown = smoothstep((cosine - _FACING[0]) / (_FACING[1] - _FACING[0]))[..., None]
    albedo = albedo * (1 - shown * look_up[2][..., 3:]) + shown * look_up[2][..., :3]
    n_x, n_y, n_z = sine - turn * cosine, -fall, cosine + turn * sine
    length = 1 / np.sqrt(n_x**2 + n_y**2 + n_z**2)
    n_x, n_y, n_z = n_x * length, n_y * length, np.maximum(n_z * length, 0)
    sharp, soft = environment(lighting)
    u, v = ((n_x + 1) * 47.5).reshape(-1, width), ((n_y + 1) * 47.5).reshape(-1, width)
    mirror = cv2.remap(sharp, u, v, cv2.INTER_LINEAR).reshape(seen.shape)
    haze = cv2.remap(soft, u, v, cv2.INTER_LINEAR).reshape(seen.shape)
    key = np.asarray(lighting.key) / np.linalg.norm(lighting.key)
    lambert = np.maximum(n_x * key[0] + n_y * key[1] + n_z * key[2], 0)
    light = lighting.ambient + lighting.diffuse * lambert + gloss * mirror + (1 - gloss) * haze * 0.7
    brown, blue = np.array([0.62, 0.43, 0.27]), np.array([0.62, 0.66, 0.78])
    facing = np.clip(n_z**2, 0, 1)[..., None]
    film_colour = brown + (blue - brown) * facing
    colour = albedo * (1 - film[..., None] + film[..., None] * film_colour / 0.62)
    veil = lighting.glare * np.exp(-(((n_x - lighting.glare_at) / 0.20) ** 2)) * (0.35 + 0.65 * gloss)
    for glint in lighting.glints:
        rows_near = np.flatnonzero(np.abs(surface.z - glint.z) < 2 * glint.height)
        along = np.exp(-(((surface.z[rows_near] - glint.z) / glint.height) ** 2))[:, None]
        across = np.exp(-(((n_x[glint.view, rows_near] - glint.normal) / 0.07) ** 2))
        veil[glint.view, rows_near] += glint.strength * along * across
    image = colour * (light * hollow)[..., None] + (veil * hollow)[..., None]
    image = image * (seen >= 0)[..., None] * lighting.exposure
    return np.asarray(image, dtype=np.float32)


def environment(lighting: Lighting) -> tuple[Floats, Floats]:
    """What a polished and a dull surface mirror, as two (96, 96) maps over the normal (n_y, n_x)."""
    n_y, n_x = np.meshgrid(np.linspace(-1, 1, 96), np.linspace(-1, 1, 96), indexing="ij")
    n_z = np.sqrt(np.clip(1 - n_x**2 - n_y**2, 0, 1))
    across, down = 2 * n_z * n_x, 2 * n_z * n_y
    scene = 0.10 + 0.16 * (1 - np.clip(down, -1, 1)) / 2
    for position, width, strength in lighting.strips:
        strip = np.exp(-(((across - position) / width) ** 4)) * np.exp(-((down / 1.2) ** 4))
        scene = scene + strength * strip
    sharp = cv2.GaussianBlur(scene.astype(np.float32), (0, 0), 1.5)
    soft = cv2.GaussianBlur(sharp, (0, 0), 9.0)
    return np.asarray(sharp, dtype=np.float32), np.asarray(soft, dtype=np.float32)


def sample_lighting(rng: np.random.Generator, name: str, *, glare: float, glints: float, views: int) -> Lighting:
    """Draw the lamps of one shot.

    ``name`` is bright or dark, ``glare`` scales the veil over the highlight, ``glints`` is their mean number
    per view.
    """
    bright = name == "bright"
    side = rng.choice([-1.0, 1.0])
    key = (side * rng.uniform(0.2, 0.6), -rng.uniform(0.2, 0.6), rng.uniform(0.6, 1.0))
    strips = (
        (side * rng.uniform(0.35, 0.75), rng.uniform(0.12, 0.22), rng.uniform(0.7, 1.1)),
        (-side * rng.uniform(0.5, 0.9), rng.uniform(0.10, 0.20), rng.uniform(0.25, 0.5)),
    )
    grey = rng.uniform(0.55, 0.75) if bright else rng.uniform(0.10, 0.22)
    tone = rng.normal(0, 0.015, 3)
    return Lighting(
        exposure=rng.uniform(1.0, 1.2) if bright else rng.uniform(0.50, 0.68),
        ambient=rng.uniform(0.22, 0.32) if bright else rng.uniform(0.10, 0.18),
        diffuse=rng.uniform(0.35, 0.5),
        key=key,
        strips=strips,
        glare=glare * rng.uniform(0.6, 1.2) * (1.0 if bright else 0.7),
        glare_at=side * rng.uniform(0.15, 0.45),
        noise=rng.uniform(0.008, 0.014) if bright else rng.uniform(0.016, 0.026),
        background=(grey + tone[0], grey + tone[1], grey + tone[2]),
        glints=tuple(
            Glint(
                view,
                rng.uniform(0.15, 0.85),
                rng.uniform(0.015, 0.04),
                rng.uniform(-0.9, 0.9),
                rng.uniform(0.2, 0.6),
            )
            for view in range(views)
            for _ in range(rng.poisson(glints))
        ),
    )

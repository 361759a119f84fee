"""Which bits a split holds and what is wrong with each.

Luck would leave a small split without its classes, so every split gets its number of defects of each class by
quota, and their aspects and areas by stratified quantiles. A defect is seen in three to five of the eight
views; the quotas count that in through ``Extent.views``.

The constants of ``EXTENTS`` were found by measurement: generate the boxes of the cpu and gpu presets without
shading, compare with ``statistics.REFERENCE``, and move the medians and spreads until they agree. The
projected statistics differ from the surface ones by foreshortening, ragged rims and the flutes.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from experiments.data.bits import Bit, sample_bit
from experiments.data.defects import (
    BROKEN,
    CHIPPED,
    CLASSES,
    SCRATCHED,
    SEVERE_RUST,
    TIP_WEAR,
    Defect,
    Difficulty,
)
from experiments.data.statistics import REFERENCE

VIEWS = 8
GROUPS_PER_SPECIMEN = 2.4
SPLITS = ("train_labeled", "train_unlabeled", "val", "test")


@dataclass(frozen=True)
class Preset:
    """Size of a data set: crops of ``height`` x ``width`` px, and groups (of 8 views) per split."""

    name: str
    height: int
    width: int
    train_labeled: int
    train_unlabeled: int
    val: int
    test: int
    supersample: int = 2


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("tiny", 96, 48, 4, 4, 2, 2),
        Preset("cpu", 240, 96, 48, 96, 40, 40),
        Preset("views", 240, 96, 48, 848, 40, 40),  # many bits, for what is hard to learn: see configs/views.py
        Preset("gpu", 360, 128, 160, 240, 80, 80),
        Preset("paper", 720, 256, 298, 199, 80, 80, supersample=1),
    )
}


@dataclass(frozen=True)
class Extent:
    """Log-normal sizes of a class on the surface: arc width / height, and area in squared crop heights."""

    aspect: float
    aspect_spread: float
    area: float
    area_spread: float
    views: float  # boxes per defect and group, measured
    zone: tuple[float, float]


EXTENTS = {
    BROKEN: Extent(1.1, 0.25, 0.037, 0.35, 3.25, (0.36, 0.93)),
    CHIPPED: Extent(0.43, 0.58, 0.0045, 0.40, 3.95, (0.34, 0.80)),
    SCRATCHED: Extent(0.6, 0.35, 0.0162, 0.45, 3.45, (0.12, 0.80)),
    SEVERE_RUST: Extent(0.62, 0.42, 0.034, 0.45, 3.55, (0.12, 0.82)),
    TIP_WEAR: Extent(2.4, 0.12, 0.0110, 0.20, 4.0, (0.0, 1.0)),
}


@dataclass(frozen=True)
class Specimen:
    """One bit with its defects and look-alikes; ``groups`` are its shots as (lighting, shot)."""

    number: int
    split: str
    bit: Bit
    defects: tuple[Defect, ...]
    look_alikes: tuple[Defect, ...]
    groups: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Group:
    """One shot of one specimen; ``seed`` is the seed of the data set."""

    specimen: Specimen
    lighting: str
    shot: int
    seed: int

    @property
    def name(self) -> str:
        """The base image id, such as S001_bright_1."""
        return f"S{self.specimen.number:03d}_{self.lighting}_{self.shot}"

    def generator(self, purpose: int) -> np.random.Generator:
        """Random numbers of this group alone: the same in every process and order."""
        place = (self.seed, self.specimen.number, int(self.lighting == "dark"), self.shot, purpose)
        return np.random.default_rng(np.random.SeedSequence(place))


def plan(preset: Preset, seed: int, difficulty: Difficulty | None = None) -> dict[str, list[Group]]:
    """Lay out the groups of every split."""
    groups: dict[str, list[Group]] = {}
    first = 1
    for index, split in enumerate(SPLITS):
        random = np.random.SeedSequence((seed, index))
        specimens = _plan_split(
            split, getattr(preset, split), first=first, random=random, difficulty=difficulty or Difficulty()
        )
        first += len(specimens)
        groups[split] = [Group(s, lighting, shot, seed) for s in specimens for lighting, shot in s.groups]
    return groups


def _plan_split(
    split: str, groups: int, *, first: int, random: np.random.SeedSequence, difficulty: Difficulty
) -> list[Specimen]:
    """Lay out the specimens of one split, numbered from ``first``."""
    rng, aside = np.random.default_rng(random), np.random.default_rng(random.spawn(1)[0])
    count = max(2, round(groups / GROUPS_PER_SPECIMEN)) if groups > 1 else 1
    shots = [groups // count + (i < groups % count) for i in range(count)]
    bits = [sample_bit(rng) for _ in range(count)]
    kinds = _assign(shots, rng)
    sizes = {kind: _sizes(kind, sum(k == kind for own in kinds for k in own), rng) for kind in EXTENTS}
    specimens = []
    for index in range(count):
        defects: list[Defect] = []
        for kind in kinds[index]:
            defects.append(_place(kind, sizes[kind].pop(), bits[index], defects, rng))
        specimens.append(
            Specimen(
                first + index,
                split,
                bits[index],
                tuple(defects),
                tuple(_look_alikes(bits[index], aside, difficulty)),
                _groups(index, shots[index]),
            )
        )
    return specimens


def _groups(index: int, shots: int) -> tuple[tuple[str, int], ...]:
    """Bright and dark in turn, every second specimen starting with dark."""
    order = ("bright", "dark") if index % 2 == 0 else ("dark", "bright")
    return tuple((order[i % 2], i // 2 + 1) for i in range(shots))


def _assign(shots: list[int], rng: np.random.Generator) -> list[list[int]]:
    """Give out each class until its quota of boxes is met, to the least burdened specimens first."""
    owned: list[list[int]] = [[] for _ in shots]
    for kind in sorted(EXTENTS, key=lambda k: REFERENCE.shares[CLASSES[k]]):
        boxes = REFERENCE.shares[CLASSES[kind]] * REFERENCE.boxes_per_view * VIEWS * sum(shots)
        wanted = boxes / EXTENTS[kind].views
        given = 0
        while True:
            burden = [2.0 * own.count(kind) + 0.5 * len(own) + 2.5 * rng.random() for own in owned]
            most = REFERENCE.most_per_view
            limit = 2 if kind == TIP_WEAR else most
            order = [int(i) for i in np.argsort(burden)]
            free = [i for i in order if len(owned[i]) < most and owned[i].count(kind) < limit]
            if not free or (given > 0 and abs(given + shots[free[0]] - wanted) > abs(given - wanted)):
                break
            owned[free[0]].append(kind)
            given += shots[free[0]]
    return owned


def _sizes(kind: int, count: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    """(height, arc width) of ``count`` defects at stratified quantiles of aspect and area."""
    extent, normal = EXTENTS[kind], NormalDist()

    def quantiles() -> list[float]:
        return [normal.inv_cdf((i + rng.uniform(0.05, 0.95)) / count) for i in rng.permutation(count)]

    sizes = []
    for a, b in zip(quantiles(), quantiles(), strict=True):
        aspect = extent.aspect * np.exp(extent.aspect_spread * a)
        area = extent.area * np.exp(extent.area_spread * b)
        height = float(np.sqrt(area / aspect))
        sizes.append((height, float(aspect * height)))
    return sizes


def _place(kind: int, size: tuple[float, float], bit: Bit, others: list[Defect], rng: np.random.Generator) -> Defect:
    """Choose where a defect sits: of several places the one that overlaps the others least."""
    height, angle = size[0], min(size[1] / bit.radius, 3.0)
    best, least = None, np.inf
    for _ in range(12):
        flute = int(rng.integers(2))
        low, high = EXTENTS[kind].zone
        z = rng.uniform(min(low + height / 2, (low + high) / 2), max(high - height / 2, (low + high) / 2))
        theta = rng.uniform(0, 2 * np.pi)
        if kind == TIP_WEAR:
            z = bit.tip - bit.cone * 0.52
            theta = bit.edge(z, flute) - 0.35
        elif kind == CHIPPED:
            theta = bit.edge(z, flute) - 0.30 * angle
        elif kind == BROKEN:
            theta = bit.edge(z, flute) - 0.7 + rng.normal(0, 0.3)
        found = Defect(kind, float(z), float(theta), height, angle, int(rng.integers(2**31)))
        overlap = sum(_overlap(found, other) for other in others)
        if overlap < least:
            best, least = found, overlap
    assert best is not None
    return best


def _overlap(one: Defect, other: Defect) -> float:
    """Shared share of the extents, 0 (apart) .. 1 (same centre)."""
    apart = abs((one.theta - other.theta + np.pi) % (2 * np.pi) - np.pi)
    across = 1 - apart / ((one.angle + other.angle) / 2)
    along = 1 - abs(one.z - other.z) / ((one.height + other.height) / 2)
    return max(across, 0.0) * max(along, 0.0)


def _look_alikes(bit: Bit, rng: np.random.Generator, difficulty: Difficulty) -> list[Defect]:
    """Films and stains as large as rust, smudges on the cutting edges as large as chips, dust anywhere."""
    kinds = (
        ("film", difficulty.films, SEVERE_RUST),
        ("stain", difficulty.stains, SEVERE_RUST),
        ("smudge", difficulty.smudges, CHIPPED),
        ("dust", difficulty.dust, CHIPPED),
    )
    found = []
    for name, rate, like in kinds:
        for _ in range(rng.poisson(rate)):
            height, width = _sizes(like, 1, rng)[0]
            if name == "dust":
                height, width = (float(s) for s in rng.uniform(0.006, 0.016, 2))
            z, flute = rng.uniform(0.15, 0.85), int(rng.integers(2))
            angle = min(width / bit.radius, 3.0)
            theta = bit.edge(z, flute) - 0.3 * angle if name == "smudge" else rng.uniform(0, 2 * np.pi)
            found.append(Defect(name, float(z), float(theta), height, angle, int(rng.integers(2**31))))
    return found

"""Which training groups are labelled: split 0 as the data set ships it, every other one dealt out anew. Torch-free.

Split k > 0 is one replicate of the study. Its rule, for one pool of training groups:

1. Whole specimens are dealt, so that no bit is on both sides; the number of labelled groups is the shipped one, or the
   nearest that whole specimens make up.
2. ``DEALS`` random orders of the specimens are drawn from a generator seeded with k alone. In every second one, one
   specimen of each class, rarest class first, is moved to the front, so that rare classes are not left to luck. Then
   specimens are taken in that order wherever the number can still be met.
3. The deal that is the shipped split is left out. Of the others the one wins that lacks the fewest classes among its
   labelled boxes, and of those the one with the smallest :func:`deviation`; the first drawn if several are equal.

Other numbers are not looked at, so that k may be any seed. Tens of specimens can be dealt in so many ways that splits do not
repeat; a handful of specimens can be dealt well in few ways, and then they do.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from experiments.data.groups import Group, read_groups
from experiments.errors import UserError

DEALS = 64


def specimen_of(group: str) -> str:
    """The specimen that a group shows: its name up to the first underscore, ``S110_bright_4`` -> ``S110``."""
    return group.partition("_")[0]


def read_parts(
    data: Path, labelled: Mapping[str, Any], unlabelled: Mapping[str, Any], *, split: int = 0
) -> tuple[list[Group], list[Group]]:
    """Read the labelled and the unlabelled groups of a split.

    Args:
        data: the data set folder.
        labelled, unlabelled: configs of the two parts: ``ann_file``, ``data_prefix.img``, ``metainfo.classes``, ``num_views``.
        split: 0 for the shipped split. Others also read the boxes of the unlabelled groups, from the file named like the
            unlabelled one with ``_truth`` at its end.

    Raises:
        UserError: the data are faulty (see :func:`experiments.data.groups.read_groups`), or cannot be split this way.
    """
    if split < 0:
        raise UserError(f"The split is {split}: give 0 for the one the data set ships with, or a number from 1 up.")
    shipped, rest = _read(data, labelled), _read(data, unlabelled)
    if split == 0:
        return shipped, rest
    shown = Path(unlabelled["ann_file"])
    file = shown.with_name(f"{shown.stem}_truth{shown.suffix}")
    if not (data / file).is_file():
        raise UserError(
            f"{data / file} does not exist, and split {split} needs the boxes of the unlabelled groups: add that file, or use "
            f"split 0, which the data set ships with."
        )
    truth = _read(data, {**unlabelled, "ann_file": str(file)})
    differing = {group.name for group in rest} ^ {group.name for group in truth}
    if differing:
        raise UserError(
            f"{data / file} and {shown.name} do not list the same groups ({min(differing)} is in one of them): complete them."
        )
    return redeal(shipped, truth, split=split)


def redeal(labelled: Sequence[Group], truth: Sequence[Group], *, split: int) -> tuple[list[Group], list[Group]]:
    """Pool the shipped groups and deal them out anew, sorted by name; unlabelled groups lose their boxes.

    Each annotation file numbers its images on its own; here images are numbered from 1 over the whole pool, so that
    teacher and student views can be matched by number.

    Args:
        labelled: the shipped labelled groups.
        truth: the shipped unlabelled groups, with their boxes.
        split: 1 or more.

    Raises:
        UserError: a group is in both parts, or the specimens are too few to be split anew.
    """
    twice = {group.name for group in labelled} & {group.name for group in truth}
    if twice:
        raise UserError(
            f"Group {min(twice)} is both labelled and unlabelled, so splits other than 0 cannot be dealt: remove one."
        )
    pool = sorted((*labelled, *truth), key=lambda group: group.name)
    boxes = {group.name: [box.label for view in group.views for box in view.boxes] for group in pool}
    names = set(deal(boxes, labelled=[group.name for group in labelled], split=split)[0])
    numbers = iter(range(1, 1 + sum(len(group.views) for group in pool)))
    pool = [replace(g, views=tuple(replace(view, image_id=next(numbers)) for view in g.views)) for g in pool]
    return (
        [group for group in pool if group.name in names],
        [_without_boxes(group) for group in pool if group.name not in names],
    )


def deal(boxes: Mapping[str, Sequence[int]], *, labelled: Collection[str], split: int) -> tuple[list[str], list[str]]:
    """Names of the labelled and of the unlabelled groups of split ``split`` >= 1, sorted; the module states the rule.

    Args:
        boxes: of each group of the pool, labelled or not, the classes of its boxes (one entry per box).
        labelled: names of the groups that are labelled in the shipped split.
        split: number of the split; together with the pool it decides the outcome, the order of the input does not.

    Raises:
        UserError: there is only one specimen, or no other way to split the few that there are.
    """
    assert split >= 1, "Split 0 is the shipped one."
    shots: dict[str, list[str]] = defaultdict(list)
    classes: dict[str, Counter[int]] = defaultdict(Counter)
    for name in sorted(boxes):
        shots[specimen_of(name)].append(name)
        classes[specimen_of(name)].update(boxes[name])
    sizes = {specimen: len(names) for specimen, names in shots.items()}
    pool = _sum(classes.values())
    holders = sorted(({s for s in classes if classes[s][c]} for c in sorted(pool)), key=len)
    number = _nearest_number(sizes, len(labelled))

    def fault(chosen: frozenset[str]) -> tuple[int, float]:
        found = _sum(classes[specimen] for specimen in chosen)
        return len(pool.keys() - found.keys()), deviation(found, pool)

    # A shipped split that shares a specimen between its sides is none that could be dealt: it excludes nothing.
    shipped = {specimen for specimen, names in shots.items() if set(names) <= set(labelled)}
    random = Random(split)
    deals = [_random_deal(sizes, holders if i % 2 else (), number, random) for i in range(DEALS)]
    deals = [found for found in deals if found != shipped]
    if not deals:
        raise UserError(
            f"The {len(sizes)} training specimens can be split in no other way than the shipped one: use split 0, or more "
            f"specimens."
        )
    chosen = min(deals, key=fault)
    sides: tuple[list[str], list[str]] = ([], [])
    for name in sorted(boxes):
        sides[specimen_of(name) not in chosen].append(name)
    return sides


def deviation(part: Mapping[int, int], pool: Mapping[int, int]) -> float:
    """How far class shares of a part are from those of the pool: the largest |share in part / share in pool - 1|.

    Relative, so that a rare class counts like a frequent one. Both map classes to numbers of boxes.
    """
    own, whole = max(sum(part.values()), 1), sum(pool.values())
    return max((abs(part.get(c, 0) * whole / (own * count) - 1) for c, count in pool.items()), default=0.0)


def _nearest_number(sizes: Mapping[str, int], wanted: int) -> int:
    """The number of groups nearest to ``wanted`` that whole specimens make up, neither none nor all; the lower of two."""
    reachable = _reachable(list(sizes.values()))[0]
    numbers = [number for number in range(1, sum(sizes.values())) if reachable >> number & 1]
    if not numbers:
        raise UserError(
            f"All training groups are of one specimen, {min(sizes)} (their names up to the first underscore): a split "
            f"other than 0 needs at least two."
        )
    return min(numbers, key=lambda number: (abs(number - wanted), number))


def _reachable(sizes: Sequence[int]) -> list[int]:
    """For each i from 0 to len(sizes) a bit set: bit n is set where some of ``sizes[i:]`` sum to n."""
    sums = [1]
    for size in reversed(sizes):
        sums.append(sums[-1] | sums[-1] << size)
    return sums[::-1]


def _random_deal(
    sizes: Mapping[str, int], holders: Sequence[Collection[str]], number: int, random: Random
) -> frozenset[str]:
    """Specimens that hold ``number`` groups together, of each of ``holders`` one if possible; step 2 of the rule."""
    # Of all its methods, Python promises the same numbers in every version for random() alone.
    order = sorted(sizes, key=lambda _: random.random())
    front: set[str] = set()
    for own in holders:
        if front.isdisjoint(own):
            front.add(next(specimen for specimen in order if specimen in own))
    order.sort(key=lambda specimen: specimen not in front)
    reachable = _reachable([sizes[specimen] for specimen in order])
    chosen, missing = [], number
    for specimen, later in zip(order, reachable[1:], strict=True):
        rest = missing - sizes[specimen]
        if rest >= 0 and later >> rest & 1:
            chosen.append(specimen)
            missing = rest
    return frozenset(chosen)


def _sum(counts: Iterable[Counter[int]]) -> Counter[int]:
    total: Counter[int] = Counter()
    for count in counts:
        total.update(count)
    return total


def _without_boxes(group: Group) -> Group:
    return replace(group, views=tuple(replace(view, boxes=()) for view in group.views))


def _read(data: Path, part: Mapping[str, Any]) -> list[Group]:
    return read_groups(
        data / part["ann_file"],
        images=data / part["data_prefix"]["img"],
        classes=part["metainfo"]["classes"],
        views=part["num_views"],
    )

"""Make a data set of users' own images: read, check, group, split by specimen, and have it written."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from experiments.data.export import LABELLED, UNLABELLED, write_dataset
from experiments.data.naming import Shot, name_shots, read_naming
from experiments.data.parts import deal_parts
from experiments.data.sources import Layout, collect, collect_images, open_source, refuse, source_root
from experiments.data.splits import specimen_of
from experiments.errors import UserError
from experiments.goals import OVERALL

_LEAST_LABELLED = 0.05
# A part whose share is further from the one asked for is told of.
_TOLD = 0.05


def import_dataset(
    source: Path, out: Path, *, group_by: str | None, specimen_by: str | None, views: int,
    layout: Layout | Literal["auto"] = "auto", labelled: float = 0.6, val: float = 0.15, test: float = 0.15, seed: int = 0,
    unlabelled: Path | None = None, clip: bool = False, drop_incomplete: bool = False, progress: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Write the data set folder ``out``, which appears only when complete, and return its ``dataset.json``.

    Args:
        source, layout, clip: see :func:`experiments.data.sources.collect`.
        group_by, specimen_by: see :class:`experiments.data.naming.Naming`.
        views: of each group.
        labelled: share of the training groups that keep their labels, 0.05 to 1.
        val, test: shares of all groups; ``test`` may be 0.
        seed: of the splits.
        unlabelled: folder of further images without labels; their specimens are not held out.
        drop_incomplete: leave out groups that lack views, instead of refusing them.

    Returns:
        The description; ``notes`` are sentences that users should read.

    Raises:
        UserError: an option makes no sense, or there are problems in the source, of which all are listed; nothing is left.
    """
    out = out.absolute()
    open_source(source)  # a misspelt name is told before what its files' names should say
    _check_options(source, out, views=views, labelled=labelled, val=val, test=test, seed=seed, unlabelled=unlabelled)
    naming = read_naming(group_by=group_by, specimen_by=specimen_by, views=views)
    found, problems = collect(source, layout=layout, clip=clip, progress=progress)
    roots, sides = [source_root(source)], [list(found.images)]
    if unlabelled is not None:
        further, more = collect_images(unlabelled, progress=progress)
        roots.append(unlabelled)
        sides.append(further)
        problems += more

    def origin(path: Path) -> str:
        return next(path.relative_to(root) for root in reversed(roots) if path.is_relative_to(root)).as_posix()

    shots, more, notes = name_shots(sides, naming, views=views, drop_incomplete=drop_incomplete, label=origin)
    refuse(source, [*problems, *more])
    for place, side in zip((source, unlabelled), shots, strict=False):
        if not side:
            raise UserError(f"{place} has no group of {views} views: add the images that are missing.")
    if OVERALL in found.classes:
        raise UserError(
            f"{source} has a class named {OVERALL!r}, which stands for the mean over classes: give it another name."
        )
    shares = _shares(labelled=labelled, val=val, test=test)
    parts, hidden = _split(shots, found.classes, shares, seed=seed)
    image_size, other = _commonest_size([shot for side in shots for shot in side])
    notes = [*found.notes, *_like_names(found.classes), *notes, *_split_notes(parts, hidden, found.classes, shares)]
    if specimen_by is None:
        notes.append(
            "Every group counts as a specimen of its own (no --specimen-by): shots of one specimen may be on both sides of a "
            "split, and scores too high."
        )
    if unlabelled is not None:
        notes.append("The boxes of images without labels are not known, so that all seeds share one split.")
        if hidden:
            notes.append(f"Training groups whose labels are not used: {len(hidden)} (--labelled 1 uses all).")
    elif not hidden:
        notes.append(
            f"{UNLABELLED} is empty, and training needs groups without labels: give --labelled below 1, or a folder of them with "
            f"--unlabelled."
        )
    if other:
        notes.append(
            f"Images of another size than {image_size[1]} x {image_size[0]} px, the commonest: {other}; training resizes them."
        )
    description = {
        "name": out.name,
        "layout": found.layout,
        "seed": seed,
        "views": views,
        "image_size": list(image_size),
        "classes": list(found.classes),
        "specimens": {part: len({specimen_of(shot.name) for shot in members}) for part, members in parts.items()},
        "notes": notes,
    }
    return write_dataset(
        out, parts, description, origin=origin, with_truth=unlabelled is None and bool(hidden), progress=progress
    )


def _check_options(
    source: Path, out: Path, *, views: int, labelled: float, val: float, test: float, seed: int, unlabelled: Path | None
) -> None:
    if views < 1:
        raise UserError(f"--views is {views}: give the number of views per group, 1 or more.")
    if seed < 0:
        raise UserError(f"--seed is {seed}: give a whole number from 0 up.")
    if not _LEAST_LABELLED <= labelled <= 1:
        raise UserError(f"--labelled is {labelled:g}: give a share of the training groups from {_LEAST_LABELLED} to 1.")
    if not (0 < val < 1 and 0 <= test < 1 and val + test < 1):
        raise UserError(
            f"--val {val:g} and --test {test:g} leave no training groups or none to validate on: give shares of all groups, "
            f"--val above 0, that sum to less than 1."
        )
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out} exists already: delete it or choose another folder.")
    for place in (source.parent if source.suffix == ".json" else source, unlabelled):
        if place is not None and _real(out).is_relative_to(_real(place)):
            raise UserError(f"{out} would lie inside {place}, which is read: choose a folder elsewhere.")
    if unlabelled is not None:
        one, other = _real(source), _real(unlabelled)
        if one.is_relative_to(other) or other.is_relative_to(one):
            raise UserError(
                f"{unlabelled} and {source} lie in one another: move the images without labels to a folder of their own."
            )


def _real(path: Path) -> Path:
    """Without links, where they do not lead in a circle."""
    return Path(os.path.realpath(path))


def _shares(*, labelled: float, val: float, test: float) -> dict[str, float]:
    """Shares of all groups with labels, by part; without parts that are to be empty."""
    training = 1 - val - test
    shares = {LABELLED: labelled * training, "val": val, "test": test, UNLABELLED: (1 - labelled) * training}
    return {part: share for part, share in shares.items() if share > 0}


def _split(
    shots: Sequence[Sequence[Shot]], classes: Sequence[str], shares: Mapping[str, float], *, seed: int
) -> tuple[dict[str, list[Shot]], list[Shot]]:
    """Shots of each part, sorted by name, and those of them whose labels are hidden."""
    by_name = {shot.name: shot for shot in shots[0]}
    further = [shot for side in shots[1:] for shot in side]
    dealt = deal_parts(
        {name: [classes.index(found) for found in _classes([shot])] for name, shot in by_name.items()},
        shares=shares,
        seed=seed,
        training={specimen_of(shot.name) for shot in further},
    )
    parts = {part: [by_name[name] for name in names] for part, names in dealt.items()}
    hidden = parts.get(UNLABELLED, [])
    return {**parts, UNLABELLED: sorted([*hidden, *further], key=lambda shot: shot.name)}, hidden


def _split_notes(
    parts: Mapping[str, Sequence[Shot]], hidden: Sequence[Shot], classes: Sequence[str], shares: Mapping[str, float]
) -> list[str]:
    """Classes that a part lacks, and shares that whole specimens cannot make up."""
    dealt = {part: hidden if part == UNLABELLED else parts[part] for part in shares}
    groups = sum(len(members) for members in dealt.values())
    training = shares[LABELLED] + shares.get(UNLABELLED, 0)
    notes = []
    for part, members in dealt.items():
        share = len(members) / groups
        if abs(share - shares[part]) > _TOLD:
            option = (
                f"--{part}" if part in ("val", "test") else f"--labelled, a share of the {training:.0%} for training"
            )
            notes.append(
                f"{part} holds {share:.0%} of the groups, not {shares[part]:.0%} ({option}): specimens are kept whole."
            )
        found = set(_classes(members))
        for name in classes:
            if name not in found and part != UNLABELLED:
                result = "it cannot be learned" if part == LABELLED else "its score there is unknown"
                notes.append(f"Class {name!r} has no boxes in {part}: {result}.")
    return notes


def _like_names(classes: Sequence[str]) -> list[str]:
    """Classes that may be meant to be one; names come without surrounding blanks."""
    first: dict[str, str] = {}
    notes = []
    for name in classes:
        other = first.setdefault(name.casefold(), name)
        if other != name:
            notes.append(
                f"Classes {other!r} and {name!r} differ in case alone, and count as two: if they are one, "
                "give them one name in the export, and import it again."
            )
    return notes


def _classes(shots: Sequence[Shot]) -> list[str]:
    """The classes of the boxes, one entry per box."""
    return [box.class_name for shot in shots for view in shot.views for box in view.boxes]


def _commonest_size(shots: Sequence[Shot]) -> tuple[tuple[int, int], int]:
    """The (height, width) in px of most images, the larger of two, and how many images are of another."""
    sizes = Counter((view.height, view.width) for shot in shots for view in shot.views)
    commonest = max(sizes, key=lambda size: (sizes[size], size))
    return commonest, sizes.total() - sizes[commonest]

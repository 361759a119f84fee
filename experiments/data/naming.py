"""Which images are the views of one shot, which specimen it shows, and what they are called in a data set. Torch-free."""

import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.data.sources import SourceImage
from experiments.errors import UserError
from experiments.interrupts import time_limit

_MATCHING = 5  # seconds for one file name, which an expression that is sound matches in microseconds


class Unmatched(ValueError):
    """A file name that an expression does not match."""

    def __init__(self, option: str, pattern: re.Pattern[str], stem: str) -> None:
        self.expression, self.stem = f"{option} '{pattern.pattern}'", stem
        super().__init__(f"{self.expression} does not match {stem!r}: correct the expression, or move the file away.")


@dataclass(frozen=True)
class Shot:
    """The views of one photograph, in order; ``name`` begins with the specimen, up to the first underscore."""

    name: str
    views: tuple[SourceImage, ...]


@dataclass(frozen=True)
class Naming:
    """How file names tell groups, views and specimens.

    Args:
        group_by: expression with the named groups ``group`` and ``view`` (a whole number), searched in a file's name without its
            suffix; None: every image is its own group, of one view.
        specimen_by: expression with the named group ``specimen``; None: every group is its own specimen.
    """

    group_by: re.Pattern[str] | None
    specimen_by: re.Pattern[str] | None

    def key(self, stem: str) -> tuple[str, str, int]:
        """Specimen, group and view of a file name without its suffix.

        Raises:
            ValueError: an expression does not match it; the text says what to do.
        """
        group, view = stem, 1
        if self.group_by is not None:
            found = _search(self.group_by, stem, "--group-by")
            group = found["group"]
            if not found["view"].isdecimal():
                raise ValueError(
                    f"its view is {found['view']!r}, not a whole number: correct --group-by, or name the views by numbers."
                )
            view = int(found["view"])
        if self.specimen_by is None:
            return group, group, view
        return _search(self.specimen_by, stem, "--specimen-by")["specimen"], group, view


def read_naming(*, group_by: str | None, specimen_by: str | None, views: int) -> Naming:
    """Compile the expressions.

    Raises:
        UserError: one is no regular expression, lacks a named group, or is missing.
    """
    if group_by is None and views != 1:
        raise UserError(
            f"Which of the {views} views of which group is an image? Tell with --group-by '(?P<group>.+)_(?P<view>\\d+)'."
        )
    return Naming(
        None if group_by is None else _compile(group_by, "--group-by", ("group", "view")),
        None if specimen_by is None else _compile(specimen_by, "--specimen-by", ("specimen",)),
    )


def name_shots(
    sides: Sequence[Sequence[SourceImage]],
    naming: Naming,
    *,
    views: int,
    drop_incomplete: bool,
    label: Callable[[Path], str],
) -> tuple[list[list[Shot]], list[str], list[str]]:
    """Group the images of each side (with labels, without), sorted by name.

    Views are whatever whole numbers occur, in their order; ``views`` different ones must.

    Args:
        sides: images; groups may not be on two sides.
        drop_incomplete: leave out groups that lack a view, instead of refusing them.
        label: what a file is called in problems.

    Returns:
        The shots of each side, problems and notes. Where file names are at fault already, groups are not judged.
    """
    problems: list[str] = []
    notes: list[str] = []
    unmatched: list[Unmatched] = []
    groups: list[dict[tuple[str, str], dict[int, SourceImage]]] = []
    for images in sides:
        groups.append(defaultdict(dict))
        for image in images:
            try:
                specimen, group, view = naming.key(image.path.stem)
            except ValueError as error:
                unmatched += [error] if isinstance(error, Unmatched) else []
                problems.append(f"{label(image.path)}: {error}")
                continue
            members = groups[-1][specimen, group]
            if view in members:
                pair = f"{label(members[view].path)} and {label(image.path)}"
                problems.append(
                    f"{pair} are both view {view} of group {group}: remove or rename one, or correct --group-by."
                )
            members[view] = image
    if 1 < len(unmatched) == sum(map(len, sides)) and len({error.expression for error in unmatched}) == 1:
        given = unmatched[0]
        problems = [
            f"{given.expression} matches none of {len(unmatched)} names, for example {given.stem!r}: correct the expression."
        ]
    numbers = sorted({view for side in groups for members in side.values() for view in members})
    if not problems and numbers and len(numbers) != views:
        listed = ", ".join(map(str, numbers[:12])) + (", ..." if len(numbers) > 12 else "")
        problems.append(f"{len(numbers)} different views occur ({listed}), not {views}: correct --views or --group-by.")
    if problems:
        return [[] for _ in sides], problems, notes
    problems += _clashes(groups)
    dropped = 0
    shots: list[list[Shot]] = []
    for side in groups:
        shots.append([])
        for (specimen, group), members in sorted(side.items()):
            missing = [str(view) for view in numbers if view not in members]
            if not missing:
                shots[-1].append(Shot(shot_name(specimen, group), tuple(members[view] for view in numbers)))
            elif drop_incomplete:
                dropped += 1
            else:
                problems.append(
                    f"group {group} (of {label(next(iter(members.values())).path)}) lacks view {', '.join(missing)}: add the "
                    f"images, or leave out such groups (--drop-incomplete)."
                )
    if dropped:
        notes.append(f"Groups that lack views, left out of these: {dropped}.")
    return shots, problems, notes


def shot_name(specimen: str, group: str) -> str:
    """``<specimen>_<rest>``, where the rest is the group without a leading specimen: S110, S110_bright_4 -> S110_bright_4.

    Underscores of the specimen, which end it, and characters that file names had better not have become ``-``.
    """
    rest = group.removeprefix(f"{specimen}_") if group != specimen else ""
    first = _safe(specimen).replace("_", "-")
    return f"{first}_{_safe(rest)}" if rest else first


def _clashes(groups: Sequence[dict[tuple[str, str], dict[int, SourceImage]]]) -> list[str]:
    """Groups that would get the same name, and specimens that would; file systems may not tell A from a."""
    problems = []
    names: dict[str, tuple[int, str]] = {}
    specimens: dict[str, str] = {}
    for i, side in enumerate(groups):
        for specimen, group in sorted(side):
            name = shot_name(specimen, group)
            before, other = (
                names.setdefault(name.casefold(), (i, group)),
                specimens.setdefault(name.partition("_")[0].casefold(), specimen),
            )
            if before == (i, group) and other == specimen:
                continue
            if before[0] != i:
                problems.append(f"group {group} has images with and without labels: leave it in one of the folders.")
            elif before[1] != group:
                problems.append(f"groups {before[1]} and {group} would both be written as {name}: rename one.")
            else:
                pair = f"{other} and {specimen}"
                problems.append(
                    f"specimens {pair} of {name} would not be told apart: rename one, or correct --specimen-by."
                )
    return problems


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)


def _search(pattern: re.Pattern[str], stem: str, option: str) -> dict[str, str]:
    """What the named groups of an expression match.

    Raises:
        ValueError: it does not match, or one of them is empty.
        UserError: it takes for ever.
    """
    try:
        with time_limit(_MATCHING):
            found = pattern.search(stem)
    except TimeoutError:
        raise UserError(
            f"{option} '{pattern.pattern}' is still not decided on {stem!r} after {_MATCHING} s: repeats within repeats, as in "
            f"(a+)+, can take for ever; write it without."
        ) from None
    if found is None:
        raise Unmatched(option, pattern, stem)
    values = found.groupdict(default="")
    for name in ("group", "view", "specimen"):
        if values.get(name) == "":
            raise ValueError(f"{option} '{pattern.pattern}' finds no {name} in {stem!r}: correct the expression.")
    return values


def _compile(text: str, option: str, names: Sequence[str]) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise UserError(f"{option} '{text}' is not a regular expression ({error}): correct it.") from None
    for name in names:
        if name not in pattern.groupindex:
            raise UserError(f"{option} '{text}' has no part that is named {name}: write it as (?P<{name}>...).")
    return pattern

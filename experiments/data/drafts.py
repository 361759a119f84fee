"""A folder of annotated images as found: its files, what annotations say of them, and the problems met on the way."""

import math
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class DraftBox:
    """One box as annotated; ``where`` names it within its file (``line 3``)."""

    where: str
    class_name: str
    xyxy: Corners


@dataclass(frozen=True)
class Draft:
    """One image as annotated, not looked at yet.

    ``annotation`` is the file that speaks of it, ``size`` the (width, height) in px that it states, if any. Corners are in
    px, or shares of width and height where ``relative``.
    """

    path: Path
    annotation: Path | None
    size: tuple[int, int] | None
    boxes: tuple[DraftBox, ...]
    relative: bool = False


class Folder:
    """The files below a folder, without hidden ones; collects ``problems`` and ``notes``, a line each.

    Args:
        root: the folder.
        annotation: the one annotation file to read, where the user named a file.
    """

    def __init__(self, root: Path, *, annotation: Path | None = None) -> None:
        self.root = root
        self.annotation = annotation
        self.files: list[Path] = []
        self.linked: list[Path] = []  # folders that are links, which are not followed: they may lead anywhere
        for place, folders, names in os.walk(root):
            # Archives made on a Mac hold a shadow of every file in __MACOSX, or as ._name beside it.
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
            self.linked.extend(Path(place, name) for name in folders if Path(place, name).is_symlink())
            files = (Path(place, name) for name in sorted(names) if not name.startswith("."))
            # Not pipes, which would wait for a writer for ever, nor links to nothing or in a circle.
            self.files.extend(file for file in files if file.is_file())
        self.images = [file for file in self.files if file.suffix.lower() in IMAGE_SUFFIXES]
        self.problems: list[str] = []
        self.notes = [f"{self.name(folder)} is a link to a folder, which was not followed." for folder in self.linked]
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for image in self.images:
            self._by_name[image.name].append(image)

    def name(self, path: Path) -> str:
        """A path as users know it: relative to the folder, with slashes."""
        return path.relative_to(self.root).as_posix()

    def problem(self, path: Path, text: str) -> None:
        """Note a problem of a file; ``text`` says what is wrong and what to do."""
        self.problems.append(f"{self.name(path)}: {text}")

    def find(self, stated: str, *, annotation: Path) -> Path | None:
        """The image that an annotation file names; None, and a problem, where there is none or more than one.

        A name may leave out leading folders (tools store images in other places than they export them from). Of several
        images the one beside the annotation file is meant, or in a folder that its name ends with (``instances_train2017.json``
        and ``train2017/``).
        """
        shown = repr(stated[:200])
        wanted = PurePosixPath(stated.replace("\\", "/"))
        if ".." in wanted.parts:
            wanted = PurePosixPath(os.path.relpath(os.path.normpath(annotation.parent / wanted), self.root))
        if wanted.is_absolute() or ".." in wanted.parts or re.match("[A-Za-z]:", stated):
            self.problem(annotation, f"names the image {shown}, which leads out of the source: name images inside it.")
            return None
        depth = len(wanted.parts)
        found = [
            path for path in self._by_name[wanted.name] if path.relative_to(self.root).parts[-depth:] == wanted.parts
        ]
        if len(found) > 1:
            beside = [path for path in found if path == annotation.parent / wanted]
            found = beside or [path for path in found if annotation.stem.endswith(path.parent.name)] or found
        if len(found) == 1:
            return found[0]
        if found:
            places = " and ".join(self.name(path) for path in found[:2])
            self.problem(annotation, f"the image {shown} may be {places}: give images names of their own.")
        else:
            text = f"the image {shown} does not exist: add the file or remove its entry."
            if self.linked:
                text += f" {self.name(self.linked[0])} is a link to a folder, which is not followed: put the folder itself there."
            self.problem(annotation, text)
        return None

    def check_classes(self, path: Path, names: Sequence[str]) -> None:
        """Note class names of a file that are empty or listed twice."""
        if any(not name for name in names):
            self.problem(path, "a class has no name: name every class.")
        for name in sorted({name for name in names if name and names.count(name) > 1}):
            self.problem(path, f"the class {name!r} is listed twice: rename or remove one.")


def number(value: object) -> float:
    """A JSON value as a finite number.

    Raises:
        ValueError: it is none; text that looks like a number is none either.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError
    return float(value)

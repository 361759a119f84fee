"""Users' own annotated images, in any of three layouts, as classes, images and boxes; and all that is wrong with them."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import ExifTags, Image
from rich.progress import Progress

from experiments.data import coco, voc, yolo
from experiments.data.description import can_be_shown
from experiments.data.drafts import Corners, Draft, Folder
from experiments.errors import UserError

Layout = Literal["coco", "yolo", "voc"]
# Boxes may stick out by the rounding of an export, px.
_TOLERANCE = 1.0
_SHOWN = 20
_READERS = {"coco": coco.read_coco, "yolo": yolo.read_yolo, "voc": voc.read_voc}


@dataclass(frozen=True)
class SourceBox:
    """One annotated defect: corners in px of its image, inside it."""

    class_name: str
    xyxy: Corners


@dataclass(frozen=True)
class SourceImage:
    """One image; size in px, 0 x 0 where it cannot be read."""

    path: Path
    width: int
    height: int
    boxes: tuple[SourceBox, ...]


@dataclass(frozen=True)
class Source:
    """A folder of annotated images; ``notes`` are sentences on what was found and left out."""

    classes: tuple[str, ...]
    images: tuple[SourceImage, ...]
    layout: str
    notes: tuple[str, ...]


def collect(source: Path, *, layout: Layout | Literal["auto"], clip: bool, progress: bool) -> tuple[Source, list[str]]:
    """Read a source whole.

    Args:
        source: a folder, or a COCO file with the images in or below its folder (beside it, where it lies in ``annotations/``).
        layout: how it is annotated; ``auto`` looks which one is there.
        clip: cut boxes that stick out of their image by more than 1 px, and leave out empty ones, instead of refusing them.
        progress: show a progress bar.

    Returns:
        The source, and all that is wrong in it, for :func:`refuse`: images and boxes with a problem may be missing.

    Raises:
        UserError: there is nothing to read, or the layout is not clear.
    """
    folder = open_source(source)
    chosen = _detect(folder, source) if layout == "auto" else layout
    if chosen not in _READERS:
        raise UserError(f"There is no layout {chosen!r}: choose auto, {', '.join(_READERS)}.")
    classes, drafts = _READERS[chosen](folder)
    for name in classes:
        if not can_be_shown(name):
            folder.problems.append(f"the class name {name[:80]!r} holds control characters: rename the class.")
    seen = Counter(draft.path for draft in drafts)
    for path in [path for path, times in seen.items() if times > 1]:
        folder.problem(
            path, "is annotated more than once: leave one annotation of it, or import a single annotation file."
        )
    images = _look(folder, list({draft.path: draft for draft in drafts}.values()), clip=clip, progress=progress)
    boxes = Counter(box.class_name for image in images for box in image.boxes)
    if not images and not folder.problems:
        folder.problems.append(f"no annotated images were found: name a folder that holds {_looked_for()}.")
    if not boxes and not folder.problems:
        folder.problems.append("no image has a box: export the annotations with their boxes.")
    for name in classes:
        if not boxes[name]:
            folder.notes.append(f"Class {name!r} has no boxes and is left out.")
    folder.notes.insert(0, f"Read as {chosen.upper()}: {len(images)} images, {boxes.total()} boxes.")
    unlisted = len(folder.images) - len(seen)
    if unlisted:
        folder.notes.append(f"Images that no annotation file lists, left out: {unlisted}.")
    bare = sum(draft.annotation is None for draft in drafts)
    if bare:
        folder.notes.append(f"Images without an annotation file, taken to be free of defects: {bare}.")
    return Source(
        tuple(name for name in classes if boxes[name]), tuple(images), chosen, tuple(folder.notes)
    ), folder.problems


def collect_images(folder: Path, *, progress: bool) -> tuple[list[SourceImage], list[str]]:
    """All images below a folder, without boxes, and the problems they have.

    Raises:
        UserError: it is no folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: name the folder of the images without labels.")
    found = Folder(folder)
    images = _look(found, [Draft(path, None, None, ()) for path in found.images], clip=False, progress=progress)
    if not images:
        found.problems.append(f"{folder} holds no images: name the folder of the images without labels.")
    return images, found.problems


def refuse(source: Path, problems: Sequence[str]) -> None:
    """Tell all problems at once, the first 20 in words.

    Raises:
        UserError: there are any.
    """
    if problems:
        lines = [f"- {problem}" for problem in problems[:_SHOWN]]
        if len(problems) > _SHOWN:
            lines.append(f"- and {len(problems) - _SHOWN} more")
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise UserError("\n".join([f"{source} cannot be imported, correct {count}:", *lines]))


def source_root(source: Path) -> Path:
    """The folder that a source's files are in: itself, or that of a COCO file."""
    if source.is_dir():
        return source
    return source.parent.parent if source.parent.name == "annotations" else source.parent


def open_source(source: Path) -> Folder:
    """What a source is read from.

    Raises:
        UserError: it is neither a folder nor a COCO file.
    """
    if not source.exists():
        raise UserError(f"{source} does not exist: name a folder of annotated images, or a COCO file.")
    if source.is_dir():
        return Folder(source)
    if source.suffix.lower() != ".json" or not source.is_file():
        raise UserError(f"{source} is neither a folder nor a .json file: unpack archives, and name the folder.")
    return Folder(source_root(source), annotation=source)


def _detect(folder: Folder, source: Path) -> str:
    """The one layout that is there."""
    found = {
        "coco": bool(coco.coco_files(folder)),
        "yolo": folder.annotation is None and any(yolo.label_file(image, folder) for image in folder.images),
        "voc": folder.annotation is None and bool(voc.voc_files(folder)),
    }
    present = [name for name, there in found.items() if there]
    if not present:
        raise UserError(f"{source} holds no annotations that are known: looked for {_looked_for()}.")
    if len(present) > 1:
        raise UserError(f"{source} may be read as {' or '.join(present)}: choose one with --layout.")
    return present[0]


def _looked_for() -> str:
    return "; ".join((coco.LOOKED_FOR, yolo.LOOKED_FOR, voc.LOOKED_FOR))


def _look(folder: Folder, drafts: Sequence[Draft], *, clip: bool, progress: bool) -> list[SourceImage]:
    """Open every image once, and place its boxes in it."""
    images = []
    counts: Counter[str] = Counter()
    with Progress(disable=not progress) as bar:
        for draft in bar.track(drafts, description="Reading images"):
            try:
                width, height = _size(draft.path, folder.root)
            except ValueError as error:
                folder.problem(draft.path, str(error))
                images.append(SourceImage(draft.path, 0, 0, ()))
                continue
            if draft.size not in (None, (width, height)):
                stated = f"{draft.size[0]} x {draft.size[1]}" if draft.size else ""
                text = (
                    f"is {width} x {height} px, but its annotation says {stated}: export it again, or correct the size."
                )
                folder.problem(draft.path, text)
            images.append(SourceImage(draft.path, width, height, _place(folder, draft, width, height, clip, counts)))
    if counts["clipped"]:
        folder.notes.append(f"Boxes that stuck out of their images, clipped: {counts['clipped']}.")
    if counts["empty"]:
        folder.notes.append(f"Empty boxes, left out: {counts['empty']}.")
    return images


def _size(path: Path, root: Path) -> tuple[int, int]:
    """(width, height) in px of an image that was decoded whole.

    Raises:
        ValueError: what is wrong with it and what to do.
    """
    if root.resolve() not in path.resolve().parents:
        raise ValueError("is a link that leads out of the source: put the file itself there.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                image.load()
                orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
                size = image.size
    except Exception:  # Pillow raises errors of many kinds on corrupt files
        raise ValueError("is not a readable image: restore the file.") from None
    if orientation not in (0, 1):
        text = "is stored rotated (its EXIF orientation is not 1), so boxes may be turned: save it upright and check its boxes."
        raise ValueError(text)
    return size


def _place(
    folder: Folder, draft: Draft, width: int, height: int, clip: bool, counts: Counter[str]
) -> tuple[SourceBox, ...]:
    """The boxes of an image in px, inside it."""
    placed = []
    file = draft.annotation or draft.path
    scales = (width, height, width, height) if draft.relative else (1, 1, 1, 1)
    for box in draft.boxes:
        left, top, right, bottom = (value * scale for value, scale in zip(box.xyxy, scales, strict=True))
        where = f"{box.where} of {draft.path.name} ({left:.5g}, {top:.5g} to {right:.5g}, {bottom:.5g} px)"
        excess = max(-left, -top, right - width, bottom - height)
        if excess > _TOLERANCE and not clip and left < right and top < bottom:
            text = f"{where} sticks out of the image of {width} x {height} px: correct it, or clip boxes (--clip)."
            folder.problem(file, text)
            continue
        inside = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
        if inside[0] >= inside[2] or inside[1] >= inside[3]:
            counts["empty"] += 1
            if not clip:
                folder.problem(file, f"{where} is empty: correct it, or leave out empty boxes (--clip).")
            continue
        counts["clipped"] += excess > _TOLERANCE
        placed.append(SourceBox(box.class_name, inside))
    return tuple(placed)

"""The rules of the image files: readable, upright, of the size that is told, and listed. Torch-free."""

from collections.abc import Collection, Sequence
from pathlib import Path

from rich.progress import Progress

from experiments.data.annotations import Annotations
from experiments.data.drafts import IMAGE_SUFFIXES
from experiments.data.groups import image_fault
from experiments.data.problems import Problem
from experiments.data.similar import ImageHash, hash_image


def read_pictures(
    parts: Collection[Annotations], *, progress: bool
) -> tuple[dict[Path, ImageHash], list[Problem]]:  # fmt: skip
    """Hash the listed images, each once though several files may list it; those that are not as told are problems."""
    images = [image for part in parts for image in part.images.values()]
    listed = dict.fromkeys((image.path, image.width, image.height) for image in images if image.path is not None)
    hashes: dict[Path, ImageHash] = {}
    problems = []
    with Progress(disable=not progress) as bar:
        for path, width, height in bar.track(list(listed), description="Checking images"):
            fault = image_fault(path, width, height)
            if fault is None and path not in hashes:
                found = hash_image(path)
                if found is None:
                    fault = "is damaged, it cannot be decoded to its end: restore the file."
                else:
                    hashes[path] = found
            if fault is not None:
                problems.append(Problem(path, "", fault))
    return hashes, problems


def size_warnings(parts: Collection[Annotations], size: Sequence[int]) -> list[Problem]:
    """One for each file with images of another size than ``size``, height and width in px."""
    problems = []
    for part in parts:
        others = [image for image in part.images.values() if [image.height, image.width] != list(size)]
        if others:
            first = f"{others[0].file_name}: {others[0].width} x {others[0].height}"
            what = (
                f"lists {len(others)} images of another size than the {size[1]} x {size[0]} px of dataset.json (first {first}); "
                f"they are resized for training."
            )
            problems.append(Problem(part.file, "", what, "warning"))
    return problems


def unlisted_warnings(images: Path, parts: Collection[Annotations]) -> list[Problem]:
    """One for each image below the folder that no annotation file lists; none where a file cannot be read."""
    listed: set[Path] = set()
    for part in parts:
        if part.listed is None:
            return []
        listed |= {images / name for name in part.listed}
    return [
        Problem(path, "", "is listed by no annotation file, so it is not used: list or remove it.", "warning")
        for path in sorted(images.glob("**/*"))
        if path.suffix.lower() in IMAGE_SUFFIXES and path not in listed
    ]

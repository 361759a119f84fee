"""Make a synthetic data set of drill bits in eight views, in the layout of the real one.

    images/S001_bright_1_crop_1.jpg .. _crop_8.jpg     specimen, lighting, shot, view (45 degrees apart)
    annotations/train_labeled.json  train_unlabeled.json  train_unlabeled_truth.json  val.json  test.json
    dataset.json                                        what the folder holds, with its fingerprint

The same preset and seed give the same bytes, whatever the number of worker processes. Split by specimen.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.progress import Progress

from experiments.data.defects import CLASSES, Difficulty
from experiments.data.files import new_folder
from experiments.data.scenes import LEAST_SHARE, LEAST_SIDE, Box, group_boxes, render_group
from experiments.data.specimens import EXTENTS, PRESETS, SPLITS, VIEWS, Group, Preset, plan
from experiments.errors import UserError

__all__ = ["PRESETS", "Preset", "group_boxes", "make_dataset", "plan", "render_group", "version"]

GENERATOR = 2
UNLABELLED = "train_unlabeled"
TRUTH = "train_unlabeled_truth"


def version() -> str:
    """Version of the generator; it changes with its number and the constants of difficulty and extents."""
    extents = sorted((kind, astuple(extent)) for kind, extent in EXTENTS.items())
    constants = repr((astuple(Difficulty()), extents, LEAST_SHARE, LEAST_SIDE))
    return f"{GENERATOR}-{hashlib.sha256(constants.encode()).hexdigest()[:8]}"


def make_dataset(
    preset: str, root: Path, *, seed: int = 0, workers: int | None = None, progress: bool = True
) -> dict[str, Any]:
    """Write a data set to the folder ``root`` and return its ``dataset.json``.

    Does nothing if ``root`` already holds this preset, seed and generator version. The folder appears only
    when complete.

    Raises:
        UserError: unknown preset, a negative seed, less than one worker, a ``root`` that holds something
            else, or a folder that cannot be written.
    """
    root = root.absolute()
    if preset not in PRESETS:
        raise UserError(f"There is no data preset '{preset}'; choose one of {', '.join(PRESETS)}.")
    if seed < 0:
        raise UserError(f"The data seed is {seed}; give a whole number from 0 up.")
    if workers is not None and workers < 1:
        raise UserError(f"The number of data workers is {workers}; give a whole number from 1 up.")
    wanted = {"preset": preset, "seed": seed, "version": version()}
    present = _present(root, wanted)
    if present is not None:
        return present
    with new_folder(root) as building:
        (building / "images").mkdir()
        (building / "annotations").mkdir()
        summary = _fill(building, root.name, PRESETS[preset], wanted, workers, progress)
    return summary


def _present(root: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """The summary of ``root`` if it holds the wanted data set, None if it is free."""
    advice = "delete it or choose another folder"
    try:
        if not root.exists() or (root.is_dir() and not any(root.iterdir())):
            return None
        summary: dict[str, Any] = json.loads((root / "dataset.json").read_text())
        held = {key: summary[key] for key in wanted}
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{root} exists and is no data set of this generator; {advice}.") from None
    if held != wanted:
        raise UserError(f"{root} holds another data set ({_words(held)}, wanted {_words(wanted)}); {advice}.")
    return summary


def _words(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _fill(
    folder: Path, name: str, preset: Preset, wanted: dict[str, Any], workers: int | None, progress: bool
) -> dict[str, Any]:
    """Write images, annotations and ``dataset.json`` into an empty folder."""
    groups = plan(preset, wanted["seed"])
    tasks = [(group, preset, folder / "images") for split in SPLITS for group in groups[split]]
    written: dict[str, _Written] = {}
    with Progress(disable=not progress) as bar:
        job = bar.add_task(f"Rendering {name}", total=len(tasks))
        for result in _run(tasks, workers or os.cpu_count() or 1):
            written[result.name] = result
            bar.advance(job)
    hashes = {f"images/{file}": digest for result in written.values() for file, digest in result.files}
    splits: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        truth = _coco([written[group.name] for group in groups[split]], preset)
        shown = truth | {"annotations": []} if split == UNLABELLED else truth
        for stem, content in ((split, shown), *(((TRUTH, truth),) if split == UNLABELLED else ())):
            data = (json.dumps(content, separators=(",", ":")) + "\n").encode()
            (folder / "annotations" / f"{stem}.json").write_bytes(data)
            hashes[f"annotations/{stem}.json"] = hashlib.sha256(data).hexdigest()
        images, boxes = len(truth["images"]), len(truth["annotations"])
        splits[split] = {"groups": len(groups[split]), "images": images, "boxes": boxes}
    listing = "".join(f"{path} {digest}\n" for path, digest in sorted(hashes.items()))
    fingerprint = hashlib.sha256(listing.encode()).hexdigest()
    summary = {
        "name": name,
        **wanted,
        "fingerprint": fingerprint,
        "views": VIEWS,
        "image_size": [preset.height, preset.width],
        "classes": list(CLASSES),
        "splits": splits,
    }
    (folder / "dataset.json").write_text(json.dumps(summary, indent=1) + "\n")
    return summary


@dataclass(frozen=True)
class _Written:
    """What a worker wrote: (file name, sha256) and boxes of each view."""

    name: str
    files: list[tuple[str, str]]
    boxes: list[list[Box]]


def _run(tasks: list[tuple[Group, Preset, Path]], workers: int) -> Iterator[_Written]:
    workers = min(workers, len(tasks))
    if workers == 1:
        yield from map(_write_group, tasks)
        return
    spawn = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield from pool.map(_write_group, tasks)


def _write_group(task: tuple[Group, Preset, Path]) -> _Written:
    """Render one group and write its views; runs in a worker process."""
    group, preset, folder = task
    views, boxes = render_group(group, preset)
    sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    files = []
    for number, view in enumerate(views, start=1):
        data = cv2.imencode(".jpg", np.ascontiguousarray(view[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 95, *sampling])[
            1
        ].tobytes()
        file = f"{group.name}_crop_{number}.jpg"
        (folder / file).write_bytes(data)
        files.append((file, hashlib.sha256(data).hexdigest()))
    return _Written(group.name, files, boxes)


def _coco(results: list[_Written], preset: Preset) -> dict[str, Any]:
    """COCO annotations of a split; ids count from 1, categories in the order of ``CLASSES``."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for result in results:
        for (file, _), boxes in zip(result.files, result.boxes, strict=True):
            images.append(
                {
                    "id": len(images) + 1,
                    "file_name": file,
                    "width": preset.width,
                    "height": preset.height,
                    "base_img_id": result.name,
                }
            )
            for kind, x, y, w, h in boxes:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": len(images),
                        "category_id": kind + 1,
                        "bbox": [x, y, w, h],
                        "area": w * h,
                        "iscrowd": 0,
                    }
                )
    categories = [{"id": i, "name": name} for i, name in enumerate(CLASSES, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}

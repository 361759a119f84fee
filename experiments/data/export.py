"""Write grouped images as the data set folder that training reads.

    images/S110_bright_4_crop_1.jpg ..                  group, view (from 1)
    annotations/train_labeled.json  train_unlabeled.json  train_unlabeled_truth.json  val.json  test.json
    dataset.json                                        what the folder holds
    targets.toml                                        hard classes and their targets, to be edited

Every image keeps its origin in ``source``. The truth file holds the boxes of the unlabelled groups, where they are known.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress

from experiments.data.files import new_folder
from experiments.data.naming import Shot
from experiments.goals import write_template
from experiments.runs import DATASET_NAME, TRUTH_NAME

LABELLED, UNLABELLED = "train_labeled", "train_unlabeled"


def write_dataset(
    out: Path, parts: Mapping[str, Sequence[Shot]], description: Mapping[str, Any], *, origin: Callable[[Path], str],
    with_truth: bool, progress: bool,
) -> dict[str, Any]:  # fmt: skip
    """Write the folder, which appears only when complete, and return its ``dataset.json``.

    Args:
        out: absolute; must not hold anything.
        parts: the shots of each annotation file.
        description: of the data set, without ``splits``; ``classes`` gives the order of the category ids, from 1.
        origin: of an image file, as told in ``source``.
        with_truth: the boxes of the unlabelled shots are known.

    Raises:
        UserError: the folder cannot be written; nothing is left.
    """
    with new_folder(out) as building:
        (building / "images").mkdir()
        (building / "annotations").mkdir()
        summary = _fill(building, parts, description, origin=origin, with_truth=with_truth, progress=progress)
    return summary


def _fill(
    folder: Path, parts: Mapping[str, Sequence[Shot]], description: Mapping[str, Any], *, origin: Callable[[Path], str],
    with_truth: bool, progress: bool,
) -> dict[str, Any]:  # fmt: skip
    splits = {}
    boxes: Counter[str] = Counter()
    for part, shots in parts.items():
        content = _coco(shots, description["classes"], origin)
        boxes.update(box.class_name for shot in shots for view in shot.views for box in view.boxes)
        splits[part] = {"groups": len(shots), "images": len(content["images"]), "boxes": len(content["annotations"])}
        if part == UNLABELLED:
            if with_truth:
                _write_json(folder / TRUTH_NAME, content)
            content["annotations"] = []
        _write_json(folder / "annotations" / f"{part}.json", content)
    files = [
        (view.path, _file_name(shot, i))
        for shots in parts.values()
        for shot in shots
        for i, view in enumerate(shot.views, 1)
    ]
    with Progress(disable=not progress) as bar:
        for path, name in bar.track(files, description="Copying images"):
            shutil.copyfile(path, folder / "images" / name)
    summary = {**description, "splits": splits}
    (folder / DATASET_NAME).write_text(json.dumps(summary, indent=1) + "\n")
    write_template(folder, {name: boxes[name] for name in description["classes"]})
    return summary


def _coco(shots: Sequence[Shot], classes: Sequence[str], origin: Callable[[Path], str]) -> dict[str, Any]:
    """COCO content; ids count from 1."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for shot in shots:
        for number, view in enumerate(shot.views, start=1):
            images.append(
                {
                    "id": len(images) + 1,
                    "file_name": _file_name(shot, number),
                    "width": view.width,
                    "height": view.height,
                    "base_img_id": shot.name,
                    "source": origin(view.path),
                }
            )
            for box in view.boxes:
                left, top, right, bottom = box.xyxy
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": len(images),
                        "category_id": classes.index(box.class_name) + 1,
                        "bbox": [left, top, right - left, bottom - top],
                        "area": (right - left) * (bottom - top),
                        "iscrowd": 0,
                    }
                )
    categories = [{"id": i, "name": name} for i, name in enumerate(classes, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _file_name(shot: Shot, number: int) -> str:
    return f"{shot.name}_crop_{number}{shot.views[number - 1].path.suffix.lower()}"


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, separators=(",", ":")) + "\n")

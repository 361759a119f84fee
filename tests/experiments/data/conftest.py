"""The same annotated images in three layouts: specimens S1 to S6, one group of two views of 40 x 80 px (width x height) each.

View 1 shows Chipped in the box 10, 20 to 30, 60 px; view 2 Rust all over. Names are S1_bright_1_crop_1.png and so on.
"""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

NAMES = [f"S{specimen}_bright_1_crop_{view}" for specimen in range(1, 7) for view in (1, 2)]


def save_image(path: Path, size: tuple[int, int] = (40, 80)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(zlib.crc32(path.name.encode())).integers(
        0, 256, (size[1], size[0], 3), dtype=np.uint8
    )
    Image.fromarray(pixels).save(path)


@pytest.fixture
def coco_source(tmp_path: Path) -> Path:
    """What Roboflow exports: three folders, each with its annotations beside the images, and a category that stands for all."""
    root = tmp_path / "coco"
    categories = [
        {"id": 0, "name": "defects", "supercategory": "none"},
        {"id": 1, "name": "Rust", "supercategory": "defects"},
        {"id": 2, "name": "Chipped", "supercategory": "defects"},
    ]
    for part, names in (("train", NAMES[:8]), ("valid", NAMES[8:10]), ("test", NAMES[10:])):
        images, boxes = [], []
        for i, name in enumerate(names):
            save_image(root / part / f"{name}.png")
            images.append({"id": i, "license": 1, "file_name": f"{name}.png", "height": 80, "width": 40})
            bbox, label = ([10, 20, 20, 40], 2) if name.endswith("1") else ([0, 0, 40, 80], 1)
            boxes.append({"id": i, "image_id": i, "category_id": label, "bbox": bbox, "area": 800, "iscrowd": 0})
        content = {"info": {}, "images": images, "annotations": boxes, "categories": categories}
        (root / part / "_annotations.coco.json").write_text(json.dumps(content))
    return root


@pytest.fixture
def yolo_source(tmp_path: Path) -> Path:
    """What ultralytics trains on: images/ and labels/ with parts, and data.yaml."""
    root = tmp_path / "yolo"
    for i, name in enumerate(NAMES):
        part = "train" if i < 8 else "val"
        save_image(root / "images" / part / f"{name}.png")
        (root / "labels" / part).mkdir(parents=True, exist_ok=True)
        line = "1 0.5 0.5 0.5 0.5" if name.endswith("1") else "0 0.5 0.5 1 1"
        (root / "labels" / part / f"{name}.txt").write_text(line + "\n")
    (root / "data.yaml").write_text(
        "path: ../elsewhere\ntrain: images/train\nval: images/val\nnames:\n  0: Rust\n  1: Chipped\n"
    )
    return root


@pytest.fixture
def voc_source(tmp_path: Path) -> Path:
    """Laid out as VOC2007."""
    root = tmp_path / "voc"
    (root / "Annotations").mkdir(parents=True)
    for name in NAMES:
        save_image(root / "JPEGImages" / f"{name}.png")
        label, corners = ("Chipped", (11, 21, 30, 60)) if name.endswith("1") else ("Rust", (1, 1, 40, 80))
        sides = "".join(
            f"<{side}>{value}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
        )
        (root / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><folder>VOC2007</folder><filename>{name}.png</filename>"
            f"<size><width>40</width><height>80</height><depth>3</depth></size>"
            f"<object><name>{label}</name><difficult>0</difficult><bndbox>{sides}</bndbox></object></annotation>"
        )
    return root


@pytest.fixture
def change_coco(coco_source: Path) -> Callable[[Callable[[dict[str, Any]], Any]], Path]:
    """Change the content of train/_annotations.coco.json by a function; returns the file."""

    def change(how: Callable[[dict[str, Any]], Any]) -> Path:
        file = coco_source / "train" / "_annotations.coco.json"
        content = json.loads(file.read_text())
        how(content)
        file.write_text(json.dumps(content))
        return file

    return change

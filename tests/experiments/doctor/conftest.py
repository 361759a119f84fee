"""A data set with which nothing is wrong, or one thing."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

CLASSES = ("Dent", "Crack")


@pytest.fixture(scope="session")
def make_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a data set of grey views, each with one box of each class, and return its folder.

    Keyword arguments: ``box`` (width, height) in px; ``labelled`` and ``unlabelled`` groups, of 2 views; ``lacking``, the
    classes without boxes by annotation file; ``size`` (width, height) of the views in px.
    """

    def make(
        *, box: tuple[float, float] = (16, 32), labelled: int = 6, unlabelled: int = 6,
        lacking: dict[str, Sequence[str]] | None = None, size: tuple[int, int] = (96, 240),
    ) -> Path:  # fmt: skip
        folder = tmp_path_factory.mktemp("doctor") / "plain"
        (folder / "images").mkdir(parents=True)
        (folder / "annotations").mkdir()
        buffer = io.BytesIO()
        Image.new("RGB", size, (128, 128, 128)).save(buffer, "JPEG")
        numbers = {"train_labeled": labelled, "train_unlabeled": unlabelled, "val": 6}
        for split, groups in numbers.items():
            content: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "categories": []}
            content["categories"] = [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)]
            for number in range(groups):
                for view in (1, 2):
                    name = f"{split}{number}_a_crop_{view}.jpg"
                    (folder / "images" / name).write_bytes(buffer.getvalue())
                    image = len(content["images"]) + 1
                    content["images"].append({
                        "id": image, "file_name": name, "width": size[0], "height": size[1],
                        "base_img_id": f"{split}{number}_a",
                    })  # fmt: skip
                    for label, category in enumerate(CLASSES):
                        if split != "train_unlabeled" and category not in (lacking or {}).get(split, ()):
                            content["annotations"].append({
                                "id": len(content["annotations"]) + 1, "image_id": image, "category_id": label + 1,
                                "bbox": [8 + number, 16 + 100 * label, *box], "area": box[0] * box[1], "iscrowd": 0,
                            })  # fmt: skip
            (folder / "annotations" / f"{split}.json").write_text(json.dumps(content))
        (folder / "dataset.json").write_text(
            json.dumps(
                {"name": "plain", "classes": CLASSES, "views": 2, "image_size": [size[1], size[0]], "splits": {}}
            )
        )
        return folder

    return make


@pytest.fixture(scope="session")
def plain_data(make_data: Callable[..., Path]) -> Path:
    """The data set with which nothing is wrong."""
    return make_data()

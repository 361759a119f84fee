"""A config follows its data set: classes, views and image size, with boxes scored at the stored size."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from experiments.config import load_config
from experiments.fitting import fit_to_data, view_size
from experiments.train import train_run

DRILL_BITS = ["Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear"]


@pytest.mark.parametrize(
    ("stored", "budget", "fed"),
    [
        ((240, 96), (240, 96), (240, 96)),
        ((100, 50), (100, 50), (100, 50)),  # the budget itself, though 50 is no multiple of 8
        ((720, 256), (240, 96), (256, 88)),  # 23,040 px shared as 720 : 256: 254.6 x 90.5
        ((640, 640), (240, 96), (152, 152)),
        ((96, 48), (240, 96), (96, 48)),  # never enlarged
        ((100, 50), (240, 96), (96, 48)),  # 12 and 6 eighths
        ((8, 8000), (240, 96), (8, 4800)),  # no side below 8 px
    ],
)
def test_views_are_fed_with_the_configs_pixels_in_their_own_shape(
    stored: tuple[int, int], budget: tuple[int, int], fed: tuple[int, int]
) -> None:
    assert view_size(stored, budget=budget) == fed


def fitted(config: str = "cpu", **changes: Any) -> Any:
    settings = load_config(config)
    fit_to_data(settings, {"classes": DRILL_BITS, "views": 8, "image_size": [240, 96], **changes}, Path("data/cpu"))
    return settings


def test_a_fitting_data_set_changes_nothing_but_how_views_are_loaded() -> None:
    plain, changed = load_config("cpu").to_dict(), fitted().to_dict()
    parts = (("train_dataloader", "dataset", "labelled"), ("train_dataloader", "dataset", "unlabelled"))
    for path in (*parts, ("val_dataloader", "dataset")):
        part: Any = changed
        for key in path:
            part = part[key]
        boxes = {"type": "LoadAnnotations", "with_bbox": True}
        view = {"type": "LoadView", "scale": (96, 240), "data": "data/cpu"}
        assert part["pipeline"][0]["transforms"] == [boxes, view]
        part["pipeline"][0]["transforms"] = [{"type": "LoadImageFromFile"}, boxes]
    assert changed == plain


def test_classes_views_and_size_reach_every_place_that_states_them() -> None:
    settings = fitted(classes=["Dent", "Crack"], views=4, image_size=[720, 256])
    fit_to_data(
        settings, {"classes": ["Dent", "Crack"], "views": 4, "image_size": [256, 88]}, Path("mine")
    )  # again: nothing doubles
    source = settings.train_dataloader.dataset
    for part in (source.labelled, source.unlabelled, settings.val_dataloader.dataset):
        assert (part.num_views, list(part.metainfo.classes)) == (4, ["Dent", "Crack"])
        assert part.pipeline[0].transforms[1:] == [{"type": "LoadView", "scale": (88, 256), "data": "mine"}]
    detector = settings.model.detector
    assert (settings.val_evaluator.num_views, detector.backbone.mvvit.num_views) == (4, 4)
    assert detector.roi_head.bbox_head.num_classes == 2
    assert tuple(detector.backbone.mvvit.image_size) == (256, 88)


def test_a_config_that_loads_views_in_its_own_way_gets_a_resize_behind() -> None:
    settings = load_config("cpu")
    own = [{"type": "LoadImageFromFile", "color_type": "grayscale"}, {"type": "LoadAnnotations", "with_bbox": True}]
    settings.val_dataloader.dataset.pipeline[0].transforms = own
    for _ in range(2):
        fit_to_data(settings, {"classes": DRILL_BITS, "views": 8, "image_size": [240, 96]}, Path("data/cpu"))
        resize = {"type": "Resize", "scale": (96, 240), "keep_ratio": False}
        assert settings.val_dataloader.dataset.pipeline[0].transforms == [*own, resize]


@pytest.fixture
def own_data(tiny_data: Path, tmp_path: Path) -> Path:
    """The tiny set as someone else's: two classes, four views, images of two sizes, one of them 2.5 times as large."""
    folder = tmp_path / "own"
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for name in ("train_labeled", "train_unlabeled", "val"):
        coco = json.loads((tiny_data / "annotations" / f"{name}.json").read_text())
        coco["categories"] = [{"id": 7, "name": "Dent"}, {"id": 9, "name": "Crack"}]
        coco["images"] = [image for image in coco["images"] if int(image["file_name"][-5]) <= 4]
        for image in coco["images"]:
            scale = 2.5 if image["file_name"].endswith("1.jpg") else 2
            image["width"], image["height"] = int(48 * scale), int(96 * scale)
            picture = Image.open(tiny_data / "images" / image["file_name"])
            picture.resize((image["width"], image["height"])).save(folder / "images" / image["file_name"])
        scales = {image["id"]: image["height"] / 96 for image in coco["images"]}
        coco["annotations"] = [box for box in coco["annotations"] if box["image_id"] in scales]
        for box in coco["annotations"]:
            box["category_id"] = 7 if box["category_id"] < 3 else 9
            box["bbox"] = [value * scales[box["image_id"]] for value in box["bbox"]]
        (folder / "annotations" / f"{name}.json").write_text(json.dumps(coco))
    description = {"name": "own", "classes": ["Dent", "Crack"], "views": 4, "image_size": [192, 96]}
    (folder / "dataset.json").write_text(json.dumps(description))
    return folder


def test_own_data_of_other_classes_views_and_sizes_train(own_data: Path, tmp_path: Path) -> None:
    record = train_run(config="tiny", study="s", data=own_data, runs_root=tmp_path / "runs", progress=False)
    assert record.status == "completed", record.reason
    final = record.final("teacher")
    assert final is not None
    assert list(final.scores) == ["Dent", "Crack", "all"]
    boxes = json.loads((own_data / "annotations" / "val.json").read_text())["annotations"]
    assert final.scores["all"].boxes == len(boxes)


def test_kept_views_change_nothing_of_a_run(own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its identity nor a bit of its weights, with images of two sizes."""
    import torch

    from experiments.data import cache
    from experiments.runs import WEIGHTS_NAME

    monkeypatch.setattr(cache, "_SETTLED", -1.0)
    found = []
    for kept in ("off", str(tmp_path / "views"), str(tmp_path / "views")):
        monkeypatch.setenv("VIEW_CACHE", kept)
        runs = tmp_path / f"runs-{len(found)}"
        record = train_run(config="tiny", study="s", data=own_data, runs_root=runs, progress=False)
        assert record.status == "completed", record.reason
        found.append((record.identity, torch.load(runs / "s" / "baseline-seed0" / WEIGHTS_NAME, weights_only=True)))
    assert len(list((tmp_path / "views").glob("*/*"))) == 40  # 10 groups of 4 views: all but the test split
    assert len({identity for identity, _ in found}) == 1
    for _, weights in found[1:]:
        assert all(torch.equal(weights[name], value) for name, value in found[0][1].items())

"""From annotation files to batches of B*V images: order, branches, sampling, transforms."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS, TRANSFORMS
from mmengine.registry import init_default_scope

import models  # noqa: F401  (installs the operators before mmdet is imported)
from experiments.config import load_config
from experiments.data.dataset import mix_views, multi_view_collate
from experiments.data.groups import Group, View
from experiments.data.sampler import MixedGroupSampler
from experiments.data.splits import read_parts
from experiments.data.transforms import ColorAugmentation, FlipGroup
from experiments.errors import UserError

OFF = {name: {"prob": 0.0} for name in ("autocontrast", "equalize", "brightness", "contrast", "sharpness", "posterize")}


@pytest.fixture(autouse=True)
def scope() -> None:
    init_default_scope("mmdet")


@pytest.fixture
def train_set(tiny_data: Path) -> Any:
    config = load_config("tiny")
    config.train_dataloader.dataset.data_root = str(tiny_data)
    return DATASETS.build(config.train_dataloader.dataset)


def group(views: int = 4, width: int = 10) -> dict[str, Any]:
    """Views of grey value 10, 20, ... with one box each."""
    return {
        "group": "g",
        "views": [
            {
                "img": np.full((6, width, 3), 10 * (v + 1), np.uint8), "img_shape": (6, width), "img_id": v,
                "gt_bboxes": _boxes([[1.0, 2.0, 3.0, 5.0]]), "homography_matrix": np.eye(3, dtype=np.float32),
            }
            for v in range(views)
        ],
    }  # fmt: skip


def _boxes(values: list[list[float]]) -> Any:
    from mmdet.structures.bbox import HorizontalBoxes

    return HorizontalBoxes(torch.tensor(values))


def test_a_flip_mirrors_every_view_and_the_order_of_the_views() -> None:
    flipped = FlipGroup(prob=1.0)(group())
    assert [view["img_id"] for view in flipped["views"]] == [0, 3, 2, 1]
    for view in flipped["views"]:
        assert view["gt_bboxes"].tensor.tolist() == [[7.0, 2.0, 9.0, 5.0]]  # 10 - 3, 10 - 1
        # x' = width - x
        assert view["homography_matrix"].tolist() == [[-1.0, 0.0, 10.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


def test_a_flip_flips_all_views_or_none() -> None:
    np.random.seed(0)
    flip = FlipGroup(prob=0.5)
    outcomes = [{bool(view.get("flip")) for view in flip(group())["views"]} for _ in range(40)]
    assert all(len(outcome) == 1 for outcome in outcomes)
    assert {True} in outcomes
    assert {False} in outcomes


def test_two_flips_are_none() -> None:
    flip = FlipGroup(prob=1.0)
    assert [view["img_id"] for view in flip(flip(group()))["views"]] == [0, 1, 2, 3]


def test_no_colour_without_probability() -> None:
    before, after = group(), ColorAugmentation(**OFF)(group())
    for x, y in zip(before["views"], after["views"], strict=True):
        assert np.array_equal(x["img"], y["img"])


@pytest.mark.parametrize(
    ("name", "setting"),
    [("brightness", {"prob": 1.0, "magnitude": (0.5, 0.5)}), ("contrast", {"prob": 1.0, "magnitude": (0.5, 0.5)}),
     ("sharpness", {"prob": 1.0, "magnitude": (2.0, 2.0)}), ("posterize", {"prob": 1.0, "magnitude": (2.0, 2.0)}),
     ("autocontrast", {"prob": 1.0}), ("equalize", {"prob": 1.0})],
)  # fmt: skip
def test_each_colour_setting_changes_the_image(name: str, setting: dict[str, Any]) -> None:
    image = np.random.default_rng(0).integers(60, 180, (32, 32, 3), dtype=np.uint8)
    views = {"views": [{"img": image.copy()}]}
    assert not np.array_equal(ColorAugmentation(**{**OFF, name: setting})(views)["views"][0]["img"], image)


def test_half_the_brightness() -> None:
    done = ColorAugmentation(**{**OFF, "brightness": {"prob": 1.0, "magnitude": (0.5, 0.5)}})(group())
    assert [int(view["img"][0, 0, 0]) for view in done["views"]] == [5, 10, 15, 20]


def test_a_batch_keeps_the_views_of_a_group_together(train_set: Any) -> None:
    # 4 labelled groups first, then 4 unlabelled ones
    batch = multi_view_collate([train_set[0], train_set[4], train_set[5]])
    assert {branch: len(images) for branch, images in batch["inputs"].items()} == {
        "sup": 8, "unsup_teacher": 16, "unsup_student": 16,
    }  # fmt: skip
    for branch in ("sup", "unsup_teacher"):
        names = [Path(sample.img_path).name.rsplit("_crop_", 1) for sample in batch["data_samples"][branch]]
        for start in range(0, len(names), 8):
            assert len({base for base, _ in names[start : start + 8]}) == 1
            assert sorted(int(view[0]) for _, view in names[start : start + 8]) == list(range(1, 9))


def test_a_supervised_batch_has_no_unlabelled_branch(train_set: Any) -> None:
    assert set(multi_view_collate([train_set[0], train_set[1]])["inputs"]) == {"sup"}


def test_unlabelled_groups_carry_no_boxes(train_set: Any) -> None:
    samples = train_set[4]["data_samples"]["unsup_teacher"]
    assert sum(len(sample.gt_instances) for sample in samples) == 0
    assert sum(len(sample.gt_instances) for sample in train_set[0]["data_samples"]["sup"]) > 0


def test_a_split_decides_which_groups_are_labelled(tiny_data: Path, train_set: Any) -> None:
    config = load_config("tiny").train_dataloader.dataset
    config.update(data_root=str(tiny_data), split=1)
    dataset = DATASETS.build(config)
    assert [len(part) for part in dataset.datasets] == [4, 4]
    groups = [[part.get_data_info(i) for i in range(4)] for part in dataset.datasets]
    expected = read_parts(tiny_data, config.labelled, config.unlabelled, split=1)
    assert [[g["group"] for g in part] for part in groups] == [[g.name for g in part] for part in expected]
    assert {g["group"] for g in groups[0]} != {train_set.get_data_info(i)["group"] for i in range(4)}
    boxes = [sum(len(view["instances"]) for g in part for view in g["views"]) for part in groups]
    assert boxes[0] > 0
    assert boxes[1] == 0
    assert len({view["img_id"] for g in groups[1] for view in g["views"]}) == 4 * 8


def test_groups_of_different_sizes_cannot_share_a_batch() -> None:
    packed = [{"inputs": [torch.zeros(3, 2, 2)] * n, "data_samples": [None] * n} for n in (2, 3)]
    with pytest.raises(UserError, match=r"Groups of \[2, 3\] views"):
        multi_view_collate(packed)


def test_batches_mix_the_sources_and_a_resumed_run_goes_on_where_it_was(train_set: Any) -> None:
    def take(number: int, skip: int = 0, ratio: tuple[int, int] = (1, 1)) -> list[int]:
        sampler = MixedGroupSampler(train_set, batch_size=2, source_ratio=list(ratio), seed=3)
        sampler.skip(skip)
        return [draw.item for draw in itertools.islice(iter(sampler), number)]

    indices = take(16)
    assert all((index < 4) == (position % 2 == 0) for position, index in enumerate(indices))
    assert sorted(indices[:8]) == list(range(8))  # each group once before any comes again
    assert take(8, skip=8) == indices[8:]
    assert set(take(8, ratio=(1, 0))) == {0, 1, 2, 3}


def test_a_corrupt_image_is_named(tiny_data: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(tiny_data, tmp_path / "data")
    config = load_config("tiny")
    config.train_dataloader.dataset.data_root = str(tmp_path / "data")
    dataset = DATASETS.build(config.train_dataloader.dataset)
    victim = Path(dataset.datasets[0].get_data_info(0)["views"][2]["img_path"])
    victim.write_bytes(b"no image")
    with pytest.raises(UserError, match=rf"{victim.name} is not a readable image"):
        dataset[0]


def test_packing_keeps_what_soft_teacher_needs() -> None:
    packed = TRANSFORMS.build({"type": "PackGroup"})({
        "views": [{"img": np.zeros((4, 6, 3), np.uint8), "img_id": 5, "homography_matrix": np.eye(3), "img_shape": (4, 6)}]
    })  # fmt: skip
    assert tuple(packed["inputs"][0].shape) == (3, 4, 6)
    assert packed["data_samples"][0].img_id == 5


def test_mixed_groups_hold_every_view_once_in_its_place_and_no_two_of_one_bit() -> None:
    def view(number: int) -> View:
        return View(number, Path(f"{number}.jpg"), 6, 4, ())

    groups = [Group(f"S{i // 2}_bright_{i}", tuple(view(10 * i + v) for v in range(4))) for i in range(9)]
    mixed = mix_views(groups)
    assert [group.name for group in mixed] == [group.name for group in groups]
    assert [view.image_id for view in mixed[0].views] == [0, 21, 42, 63]  # steps of 9 // 4 groups
    assert [view.image_id for view in mixed[8].views] == [80, 11, 32, 53]
    for place in range(4):
        assert sorted(group.views[place].image_id for group in mixed) == [10 * i + place for i in range(9)]
    bits = [[view.image_id // 20 for view in group.views] for group in mixed[:8]]
    assert all(len(set(own)) == 4 for own in bits)
    assert [view.image_id for view in mix_views(groups[:2])[0].views] == [0, 11, 2, 13]
    assert [view.image_id for view in mix_views(groups, 3)[0].views] == [0, 61, 42, 23]  # 0, 3, 2 and 1 steps
    with pytest.raises(ValueError, match="without common divisor"):
        mix_views(groups, 2)


def test_the_mixed_control_is_set_in_the_config_alone(tiny_data: Path) -> None:
    settings = load_config("tiny", {"val_dataloader.dataset.mix_views": True})
    settings.val_dataloader.dataset.data_root = str(tiny_data)
    mixed = DATASETS.build(settings.val_dataloader.dataset)
    names = [Path(view["img_path"]).name.split("_crop_")[0] for view in mixed.get_data_info(0)["views"]]
    assert len(set(names)) == 2

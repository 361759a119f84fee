"""Images that are normalised together come out as the library normalises them one by one."""

import copy
from typing import Any

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from models.preprocessor import StackedDataPreprocessor, stacked

OPTIONS = {"mean": [103.53, 116.28, 123.675], "std": [1.0, 57.0, 3.0]}


@pytest.mark.parametrize("sizes", [[(12, 7)] * 3, [(12, 7), (9, 11), (12, 7)], [(5, 5)]], ids=["alike", "mixed", "one"])
@pytest.mark.parametrize("divisor", [1, 8])
@pytest.mark.parametrize("rgb", [False, True])
def test_images_and_samples_are_the_librarys(sizes: list[tuple[int, int]], divisor: int, rgb: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    batch = {
        "inputs": [torch.randint(0, 256, (3, *size), generator=draw, dtype=torch.uint8) for size in sizes],
        "data_samples": [
            DetDataSample(metainfo={"img_shape": size}, gt_instances=InstanceData(bboxes=torch.rand(2, 4))) for size in sizes
        ],
    }  # fmt: skip
    options = {**OPTIONS, "pad_size_divisor": divisor, "bgr_to_rgb": rgb}
    theirs = MODELS.build({"type": "DetDataPreprocessor", **options})(copy.deepcopy(batch), True)
    ours = MODELS.build({"type": "StackedDataPreprocessor", **options})(copy.deepcopy(batch), True)
    assert torch.equal(ours["inputs"], theirs["inputs"])
    for one, other in zip(ours["data_samples"], theirs["data_samples"], strict=True):
        assert one.metainfo == other.metainfo
        assert torch.equal(one.gt_instances.bboxes, other.gt_instances.bboxes)


def test_more_images_are_no_more_work(operations: Any) -> None:
    preprocessor, counts = StackedDataPreprocessor(**OPTIONS), []
    for images in (2, 9):
        with operations() as called:
            preprocessor({"inputs": list(torch.zeros(images, 3, 8, 8, dtype=torch.uint8)), "data_samples": None})
        counts.append(sum(name not in ("aten.unbind.int", "aten.alias.default") for name in called.names))
    assert counts[0] == counts[1]


def test_only_the_librarys_own_is_replaced() -> None:
    config = {"type": "MultiBranchDataPreprocessor", "data_preprocessor": {"type": "DetDataPreprocessor", **OPTIONS}}
    assert stacked(config)["data_preprocessor"] == {"type": "StackedDataPreprocessor", **OPTIONS}
    assert config["data_preprocessor"]["type"] == "DetDataPreprocessor"
    other = {"type": "MultiBranchDataPreprocessor", "data_preprocessor": {"type": "BatchFixedSizePad"}}
    assert stacked(other) == other

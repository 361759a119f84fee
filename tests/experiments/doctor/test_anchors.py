"""Anchors and their coverage, against mmdet's own and against every anchor of the grid."""

import numpy as np
import pytest

from experiments.config import import_components, load_config
from experiments.doctor.anchors import (
    AnchorGrid,
    anchor_sizes,
    best_iou,
    cover,
    fitted_ratios,
    inverted,
    ratio_sets,
    read_grid,
    scale_sets,
)
from experiments.errors import UserError

RATIOS = (0.2, 0.35, 0.5, 1.0, 2.0)
GRID = AnchorGrid(strides=(4, 8, 16, 32, 64), scales=(4, 6), size=(100, 72))


def library_generator(ratios: tuple[float, ...], grid: AnchorGrid) -> object:
    import_components(load_config("cpu"))
    from mmdet.models.task_modules import AnchorGenerator

    return AnchorGenerator(strides=list(grid.strides), ratios=list(ratios), scales=list(grid.scales))


def test_an_anchor_of_ratio_four_is_four_times_as_high_as_wide() -> None:
    np.testing.assert_allclose(anchor_sizes([4.0, 0.25], [2, 3], 8), [[8, 32], [12, 48], [32, 8], [48, 12]])


def test_anchors_are_those_of_the_library() -> None:
    generator = library_generator(RATIOS, GRID)
    for stride, theirs in zip(GRID.strides, generator.base_anchors, strict=True):  # type: ignore[attr-defined]
        half = anchor_sizes(RATIOS, GRID.scales, stride) / 2
        np.testing.assert_allclose(theirs.numpy(), np.hstack([-half, half]), rtol=1e-6)


def test_the_nearest_position_is_as_good_as_the_best_of_all_positions() -> None:
    anchor_generator = library_generator(RATIOS, GRID)
    import torch
    from mmdet.structures.bbox import bbox_overlaps

    generator = np.random.default_rng(0)
    corners = generator.uniform(0, (72, 100, 72, 100), size=(300, 4))
    boxes = np.hstack([np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:]) + 1])
    sizes = [(-(-GRID.size[0] // stride), -(-GRID.size[1] // stride)) for stride in GRID.strides]
    anchors = torch.cat(anchor_generator.grid_priors(sizes, device="cpu"))  # type: ignore[attr-defined]
    brute = bbox_overlaps(torch.from_numpy(boxes).float(), anchors).max(dim=1).values.numpy()
    np.testing.assert_allclose(best_iou(boxes, RATIOS, GRID), brute, atol=1e-5)


def test_best_iou_by_hand() -> None:
    grid = AnchorGrid(strides=(16,), scales=(2,), size=(64, 64))  # one 32 x 32 anchor at 0, 16, 32 and 48 px
    boxes = np.array([[0.0, 0, 32, 32], [0, 0, 16, 32], [20, 16, 52, 48], [60, 60, 64, 64]])
    # Wholly covered; half of the anchor; 4 px aside: 28 / 36; in the last anchor, 32..64: 16 / 1024.
    np.testing.assert_allclose(best_iou(boxes, [1.0], grid), [1, 0.5, 28 / 36, 16 / 1024])


def test_no_anchor_lies_past_the_last_position() -> None:
    grid = AnchorGrid(strides=(16,), scales=(1,), size=(64, 64))  # the last anchor is 40 to 56 px
    np.testing.assert_allclose(best_iou(np.array([[58.0, 58, 64, 64]]), [1.0], grid), [0])


def test_coverage_counts_boxes_strictly_above_each_iou_and_leaves_out_empty_classes() -> None:
    grid = AnchorGrid(strides=(16,), scales=(2,), size=(64, 64))
    boxes = np.array([[0.0, 0, 32, 32], [0, 0, 16, 32], [20, 16, 52, 48]])
    found = cover("ours", [1.0], boxes=boxes, labels=np.array([0, 2, 2]), classes=("a", "b", "c"), grid=grid)
    assert found.overall == pytest.approx((2 / 3, 2 / 3))
    assert found.of_class == {"a": (1.0, 1.0), "c": (0.5, 0.5)}


def test_fitted_ratios_find_the_clusters_of_the_boxes() -> None:
    shapes = np.array([[10, 30], [20, 60], [10, 31], [10, 10], [11, 10], [30, 30], [40, 10], [42, 10], [80, 20]])
    boxes = np.hstack([np.zeros((9, 2)), shapes]).astype(float)
    assert fitted_ratios(boxes, 3) == (0.25, 1.0, 3.0)
    assert fitted_ratios(boxes[[0, 3, 5]], 3) == (1.0, 3.0)  # boxes of two shapes: no ratio stands twice


def test_scales_reach_from_the_small_boxes_to_the_large_ones() -> None:
    assert scale_sets(12, 40, (4, 8, 16)) == [
        (3,),
        (3, 4.2),
        (3, 3.8, 4.8),
    ]  # 12 to 48 px and more
    assert scale_sets(8, 60, (4, 8)) == [  # 60 px is nearly two octaves above 2 * 8 px
        (2, 4, 8), (2, 2.8, 4, 5.7, 8, 11), (2, 2.5, 3.2, 4, 5, 6.3, 8, 10, 13),
    ]  # fmt: skip


def test_inverted_ratios_are_those_read_as_width_over_height() -> None:
    assert inverted(RATIOS) == (0.5, 1.0, 2.0, 2.86, 5.0)


def test_the_sets_that_are_compared() -> None:
    boxes = np.array([[0.0, 0, 10, 20], [0, 0, 20, 20]])
    assert ratio_sets((1.0, 2.0), boxes) == {
        "configured": (1.0, 2.0),
        "configured as width/height": (0.5, 1.0),
        "plan": (0.2, 0.35, 0.45, 0.55, 0.65, 1.0, 2.0),
        "plan as width/height": (0.5, 1.0, 1.54, 1.82, 2.22, 2.86, 5.0),
        "fitted": (1.0, 2.0),
    }


@pytest.mark.parametrize(
    "generator",
    [
        {"type": "SSDAnchorGenerator", "strides": [8], "ratios": [1.0], "scales": [4]},
        {"type": "AnchorGenerator", "strides": [8], "ratios": [1.0], "octave_base_scale": 4, "scales_per_octave": 3},
        {"type": "AnchorGenerator", "strides": [(8, 4)], "ratios": [1.0], "scales": [4]},
    ],
)
def test_other_generators_are_refused(generator: dict[str, object]) -> None:
    with pytest.raises(UserError, match="not known to the doctor"):
        read_grid(generator, (64, 64))

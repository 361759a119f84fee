"""Which boxes are right and what thresholds keep, by hand and against COCO's own evaluation."""

import contextlib
import io
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from experiments.doctor.matching import ViewBoxes, curve, match, overlaps


def view_of(truth: list[tuple[Any, int]], found: list[tuple[Any, int, float]]) -> ViewBoxes:
    """A view of annotated (box, label) and found (box, label, score)."""
    return ViewBoxes(
        group="S1_bright_1",
        view=1,
        truth=np.array([box for box, _ in truth], dtype=np.float64).reshape(-1, 4),
        truth_labels=np.array([label for _, label in truth], dtype=np.intp),
        boxes=np.array([box for box, _, _ in found], dtype=np.float64).reshape(-1, 4),
        labels=np.array([label for _, label, _ in found], dtype=np.intp),
        scores=np.array([score for _, _, score in found], dtype=np.float64),
        uncertainties=np.zeros(len(found)),
    )


def test_overlaps_by_hand() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [20, 20, 30, 40]])
    others = np.array([[0.0, 0, 10, 5], [5, 5, 15, 15], [20, 20, 30, 40]])
    np.testing.assert_allclose(overlaps(boxes, others), [[0.5, 25 / 175, 0.0], [0.0, 0.0, 1.0]])


def test_a_higher_score_takes_the_annotated_box_first() -> None:
    view = view_of(
        truth=[((0, 0, 10, 10), 0)],
        found=[((0, 0, 10, 10), 0, 0.6), ((0, 0, 10, 8), 0, 0.9)],  # the better box comes too late
    )
    assert match(view).tolist() == [-1, 0]


def test_a_box_takes_the_annotated_one_it_overlaps_most_and_leaves_the_other() -> None:
    view = view_of(
        truth=[((0, 0, 10, 10), 0), ((0, 2, 10, 12), 0)],
        found=[((0, 2, 10, 12), 0, 0.9), ((0, 1, 10, 12), 0, 0.8)],  # the second would prefer the taken one
    )
    assert match(view).tolist() == [1, 0]


def test_other_classes_and_small_overlaps_match_nothing() -> None:
    view = view_of(
        truth=[((0, 0, 10, 10), 0), ((50, 0, 60, 10), 1)],
        found=[((0, 0, 10, 10), 1, 0.9), ((50, 0, 60, 5), 1, 0.8), ((50, 0, 60, 4.9), 1, 0.95)],
    )
    assert match(view).tolist() == [-1, 1, -1]  # an IoU of exactly 0.5 is enough, 0.49 is not
    assert match(view_of(truth=[], found=[((0, 0, 1, 1), 0, 0.5)])).tolist() == [-1]
    assert match(view_of(truth=[((0, 0, 1, 1), 0)], found=[])).tolist() == []


def test_matches_are_those_of_cocos_evaluation() -> None:
    generator = np.random.default_rng(0)
    for _ in range(30):
        truth = [(box, int(generator.integers(2))) for box in boxes(generator, 6)]
        found = [
            (box, int(generator.integers(2)), float(s))
            for box, s in zip(boxes(generator, 12), generator.random(12), strict=True)
        ]
        view = view_of(truth, found)
        assert set(np.flatnonzero(match(view) >= 0).tolist()) == coco_correct(truth, found)


def test_a_curve_by_hand() -> None:
    drawn = curve(
        np.array([0.9, 0.5, 0.7, 0.3]), np.array([True, False, True, False]), 4, np.array([0.2, 0.3, 0.5, 0.7, 0.9])
    )
    assert drawn.kept.tolist() == [4, 3, 2, 1, 0]  # a score at the threshold is not kept
    assert drawn.correct.tolist() == [2, 2, 2, 1, 0]
    np.testing.assert_allclose(drawn.precision, [0.5, 2 / 3, 1.0, 1.0, np.nan])
    np.testing.assert_allclose(drawn.recall, [0.5, 0.5, 0.5, 0.25, 0.0])
    np.testing.assert_allclose(drawn.f1, [0.5, 4 / 7, 2 / 3, 0.4, 0.0])


def boxes(generator: np.random.Generator, number: int) -> list[list[float]]:
    """Boxes that often overlap by half."""
    corners = generator.uniform(0, 12, (number, 2))
    sizes = generator.uniform(8, 14, (number, 2))
    return np.concatenate([corners, corners + sizes], axis=1).tolist()


def coco_correct(truth: list[tuple[Any, int]], found: list[tuple[Any, int, float]]) -> set[int]:
    """Indices of the found boxes that pycocotools matches at IoU 0.5."""

    def xywh(box: Any) -> list[float]:
        return [box[0], box[1], box[2] - box[0], box[3] - box[1]]

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": 1}],
            "categories": [{"id": 0}, {"id": 1}],
            "annotations": [
                {"id": i + 1, "image_id": 1, "category_id": label, "bbox": xywh(box), "area": 1.0, "iscrowd": 0}
                for i, (box, label) in enumerate(truth)
            ],
        }
        coco.createIndex()
        results = [{"image_id": 1, "category_id": label, "bbox": xywh(box), "score": s} for box, label, s in found]
        loaded = coco.loadRes(results)
        evaluation = COCOeval(coco, loaded, "bbox")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
    matched: set[int] = set()
    for entry in evaluation.evalImgs:
        if entry is not None:
            matched |= {int(i) - 1 for i, hit in zip(entry["dtIds"], entry["dtMatches"][0], strict=True) if hit > 0}
    return matched

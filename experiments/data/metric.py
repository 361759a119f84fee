"""COCO average precision per class, over groups of views."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.registry import METRICS
from mmengine.evaluator import BaseMetric


@METRICS.register_module()
class GroupCocoMetric(BaseMetric):
    """AP and AP50 per class and their mean, each view being one image; nothing is rounded.

    mmengine cuts the collected results to the length of the data set, which counts groups: results are therefore collected
    per group. Figures are named ``<class>/AP``, ``<class>/AP50`` and ``<class>/boxes``, with ``all`` for the mean over classes
    that have boxes; AP of a class without boxes is NaN.

    Args:
        num_views: views per group.
    """

    default_prefix = None

    def __init__(self, *, num_views: int = 8, **options: Any) -> None:
        super().__init__(**options)
        self.num_views = num_views

    def process(self, data_batch: dict[str, Any], data_samples: Sequence[dict[str, Any]]) -> None:
        """Collect ground truth and predictions (boxes xyxy in px of the stored image) of a batch of whole groups."""
        views = [_view(sample) for sample in data_samples]
        for start in range(0, len(views), self.num_views):
            self.results.append(views[start : start + self.num_views])

    def compute_metrics(self, results: list[list[dict[str, Any]]]) -> dict[str, float]:
        """COCO scores of all collected groups."""
        views = [view for group in results for view in group]
        return average_precision(views, list(self.dataset_meta["classes"]))


@METRICS.register_module()
class PrecisionRecallMetric(GroupCocoMetric):
    """The same, and the curves that AP50 is the area under.

    Attributes:
        curves: of each evaluation so far, the precision at IoU 0.50 of each class that has boxes, at recalls 0.00:0.01:1.00.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.curves: list[dict[str, list[float]]] = []

    def compute_metrics(self, results: list[list[dict[str, Any]]]) -> dict[str, float]:
        """COCO scores of all collected groups; keeps their curves."""
        views, classes = [view for group in results for view in group], list(self.dataset_meta["classes"])
        precision, boxes = precision_of(views, classes)
        self.curves.append(
            {name: precision[0, :, label].tolist() for label, name in enumerate(classes) if boxes[label]}
        )
        return scores_of(precision, boxes, classes)


def _view(sample: dict[str, Any]) -> dict[str, Any]:
    truth, found = sample["gt_instances"], sample["pred_instances"]
    scale = np.tile(sample.get("scale_factor", (1.0, 1.0)), 2)
    return {
        "image_id": sample["img_id"],
        "truth_boxes": np.asarray(truth["bboxes"].cpu(), dtype=float).reshape(-1, 4) / scale,
        "truth_labels": truth["labels"].cpu().numpy(),
        "boxes": np.asarray(found["bboxes"].cpu(), dtype=float).reshape(-1, 4),
        "scores": np.asarray(found["scores"].float().cpu(), dtype=float),
        "labels": found["labels"].cpu().numpy(),
    }


def average_precision(
    views: Sequence[dict[str, Any]], classes: Sequence[str], *, reference: bool = False
) -> dict[str, float]:
    """:func:`scores_of` views; the arguments are as :func:`precision_of` has them."""
    return scores_of(*precision_of(views, classes, reference=reference), classes)


def precision_of(
    views: Sequence[dict[str, Any]], classes: Sequence[str], *, reference: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """COCO precision, at most 100 boxes a view, and how many boxes each class has.

    Args:
        views: one dict per image with ``image_id``, ``truth_boxes`` and ``boxes`` (n, 4) xyxy px, ``truth_labels`` and
            ``labels`` indices into ``classes``, ``scores``.
        classes: class names in label order.
        reference: evaluate with pycocotools; else with faster-coco-eval, which is several times faster and differs in the last
            bit at most, since it does not add 2e-16 to what it divides by.

    Returns:
        Precision in [0, 1], (10, 101, classes): at IoU 0.50:0.05:0.95 and recall 0.00:0.01:1.00; and numbers of boxes (classes,).
        Precision of a class without boxes means nothing.

    Source: pycocotools is the reference implementation; a test holds the other to it.
    """
    if reference:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    else:
        from faster_coco_eval import COCO
        from faster_coco_eval import COCOeval_faster as COCOeval
    truth: list[dict[str, Any]] = []
    detections: list[dict[str, Any]] = []
    for view in views:
        for box, label in zip(_xywh(view["truth_boxes"]), view["truth_labels"], strict=True):
            truth.append({
                "id": len(truth) + 1, "image_id": view["image_id"], "category_id": int(label), "bbox": box,
                "area": box[2] * box[3], "iscrowd": 0,
            })  # fmt: skip
        for box, label, score in zip(_xywh(view["boxes"]), view["labels"], view["scores"], strict=True):
            detections.append(
                {"image_id": view["image_id"], "category_id": int(label), "bbox": box, "score": float(score)}
            )
    boxes = np.bincount([entry["category_id"] for entry in truth], minlength=len(classes))
    if not detections or not truth:
        return np.zeros((10, 101, len(classes))), boxes
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": view["image_id"]} for view in views],
            "categories": [{"id": i, "name": name} for i, name in enumerate(classes)],
            "annotations": truth,
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, 0, -1], boxes


def scores_of(precision: np.ndarray, boxes: np.ndarray, classes: Sequence[str]) -> dict[str, float]:
    """AP (mean over IoU 0.50:0.05:0.95) and AP50 as fractions in [0, 1]; both arguments from :func:`precision_of`.

    Returns:
        ``{"<class>/AP": ..., "<class>/AP50": ..., "<class>/boxes": ...}`` for each class and ``all``; NaN without boxes.
    """
    ap, ap50 = (
        np.where(boxes > 0, values, np.nan) for values in (precision.mean(axis=(0, 1)), precision[0].mean(axis=0))
    )
    scores = {}
    for name, *values in [
        *zip(classes, ap, ap50, boxes, strict=True),
        ("all", _mean(ap), _mean(ap50), boxes.sum()),
    ]:
        scores.update(
            {f"{name}/{key}": float(value) for key, value in zip(("AP", "AP50", "boxes"), values, strict=True)}
        )
    return scores


def _mean(values: np.ndarray) -> float:
    """Mean over the classes that have boxes; NaN if none has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _xywh(boxes: np.ndarray) -> list[list[float]]:
    return [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in boxes.tolist()]

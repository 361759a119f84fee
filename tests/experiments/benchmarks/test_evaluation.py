"""The two implementations of COCO's scores agree, in every figure that a record or a chart takes."""

import numpy as np
import pytest

from experiments.benchmarks.evaluation import CLASSES, made_views
from experiments.data.metric import average_precision, precision_of


@pytest.mark.parametrize(
    ("views", "boxes", "levels"),
    [(60, 20, None), (60, 20, 10), (25, 130, 4), (3, 2, None), (40, 1, 1)],  # equal scores, more boxes than 100, few
)
def test_precision_and_scores_are_the_references(views: int, boxes: int, levels: int | None) -> None:
    made = made_views(views, boxes, levels=levels)
    precision, counts = precision_of(made, CLASSES)
    expected, expected_counts = precision_of(made, CLASSES, reference=True)
    assert precision.shape == expected.shape == (10, 101, len(CLASSES))
    assert np.abs(precision - expected).max() <= 1e-15
    assert counts.tolist() == expected_counts.tolist()
    scores, reference = average_precision(made, CLASSES), average_precision(made, CLASSES, reference=True)
    assert scores == pytest.approx(reference, rel=0, abs=1e-15, nan_ok=True)
    assert 0 < scores["all/AP"] < 1

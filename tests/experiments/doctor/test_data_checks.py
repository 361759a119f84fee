"""The remedy for boxes that are too small helps whatever the boxes are; the other checks: test_examine.py."""

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments.doctor.data_checks import smallest_box_findings
from experiments.doctor.findings import Finding


def findings(sides: "np.ndarray[Any, Any]", labels: "np.ndarray[Any, Any]", least: list[int]) -> list[Finding]:
    """What is found where labelled boxes have these sides (width, height) and the settings this smallest pseudo-box."""
    case: Any = SimpleNamespace(
        boxes=lambda part: SimpleNamespace(sides=sides, labels=labels), classes=["a", "b", "c"], size=(96, 48),
        settings=SimpleNamespace(model=SimpleNamespace(semi_train_cfg=SimpleNamespace(min_pseudo_bbox_wh=least))),
    )  # fmt: skip
    return smallest_box_findings(case)


def test_a_tenth_may_be_too_small_and_no_more() -> None:
    sides = np.array([[3.0, 9.0], *[[9.0, 9.0]] * 9])
    labels = np.zeros(10, int)
    assert findings(sides, labels, [3, 3]) == []
    (found,) = findings(np.vstack([sides, [[9.0, 2.5]]]), np.zeros(11, int), [3, 3])  # 2 of 11
    assert "a 18%" in found.evidence
    # Of 11 widths, the lowest is 3, and so is that of the heights 2.5; below these lie 2 and 2.
    assert found.remedy == "Set model.semi_train_cfg.min_pseudo_bbox_wh to [2, 2] or less."


@pytest.mark.parametrize("seed", range(40))
def test_the_smallest_pseudo_box_advised_ends_the_warning(seed: int) -> None:
    """Small whole and broken sides, of classes with few boxes and with many: the few are smaller."""
    chance = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], chance.integers(1, (20, 400, 60)))
    sides = chance.gamma(2.0, 2.0, (len(labels), 2)) + np.minimum(labels, 1)[:, None]
    sides = np.ceil(sides) if seed % 2 else sides
    for finding in findings(sides, labels, [4, 4]):
        told = re.search(r"to \[(\d+), (\d+)\] or less", finding.remedy)
        assert told is not None
        assert findings(sides, labels, [int(told[1]), int(told[2])]) == []

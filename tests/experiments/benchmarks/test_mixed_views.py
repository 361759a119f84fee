"""What the shuffled-views control makes of its scores."""

import math

import pandas as pd
import pytest

from experiments.benchmarks.mixed_views import differences, interval


def test_pairs_are_of_one_seed_and_split() -> None:
    rows = [
        {"seed": 0, "split": "val", "case": "mixed", "class": "A", "AP": 0.1},
        {"seed": 0, "split": "val", "case": "whole", "class": "A", "AP": 0.4},
        {"seed": 1, "split": "val", "case": "whole", "class": "A", "AP": 0.3},
        {"seed": 1, "split": "val", "case": "mixed", "class": "A", "AP": 0.25},  # two mixings
        {"seed": 1, "split": "val", "case": "mixed", "class": "A", "AP": 0.15},
        {"seed": 0, "split": "val", "case": "retrained", "class": "A", "AP": 0.5},
        {"seed": 1, "split": "val", "case": "retrained", "class": "A", "AP": 0.1},
        {"seed": 1, "split": "val", "case": "whole", "class": "B", "AP": 0.9},
        {"seed": 1, "split": "val", "case": "mixed", "class": "B", "AP": 0.9},
    ]
    assert differences(pd.DataFrame(rows), "A", "AP") == pytest.approx([0.3, 0.1])
    assert differences(pd.DataFrame(rows), "A", "AP", "retrained") == pytest.approx([-0.1, 0.2])


def test_a_t_interval_by_hand() -> None:
    mean, half = interval([0.3, 0.1])  # deviation .1414, error .1, t of one degree of freedom 12.706
    assert (mean, half) == pytest.approx((0.2, 1.2706), abs=1e-4)
    assert math.isnan(interval([0.5])[1])

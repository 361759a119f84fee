"""Exponents of planted power laws."""

import pytest

from experiments.benchmarks.growth import exponent


def test_a_power_law_is_found() -> None:
    sizes = [1, 2, 4, 8, 16]
    assert exponent(sizes, [3 * size**2 for size in sizes]) == pytest.approx(2.0)
    assert exponent(sizes, [5 * size**0.5 for size in sizes]) == pytest.approx(0.5)


def test_a_fixed_cost_does_not_hide_the_growth_of_the_upper_half() -> None:
    sizes = [1, 2, 4, 8, 16, 32, 64, 128]
    values = [100 + size**2 for size in sizes]
    assert exponent(sizes, values) == pytest.approx(1.85, abs=0.01)  # of all eight it would be 1.06
    assert exponent(sizes[::-1], values[::-1]) == exponent(sizes, values)


def test_what_is_no_law() -> None:
    assert exponent([4], [1.0]) is None
    assert exponent([], []) is None
    with pytest.raises(ValueError, match="positive"):
        exponent([1, 2], [0.0, 1.0])

"""Variation, flatness and halves of a loss, by hand."""

from math import sqrt

import pytest

from experiments.monitoring.stability import flat_after, half_means, is_flat, variation


def test_variation_is_sample_deviation_over_mean_of_what_fifty_iterations_average_to() -> None:
    assert variation([1.0, 2.0, 3.0]) == pytest.approx(0.5 / sqrt(50))  # deviation 1, mean 2, points of one iteration
    assert variation([2.0, 2.0, 2.0]) == 0.0


def test_losses_are_averaged_in_twenty_stretches_first() -> None:
    """40 losses of 1 and 3 in turn: every pair has the mean 2; as 20 pairs of equal ones, the means are 1 and 3 in turn."""
    assert variation([1.0, 3.0] * 20) == 0.0
    assert variation([1.0, 1.0, 3.0, 3.0] * 10) == pytest.approx(sqrt(20 / 19) / 2 * sqrt(2 / 50))


def test_points_of_fifty_iterations_and_more_are_taken_as_they_are() -> None:
    assert variation(([1.0] * 50 + [3.0] * 50) * 10) == pytest.approx(sqrt(20 / 19) / 2)
    assert variation(([1.0] * 100 + [3.0] * 100) * 10) == pytest.approx(sqrt(20 / 19) / 2)


@pytest.mark.parametrize("losses", [[], [1.0], [0.0, 0.0], [-1.0, 0.5]])
def test_too_few_losses_or_none_above_zero_have_no_variation(losses: list[float]) -> None:
    assert variation(losses) is None


def test_the_plans_five_thousand_of_35_700_iterations_but_no_fewer_than_a_hundred() -> None:
    assert [flat_after(n) for n in (35700, 3000, 160)] == [5100, 428, 100]


def test_a_middle_figure_counts_to_the_second_half() -> None:
    assert half_means([1.0, 3.0, 4.0, 5.0]) == (2.0, 4.5)
    assert half_means([6.0, 3.0, 0.0]) == (6.0, 1.5)
    assert half_means([1.0]) is None


@pytest.mark.parametrize(
    ("second", "flat"), [(2.0, True), (2.039, True), (1.961, True), (2.041, False), (1.959, False)]
)
def test_a_change_of_the_mean_within_two_percent_is_flat(second: float, flat: bool) -> None:
    assert is_flat([2.0] * 4 + [second] * 4) is flat


def test_what_scatters_must_be_long_to_be_flat() -> None:
    """1 and 3 in turn: the error of the difference of two halves of n is 1.41 / sqrt(n), twice that must be below .04."""
    assert not is_flat([1.0, 3.0] * 1000)
    assert is_flat([1.0, 3.0] * 6000)
    assert not is_flat([2.0, 2.0])

"""How figures are written."""

from analysis.numerals import plain, probability, signed, times


def test_zero_has_no_sign() -> None:
    assert [signed(value) for value in (0.0124, -0.0126, 0.0004, -0.0004)] == ["+0.012", "-0.013", "0.000", "0.000"]
    assert [plain(value, 2) for value in (0.126, -0.126, -0.004)] == ["0.13", "-0.13", "0.00"]


def test_a_probability_is_neither_none_nor_certain() -> None:
    assert [probability(p) for p in (0.0, 0.004, 0.006, 0.5, 0.994, 1.0)] == [
        "<.01",
        "<.01",
        "0.01",
        "0.50",
        "0.99",
        ">.99",
    ]
    assert [probability(p, bound=True) for p in (0.3, 1.0)] == ["≥ 0.30", "≥ 0.99"]


def test_a_ratio_below_its_bound_is_shown_below_it() -> None:
    assert [times(ratio) for ratio in (0.949, 0.951, 1.0, 5.087)] == ["0.949x", "0.951x", "1.00x", "5.09x"]

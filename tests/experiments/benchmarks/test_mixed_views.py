"""What the views are worth is paired by seed."""

import pytest

from experiments.benchmarks.mixed_views import rows


def test_gains_are_paired_by_seed() -> None:
    own = [{"Rust": 0.30, "all": 0.5}, {"Rust": 0.20, "all": 0.5}]
    mixed = [{"Rust": 0.24, "all": 0.5}, {"Rust": 0.10, "all": 0.6}]
    rust, overall = rows(own, mixed, mixed)
    assert rust.name == "Rust"
    gain, error = rust.worth
    assert gain == pytest.approx(0.08)  # of 0.06 and 0.10
    assert error == pytest.approx(0.02)  # sample deviation 0.0283 over the root of two
    assert overall.worth[0] == pytest.approx(-0.05)
    assert rows(own[:1], mixed[:1], mixed[:1])[0].worth == (pytest.approx(0.06), None)

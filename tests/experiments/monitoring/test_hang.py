"""How long a run may stand still."""

import math

import pytest

from experiments.errors import UserError
from experiments.monitoring.hang import hang_minutes


@pytest.mark.parametrize(("told", "minutes"), [("", 60), ("90", 90), ("0.5", 0.5), ("0", math.inf)])
def test_the_minutes_are_the_environments(told: str, minutes: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANG_MINUTES", told)
    assert hang_minutes() == minutes


@pytest.mark.parametrize("told", ["soon", "-1", "nan", "inf", "1e12"])
def test_what_is_no_number_of_minutes_is_refused(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANG_MINUTES", told)
    with pytest.raises(UserError, match=f"HANG_MINUTES is '{told}': give minutes"):
        hang_minutes()

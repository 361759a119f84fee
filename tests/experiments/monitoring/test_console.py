"""The checklist on the console."""

import io

import pytest
from rich.console import Console

from experiments.monitoring.console import pace, print_checklist
from experiments.records import Alarm, Data, Gate, Record


@pytest.mark.parametrize(
    ("rate", "told"), [(12.34, "12.3 it/s"), (1.0, "1.0 it/s"), (0.5, "2.0 s/it"), (0.04, "25.0 s/it")]
)
def test_a_slow_pace_is_told_in_seconds(rate: float, told: str) -> None:
    assert pace(rate) == told


def test_one_line_per_gate_and_alarm_unwrapped_and_never_markup() -> None:
    record = Record(
        identity="i", study="s", arm="a", kind="arm", config="tiny", seed=0, iterations=40, delta={}, versions={},
        data=Data(name="d", fingerprint="f", classes=["Broken"]), device="cpu",
        gates=[
            Gate(name="stability", milestone=4, verdict="passed", says="the loss varies by 1.0% [bold]."),
            Gate(name="class_ap", subject="Chipped", milestone=40, verdict="not_reached", says="no baseline"),
        ],
        alarms=[Alarm(kind="memory", iteration=8, last=16, says="memory is short.", figures={})],
    )  # fmt: skip
    file = io.StringIO()
    print_checklist(record, Console(file=file, width=20))
    assert file.getvalue().splitlines() == [
        "Gate, iteration 4, stability: passed; the loss varies by 1.0% [bold].",
        "Gate, iteration 40, class_ap Chipped: not reached; no baseline",
        "Alarm, iteration 8 to 16: memory is short.",
    ]

"""The checklist on the console."""

import io

import pytest
from rich.console import Console

from experiments.monitoring.console import note_told, pace, print_checklist
from experiments.records import Alarm, Data, Gate, Record


@pytest.mark.parametrize(
    ("rate", "told"), [(12.34, "12.3 it/s"), (1.0, "1.0 it/s"), (0.5, "2.0 s/it"), (0.04, "25.0 s/it")]
)
def test_a_slow_pace_is_told_in_seconds(rate: float, told: str) -> None:
    assert pace(rate) == told


def checked(identity: str) -> Record:
    """The record of a run with a gate that passed, one that failed, two that were not reached, and an alarm."""
    return Record(
        identity=identity, study="s", arm="a", kind="arm", config="tiny", seed=0, iterations=40, delta={}, versions={},
        data=Data(name="d", fingerprint="f", classes=["Broken"]), device="cpu",
        gates=[
            Gate(name="stability", milestone=4, verdict="passed", says="the loss varies by 1.0% [bold]."),
            Gate(name="class_ap", subject="Chipped", milestone=10, iteration=20, verdict="failed", says="AP 0.1"),
            Gate(name="class_ap", subject="Chipped", milestone=40, verdict="not_reached", says="no baseline"),
            Gate(name="overall_ap", milestone=40, verdict="not_reached", says="no baseline"),
        ],
        alarms=[Alarm(kind="memory", iteration=8, last=16, says="memory is short.", figures={})],
    )  # fmt: skip


def shown(record: Record) -> list[str]:
    file = io.StringIO()
    print_checklist(record, Console(file=file, width=20))
    return file.getvalue().splitlines()


def test_one_line_per_gate_reached_and_alarm_unwrapped_and_never_markup() -> None:
    assert shown(checked("lines")) == [
        "Gate, iteration 4, stability: passed; the loss varies by 1.0% [bold].",
        "Gate, iteration 20 (due at 10), class_ap Chipped: failed; AP 0.1",
        "Alarm, iteration 8 to 16: memory is short.",
        "2 of 4 gates were not reached; the record says why",
    ]


def test_what_was_shown_of_a_run_is_not_shown_again() -> None:
    record = checked("once")
    note_told(record, f"Gate, {record.gates[1].line}")  # as while it trained
    note_told(checked("another"), f"Gate, {record.gates[0].line}")
    assert [line.partition(":")[0] for line in shown(record)] == [
        "Gate, iteration 4, stability", "Alarm, iteration 8 to 16", "2 of 4 gates were not reached; the record says why",
    ]  # fmt: skip
    assert len(shown(record)) == 4  # asked for once more, with nothing shown since

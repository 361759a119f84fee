"""How many workers a machine holds: hand-worked numbers, and what is said."""

import subprocess
from typing import Any

import pytest

from ablations import capacity
from ablations.capacity import Machine, check_cards, choose_workers, parse_workers, this_machine
from experiments.errors import UserError
from experiments.records import Record
from tests.ablations.conftest import make_record

GIB = 1024.0


def arm(peak_gib: float, device: str = "cpu (1 threads)", **changes: Any) -> Record:
    return make_record("i", device=device, peak_memory_mb=peak_gib * GIB, **changes)


def test_memory_is_dealt_out_by_the_highest_peak() -> None:
    # 0.8 x 20 GiB = 16 GiB hold five of 3 GiB.
    machine = Machine(cores=16, gpu=False, free_mb=(20 * GIB,))
    choice = choose_workers([arm(2), arm(3)], [{}], machine, jobs=99)
    assert choice.workers == 5
    assert "20.0 GiB of free memory for 5" in choice.reason
    assert "highest peak of 2 trained: 3.00 GiB" in choice.reason


def test_arms_that_nothing_is_known_of_need_twice_that() -> None:
    machine = Machine(cores=16, gpu=False, free_mb=(20 * GIB,))
    for other in ({"deltas": [{}, {"a": 1}]}, {"deltas": [{}], "sampled": True}):
        choice = choose_workers([arm(2), arm(3)], other.pop("deltas"), machine, jobs=99, **other)  # type: ignore[arg-type]
        assert choice.workers == 2
        assert "doubled" in choice.reason


def test_an_arm_from_the_start_needs_what_it_does_afterwards() -> None:
    machine = Machine(cores=16, gpu=False, free_mb=(20 * GIB,))
    choice = choose_workers([arm(2), arm(3, delta={"a": 1})], [{}, {"a": 1, "from_start": True}], machine, jobs=99)
    assert choice.workers == 5


@pytest.mark.parametrize(("cores", "jobs", "workers"), [(2, 99, 2), (16, 3, 3), (0, 99, 1)])
def test_cores_and_jobs_bound_it_and_one_is_the_least(cores: int, jobs: int, workers: int) -> None:
    machine = Machine(cores=cores, gpu=False, free_mb=(99 * GIB,))
    assert choose_workers([arm(1)], [{}], machine, jobs=jobs).workers == workers


def test_a_card_is_held_by_more_than_is_counted_and_takes_two_cores_a_worker() -> None:
    # 5 GiB allocated, 6 reserved, and 1 for the process: 0.8 x 80 / 7 = 9.14; 16 cores: 8.
    card = Machine(cores=16, gpu=True, free_mb=(80 * GIB,))
    record = arm(5, "NVIDIA H200", peak_reserved_mb=6 * GIB)
    assert choose_workers([record], [{}], card, jobs=99).workers == 8
    more = Machine(cores=64, gpu=True, free_mb=(80 * GIB,))
    assert choose_workers([record], [{}], more, jobs=99).workers == 9
    two = Machine(cores=64, gpu=True, free_mb=(80 * GIB, 40 * GIB))  # dealt in turn: twice what the fuller one holds
    assert choose_workers([record], [{}], two, jobs=99).workers == 8


def test_what_is_not_known_is_one_worker_and_said() -> None:
    machine = Machine(cores=16, gpu=False, free_mb=(99 * GIB,))
    for records in ([], [arm(1, "NVIDIA H200")], [arm(1, kind="burn_in")], [make_record("i")]):
        choice = choose_workers(records, [{}], machine, jobs=9)
        assert choice.workers == 1
        assert "no arm of this scale and data has been trained on a CPU yet" in choice.reason
    unknown = Machine(cores=16, gpu=False, free_mb=None)
    assert choose_workers([arm(1)], [{}], unknown, jobs=9).workers == 1


def test_the_cards_that_workers_are_dealt_to_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "free_card_memory", lambda: {"0": 10.0, "1": 20.0})
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert this_machine([]).free_mb == (10.0,)
    assert this_machine(["1", "0"]).free_mb == (20.0, 10.0)
    assert this_machine(["7"]).free_mb is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    assert this_machine([]) == Machine(this_machine([]).cores, True, (20.0,))
    monkeypatch.setattr(capacity, "free_card_memory", dict)
    monkeypatch.setattr(capacity, "free_main_memory", lambda: (5.0,))
    assert this_machine([]).free_mb == (5.0,)
    assert not this_machine([]).gpu


def test_cards_that_are_not_there_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def run(command: list[str], *, env: dict[str, str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(env["CUDA_VISIBLE_DEVICES"])
        return subprocess.CompletedProcess(command, 0, stdout="1\n")

    monkeypatch.setattr(capacity.subprocess, "run", run)
    check_cards([])
    assert asked == []
    check_cards(["1", "1"])
    with pytest.raises(UserError, match=r"--gpus names 0,7, of which PyTorch finds 1 on this machine: give numbers"):
        check_cards(["0", "7"])
    assert asked == ["1,1", "0,7"]


def test_a_machine_without_that_card_says_so() -> None:
    with pytest.raises(
        UserError, match=r"--gpus names 99, of which PyTorch finds none on this machine: .* leave it out"
    ):
        check_cards(["99"])


def test_the_command_lines_number() -> None:
    assert (parse_workers("3"), parse_workers("auto")) == (3, None)
    for text in ("0", "-1", "two", "1.5", ""):
        with pytest.raises(UserError, match=r"--workers .* give a whole number from 1 up, or auto"):
            parse_workers(text)

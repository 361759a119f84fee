"""What a case takes, in a process of its own."""

import os
from pathlib import Path

import pytest

from experiments.benchmarks.children import OutOfMemory, Sample, children, sample

SIZE = 64  # MiB


def _take(size: int) -> Sample:
    return sample(lambda: bytearray(os.urandom(size * 2**20)), repetitions=2)


def _risk() -> str:
    return Path("/proc/self/oom_score_adj").read_text().strip()


def _die() -> None:
    os._exit(9)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of the resident set is Linux's")
def test_memory_is_counted_above_what_was_there() -> None:
    with children("a") as made:
        child = made["a"]
        child.call(_take, 1)
        found = child.call(_take, SIZE)
        assert _risk() != child.call(_risk) == "1000"
    assert SIZE <= found.peak_mb < 3 * SIZE  # the bytes and their copy
    assert found.held_mb > 0
    assert len(found.seconds) == len(found.processor_seconds) == 2


def test_a_process_that_was_ended_is_told_as_such() -> None:
    with children("a") as made, pytest.raises(OutOfMemory, match="ended"):
        made["a"].call(_die)

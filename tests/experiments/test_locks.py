"""No two processes train the same run at once, and a dead one holds nothing up."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.errors import UserError
from experiments.locks import locked
from experiments.records import read_record

ROOT = Path(__file__).parents[2]

HOLD = """
import sys, time
from pathlib import Path
from experiments.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""

TRAIN = """
import sys
from pathlib import Path
from experiments.train import train_run
data, runs = map(Path, sys.argv[1:])
record = train_run(config="tiny", study="s", data=data, runs_root=runs, progress=True)
print("RECORD " + record.model_dump_json())
"""


def test_a_free_folder_is_made_and_held_without_waiting(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "new" / "run") as waited:
            assert not waited


def test_who_comes_second_waits_until_the_first_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    calls = 0

    def waiting() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            holder.send_signal(signal.SIGKILL)
            holder.wait()

    with locked(tmp_path, waiting=waiting, poll=0.01) as waited:
        assert waited
        assert calls == 2
    holder.stdout.close()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 warns of forks beside threads
def test_leaving_releases_even_what_a_forked_child_still_has_open(tmp_path: Path) -> None:
    read, write = os.pipe()
    with locked(tmp_path):
        child = os.fork()
        if child == 0:
            os.read(read, 1)
            os._exit(0)
    try:
        with locked(tmp_path, poll=0.01) as waited:
            assert not waited
    finally:
        os.write(write, b"x")
        os.waitpid(child, 0)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/run cannot be written to"), locked(tmp_path / "file" / "run"):
        pass


def test_of_two_processes_one_trains_and_both_return_its_record(tiny_data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", TRAIN, str(tiny_data), str(tmp_path)]
    folder = tmp_path / "s" / "baseline-seed0"
    with locked(folder):  # until both have come to it
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
        for process in both:
            assert process.stdout is not None
            assert any("baseline (seed 0): waits for another process" in line for line in process.stdout)
    ends = [process.communicate(timeout=100)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    records = [json.loads(out.split("RECORD ")[1]) for out in ends]
    assert records[0] == records[1]
    assert records[0]["status"] == "completed"
    (burn_in,) = (tmp_path / "burn-in").iterdir()
    for trained in (burn_in, folder):
        assert read_record(trained).resumed_from == []
        assert len(list(trained.rglob("*.log"))) == 1

"""No two processes train the same run at once, and a dead one holds nothing up."""

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from experiments import locks
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
        with locked(tmp_path / "new" / "run") as lock:
            assert not lock.waited


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

    with locked(tmp_path, waiting=waiting, poll=0.01) as lock:
        assert lock.waited
        assert calls == 2
    holder.stdout.close()


HANG = """
import sys
from pathlib import Path
from experiments.locks import locked
with locked(Path(sys.argv[1])) as lock:
    for _ in sys.stdin:
        print("lost" if lock.lost else "held", flush=True)
"""


def test_who_is_stopped_loses_the_folder_and_hears_of_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANG, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None

        def ask() -> str:
            holder.stdin.write("\n")  # type: ignore[union-attr]
            holder.stdin.flush()  # type: ignore[union-attr]
            return holder.stdout.readline().strip()  # type: ignore[union-attr]

        assert ask() == "held"
        holder.send_signal(signal.SIGSTOP)
        with locked(tmp_path, poll=0.05, patience=2.5) as lock:
            assert lock.waited
            assert not lock.lost
            holder.send_signal(signal.SIGCONT)
            assert ask() == "lost"
            with (tmp_path / ".lock").open("a") as other:
                assert not locks._take(other)  # the folder is this process's alone
        with locked(tmp_path) as lock:
            assert not lock.waited
        holder.stdin.close()


def test_a_holder_that_shows_signs_of_life_is_waited_for_whatever_the_clocks_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady = [100.0]
    monkeypatch.setattr(locks.time, "monotonic", lambda: steady[0])
    monkeypatch.setattr(locks.time, "time", lambda: 1e12)  # nobody asks for it
    path = tmp_path / ".lock"
    path.touch()
    watch = locks._Watch(path)
    for step, touched in enumerate((1e9, 4e9, 2e9)):  # seconds since 1970: forward, and back again
        steady[0] += 50
        os.utime(path, (touched, touched))
        assert watch.silence() == 0, step
    steady[0] += 50
    assert watch.silence() == 50
    path.unlink()
    path.touch()
    assert watch.silence() == 0


def test_of_several_who_find_a_holder_silent_one_puts_the_lock_anew(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.touch()
    seen = locks._sign(path)
    locks._put_anew(path, seen)
    first = path.stat().st_ino
    locks._put_anew(path, seen)  # who has seen the same a moment ago
    assert path.stat().st_ino == first != seen[0]  # type: ignore[index]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 warns of forks beside threads
def test_leaving_releases_even_what_a_forked_child_still_has_open(tmp_path: Path) -> None:
    read, write = os.pipe()
    with locked(tmp_path):
        child = os.fork()
        if child == 0:
            os.read(read, 1)
            os._exit(0)
    try:
        with locked(tmp_path, poll=0.01) as lock:
            assert not lock.waited
    finally:
        os.write(write, b"x")
        os.waitpid(child, 0)


def test_a_new_folder_that_an_error_leaves_empty_is_taken_away(tmp_path: Path) -> None:
    """One that was there, or holds something by then, stays."""
    (tmp_path / "old").mkdir()

    def refused(name: str, *files: str) -> None:
        with locked(tmp_path / name):
            for file in files:
                (tmp_path / name / file).touch()
            raise ZeroDivisionError

    for name, files in (("new", ()), ("old", ()), ("begun", ("study.json",))):
        with pytest.raises(ZeroDivisionError):
            refused(name, *files)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["begun", "old"]


def test_who_waits_for_a_folder_that_is_taken_away_gets_one(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with ExitStack() as stack:
        held = stack.enter_context(ExitStack())
        held.enter_context(locked(folder))

        def waiting() -> None:
            if folder.exists():
                locks._take_away(folder / ".lock")
                held.close()

        lock = stack.enter_context(locked(folder, waiting=waiting, poll=0.01))
        assert (lock.waited, lock.lost) == (True, False)


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

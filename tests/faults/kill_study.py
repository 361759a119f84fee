"""Kill a study's workers while it trains, again and again, and count what is left when it is done.

    python tests/faults/kill_study.py                              the 64-arm factorial at scale tiny, two workers
    python tests/faults/kill_study.py --design alone --rounds 1    a smaller one
    python tests/faults/kill_study.py --storage postgresql://...   its ledger in a database

Each round kills one worker with SIGKILL when some of the arms are done, then the whole study, command and all, and gives the
same command again. At the end every arm has exactly one completed record, nothing runs, and nothing is there twice: the
counts are printed, and the exit status is 1 if they are wrong.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ablations.ledger import Ledger
from experiments.address import default_url
from experiments.data.synthesis import make_dataset
from experiments.records import read_record
from experiments.studies import read_study

STUDY = "killed"
_PATIENCE = 900.0  # seconds until a study that does not go on is given up


@dataclass(frozen=True)
class Count:
    """What is left of a study: ``records`` of completed runs, ``jobs`` completed in the ledger, and what should not be."""

    wanted: int
    records: int
    jobs: int
    running: int
    twice: int
    resumed: int
    kills: int

    @property
    def right(self) -> bool:
        """Every arm completed exactly once, and nothing is left running."""
        return self.records == self.jobs == self.wanted and self.running == 0 and self.twice == 0


def kill_study(
    folder: Path, *, design: str, factors: str, workers: int, rounds: int, data: Path, storage: str | None = None
) -> Count:
    """Run the design at scale tiny in ``folder`` with ``rounds`` times two kills on the way, to its end."""
    command = [
        sys.executable, "-m", "ablations", "run", "--design", design, "--factors", factors, "--scale", "tiny",
        "--study", STUDY, "--data", str(data), "--runs-root", str(folder), "--workers", str(workers), "--grace", "3",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **({"STORAGE": storage} if storage else {})}
    total = _plan_size(design, factors)
    kills = 0
    folder.mkdir(parents=True, exist_ok=True)
    process = _start(command, environment, folder)
    for turn in range(rounds):
        _wait(folder, process, done=total * (2 * turn + 1) // (2 * rounds + 1))
        victims = _children(process.pid)
        if victims:
            os.kill(victims[0], signal.SIGKILL)
            kills += 1
        _wait(folder, process, done=total * (2 * turn + 2) // (2 * rounds + 1))
        for pid in [process.pid, *_children(process.pid)]:
            os.kill(pid, signal.SIGKILL)
            kills += 1
        process.wait()
        process = _start(command, environment, folder)
    status = process.wait(_PATIENCE)
    if status != 0:
        raise RuntimeError(
            f"The study ended with status {status}; see {folder / 'command.log'} and {folder / STUDY / 'workers'}."
        )
    return count(folder, storage, wanted=total, kills=kills)


def count(folder: Path, storage: str | None, *, wanted: int, kills: int) -> Count:
    """Count records and trials of the study that lies in ``folder``."""
    study = read_study(folder / STUDY)
    assert study is not None
    identities = Counter(run.identity for run in study.runs)
    records = [read_record(path.parent) for path in sorted(folder.glob("arms/*/record.json"))]
    completed = [record for record in records if record.status == "completed"]
    validated = [Counter((v.iteration, v.model) for v in record.validations) for record in completed]
    ledger = Ledger(name=STUDY, url=storage or default_url(folder / STUDY))
    trials = ledger.study.get_trials(deepcopy=False)
    ledger.close()
    done = Counter(trial.user_attrs["key"] for trial in trials if trial.state.name == "COMPLETE")
    twice = sum(number > 1 for counts in (identities, done, *validated) for number in counts.values())
    return Count(
        wanted=wanted,
        records=len({record.identity for record in completed} & set(identities)),
        jobs=len(done),
        running=sum(trial.state.name in ("RUNNING", "WAITING") for trial in trials),
        twice=twice + len(records) - len(completed),
        resumed=sum(bool(record.resumed_from) for record in completed),
        kills=kills,
    )


def _plan_size(design: str, factors: str) -> int:
    command = [sys.executable, "-m", "ablations", "plan", "--design", design, "--factors", factors, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return len(json.loads(done.stdout)["arms"])


def _start(command: list[str], environment: dict[str, str], folder: Path) -> "subprocess.Popen[bytes]":
    with (folder / "command.log").open("ab") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)


def _children(pid: int) -> list[int]:
    """Processes that a process has started and that live; Linux tells."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def _wait(folder: Path, process: "subprocess.Popen[bytes]", *, done: int) -> None:
    """Until ``done`` runs are completed and another has a checkpoint, so that something is there to go on from."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        records = {path.parent: json.loads(path.read_text())["status"] for path in folder.glob("arms/*/record.json")}
        begun = [run for run, status in records.items() if status == "running" and any(run.glob("iter_*.pth"))]
        if list(records.values()).count("completed") >= done and begun:
            return
        time.sleep(0.05)
    if process.poll() is None:
        raise RuntimeError(f"The study did not come to {done} completed runs; see {folder / STUDY / 'workers'}.")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--design", default="factorial")
    parser.add_argument("--factors", default="all")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--storage")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())  # it stays where something went wrong
    make_dataset("tiny", folder / "data")
    begun = time.monotonic()
    result = kill_study(
        folder / "runs", design=options.design, factors=options.factors, workers=options.workers,
        rounds=options.rounds, data=folder / "data", storage=options.storage,
    )  # fmt: skip
    print(
        f"{result.kills} processes killed in {time.monotonic() - begun:.0f} s. Of {result.wanted} arms: {result.records} completed "
        f"records, {result.jobs} completed in the ledger, {result.running} left running or waiting, {result.twice} twice; "
        f"{result.resumed} went on from a checkpoint. {'As it should be.' if result.right else 'WRONG.'}"
    )
    if not result.right:
        raise SystemExit(f"Its files are in {folder}.")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()

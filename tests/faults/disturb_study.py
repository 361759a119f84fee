"""Disturb a study of tiny arms at random moments, and compare what comes of it with a study that was left alone.

    python -m tests.faults.disturb_study --kills 100                          its ledger in a file
    python -m tests.faults.disturb_study --kills 100 --server --restarts 3    in PostgreSQL, which is stopped and started on the way
    python -m tests.faults.disturb_study --stops 3                            workers that hang and wake up again
    python -m tests.faults.disturb_study --kills 4 --studies 2                two studies at once that share their arms
    python -m tests.faults.disturb_study --full-disk 3                        the disk is full for a while (a tmpfs: root alone)

A kill is SIGKILL, SIGTERM or SIGINT for a worker or for the command, which is then given again where it has ended. Afterwards every
arm is completed exactly once, or failed with its reason, and scores and weights of every completed run are, bit for bit, those of
the study that was left alone. The counts are printed with the seed of the schedule; the exit status is 1 if they are wrong.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablations.ledger import Ledger
from experiments.address import default_url
from experiments.data.synthesis import make_dataset
from experiments.records import read_record
from experiments.studies import arm_folder, read_study
from tests.faults.server import Server, running_server

GRACE = 3.0  # seconds
_PATIENCE = 3600.0  # seconds until a study that does not end is given up
_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Harm:
    """What is done to studies: how often, and every how many seconds on average."""

    kills: int = 0
    stops: int = 0
    restarts: int = 0
    full_disk: int = 0
    pause: float = 4.0


@dataclass
class Outcome:
    """What is left of a study, counted over its arms.

    Attributes:
        done: harms that were done, by kind.
        completed, failed: of the wanted arms.
        twice: completed trials or validations beyond the first of one arm, and what still runs or waits.
        differing: completed arms whose scores or weights are not those of the study that was left alone.
        reasons: of the failed arms.
    """

    wanted: int = 0
    completed: int = 0
    failed: int = 0
    twice: int = 0
    differing: int = 0
    resumed: int = 0
    done: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Every arm completed once or failed with its reason, and no score differs."""
        told = len(self.reasons) == self.failed and all(self.reasons)
        return self.completed + self.failed == self.wanted and not self.twice and not self.differing and told


@dataclass
class _Command:
    """A study's command: given again whenever it has ended before the study is done."""

    words: list[str]
    environment: dict[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    signalled: bool = False

    def alive(self) -> bool:
        """Give it again if it was broken off; ``False`` once it has ended by itself, with everything done or failed."""
        ended = None if self.process is None else self.process.poll()
        # An interpreter that a signal ends while it starts says 1, as the command does for failed arms.
        if self.process is None or ended not in (None, 0, 1) or (ended == 1 and self.signalled):
            self.signalled = False
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    self.words, env=self.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
        return self.process.poll() is None

    def processes(self) -> list[int]:
        """Its own and those that it has started."""
        if self.process is None or self.process.poll() is not None:
            return []
        return [self.process.pid, *children(self.process.pid)]


def children(pid: int) -> list[int]:
    """Processes that a process has started and that live; Linux tells."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        return [int(child) for child in path.read_text().split()]
    except OSError:
        return []


@dataclass(frozen=True)
class Plan:
    """The studies' arms: their design and factors at scale tiny, on these data, with so many workers."""

    data: Path
    factors: str
    design: str = "factorial"
    workers: int = 2

    def command(self, name: str, runs: Path, storage: str | None = None) -> _Command:
        """The command that trains them as a study of this name in a folder of runs."""
        runs.mkdir(parents=True, exist_ok=True)
        words = [
            sys.executable, "-m", "ablations", "run", "--design", self.design, "--factors", self.factors, "--scale", "tiny",
            "--study", name, "--data", str(self.data), "--runs-root", str(runs), "--workers", str(self.workers),
            "--grace", str(GRACE),
        ]  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if name != "STORAGE"}
        environment |= {"OMP_NUM_THREADS": "1", **({"STORAGE": storage} if storage else {})}
        return _Command(words, environment, runs / f"{name}.log")


def leave_alone(plan: Plan, runs: Path) -> None:
    """Train the arms into a folder of runs, with no harm done."""
    _finish([plan.command("alone", runs)])


def disturb(
    plan: Plan, runs: Path, harm: Harm, *, alone: Path, seed: int, studies: int = 1, server: Server | None = None
) -> list[Outcome]:
    """Run studies at once in one folder of runs, with harm done on the way.

    Args:
        alone: the folder of runs that :func:`leave_alone` has filled.

    Returns:
        What came of each study.
    """
    names = [f"disturbed-{number}" for number in range(1, studies + 1)]
    storage = server.url if server else None
    commands = [plan.command(name, runs, storage) for name in names]
    done = _do_harm(commands, harm, random.Random(seed), ballast=runs / "ballast", server=server)
    for name in names if harm.full_disk else ():
        retry = [sys.executable, "-m", "ablations", "retry", "--study", name, "--runs-root", str(runs)]
        subprocess.run(retry, env=commands[0].environment, check=True, stdout=subprocess.DEVNULL)
    if harm.full_disk:
        _finish([plan.command(name, runs, storage) for name in names])
    return [_outcome(runs, name, alone, storage=storage, done=done) for name in names]


def _do_harm(
    commands: Sequence[_Command], harm: Harm, chance: random.Random, *, ballast: Path, server: Server | None
) -> Counter[str]:
    """Run the commands to their end, and do harm on the way, as long as they run."""
    left = ["kill"] * harm.kills + ["stop"] * harm.stops + ["restart"] * harm.restarts + ["full disk"] * harm.full_disk
    chance.shuffle(left)
    stopped: list[tuple[float, int]] = []  # when to wake a process up, on the steady clock
    done: Counter[str] = Counter()
    end, due = time.monotonic() + _PATIENCE, time.monotonic() + chance.uniform(0, 2 * harm.pause)
    while any([command.alive() for command in commands]):
        now = time.monotonic()
        if now > end:
            raise RuntimeError(f"The studies do not end; see {[str(command.log) for command in commands]}.")
        for when, pid in [entry for entry in stopped if entry[0] < now]:
            stopped.remove((when, pid))
            _signal(pid, signal.SIGCONT)
        if left and now > due:
            due = now + chance.uniform(0, 2 * harm.pause)
            processes = [pid for command in commands for pid in command.processes()]
            what = left.pop()
            if what == "kill" and processes:
                number, pid = chance.choice(_SIGNALS), chance.choice(processes)
                for command in commands:
                    command.signalled |= command.process is not None and command.process.pid == pid
                _signal(pid, number)
                done[number.name] += 1
            elif what == "stop" and (workers := [pid for command in commands for pid in command.processes()[1:]]):
                pid = chance.choice(workers)
                _signal(pid, signal.SIGSTOP)
                stopped.append((now + 3 * GRACE, pid))
                done[what] += 1
            elif what == "restart" and server is not None:
                server.stop(chance.choice(["fast", "immediate"]))
                time.sleep(chance.uniform(0, 3))
                server.start()
                done[what] += 1
            elif what == "full disk":
                fill(ballast)
                time.sleep(chance.uniform(0.5, 4))
                ballast.unlink()
                done[what] += 1
            else:
                left.insert(0, what)  # nobody was there to be harmed
        time.sleep(0.02)
    for _, pid in stopped:
        _signal(pid, signal.SIGCONT)
    return done


def fill(ballast: Path) -> None:
    """Write until the disk is full."""
    with ballast.open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def _finish(commands: Sequence[_Command]) -> None:
    end = time.monotonic() + _PATIENCE
    while any([command.alive() for command in commands]):
        if time.monotonic() > end:
            raise RuntimeError(f"The study does not end; see {commands[0].log}.")
        time.sleep(0.2)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _outcome(runs: Path, name: str, alone: Path, *, storage: str | None, done: Counter[str]) -> Outcome:
    study = read_study(runs / name)
    assert study is not None
    identities = {run.identity for run in study.runs}
    ledger = Ledger(name=name, url=storage or default_url(runs / name))
    entries, trials = ledger.entries(), ledger.study.get_trials(deepcopy=False)
    ledger.close()
    complete = Counter(trial.user_attrs["key"] for trial in trials if trial.state.name == "COMPLETE")
    outcome = Outcome(wanted=len(identities), done=done)
    outcome.twice = sum(number - 1 for number in complete.values()) + sum(
        trial.state.name in ("RUNNING", "WAITING") for trial in trials
    )
    for entry in entries:
        (run,) = entry.runs
        if entry.state != "completed":
            outcome.failed += 1
            outcome.reasons += [entry.reason] if entry.reason else []
            continue
        outcome.completed += 1
        record = read_record(arm_folder(runs, run.identity))
        outcome.resumed += bool(record.resumed_from)
        validated = Counter((v.iteration, v.model) for v in record.validations)
        outcome.twice += sum(number - 1 for number in validated.values())
        outcome.differing += essence(arm_folder(runs, run.identity)) != essence(arm_folder(alone, run.identity))
    return outcome


def essence(folder: Path) -> tuple[Any, str]:
    """Scores of a completed run, and a hash of its weights."""
    import torch

    weights = torch.load(folder / "weights.pth", weights_only=True)
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].numpy().tobytes())
    return [v.model_dump() for v in read_record(folder).validations], digest.hexdigest()


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A folder on a disk of its own of this size; takes root."""
    folder = Path(tempfile.mkdtemp())
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of everything in a folder."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, kind in (("kills", int), ("stops", int), ("restarts", int), ("full-disk", int), ("pause", float)):
        convert: Callable[[str], Any] = kind
        parser.add_argument(f"--{name}", type=convert, default=4.0 if name == "pause" else 0)
    parser.add_argument("--factors", default="focal,anchors,pseudo_labels,augmentation")
    parser.add_argument("--studies", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--server", action="store_true", help="keep the ledger in a PostgreSQL server of its own")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of the schedule")
    options = parser.parse_args()
    harm = Harm(options.kills, options.stops, options.restarts, options.full_disk, options.pause)
    print(f"seed {options.seed}", flush=True)
    begun = time.monotonic()
    with ExitStack() as stack:
        folder = stack.enter_context(small_disk(400)) if harm.full_disk else Path(tempfile.mkdtemp())
        server = stack.enter_context(running_server()) if options.server else None
        data = Path(tempfile.mkdtemp()) / "tiny"
        make_dataset("tiny", data)
        before = snapshot(data)
        plan = Plan(data, factors=options.factors, workers=options.workers)
        leave_alone(plan, folder / "alone")
        outcomes = disturb(
            plan,
            folder / "runs",
            harm,
            alone=folder / "alone",
            seed=options.seed,
            studies=options.studies,
            server=server,
        )
        right = all(outcome.right for outcome in outcomes) and snapshot(data) == before
        for outcome in outcomes:
            print(json.dumps(vars(outcome)))
        print(
            f"{time.monotonic() - begun:.0f} s, data set {'untouched' if snapshot(data) == before else 'CHANGED'}. "
            f"{'As it should be.' if right else f'WRONG: its files are in {folder}.'}"
        )
        if not right:
            raise SystemExit(1)
        shutil.rmtree(data.parent)
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main()

"""How many arms a machine completes in an hour with 1, 2, ... workers, and what each arm costs beside its training.

    python -m experiments.benchmarks --only arms            # a short version
    python -m experiments.benchmarks.arms [--scale gpu] [--workers 1,2,4,8,12] [--iterations 100] [--each 2] [--data FOLDER]

trains a small design (a baseline and an arm for each seed) with each number of workers, `--each` arms a worker, with short budgets
and without burn-ins, by the command that studies use. Arms per hour are those of the whole command, start-up of workers included:
with long arms that part vanishes, so what training alone would give stands beside.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory, TemporaryFile

from rich.console import Console

from experiments.benchmarks.children import on_gpu
from experiments.benchmarks.figures import Findings, print_findings
from experiments.console import mistakes_told
from experiments.errors import UserError
from experiments.paths import REPOSITORY
from experiments.prepare import prepared_data


@dataclass(frozen=True)
class Round:
    """One study.

    Attributes:
        workers: how many.
        wall: seconds of the whole command.
        seconds, peaks_mb: of each arm's record.
        processor: seconds of processor time of the command and all its processes.
        card: percent of time in which the GPU computed, of each second; empty without one.
    """

    workers: int
    wall: float
    seconds: tuple[dict[str, float], ...]
    peaks_mb: tuple[float, ...]
    processor: float
    card: tuple[float, ...] = ()

    @property
    def per_hour(self) -> float:
        """Arms per hour of the whole command."""
        return 3600 * len(self.seconds) / self.wall

    @property
    def cores(self) -> float:
        """How many cores were at work, on average."""
        return self.processor / self.wall

    @property
    def training(self) -> float:
        """Mean seconds of an arm's training and validation."""
        return fmean(one["total"] for one in self.seconds)

    @property
    def harness(self) -> float:
        """Mean seconds of an arm's own call beside that: checks, building, loading and saving."""
        return fmean(one["harness"] for one in self.seconds)

    @property
    def start_up(self) -> float:
        """Seconds of a worker's time, per arm, that its arms do not account for: interpreter, imports, the queue, waiting."""
        return self.wall * self.workers / len(self.seconds) - self.training - self.harness


def write_config(folder: Path, *, scale: str, iterations: int) -> None:
    """A scale of the same name with a short budget, one validation at its end and no burn-in."""
    base = REPOSITORY / "experiments" / "configs" / f"{scale}.py"
    text = (
        f"_base_ = [{str(base)!r}]\n"
        f"train_cfg = dict(max_iters={iterations}, val_interval={iterations})\n"
        f"burn_in = dict(_delete_=True)\n"
    )
    (folder / f"{scale}.py").write_text(text)


def train_round(*, scale: str, workers: int, seeds: int, configs: Path, data: Path, runs: Path) -> Round:
    """Train the design with so many workers.

    Args:
        configs: folder of the shortened scale.
        runs: an empty folder of runs.

    Raises:
        UserError: the command refused, the data say.
        RuntimeError: the command failed; with what it said last.
    """
    command = [
        sys.executable, "-m", "ablations", "run", "--design", "alone", "--factors", "focal", "--scale", scale, "--seeds",
        str(seeds), "--study", "throughput", "--workers", str(workers), "--data", str(data), "--runs-root", str(runs),
    ]  # fmt: skip
    environment = {**os.environ, "TRACK": "jsonl", "CONFIGS": str(configs)}
    environment.pop("STORAGE", None)
    started = time.perf_counter(), _processor_of_children()
    with _card_watched() as card:
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
        wall, processor = time.perf_counter() - started[0], _processor_of_children() - started[1]
    if done.returncode == 2:
        raise UserError(done.stderr.strip().removeprefix("Error: "))
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {(done.stderr or done.stdout)[-500:]}")
    records = [json.loads(path.read_text()) for path in sorted((runs / "arms").glob("*/record.json"))]
    seconds = tuple(record["seconds"] for record in records)
    peaks = tuple(record["peak_memory_mb"] or 0.0 for record in records)
    return Round(workers, wall, seconds, peaks, processor, tuple(card))


def _processor_of_children() -> float:
    """Seconds of processor time of all processes that were waited for so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _card_watched() -> Iterator[list[float]]:
    """At the end, the list holds the percent of each second in which the GPU computed, as the driver's program tells."""
    busy: list[float] = []
    if shutil.which("nvidia-smi") is None:
        yield busy
        return
    query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0", "--loop=1"]
    with TemporaryFile("w+") as said, subprocess.Popen(query, stdout=said, stderr=subprocess.DEVNULL) as watch:
        try:
            yield busy
        finally:
            watch.terminate()
            watch.wait()
            said.seek(0)
            busy += [float(line) for line in said if line.strip().isdecimal()]


def compare(*, scale: str, workers: Sequence[int], iterations: int, each: int, data: Path | None = None) -> Findings:
    """Train a design of ``each`` arms a worker, of which every seed has two, once for each number of workers."""
    folder = prepared_data(scale, data).resolve()
    findings = Findings("arms")
    rounds = []
    for count in workers:
        with TemporaryDirectory() as scratch:
            write_config(Path(scratch), scale=scale, iterations=iterations)
            seeds = max(1, round(count * each / 2))
            one = train_round(
                scale=scale, workers=count, seeds=seeds, configs=Path(scratch), data=folder, runs=Path(scratch) / "runs"
            )
        rounds.append(one)
        label = f"{scale}, {count} worker{'s' * (count > 1)}"
        findings.add(f"{label}: arms", "1/hour", one.per_hour)
        findings.add(f"{label}: arms, by their training alone", "1/hour", 3600 * one.workers / one.training)
        findings.add(f"{label}: training and validation of an arm", "s", *(s["total"] for s in one.seconds))
        findings.add(f"{label}: harness of an arm", "s", *(s["harness"] for s in one.seconds))
        findings.add(f"{label}: start-up and queue, per arm", "s", one.start_up)
        findings.add(f"{label}: peak of an arm", "MiB", *one.peaks_mb)
        findings.add(f"{label}: cores at work", "", one.cores)
        if one.card:
            findings.add(f"{label}: the GPU computes", "% of time", *one.card)
    for one in rounds[1:]:
        findings.ratio(
            f"{scale}: arms per hour, {one.workers} / {rounds[0].workers}", one.per_hour / rounds[0].per_hour
        )
        together = one.workers * rounds[0].training / one.training / rounds[0].workers
        findings.ratio(f"{scale}: by training alone, {one.workers} / {rounds[0].workers}", together)
    findings.notes.append(
        f"Arms of {iterations} iterations with a validation at the end; {each} a worker, at least two in all."
    )
    return findings


def measure(*, quick: bool) -> Findings:
    """The short version."""
    if on_gpu() and not quick:
        return compare(scale="gpu", workers=(1, 8), iterations=20, each=1)
    return compare(scale="tiny", workers=(1, 2), iterations=2 if quick else 20, each=1 if quick else 2)


def main() -> None:
    """The full version."""
    gpu = on_gpu()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scale", default="gpu" if gpu else "cpu", help="scale of the arms")
    parser.add_argument(
        "--workers", default="1,2,4,8,12" if gpu else "1,2", help="numbers of workers, joined by commas"
    )
    parser.add_argument("--iterations", type=int, default=100 if gpu else 30, help="of each arm")
    parser.add_argument("--each", type=int, default=2, help="arms a worker")
    parser.add_argument("--data", type=Path, help="data set folder; default the scale's own")
    options = parser.parse_args()
    workers = [int(count) for count in options.workers.split(",")]
    with mistakes_told():
        findings = compare(
            scale=options.scale, workers=workers, iterations=options.iterations, each=options.each, data=options.data
        )
    print_findings(findings, Console(width=130))


if __name__ == "__main__":
    main()

"""Workers on this machine: one in this process, or several in processes of their own, and what is shown meanwhile."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live

from ablations.capacity import usable_cores
from ablations.ledger import Ledger
from ablations.status import Status, duration, first_line, is_reused, label, status_of, status_view
from ablations.trials import Entry
from ablations.worker import Place, work
from experiments.errors import UserError
from experiments.interrupts import sigterm_as_interrupt
from experiments.monitoring.console import print_checklist
from experiments.records import Record
from experiments.studies import Study

_POLL = 1.0  # seconds between two looks at the ledger
_STYLES = {"completed": "green", "failed": "red", "pruned": "yellow"}


def train_here(
    ledger: Ledger, study: Study, place: Place, *, gpus: Sequence[str], console: Console, parent: int | None = None
) -> None:
    """Train what waits in this process, with progress bars; returns when nothing waits or runs any more.

    Args:
        gpus: the first is the card to use; none: as PyTorch chooses.
        parent: as :func:`ablations.worker.work` has it.

    Raises:
        KeyboardInterrupt: told to stop; the job in hand waits again.
    """
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[0]
    with sigterm_as_interrupt():
        work(ledger, place, progress=True, tell=_Teller(ledger, study, console).news, parent=parent)


def train_in_processes(
    ledger: Ledger,
    study: Study,
    place: Place,
    *,
    workers: int,
    gpus: Sequence[str],
    command: Sequence[str],
    storage: str | None,
    console: Console,
) -> None:
    """Train what waits with several processes on this machine; returns when nothing waits or runs any more.

    Args:
        gpus: the cards that the workers are pinned to in turn; none: all workers see all cards.
        command: starts a worker process.
        storage: the ledger's address if one was given; workers are told it in their environment, which others cannot read.

    Raises:
        UserError: the processes ended and jobs are left.
        KeyboardInterrupt: told to stop; all have stopped, and their jobs wait again.
    """
    tell = _Teller(ledger, study, console)
    logs = place.runs_root / study.study / "workers"
    logs.mkdir(parents=True, exist_ok=True)
    view = Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None
    with (
        sigterm_as_interrupt(),
        _processes(command, environments(workers, gpus, storage=storage), logs) as processes,
        view or contextlib.nullcontext(),
    ):
        finished: float | None = None
        while any(process.poll() is None for process in processes):
            status = tell.news()
            finished = None if status.unfinished else finished or time.monotonic()
            if finished is not None and time.monotonic() - finished > ledger.grace:
                break  # a worker that was stopped, or hangs: others have done its work
            if view is not None:
                view.update(status_view(status, now=datetime.now()), refresh=True)
            time.sleep(_POLL)
    left = tell.news().unfinished
    if left:
        raise UserError(
            f"All {workers} workers ended, and {left} jobs are left; what they said last is in {logs}. The same command goes on."
        )


def environments(
    workers: int, gpus: Sequence[str], *, storage: str | None = None, cores: int | None = None
) -> list[dict[str, str]]:
    """Environment variables of each worker: its share of the cores as threads, its card and the storage where they are named."""
    threads = max(1, (cores or usable_cores()) // workers)
    common = {"OMP_NUM_THREADS": str(threads), **({"STORAGE": storage} if storage else {})}
    return [{**common, **({"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} if gpus else {})} for i in range(workers)]


@contextlib.contextmanager
def _processes(
    command: Sequence[str], environments: Sequence[dict[str, str]], logs: Path
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start the worker processes; stop those that are left at the end, and wait for them."""
    processes = []
    try:
        for number, environment in enumerate(environments, start=1):
            with (logs / f"worker-{number}.log").open("ab") as log:
                # In a group of its own: Ctrl-C reaches this process alone, which then stops each of them once.
                process = subprocess.Popen(
                    command, env={**os.environ, **environment}, stdout=log, stderr=subprocess.STDOUT, process_group=0
                )
                processes.append(process)
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.send_signal(signal.SIGCONT)  # one that was stopped hears of nothing else
        for process in processes:
            process.wait()


class _Teller:
    """Prints one line for every job that was finished since it looked last, and the checklist of its runs."""

    def __init__(self, ledger: Ledger, study: Study, console: Console) -> None:
        self.ledger, self.study, self.console = ledger, study, console
        self.told = {entry.number for entry in ledger.entries() if entry.state not in ("waiting", "running")}

    def news(self) -> Status:
        """Print the news and return the status."""
        status = status_of(self.study, self.ledger.entries())
        ended = [entry for entry in status.entries if entry.state not in ("waiting", "running")]
        for entry in ended:
            if entry.number not in self.told:
                self.told.add(entry.number)
                self._tell(entry, status, count=sum(other.number in self.told for other in ended))
        return status

    def _tell(self, entry: Entry, status: Status, *, count: int) -> None:
        reused = is_reused(entry, study=status.study)
        ended = "reused" if reused else f"{entry.state}, {duration(entry.seconds or 0.0)}"
        text = f"[{count}/{len(status.entries)}] {label(entry)}: {ended}"
        if entry.state != "completed":
            text += f": {first_line(entry.reason)}"
        if status.remaining is not None:
            text += f"; about {duration(status.remaining)} left"
        self.console.print(text, style=_STYLES[entry.state], markup=False, highlight=False, soft_wrap=True)
        for content in entry.records.values():
            record = Record.model_validate(content)
            if len(entry.records) > 1:
                self.console.print(f"seed {record.seed}:", markup=False, highlight=False)
            print_checklist(record, self.console)

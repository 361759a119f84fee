"""Cases in processes of their own, and what they take: seconds, and memory above what was there before.

A process that ran one case keeps its memory and its warm caches to itself, so that cases that take turns do not disturb each other.
"""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from experiments.monitoring.memory import peak_memory_mb, reset_peak_memory

_RESIDENT = Path("/proc/self/statm")
_RISK = Path("/proc/self/oom_score_adj")
_MEMORY = Path("/proc/meminfo")


@dataclass(frozen=True)
class Sample:
    """What some repetitions took.

    Attributes:
        seconds: wall seconds of each.
        processor_seconds: of each, over all threads of its process: on a machine that does other work too, they tell more.
        peak_mb: peak over all of them above ``held_mb``, which was held before, MiB; on a GPU as allocated there.
    """

    seconds: tuple[float, ...]
    processor_seconds: tuple[float, ...]
    peak_mb: float
    held_mb: float


class OutOfMemory(Exception):
    """A case did not fit this machine."""


class Child:
    """A process that calls functions, one after the other."""

    def __init__(self) -> None:
        self._executor = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin)

    def call(self, function: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
        """Call a function of a module there.

        Raises:
            OutOfMemory: the GPU's memory ran out, or the system ended the process because the machine's did.
        """
        try:
            return self._executor.submit(function, *inputs, **options).result()
        except BrokenProcessPool:
            raise OutOfMemory("its process was ended, as the system does where memory runs out") from None
        except RuntimeError as error:
            if type(error).__name__ == "OutOfMemoryError":
                raise OutOfMemory("the memory of the GPU ran out") from None
            raise

    def close(self) -> None:
        """End the process."""
        self._executor.shutdown()

    def begin(self) -> Future[None]:
        """Have the process start and import what cases need, without waiting for it."""
        return self._executor.submit(_import)


@contextmanager
def children(*names: str) -> Iterator[dict[str, Child]]:
    """A process for each name, all started at once, ended at the end."""
    with ExitStack() as stack:
        made = {}
        for name in names:
            made[name] = Child()
            stack.callback(made[name].close)
        for ready in [child.begin() for child in made.values()]:
            ready.result()
        yield made


def _import() -> None:
    import models.mvvit  # noqa: F401  it imports mmdet, which takes seconds


def _begin() -> None:
    """Should memory run short, this process is to go, and no other; Ctrl-C ends it without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if _RISK.exists():
        _RISK.write_text("1000")


def sample(work: Callable[[], Any], *, repetitions: int, warm_up: int = 0) -> Sample:
    """Run something several times in this process; what it returns is dropped each time before the next."""
    for _ in range(warm_up):
        work()
    _settle()
    before = _held_mb()
    reset_peak_memory()
    seconds, processor = [], []
    for _ in range(repetitions):
        _wait()
        started = time.perf_counter(), time.process_time()
        work()
        _wait()
        seconds.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
    return Sample(tuple(seconds), tuple(processor), max(0.0, peak_memory_mb() - before), before)


def available_mb() -> float:
    """Memory that this machine can still give without swapping, MiB; infinite where the system does not say."""
    if not _MEMORY.exists():
        return float("inf")
    line = next(line for line in _MEMORY.read_text().splitlines() if line.startswith("MemAvailable"))
    return int(line.split()[1]) / 1024


def on_gpu() -> bool:
    """Whether there is one."""
    import torch

    return torch.cuda.is_available()


def device_name() -> str:
    """The GPU's name, or the processor's."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU")
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {torch.get_num_threads()} threads"


def _held_mb() -> float:
    import torch

    if torch.cuda.is_available():
        return torch.cuda.memory_allocated() / 2**20
    pages = int(_RESIDENT.read_text().split()[1]) if _RESIDENT.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _settle() -> None:
    """Give freed memory back to the system: what the allocator keeps would count as held before."""
    import gc

    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _wait() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()

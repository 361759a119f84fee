"""How many workers a machine holds: by memory, as completed runs have measured it, and by cores. Torch-free.

It is the least of three: jobs that wait; cores, one a worker on a CPU and two on a GPU (to train and to load); and memory, four
fifths of what is free over what a run takes, which is the highest peak of comparable records. Where an arm is planned that none
of them is of, it is taken to need twice that. Where nothing has been measured, or free memory is not known, one worker is safe.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablations.evidence import load_of
from experiments.errors import UserError
from experiments.records import Record

AUTO = "auto"
SHARE = 0.8  # of the free memory that is dealt out
UNKNOWN = 2.0  # times the highest peak that an arm is given whose own is not known
CONTEXT_MB = 1024.0  # what a process holds of a card beside what PyTorch counts
_CORES = {False: 1, True: 2}  # that a worker needs, by whether it has a card
_MEMORY = Path("/proc/meminfo")


@dataclass(frozen=True)
class Machine:
    """``free_mb`` is that of each card that workers are dealt to, or of main memory; ``None`` where it is not known."""

    cores: int
    gpu: bool
    free_mb: tuple[float, ...] | None


@dataclass(frozen=True)
class Choice:
    """A number of workers, and why."""

    workers: int
    reason: str


def parse_workers(text: str) -> int | None:
    """``3`` -> 3, ``auto`` -> ``None``.

    Raises:
        UserError: it is neither.
    """
    if text == AUTO:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"--workers {text!r} is no number of workers: give a whole number from 1 up, or {AUTO}.")
    return int(text)


def choose_workers(
    records: Iterable[Record],
    deltas: Sequence[Mapping[str, Any]],
    machine: Machine,
    *,
    jobs: int,
    sampled: bool = False,
) -> Choice:
    """Choose how many workers train at once.

    Args:
        records: comparable ones (:func:`ablations.evidence.comparable`).
        deltas: of the arms that are planned.
        machine: where they train.
        jobs: how many wait.
        sampled: whether settings are sampled too, which no record can know.
    """
    arms = [r for r in records if r.kind == "arm" and r.peak_memory_mb and _on_gpu(r) == machine.gpu]
    where = "a GPU" if machine.gpu else "a CPU"
    if not arms:
        return Choice(
            1, f"no arm of this scale and data has been trained on {where} yet, so what one needs is not known"
        )
    if machine.free_mb is None:
        return Choice(1, "the free memory of this machine is not known")
    peak = max(_peak_mb(record) for record in arms)
    measured = {load_of(record.delta) for record in arms}
    new = sampled + sum(load_of(delta) not in measured for delta in deltas)
    need = peak * (UNKNOWN if new else 1.0)
    each = [int(SHARE * free // need) for free in machine.free_mb]
    limits = {
        "jobs": jobs,
        "cores": machine.cores // _CORES[machine.gpu],
        "memory": min(each) * len(each),  # they are dealt to the cards in turn
    }
    workers = max(1, min(limits.values()))
    free = " and ".join(f"{one / 1024:.1f}" for one in machine.free_mb)
    margin = ", doubled since it holds arms not measured yet" if new else ""
    reason = (
        f"{limits['jobs']} job{'s wait' if limits['jobs'] != 1 else ' waits'}, the cores ({machine.cores}) are enough for "
        f"{limits['cores']}, and {free} GiB of free memory for {limits['memory']} "
        f"(highest peak of {len(arms)} trained: {peak / 1024:.2f} GiB{margin})"
    )
    return Choice(workers, reason)


def usable_cores() -> int:
    """Cores that training may use on a CPU: this process's, or as many as ``OMP_NUM_THREADS`` says if those are fewer."""
    cores, told = len(os.sched_getaffinity(0)), os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(told)) if told.isdecimal() and int(told) else cores


def this_machine(gpus: Sequence[str]) -> Machine:
    """Cores and free memory of this machine.

    Args:
        gpus: the cards that workers are pinned to; none: they all take the first one, if there is one.
    """
    cards = free_card_memory()
    if cards:
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        chosen = list(gpus) or visible[:1] or ["0"]
        known = [cards[name] for name in chosen if name in cards]
        return Machine(len(os.sched_getaffinity(0)), True, tuple(known) if len(known) == len(chosen) else None)
    return Machine(usable_cores(), False, free_main_memory())


def check_cards(gpus: Sequence[str]) -> None:
    """Refuse cards that this machine lacks: PyTorch would train on its processor, and say nothing.

    Asked is a process of its own, which sees these cards alone: a process that has asked can no longer choose its card.

    Args:
        gpus: numbers as the driver counts them, or UUIDs.

    Raises:
        UserError: see above.
    """
    if not gpus:
        return
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ",".join(gpus)}
    count = [sys.executable, "-c", "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"]
    found = int(subprocess.run(count, env=environment, capture_output=True, text=True, check=True).stdout)
    if found < len(set(gpus)):
        raise UserError(
            f"--gpus names {','.join(gpus)}, of which PyTorch finds {found or 'none'} on this machine: give numbers that "
            "nvidia-smi lists, or leave it out (make: GPUS=)."
        )


def free_card_memory() -> dict[str, float]:
    """Free MiB of each card by its number, as the driver's own program tells; empty without cards."""
    query = ["nvidia-smi", "--query-gpu=index,memory.free", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
        return {name.strip(): float(free) for name, _, free in (line.partition(",") for line in lines)}
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}


def free_main_memory() -> tuple[float, ...] | None:
    """MiB of main memory that can be had without swapping; ``None`` where the system does not say."""
    if not _MEMORY.exists():
        return None
    line = next((line for line in _MEMORY.read_text().splitlines() if line.startswith("MemAvailable")), None)
    return None if line is None else (int(line.split()[1]) / 1024,)


def _peak_mb(record: Record) -> float:
    """What a run held: on a card with what PyTorch kept of it and the process's own share."""
    assert record.peak_memory_mb is not None
    return max(record.peak_memory_mb, record.peak_reserved_mb or 0.0) + CONTEXT_MB * _on_gpu(record)


def _on_gpu(record: Record) -> bool:
    """Records name the card, or `cpu` and its threads."""
    return "cpu" not in record.device.replace("(", " ").split()

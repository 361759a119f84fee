"""What the machine can do: its matrix rate and its copying rate, measured."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any


def matrix_rate(precision: str, *, side: int | None = None, repetitions: int = 5) -> float:
    """Operations per second of a product of two square matrices, as PyTorch has it: the median of several."""
    import torch

    device = _device()
    side = side or (8192 if device == "cuda" else 2048)
    kind = getattr(torch, precision)
    a, b = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    return 2 * side**3 / _seconds(lambda: a @ b, repetitions)


def copy_rate(*, megabytes: int | None = None, repetitions: int = 5) -> float:
    """Bytes read and written per second when a large array is copied."""
    import torch

    device = _device()
    megabytes = megabytes or (2048 if device == "cuda" else 256)
    source = torch.zeros(megabytes * 2**18, device=device)
    target = torch.empty_like(source)
    return 2 * 4 * source.numel() / _seconds(lambda: target.copy_(source), repetitions)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _seconds(work: Callable[[], Any], repetitions: int) -> float:
    import torch

    values = []
    for _ in range(repetitions + 1):  # the first warms up
        started = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        values.append(time.perf_counter() - started)
    return median(values[1:])

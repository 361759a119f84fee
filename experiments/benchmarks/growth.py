"""How time and memory grow with tokens K, views V and groups, as exponents of a power law.

    python -m experiments.benchmarks --only growth

An exponent is the slope in log-log over the upper half of the sizes, where fixed costs no longer hide it. Time of attention over
all tokens of a group grows with the square of V*K whatever the kernel; its memory must not.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from experiments.benchmarks.children import Child, OutOfMemory, children, on_gpu
from experiments.benchmarks.figures import Findings
from experiments.benchmarks.fusion import P2, Case, run_attention, run_case

GOAL = 1.1  # of the attention's memory in V*K


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float | None:
    """Slope of log(values) over log(sizes), by least squares over the upper half of the sizes; ``None`` without two of them.

    Raises:
        ValueError: a size or value is not positive, or their numbers differ.
    """
    if min([*sizes, *values], default=1) <= 0:
        raise ValueError("A power law has positive sizes and values.")
    points = sorted(zip(sizes, values, strict=True))
    upper = points[len(points) // 2 if len(points) > 3 else 0 :]
    if len(upper) < 2:
        return None
    x, y = (np.log([point[axis] for point in upper]) for axis in (0, 1))
    return float(np.polyfit(x, y, 1)[0])


def _axes(quick: bool) -> dict[str, tuple[str, list[int], Case]]:
    """What grows: name of the field, its sizes, and the rest of the case."""
    if quick:
        base = Case("fused", 32, 4, 1, levels=P2, width=32, image_size=(64, 64), views=2)
        return {"K": ("tokens", [16, 32, 64, 128], base), "views": ("views", [1, 2, 4], base)}
    if on_gpu():
        base = Case("fused", 1024, 8, 1, levels=P2)
        return {
            "K": ("tokens", [256, 512, 1024, 2048, 4096, 8192], base),
            "views": ("views", [1, 2, 4, 8, 16], base),
            "groups": ("groups", [1, 2, 4, 8], base),
        }
    # On a CPU in minutes: a narrower model and a map of 90 x 32 cells, so that pooling ends at K = 2880.
    base = Case("fused", 512, 4, 1, levels=P2, width=64, image_size=(360, 128))
    return {
        "K": ("tokens", [256, 512, 1024, 2048], base),
        "views": ("views", [1, 2, 4, 8, 16], base),
        "groups": ("groups", [1, 2, 4], base),
    }


def measure(*, quick: bool) -> Findings:
    """Measure along each axis, with the others fixed."""
    findings = Findings("growth")
    with children("growth") as made:
        for name, (field, sizes, base) in _axes(quick).items():
            _along(findings, made["growth"], name, field, sizes, base)
        _attention(findings, made["growth"], quick)
    return findings


def _along(findings: Findings, child: Child, name: str, field: str, sizes: list[int], base: Case) -> None:
    seconds, memory, done = [], [], []
    for size in sizes:
        change: dict[str, Any] = {field: size}
        case = replace(base, **change)
        try:
            child.call(run_case, case, 1)  # warms up
            found = child.call(run_case, case, 2)
        except OutOfMemory as error:
            findings.notes.append(f"{name}={size} does not fit: {error}.")
            break
        done.append(size)
        seconds.append(findings.add(f"MVViT, {name}={size}", "s", *found.seconds).median)
        memory.append(findings.add(f"MVViT, {name}={size}, peak", "MiB", found.peak_mb).median)
    _fit(findings, f"MVViT's time over {name}", done, seconds)
    _fit(findings, f"MVViT's memory over {name}", done, memory)


def _attention(findings: Findings, child: Child, quick: bool) -> None:
    """The encoder's attention alone over V*K tokens: nothing is pooled where the map has K cells."""
    counts = [512, 1024, 2048] if quick else [8192, 16384, 32768, 65536] if on_gpu() else [2048, 4096, 8192, 16384]
    seconds, memory, done = [], [], []
    for count in counts:
        side = 4 * math.isqrt(count // 8)
        cells = (side // 4) ** 2
        case = Case(
            "fused", cells, 8 if on_gpu() else 4, 1, levels=P2, width=256 if on_gpu() else 64, image_size=(side, side)
        )
        found = child.call(run_attention, case, 1)
        done.append(8 * cells)
        seconds.append(findings.add(f"attention, V*K={8 * cells}", "s", *found.seconds).median)
        memory.append(findings.add(f"attention, V*K={8 * cells}, peak", "MiB", found.peak_mb).median)
    _fit(findings, "the attention's time over V*K", done, seconds)
    _fit(findings, "the attention's memory over V*K", done, memory, goal=GOAL)


def _fit(findings: Findings, name: str, sizes: list[int], values: list[float], goal: float | None = None) -> None:
    value = exponent(sizes, values) if all(one > 0 for one in values) else None
    findings.ratio(f"exponent of {name}", value, goal=goal, sense="at most", unit="")

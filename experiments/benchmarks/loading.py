"""Whether loading keeps up with training: the whole multi-view pipeline, alone and between steps.

    python -m experiments.benchmarks --only loading

The step is the one of :mod:`experiments.benchmarks.step` on what the loader gives. A step's share that is spent waiting is what
passes between asking the loader for a batch and having it.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.benchmarks.children import children, on_gpu
from experiments.benchmarks.figures import Findings
from experiments.prepare import prepared_data


def run_loading(scale: str, folder: Path, batches: int) -> dict[str, list[float]]:
    """Load so many batches alone, then as many between steps, in this process.

    Returns:
        Seconds of each: ``load`` of a batch alone, ``wait`` for a batch between steps, ``step`` without it; and ``images``, how
        many of them a batch holds, over all branches.
    """
    import torch

    from experiments.benchmarks.step import build, trainer
    from experiments.fitting import fit_to_data
    from experiments.runner import FileLogRunner
    from experiments.runs import read_dataset

    settings, model = build("fused", scale, {})
    fit_to_data(settings, read_dataset(folder), folder)
    found: dict[str, list[float]] = {"load": [], "wait": [], "step": [], "images": []}
    loader = FileLogRunner.build_dataloader(settings.train_dataloader, seed=0)
    for number in range(len(loader.dataset)):  # views are kept from here on, as from a machine's second epoch
        loader.dataset[number]
    source = _endless(loader)
    held: list[Any] = []

    def load(name: str) -> None:
        started = time.perf_counter()
        held[:] = [next(source)]
        found[name].append(time.perf_counter() - started)
        found["images"].append(float(sum(len(images) for images in held[0]["inputs"].values())))

    step = trainer(settings, model, lambda: held[0])
    for _ in range(8 if on_gpu() else 2):  # warm up, and start the loader's processes
        load("load")
        step()
    found["load"].clear()
    for _ in range(batches):
        load("load")
    for _ in range(batches):
        load("wait")
        started = time.perf_counter()
        step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        found["step"].append(time.perf_counter() - started)
    return found


def _endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def measure(*, quick: bool) -> Findings:
    """Measure at `cpu`, or at `gpu` on a GPU; their data are rendered first if they are missing."""
    scale = "tiny" if quick else "gpu" if on_gpu() else "cpu"
    batches = 3 if quick else 20 if on_gpu() else 12
    folder = prepared_data(scale, None)
    findings = Findings("loading")
    with children("loading") as made:
        found = made["loading"].call(run_loading, scale, folder, batches)
    images = found["images"][0]
    load = findings.add(f"{scale}: a batch alone", "s", *found["load"])
    step = findings.add(f"{scale}: a step", "s", *found["step"])
    findings.add(f"{scale}: waiting for its batch", "s", *found["wait"])
    findings.add(f"{scale}: loaded alone", "images/s", images / load.median)
    findings.add(f"{scale}: needed by steps", "images/s", images / step.median)
    share = sum(found["wait"]) / (sum(found["wait"]) + sum(found["step"]))
    findings.ratio(f"{scale}: share of a step spent waiting for data", share, goal=0.05, sense="at most", unit="")
    findings.ratio(f"{scale}: loaded alone / needed", step.median / load.median)
    return findings

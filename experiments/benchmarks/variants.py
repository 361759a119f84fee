"""Where a training step's time goes, and whether other ways of doing it pay.

    python -m experiments.benchmarks.variants [--scale cpu] [--rounds 5] [--profile]

trains steps (:mod:`experiments.benchmarks.step`) of each variant in turn in one process, and prints their times beside those of the
step as it is; `--profile` prints the operations and the Python functions that take most of a step instead. On a machine that does
other work, processor time tells more than wall time. What came of it stands in NOTES.md, beside this file.
"""

import argparse
import cProfile
import pstats
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import Progress

from experiments.benchmarks.children import Sample, sample
from experiments.benchmarks.figures import Figure, Findings, print_findings, quotient
from experiments.benchmarks.step import build, make_batch, trainer
from experiments.console import mistakes_told

AS_IT_IS = "as it is"


def _optimiser(**options: Any) -> Callable[[Any, Any], None]:
    def change(settings: Any, model: Any) -> None:
        settings.optim_wrapper.optimizer.update(options)

    return change


def _precision(precision: str) -> Callable[[Any, Any], None]:
    def change(settings: Any, model: Any) -> None:
        model.precision = precision

    return change


def _inference(settings: Any, model: Any) -> None:
    """Let the teacher look under inference mode; what the student's losses keep of it is copied out."""
    import torch

    look = model.get_pseudo_instances

    def looked(*inputs: Any) -> Any:
        with torch.inference_mode():
            samples, info = look(*inputs)
        for one in samples:
            for name, value in one.gt_instances.items():
                one.gt_instances[name] = value.clone() if isinstance(value, torch.Tensor) else value
        return samples, info

    model.get_pseudo_instances = looked


def _channels_last(settings: Any, model: Any) -> None:
    import torch

    model.to(memory_format=torch.channels_last)


VARIANTS: dict[str, Callable[[Any, Any], None]] = {
    AS_IT_IS: lambda settings, model: None,
    "optimiser: foreach": _optimiser(foreach=True),
    "optimiser: fused": _optimiser(fused=True),
    "teacher under inference mode": _inference,
    "channels last": _channels_last,
    "bfloat16": _precision("bfloat16"),
    "float32": _precision("float32"),
}


def _step(scale: str, change: Callable[[Any, Any], None]) -> Callable[[], None]:
    settings, model = build("fused", scale, {})
    change(settings, model)
    batch = make_batch(settings)
    return trainer(settings, model, lambda: batch)


def compare(*, scale: str, rounds: int, each: int = 2) -> Findings:
    """Time all variants in turn."""
    steps = {}
    for name, change in VARIANTS.items():
        steps[name] = _step(scale, change)
        for _ in range(2):
            steps[name]()
    taken: dict[str, list[Sample]] = {name: [] for name in steps}
    with Progress() as bar:
        for name in bar.track(list(steps) * rounds, description="Steps"):
            taken[name].append(sample(steps[name], repetitions=each))
    findings = Findings(f"variants of a step at {scale}")
    wall: dict[str, Figure] = {}
    processor: dict[str, Figure] = {}
    for name, samples in taken.items():
        wall[name] = findings.add(name, "s", *(s for one in samples for s in one.seconds))
        processor[name] = findings.add(
            f"{name}, processor", "s", *(s for one in samples for s in one.processor_seconds)
        )
    for name in list(VARIANTS)[1:]:
        findings.ratio(f"{name}, time", quotient(wall[name], wall[AS_IT_IS]))
        findings.ratio(f"{name}, processor time", quotient(processor[name], processor[AS_IT_IS]))
    return findings


def profile(*, scale: str, steps: int, rows: int) -> None:
    """Print the operations and the Python functions that take most of some steps."""
    import torch

    step = _step(scale, VARIANTS[AS_IT_IS])
    step()
    with torch.profiler.profile() as operations:
        for _ in range(steps):
            step()
    gpu = torch.cuda.is_available()
    order = "self_cuda_time_total" if gpu else "self_cpu_time_total"
    print(operations.key_averages().table(sort_by=order, row_limit=rows, max_name_column_width=60))
    functions = cProfile.Profile()
    functions.enable()
    for _ in range(steps):
        step()
    functions.disable()
    pstats.Stats(functions).strip_dirs().sort_stats("cumulative").print_stats(2 * rows)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scale", default="cpu", help="scale of the steps")
    parser.add_argument("--rounds", type=int, default=5, help="of two steps of each variant; with --profile, steps")
    parser.add_argument("--profile", action="store_true", help="print what takes the time of a step as it is")
    parser.add_argument("--rows", type=int, default=25, help="of the profile")
    options = parser.parse_args()
    with mistakes_told():
        if options.profile:
            profile(scale=options.scale, steps=options.rounds, rows=options.rows)
        else:
            print_findings(compare(scale=options.scale, rounds=options.rounds), Console(width=130))


if __name__ == "__main__":
    main()

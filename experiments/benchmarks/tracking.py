"""What tracking costs: seconds per iteration without trackers, with JSON lines, and with W&B (offline) and JSON lines.

    python -m experiments.benchmarks.tracking [--scale cpu] [--iterations 60] [--repetitions 5] [--interval 10]

trains short runs that validate at their end, the three cases in turn, in one process, after a first run that is not counted, and
prints medians, spread and ratios. A machine that does other work at the time gives ratios that differ more than the trackers do:
the second table is the cost itself, one call at a time, in the same runs: ms per logged interval, per run and per validation.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from experiments.console import mistakes_told
from experiments.prepare import prepared_data

CASES = {"none": (), "jsonl": ("jsonl",), "wandb,jsonl": ("wandb", "jsonl")}
GOAL = 0.01  # of an iteration's time


def measure(
    *, scale: str, iterations: int, repetitions: int, interval: int, data: Path | None
) -> tuple[dict[str, list[float]], dict[str, dict[str, list[float]]]]:
    """Train, and time.

    Returns:
        Per case: median seconds of an iteration, one per repetition; and the seconds of each call that fed trackers, by what it
        was: ``interval`` (an iteration whose figures were passed on), ``begin``, ``end``, ``sheets`` (one validation's).
    """
    from experiments.train import train_run

    folder = prepared_data(scale, data)
    seconds: dict[str, list[float]] = {case: [] for case in CASES}
    calls: dict[str, dict[str, list[float]]] = {case: defaultdict(list) for case in CASES}
    with TemporaryDirectory() as runs, Progress() as bar:
        # The first run imports and warms up, for every case: it is the last case once more, and is not counted.
        cases = list(enumerate([list(CASES)[-1], *list(CASES) * repetitions]))
        for number, case in bar.track(cases, description="Runs"):
            chosen = patch("experiments.train.chosen_trackers", return_value=CASES[case])
            with _timed(interval) as (ends, spent), chosen:
                record = train_run(
                    config=scale, study="tracking", arm=f"run-{number}", data=folder, runs_root=Path(runs), progress=False,
                    delta={
                        "burn_in": {}, "train_cfg.max_iters": iterations, "train_cfg.val_interval": iterations,
                        "default_hooks.logger.interval": interval, "default_hooks.checkpoint.interval": 10 * iterations,
                    },
                )  # fmt: skip
            if record.status != "completed":
                raise SystemExit(f"{case}: {record.reason}")
            if number > 0:
                seconds[case].append(median(_means(ends, interval)))
                for call, durations in spent.items():
                    calls[case][call] += durations
    return seconds, calls


def _means(ends: list[float], interval: int) -> list[float]:
    """Seconds of an iteration, averaged over each interval, since logging falls on one in each; the first one warms up."""
    return [(ends[i + interval] - ends[i]) / interval for i in range(interval - 1, len(ends) - interval, interval)]


@contextmanager
def _timed(interval: int) -> Iterator[tuple[list[float], dict[str, list[float]]]]:
    """Note when each iteration ends, after all hooks, and how long the tracking hook takes, by call."""
    from experiments.hooks.observer import ObserverHook
    from experiments.hooks.tracking import TrackingHook

    ends: list[float] = []
    spent: dict[str, list[float]] = defaultdict(list)
    last = ObserverHook.after_train_iter

    def ended(hook: Any, *inputs: Any, **options: Any) -> None:
        last(hook, *inputs, **options)
        ends.append(time.perf_counter())

    def timed(method: Callable[..., None], name: str) -> Callable[..., None]:
        def call(hook: Any, *inputs: Any, **options: Any) -> None:
            started = time.perf_counter()
            method(hook, *inputs, **options)
            logged = name != "interval" or (inputs[0].iter + 1) % interval == 0
            if logged:
                spent[name].append(time.perf_counter() - started)

        return call

    methods = {"before_train": "begin", "after_train_iter": "interval", "end": "end", "_draw": "sheets"}
    replaced: dict[str, Any] = {method: timed(getattr(TrackingHook, method), name) for method, name in methods.items()}
    with patch.multiple(TrackingHook, **replaced), patch.object(ObserverHook, "after_train_iter", ended):
        yield ends, spent


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scale", default="cpu", help="scale of the runs")
    parser.add_argument("--iterations", type=int, default=60, help="of each run; at least two intervals")
    parser.add_argument("--repetitions", type=int, default=5, help="runs of each case")
    parser.add_argument("--interval", type=int, default=10, help="iterations between two logs")
    parser.add_argument("--data", type=Path, help="data set folder; default the scale's own")
    options = parser.parse_args()
    if min(options.interval, options.repetitions) < 1 or options.iterations < 2 * options.interval:
        parser.error("give at least one repetition, and iterations for two intervals, of which the first warms up")
    with mistakes_told():
        seconds, calls = measure(**vars(options))
    console = Console(width=110)
    base = median(seconds["none"])
    table = Table(
        "TRACK", "ms per iteration: median", "lowest to highest", "ratio to none", title=f"Scale {options.scale}"
    )
    for case, values in seconds.items():
        spread = f"{1e3 * min(values):.2f} to {1e3 * max(values):.2f}"
        table.add_row(case, f"{1e3 * median(values):.2f}", spread, f"{median(values) / base:.4f}")
    console.print(table)
    table = Table(
        "TRACK", "ms per log", "of an iteration", "ms to begin", "to end", "ms for sheets", title="Medians of calls"
    )
    for case, spent in calls.items():
        logged = median(spent["interval"])
        share = logged / options.interval / base
        rest = [f"{1e3 * median(spent[name]):.1f}" if spent[name] else "-" for name in ("begin", "end", "sheets")]
        table.add_row(case, f"{1e3 * logged:.3f}", f"{share:.3%}", *rest)
    console.print(table)
    worst = max(median(spent["interval"]) / options.interval / base for spent in calls.values())
    console.print(
        f"The goal of less than {GOAL:.0%} of an iteration is {'met' if worst < GOAL else 'missed'}: {worst:.3%}."
    )


if __name__ == "__main__":
    main()

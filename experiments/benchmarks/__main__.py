"""All benchmarks in one run.

    python -m experiments.benchmarks [--only fusion,step] [--quick] [--out runs/bench]

prints each part's figures and ratios, each ratio beside its goal, and writes them to `<out>/<part>.json` as each part ends, and to
`<out>/all.json`. `--quick` runs everything at toy size, in a minute or two: it tests the benchmarks, and its figures mean nothing.
"""

import argparse
import importlib
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.benchmarks.figures import Findings, as_plain, print_findings, print_ratios
from experiments.console import result_console, stop_told
from experiments.paths import runs_root

PARTS = ("fusion", "step", "loading", "evaluation", "growth", "arms")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, joined by commas: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="toy sizes, to test the benchmarks")
    parser.add_argument("--out", type=Path, default=runs_root() / "bench", help="folder of the JSON files")
    options = parser.parse_args()
    chosen = [name.strip() for name in options.only.split(",") if name.strip()]
    unknown = [name for name in chosen if name not in PARTS]
    if unknown or not chosen:
        parser.error(f"there is no part {', '.join(unknown) or 'named'}: give some of {', '.join(PARTS)}")
    with stop_told(f"Stopped; the parts that were done lie in {options.out}."):
        run(chosen, quick=options.quick, out=options.out, console=result_console())


def run(parts: list[str], *, quick: bool, out: Path, console: Console) -> list[Findings]:
    """Measure the parts one after the other."""
    out.mkdir(parents=True, exist_ok=True)
    machine = _machine()
    console.print(f"{machine['device']}; load {machine['load']}", markup=False, highlight=False)
    everything = []
    for part in parts:
        started = time.perf_counter()
        findings: Findings = importlib.import_module(f"experiments.benchmarks.{part}").measure(quick=quick)
        findings.notes.append(f"{part}: {time.perf_counter() - started:.0f} s")
        everything.append(findings)
        print_findings(findings, console)
        _write(out / f"{part}.json", {"quick": quick, "machine": machine, "parts": [as_plain(findings)]})
    console.print()
    print_ratios([(one.part, ratio) for one in everything for ratio in one.ratios if ratio.goal is not None], console)
    path = out / "all.json"
    _write(path, {"quick": quick, "machine": machine, "parts": [as_plain(one) for one in everything]})
    console.print(str(path), markup=False, highlight=False, soft_wrap=True)
    return everything


def _machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was."""
    import os

    from experiments.benchmarks.children import device_name

    return {
        "device": device_name(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),  # of the last minute, before anything of this was run
        "python": platform.python_version(),
        "torch": version("torch"),
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()

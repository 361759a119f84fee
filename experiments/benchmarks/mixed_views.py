"""What the neighbouring views are worth: the baseline beside the same model on groups whose views are of different bits.

    python -m experiments.benchmarks.mixed_views --seeds 3

trains `cpu` and its control `mixed_views` (same data, model and training; only which views share a group differs) and also
scores the baseline's weights on mixed groups. Runs go on where they stopped; the table is written to `runs/mixed-views/table.csv`.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import pandas as pd
from rich.console import Console
from rich.table import Table

from experiments.burn_in import WEIGHTS_NAME
from experiments.config import load_config
from experiments.evaluate import score_weights
from experiments.fitting import fit_to_data
from experiments.paths import runs_root
from experiments.prepare import prepared_data
from experiments.runs import read_dataset, run_folder

STUDY = "mixed-views"


@dataclass(frozen=True)
class Row:
    """AP of one class (or ``all``), one entry per seed.

    ``own`` is trained and scored on whole groups, ``mixed`` trained and scored on mixed ones, ``crossed`` trained on whole
    groups and scored on mixed ones.
    """

    name: str
    own: tuple[float, ...]
    mixed: tuple[float, ...]
    crossed: tuple[float, ...]

    @property
    def worth(self) -> tuple[float, float | None]:
        """Mean over the seeds of ``own`` - ``mixed``, paired by seed, and its standard error (``None`` for one seed)."""
        gains = [own - mixed for own, mixed in zip(self.own, self.mixed, strict=True)]
        return fmean(gains), stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else None


def rows(
    own: Sequence[Mapping[str, float]], mixed: Sequence[Mapping[str, float]], crossed: Sequence[Mapping[str, float]]
) -> list[Row]:
    """One row per class from the APs of each seed, keyed by class."""
    return [Row(name, *(tuple(scores[name] for scores in part) for part in (own, mixed, crossed))) for name in own[0]]


def measure(*, seeds: int, data: Path | None) -> list[Row]:
    """Train what is missing and score it."""
    from experiments.train import train_run

    folder = prepared_data("cpu", data)
    found: dict[str, list[dict[str, float]]] = {"own": [], "mixed": [], "crossed": []}
    for seed in range(seeds):
        for key, config in (("own", "cpu"), ("mixed", "mixed_views")):
            record = train_run(
                config=config, study=STUDY, arm=key, seed=seed, split=0, data=folder, runs_root=runs_root()
            )
            final = record.final("teacher")
            if record.status != "completed" or final is None:
                raise SystemExit(f"{config}, seed {seed}: {record.reason}")
            found[key].append({name: score.ap or 0.0 for name, score in final.scores.items()})
        settings = load_config("mixed_views")
        fit_to_data(settings, read_dataset(folder), folder)
        weights = run_folder(runs_root=runs_root(), study=STUDY, arm="own", seed=seed) / WEIGHTS_NAME
        scores = score_weights(settings, weights)
        found["crossed"].append({name: scores[f"teacher/{name}/AP"] for name in found["own"][0]})
    return rows(**found)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    found = measure(seeds=options.seeds, data=options.data)
    table = Table(
        title=f"AP of the teacher on val, mean over {options.seeds} seeds; difference with its standard error"
    )
    for column in ("class", "whole groups", "mixed groups", "whole - mixed", "whole, scored on mixed"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for row in found:
        gain, error = row.worth
        margin = "" if error is None else f" ± {error:.3f}"
        table.add_row(
            row.name,
            f"{fmean(row.own):.3f}",
            f"{fmean(row.mixed):.3f}",
            f"{gain:+.3f}{margin}",
            f"{fmean(row.crossed):.3f}",
        )
    Console().print(table)
    plain = [
        {"class": row.name, "seed": seed, "whole": own, "mixed": mixed, "whole_scored_on_mixed": crossed}
        for row in found
        for seed, (own, mixed, crossed) in enumerate(zip(row.own, row.mixed, row.crossed, strict=True))
    ]
    path = runs_root() / STUDY / "table.csv"
    pd.DataFrame(plain).to_csv(path, index=False, lineterminator="\n")
    print(path)


if __name__ == "__main__":
    main()

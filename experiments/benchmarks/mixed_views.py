"""What the neighbouring views are worth: a model on whole groups, and on groups whose views are of different bits.

    python -m experiments.benchmarks.mixed_views [--seeds 1] [--retrain]

trains `views` on the `cpu` data and scores its weights on val, whole and mixed; `--retrain` also trains the control
`mixed_views`, which never sees two views of one bit together. Runs go on where they stopped; every score is written to
`runs/mixed-views/table.csv`.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

import pandas as pd
from rich.console import Console
from rich.table import Table

from experiments.config import load_config
from experiments.evaluate import score_weights
from experiments.fitting import fit_to_data
from experiments.paths import runs_root
from experiments.prepare import prepared_data
from experiments.records import Record
from experiments.runs import WEIGHTS_NAME, read_dataset, run_folder

STUDY = "mixed-views"


def measure(*, seeds: int, retrain: bool, data: Path | None) -> pd.DataFrame:
    """Train what is missing and score it.

    Returns:
        The student's AP and AP50 on val, one row per seed, class and case: ``whole`` and ``mixed`` are groups that the weights
        of `views` are scored on, ``retrained`` the control on mixed groups.
    """
    folder = prepared_data("cpu", data)
    rows = []
    for seed in range(seeds):
        run = _trained("views", seed, folder)
        cases = {"whole": _scores(run), "mixed": _scored_on_mixed(seed, folder)}
        if retrain:
            cases["retrained"] = _scores(_trained("mixed_views", seed, folder))
        for case, scores in cases.items():
            rows += [
                {"seed": seed, "case": case, "class": name, "AP": ap, "AP50": ap50}
                for name, (ap, ap50) in scores.items()
            ]
    return pd.DataFrame(rows)


def _trained(config: str, seed: int, folder: Path) -> Record:
    from experiments.train import train_run

    record = train_run(config=config, study=STUDY, arm=config, seed=seed, split=0, data=folder, runs_root=runs_root())
    if record.status != "completed":
        raise SystemExit(f"{config}, seed {seed}: {record.reason}")
    return record


def _scores(record: Record) -> dict[str, tuple[float | None, float | None]]:
    final = record.final("student")
    assert final is not None
    return {name: (score.ap, score.ap50) for name, score in final.scores.items()}


def _scored_on_mixed(seed: int, folder: Path) -> Mapping[str, tuple[float, float]]:
    settings = load_config("views", {"val_dataloader.dataset.mix_views": True})
    fit_to_data(settings, read_dataset(folder), folder)
    weights = run_folder(runs_root=runs_root(), study=STUDY, arm="views", seed=seed) / WEIGHTS_NAME
    scores = score_weights(settings, weights)
    names = [
        key.removeprefix("student/").rpartition("/")[0]
        for key in scores
        if key.startswith("student/") and key.endswith("/AP")
    ]
    return {name: (scores[f"student/{name}/AP"], scores[f"student/{name}/AP50"]) for name in names}


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds")
    parser.add_argument("--retrain", action="store_true", help="train the control too")
    parser.add_argument("--data", type=Path, help="data set folder; default data/cpu")
    options = parser.parse_args()
    found = measure(seeds=options.seeds, retrain=options.retrain, data=options.data)
    path = runs_root() / STUDY / "table.csv"
    found.to_csv(path, index=False, lineterminator="\n")
    cases = list(dict.fromkeys(found["case"]))
    table = Table("class", *cases, title=f"AP / AP50 of the student on val, mean over {options.seeds} seed(s)")
    for name in dict.fromkeys(found["class"]):
        own = found[found["class"] == name]
        cells = [(own[own["case"] == case]["AP"], own[own["case"] == case]["AP50"]) for case in cases]
        table.add_row(name, *(f"{fmean(ap):.3f} / {fmean(ap50):.3f}" for ap, ap50 in cells))
    Console().print(table)
    print(path)


if __name__ == "__main__":
    main()

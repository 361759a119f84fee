"""What the neighbouring views are worth: a model on whole groups, and on groups whose views are of different bits.

    python -m experiments.benchmarks.mixed_views [--seeds 2] [--further 1] [--retrain]

trains `views` and scores its weights on all splits that it has not seen, whole and mixed: three of its own data, and all of
`--further` data sets like `cpu`, of other bits; `--retrain` also trains the control `mixed_views`, which never sees two views of
one bit together. Runs go on where they stopped; every score is written to `runs/mixed-views/table.csv`.
"""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy.stats import t  # type: ignore[import-untyped]

from experiments.config import load_config
from experiments.console import mistakes_told
from experiments.data.synthesis import make_dataset
from experiments.evaluate import score_weights
from experiments.fitting import fit_to_data
from experiments.paths import data_root, runs_root
from experiments.prepare import prepared_data
from experiments.runs import WEIGHTS_NAME, read_dataset, run_folder

STUDY = "mixed-views"
SPLITS = ("val", "test", "train_labeled")  # `views` trains on the other training groups
OTHER_SPLITS = (*SPLITS, "train_unlabeled_truth")
MIXINGS = (1, 3, 5, 7)  # in each, every view has others beside it


def measure(*, seeds: int, further: int, retrain: bool) -> pd.DataFrame:
    """Train what is missing and score it.

    Returns:
        The student's AP and AP50, one row per seed, split, class, case and mixing: ``whole`` and ``mixed`` are groups that the
        weights of `views` are scored on, ``retrained`` the control on mixed groups. The name of a data set stands before its
        splits, as in ``views/val``.
    """
    folder = prepared_data("views", None)
    unseen = {f"views/{split}": (folder, split) for split in SPLITS}
    for number in range(1, further + 1):
        place = data_root() / f"cpu-{number}"
        make_dataset("cpu", place, seed=number)  # that of seed 0 has bits that the training groups have
        unseen |= {f"cpu-{number}/{split}": (place, split) for split in OTHER_SPLITS}
    cases: dict[str, tuple[str, Sequence[int]]] = {"whole": ("views", [0]), "mixed": ("views", MIXINGS)}
    if retrain:
        cases["retrained"] = ("mixed_views", [1])
    rows = []
    for seed in range(seeds):
        for case, (config, mixings) in cases.items():
            weights = _trained(config, seed, folder)
            for (name, there), mixing in itertools.product(unseen.items(), mixings):
                about = {"seed": seed, "split": name, "case": case, "mixing": mixing}
                rows += [
                    {**about, "class": class_name, "AP": ap, "AP50": ap50}
                    for class_name, (ap, ap50) in _scores(weights, *there, mixing).items()
                ]
    return pd.DataFrame(rows)


def differences(found: pd.DataFrame, name: str, figure: str, case: str = "mixed") -> list[float]:
    """Whole less another case (mean over mixings) of a class, for each seed and split: a pair is of the same images and labels."""
    own = found[found["class"] == name].pivot_table(index=["seed", "split"], columns="case", values=figure)
    return [float(whole - mixed) for whole, mixed in zip(own["whole"], own[case], strict=True)]


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half width of its 95 % t interval; NaN for a single value."""
    if len(values) < 2:
        return values[0], float("nan")
    return fmean(values), float(t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5


def _trained(config: str, seed: int, folder: Path) -> Path:
    from experiments.train import train_run

    record = train_run(config=config, study=STUDY, arm=config, seed=seed, split=0, data=folder, runs_root=runs_root())
    if record.status != "completed":
        raise SystemExit(f"{config}, seed {seed}: {record.reason}")
    return run_folder(runs_root=runs_root(), study=STUDY, arm=config, seed=seed) / WEIGHTS_NAME


def _scores(weights: Path, folder: Path, split: str, mixing: int) -> dict[str, tuple[float, float]]:
    settings = load_config("views")
    settings.val_dataloader.dataset.mix_views = mixing
    fit_to_data(settings, read_dataset(folder), folder)
    settings.val_dataloader.dataset.ann_file = f"annotations/{split}.json"
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
    parser.add_argument("--seeds", type=int, default=2, help="how many seeds")
    parser.add_argument("--further", type=int, default=1, help="how many data sets of other bits to score on too")
    parser.add_argument("--retrain", action="store_true", help="train the control too")
    options = parser.parse_args()
    with mistakes_told():
        found = measure(seeds=options.seeds, further=options.further, retrain=options.retrain)
    path = runs_root() / STUDY / "table.csv"
    found.to_csv(path, index=False, lineterminator="\n")
    cases = list(dict.fromkeys(found["case"]))
    where = f"{options.seeds} seed(s) and {found['split'].nunique()} splits"
    title = f"AP / AP50 of the student, mean over {where}; differences with 95 % intervals"
    pairs = [(figure, case) for case in cases if case != "whole" for figure in ("AP", "AP50")]
    table = Table("class", *cases, *(f"{figure}: whole - {case}" for figure, case in pairs), title=title)
    for name in dict.fromkeys(found["class"]):
        own = found[found["class"] == name]
        cells = [own[own["case"] == case] for case in cases]
        means = [f"{cell['AP'].mean():.3f} / {cell['AP50'].mean():.3f}" for cell in cells]
        gains = [interval(differences(found, name, *pair)) for pair in pairs]
        table.add_row(name, *means, *(f"{gain:+.3f} ± {half:.3f}" for gain, half in gains))
    Console().print(table)
    print(path)


if __name__ == "__main__":
    main()

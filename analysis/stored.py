"""Studies whose small files are kept in the repository, found where there is no other: what the notebooks show unless told."""

from pathlib import Path

from analysis.results import find_study
from experiments.paths import REPOSITORY, runs_root
from experiments.studies import STUDY_NAME

STORED = REPOSITORY / "docs" / "runs"
"""Laid out as a runs folder: ``<study>/study.json``, ``arms/<identity>/record.json``, ``burn-in/<name>/record.json``."""


def nearest_study(name: str, *, runs: Path | None = None, stored: Path = STORED) -> Path:
    """The folder of a study: that of the runs folder (default: ``$RUNS`` or ``runs/``), else the one kept in the repository.

    Raises:
        UserError: neither holds it; the message names the studies of the runs folder, or the stored ones if it has none.
    """
    root = runs if runs is not None else runs_root()
    if (root / name / STUDY_NAME).exists():
        return root / name
    own = root.is_dir() and any(root.glob(f"*/{STUDY_NAME}"))
    return find_study(name, root if own and not (stored / name).is_dir() else stored)


def pictures_of(folder: Path) -> list[Path]:
    """The pictures that lie in a run's folder at any depth, such as the teacher's boxes on views; oldest name first."""
    return sorted(path for path in folder.rglob("*") if path.suffix in (".png", ".jpg"))

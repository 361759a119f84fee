"""Where things live on disk, relative to the repository unless the environment says otherwise."""

import os
import shlex
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIGS = Path(os.environ.get("CONFIGS") or REPOSITORY / "experiments" / "configs")  # the scales', by name


def runs_root() -> Path:
    """Folder of all studies: ``$RUNS`` or ``runs/`` in the repository."""
    return Path(os.environ.get("RUNS") or REPOSITORY / "runs")


def study_options(folder: Path) -> str:
    """Options that name a study in a command: its name, and the folder of runs unless it is the repository's own."""
    root = folder.resolve().parent
    elsewhere = f" --runs-root {shlex.quote(str(root))}" if root != (REPOSITORY / "runs").resolve() else ""
    return f"--study {folder.name}{elsewhere}"


def data_root() -> Path:
    """Folder of all generated data sets: ``$DATA_ROOT`` or ``data/`` in the repository."""
    return Path(os.environ.get("DATA_ROOT") or REPOSITORY / "data")


def view_cache() -> Path | None:
    """Folder of decoded views: ``$VIEW_CACHE``, by default in the user's cache folder; ``None`` where it says ``off``."""
    named = os.environ.get("VIEW_CACHE")
    if named == "off":
        return None
    if named:
        return Path(named).absolute()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    return caches / "multiview-ablation-lab" if caches.is_absolute() else None  # some users have no home

"""The data set of a run, made first where it is a scale's own. Torch-free."""

from contextlib import ExitStack
from pathlib import Path

from experiments.data.synthesis import PRESETS, make_dataset
from experiments.locks import locked
from experiments.runs import DATASET_NAME, data_folder


def prepared_data(config: str, data: Path | None, *, progress: bool = True) -> Path:
    """The data set folder: ``data`` if given, else that of the config's scale, which is made if it is missing."""
    folder = data_folder(config, data)
    if data is None and folder.name in PRESETS:  # nothing to do where this version's set lies already
        with ExitStack() as stack:
            if not (folder / DATASET_NAME).exists():
                stack.enter_context(locked(folder.parent))
            make_dataset(folder.name, folder, progress=progress)
    return folder

"""Where the teacher's weights are, and the labelled groups that it is judged on. Torch-free."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from experiments.data.groups import Group, read_groups
from experiments.data.splits import read_parts
from experiments.errors import UserError
from experiments.records import RECORD_NAME, read_record
from experiments.runs import TRUTH_NAME, WEIGHTS_NAME, burn_in_folder, completed_record

Split = Literal["train_unlabeled_truth", "val", "train_labeled"]


def burn_in_weights(
    settings: Any,
    *,
    config: str,
    delta: Mapping[str, Any],
    description: Mapping[str, Any],
    seed: int,
    split: int,
    runs_root: Path,
) -> Path | None:
    """Weights of the burn-in that runs continue from; ``None`` where it is not trained, or there is none.

    Args:
        settings: the config ``config`` with the changes ``delta``.
        description: what :func:`experiments.runs.read_dataset` says of the data.
        seed, split: of the burn-in.
        runs_root: folder of all studies.
    """
    if not settings.burn_in:
        return None
    folder, identity = burn_in_folder(
        config=config, burn_in=dict(settings.burn_in), delta=delta, seed=seed, split=split,
        data_fingerprint=description["fingerprint"], runs_root=runs_root,
    )  # fmt: skip
    return weights_in(folder) if completed_record(folder, identity) else None


def weights_in(path: Path) -> Path:
    """The weights file of a run folder; a file stands for itself."""
    return path / WEIGHTS_NAME if path.is_dir() else path


def split_of(weights: Path) -> int | None:
    """The labelled/unlabelled split that weights were trained with, where their run's record lies beside them."""
    folder = weights if weights.is_dir() else weights.parent
    return read_record(folder).split if (folder / RECORD_NAME).is_file() else None


def labelled_groups(settings: Any, *, data: Path, on: Split, split: int) -> list[Group]:
    """The groups of a part of a data set, with their boxes.

    Args:
        settings: the config.
        on: ``train_labeled`` and ``train_unlabeled_truth`` are what the split makes of them, ``val`` is validation data.
        split: number of the labelled/unlabelled split.

    Raises:
        UserError: the data are faulty, or do not know the unlabelled groups' boxes.
    """
    validation, source = settings.val_dataloader.dataset, settings.train_dataloader.dataset
    if on == "val":
        return _read(data, validation, validation.ann_file)
    labelled, unlabelled = read_parts(data, source.labelled, source.unlabelled, split=split)
    if on == "train_labeled":
        return labelled
    if not (data / TRUTH_NAME).is_file():
        raise UserError(
            f"{data / TRUTH_NAME} does not exist, so the boxes of the unlabelled groups are not known: use --on val."
        )
    hidden = {group.name for group in unlabelled}
    known = _read(data, source.unlabelled, TRUTH_NAME)
    if split > 0:  # dealt out anew: a group may come from either file
        known += _read(data, source.labelled, source.labelled.ann_file)
    return sorted((group for group in known if group.name in hidden), key=lambda group: group.name)


def spread(groups: list[Group], number: int) -> list[Group]:
    """At most ``number`` groups, evenly spaced over their order, so that few specimens do not stand for all."""
    taken = min(number, len(groups))
    return [groups[index * len(groups) // taken] for index in range(taken)]


def _read(data: Path, part: Mapping[str, Any], annotations: str) -> list[Group]:
    return read_groups(
        data / annotations,
        images=data / part["data_prefix"]["img"],
        classes=part["metainfo"]["classes"],
        views=part["num_views"],
    )

"""Where a run lives, which data it uses and what it is identified by. Torch-free: planning must not wait for torch."""

import ast
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.config import config_path
from experiments.data.files import read_file
from experiments.errors import UserError
from experiments.paths import data_root
from experiments.records import RECORD_NAME, Record, read_record

DATASET_NAME = "dataset.json"
TRUTH_NAME = "annotations/train_unlabeled_truth.json"
WEIGHTS_NAME = "weights.pth"
_OF_EXPORTS = ("annotations", "images", "labels", "Annotations", "JPEGImages")  # folders of COCO, YOLO and VOC exports
BURN_IN_STUDY = "burn-in"
FROM_BURN_IN = (
    "model.precision",
    "model.detector.backbone.mvvit.spatial",
    "model.detector.rpn_head.anchor_generator.type",
    "custom_hooks.0.swapped",
    "model.detector.roi_head.bbox_head.loss_cls.type",
    "model.detector.backbone.mvvit.trained",
    "model.detector.backbone.mvvit.pooling_start",
)
"""Settings that make another system of the detector from the start: a change of them reaches the burn-in of a run too."""
FROM_START = "from_start"
"""The setting by which all changes of a run reach its burn-in, but for those that :data:`ON_PSEUDO_LABELS` names."""
ON_PSEUDO_LABELS = tuple(
    f"model.semi_train_cfg.{name}"
    for name in (
        "unsup_weight",
        "pseudo_label_initial_score_thr",
        "cls_pseudo_thr",
        "rpn_pseudo_thr",
        "reg_pseudo_thr",
        "jitter_times",
        "jitter_scale",
        "min_pseudo_bbox_wh",
    )
)
"""Settings of pseudo-labels alone: a burn-in has none, and would be trained twice for nothing."""


def is_folder_name(text: str) -> bool:
    """Whether a study or run may have this name, which becomes a folder's inside the runs folder."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}", text) is not None


def run_folder(*, runs_root: Path, study: str, arm: str, seed: int) -> Path:
    """``runs/<study>/<arm>-seed<seed>``."""
    return runs_root / study / f"{arm}-seed{seed}"


def burn_in_name(config: str, identity: str) -> str:
    """A burn-in's arm: it is named by its config and identity."""
    return f"{Path(config).stem}-{identity}"


def followed(delta: Mapping[str, Any]) -> dict[str, Any]:
    """What of a run's changes its burn-in follows: :data:`FROM_BURN_IN`, or nearly all (:data:`FROM_START`).

    By the others, all runs share one burn-in.
    """
    left_out = {FROM_START, "burn_in", *ON_PSEUDO_LABELS}
    return {
        path: value
        for path, value in delta.items()
        if path in FROM_BURN_IN or (delta.get(FROM_START) and path not in left_out)
    }


def check_from_start(config: str, settings: Mapping[str, Any], delta: Mapping[str, Any]) -> None:
    """Refuse :data:`FROM_START` where it would do nothing.

    Args:
        config: name or path.
        settings: the config with its changes.
        delta: these changes.

    Raises:
        UserError: there is no burn-in, or the config itself sets it.
    """
    if settings.get(FROM_START) and not settings.get("burn_in"):
        raise UserError(f"{config} has no burn-in, so {FROM_START} would change nothing: leave it out.")
    if settings.get(FROM_START) and FROM_START not in delta:
        raise UserError(
            f"{config} sets {FROM_START}, which tells of a run's changes and not of a config: leave it out there, and "
            f"give --set {FROM_START}=true (make: FROM_START=1)."
        )


def acts_from_start(delta: Mapping[str, Any]) -> bool:
    """Whether :data:`FROM_START` makes a difference to a run with these changes."""
    return followed({**delta, FROM_START: True}) != followed({**delta, FROM_START: False})


def burn_in_delta(burn_in: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    """The changes that a run's burn-in is trained with: the config's own for a burn-in, ``burn_in``, and those it follows."""
    return {**followed(delta), **burn_in}


def burn_in_folder(
    *,
    config: str,
    burn_in: Mapping[str, Any],
    delta: Mapping[str, Any],
    seed: int,
    split: int,
    data_fingerprint: str,
    runs_root: Path,
) -> tuple[Path, str]:
    """Folder and identity of the burn-in that a run continues from, trained or not.

    Args:
        burn_in: as the config has it.
        delta: of the run; see :func:`followed`.
    """
    identity = run_identity(
        config=config, delta=burn_in_delta(burn_in, delta), seed=seed, split=split, data_fingerprint=data_fingerprint
    )
    return run_folder(runs_root=runs_root, study=BURN_IN_STUDY, arm=burn_in_name(config, identity), seed=seed), identity


def data_folder(config: str, data: Path | None) -> Path:
    """The data set folder: ``data`` if given, else the one of the config's scale, ``data/<config>``."""
    return data if data is not None else data_root() / config_path(config).stem


def read_dataset(folder: Path) -> dict[str, Any]:
    """The ``dataset.json`` of a data set folder, with the fingerprint of what lies there now.

    The fingerprint hashes the description, the annotation files, and the names and sizes of the images: data that was
    changed gives other runs.

    Raises:
        UserError: it is missing or unreadable.
    """
    from experiments.data.description import field_faults

    path = folder / DATASET_NAME
    if not folder.exists():
        raise UserError(f"There is no folder {folder}: name that of a data set with --data (make: DATA=).")
    if not path.exists():
        advice = "name another with --data (make: DATA=)."
        if any((folder / name).is_dir() for name in _OF_EXPORTS) or any(folder.rglob("*.coco.json")):
            advice = f"if it is an export, import it: python -m experiments data import {folder} --out FOLDER ..."
        raise UserError(f"{folder} holds no data set ({DATASET_NAME} is missing): {advice}")
    try:
        description: dict[str, Any] = json.loads(read_file(path))
        faults = {field: fault for field, fault in field_faults(description).items() if field != "splits"}
        if faults:
            raise UserError(f"{path} {next(iter(faults.values()))}")
        description["fingerprint"] = _fingerprint(folder, path)
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read ({error.strerror}): restore or remove it.") from None
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is not a data set description ({error!r}): make the data set again.") from None
    return description


def _fingerprint(folder: Path, description: Path) -> str:
    digest = hashlib.sha256(read_file(description))
    for path in sorted((folder / "annotations").glob("*.json")):
        digest.update(path.name.encode() + read_file(path))
    for path in sorted((folder / "images").glob("**/*")):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size}".encode())
    return digest.hexdigest()[:16]


def data_fingerprint(config: str, data: Path | None) -> str | None:
    """Fingerprint of the data a run would use, or ``None`` where the scale's own data set has not been made yet."""
    folder = data_folder(config, data)
    if data is None and not (folder / DATASET_NAME).exists():
        return None
    return str(read_dataset(folder)["fingerprint"])


def default_split(seed: int, data: Path) -> int:
    """The labelled/unlabelled split of a seed: its own number where the data set knows the unlabelled groups' boxes, else 0.

    With those boxes, labels can be dealt out anew, so that seeds are replicates of the split too; without, there is only
    the split that the data set ships with.
    """
    return seed if (data / TRUTH_NAME).is_file() else 0


def run_identity(*, config: str, delta: Mapping[str, Any], seed: int, split: int, data_fingerprint: str) -> str:
    """Hash (16 hex digits) of all that decides a run's outcome: config files, delta (with the budget), seed, split, data."""
    content = [config_digest(config_path(config)), dict(delta), seed, split, data_fingerprint]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def config_digest(path: Path) -> str:
    """Hash of what a config file and its bases say; comments and layout do not count.

    Raises:
        UserError: the file is not Python.
    """
    try:
        tree = ast.parse(path.read_text())
    except SyntaxError as error:
        raise UserError(f"{path} is not Python (line {error.lineno}): correct it.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): is it named right in _base_?") from None
    code = [node for node in tree.body if not _is_docstring(node)]
    digest = hashlib.sha256("\n".join(ast.dump(node) for node in code).encode())
    for node in code:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "_base_":
            bases = ast.literal_eval(node.value)
            for base in [bases] if isinstance(bases, str) else bases:
                digest.update(config_digest(path.parent / base).encode())
    return digest.hexdigest()


def completed_record(folder: Path, identity: str) -> Record | None:
    """The record of a run that is completed already, else ``None``.

    Raises:
        UserError: the folder holds another run than the one asked for.
    """
    if not (folder / RECORD_NAME).exists():
        return None
    record = read_record(folder)
    if record.identity != identity:
        raise UserError(
            f"{folder} holds another run (identity {record.identity}, wanted {identity}): its settings, config or data have "
            f"changed since. Name the new run with --name (or another --study), or remove that folder."
        )
    return record if record.status == "completed" else None


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)

"""What the doctor examines: a config with its changes, its data, and the model that is built from both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from experiments.checks import build, check_data, read_run_groups
from experiments.config import load_config
from experiments.data.groups import Group
from experiments.doctor.boxes import Boxes, fed_boxes
from experiments.doctor.findings import Finding
from experiments.errors import UserError
from experiments.fitting import fit_to_data
from experiments.goals import read_goals
from experiments.runs import check_from_start, read_dataset

Need = Literal["data", "model"]


@dataclass(frozen=True)
class Check:
    """One check: its name, what a case must have for it besides its settings, and the function that finds."""

    name: str
    needs: tuple[Need, ...]
    find: Callable[["Case"], list[Finding]]


@dataclass(frozen=True)
class Case:
    """A run that is not begun yet.

    Attributes:
        config: name or path of the config.
        delta: its changes, dotted paths -> values.
        settings: the config with its changes, fitted to the data.
        unchanged: the config without changes, fitted to the data.
        description: of the data set, as :func:`experiments.runs.read_dataset` gives it.
        data: the data set folder.
        seed, split: of the run.
        groups: by part: ``labelled``, ``unlabelled`` and ``validation``; ``None`` where the data cannot be read.
        model: teacher and student as built; ``None`` where they cannot be.
        optimizer: over the model's parameters.
    """

    config: str
    delta: Mapping[str, Any]
    settings: Any
    unchanged: Any
    description: Mapping[str, Any]
    data: Path
    seed: int
    split: int
    groups: Mapping[str, list[Group]] | None
    model: Any | None
    optimizer: Any | None

    @property
    def classes(self) -> list[str]:
        """Class names in the order of the labels."""
        return list(self.description["classes"])

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in px of a view as the model is fed it."""
        height, width = self.settings.model.detector.backbone.mvvit.image_size
        return int(height), int(width)

    def boxes(self, part: str) -> Boxes:
        """The boxes of a part, at the size that the model is fed."""
        assert self.groups is not None
        return fed_boxes(self.groups[part], self.size)

    def has(self, need: Need) -> bool:
        """Whether a check that needs this can run."""
        return (self.groups if need == "data" else self.model) is not None


def prepare(config: str, delta: Mapping[str, Any], *, data: Path, seed: int, split: int) -> tuple[Case, list[Finding]]:
    """Load, read and build; what cannot be read or built is a finding, and missing from the case.

    Raises:
        UserError: the config or its changes are no config, or the folder is no data set.
    """
    description = read_dataset(data)
    settings, unchanged = (_fitted(config, changes, description, data, split) for changes in (delta, {}))
    check_from_start(config, settings, delta)
    findings = []
    groups = None
    try:
        check_data(settings, data, description)
        groups = read_run_groups(settings, data)
        read_goals(data, description["classes"])
    except UserError as error:
        findings.append(Finding(
            "data", "error", str(error), f"Training on {data} would be refused with this message.",
            f"Correct the data; `python -m experiments data check {data}` lists all its problems at once.",
        ))  # fmt: skip
    model = optimizer = None
    try:
        model, wrapper = build(settings)
        optimizer = wrapper.optimizer
    except Exception as error:  # the libraries raise every kind for a value they cannot use
        findings.append(Finding(
            "build", "error", f"The model or its optimiser cannot be built: {error}", f"Building raised {type(error).__name__}.",
            f"Correct the changed settings; `python -m experiments config {config}` prints those of the config.",
        ))  # fmt: skip
    case = Case(config, delta, settings, unchanged, description, data, seed, split, groups, model, optimizer)
    return case, findings


def _fitted(config: str, delta: Mapping[str, Any], description: Mapping[str, Any], data: Path, split: int) -> Any:
    settings = load_config(config, delta)
    fit_to_data(settings, description, data)
    settings.train_dataloader.dataset.split = split
    return settings

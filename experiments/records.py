"""``record.json``: everything a run leaves behind that tables, charts and trackers are views of."""

import json
import math
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from experiments.data.files import read_file, write_file
from experiments.errors import UserError

RECORD_NAME = "record.json"
Status = Literal["running", "completed", "failed", "pruned"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Score(_Strict):
    """COCO scores of one class, as fractions in [0, 1]; ``None`` where the split holds no box of it.

    Attributes:
        ap: averaged over IoU 0.50:0.05:0.95.
        ap50: at IoU 0.50.
        boxes: annotated boxes of the class in the split.
    """

    ap: float | None
    ap50: float | None
    boxes: int


class Validation(_Strict):
    """One evaluation of one model.

    Attributes:
        iteration: after which it took place.
        model: whose predictions were scored.
        split: the images that they were made on.
        scores: keyed by class name, plus ``all`` (mean over classes).
    """

    iteration: int
    model: Literal["teacher", "student"]
    split: Literal["val", "test"]
    scores: dict[str, Score]


class Alarm(_Strict):
    """Something that was wrong while a run trained; :mod:`experiments.alarms` says when.

    Attributes:
        kind: what was wrong.
        subject: the class that it is about, if it is about one.
        iteration: at which it set in.
        last: iteration at which it was last seen to hold.
        says: what was wrong when it set in, and what to do; one sentence.
        figures: the evidence, at that time.
    """

    kind: Literal[
        "no_pseudo_boxes",
        "loss_ratio",
        "pseudo_box_count",
        "teacher_worse",
        "loss_variance",
        "loss_flat",
        "memory",
        "overall_down",
    ]
    subject: str | None = None
    iteration: int
    last: int
    says: str
    figures: dict[str, float | None]

    @property
    def line(self) -> str:
        """When and what, for reading."""
        until = f" to {self.last}" if self.last > self.iteration else ""
        return f"iteration {self.iteration}{until}: {self.says}"


GateName = Literal[
    "finite_loss", "stability", "memory", "kept_ratio", "class_ap", "overall_ap", "out_of_memory", "falling_loss"
]
Verdict = Literal["passed", "failed", "not_reached"]


class Gate(_Strict):
    """A demand of the monitoring checklist and how it ended; :mod:`experiments.monitoring.gates` says when.

    Attributes:
        name: what is demanded.
        subject: the class that it is about, if it is about one.
        milestone: iteration from which on it is judged.
        iteration: at which the verdict fell, as far as it is known.
        verdict: how it ended.
        says: the verdict in one sentence, with the figures that decided.
        figures: the evidence; empty where the gate was not reached.
    """

    name: GateName
    subject: str | None = None
    milestone: int
    iteration: int | None = None
    verdict: Verdict
    says: str
    figures: dict[str, float | None] = Field(default_factory=dict)

    @property
    def line(self) -> str:
        """When, what and how it ended, for reading."""
        about = f"{self.name} {self.subject}" if self.subject else self.name
        when = f"{self.milestone}"
        if self.iteration is not None and self.iteration > self.milestone:
            when = f"{self.iteration} (due at {self.milestone})"
        return f"iteration {when}, {about}: {self.verdict.replace('_', ' ')}; {self.says}"


class Window(_Strict):
    """Figures of one stretch of training; :mod:`experiments.monitoring.windows` says which.

    Attributes:
        iteration: the stretch's last.
        figures: means over the stretch, and how losses vary in it.
    """

    iteration: int
    figures: dict[str, float | None]


class Data(_Strict):
    """The data set a run was trained on.

    Attributes:
        name: as its ``dataset.json`` says.
        fingerprint: hash of its description, annotations, and names and sizes of images.
        classes: in the order of their labels.
        box_shares: class -> the share of its view that its median box takes, on val.
    """

    name: str
    fingerprint: str
    classes: list[str]
    box_shares: dict[str, float] = Field(default_factory=dict)


class Record(_Strict):
    """One run.

    Attributes:
        version: of this format.
        identity: hash of all that decides the outcome: config files, delta, seed, split, data.
        study: the study that had it trained first.
        arm: what that study calls it.
        kind: a burn-in is what arms continue from.
        levels: factor names -> off or on.
        config: name or path of the config file.
        seed: of initialisation, order and augmentation.
        split: number of the labelled/unlabelled split, 0 for the one the data set ships with.
        iterations: that were asked for.
        delta: dotted config paths -> values that differ from the config's.
        data: the data set.
        versions: of Python and the libraries.
        device: what it was trained on.
        burn_in: identity of the burn-in that it continued from.
        fresh_weights: parameters that the burn-in could not give, so that they started anew.
        num_tokens: the K that the run had, in the plan's units; it is less than asked for where memory ran out. ``None``
            where nothing was pooled, since MVViT attended in bands of rows.
        tokens_reduced_from: the K that was asked for, if it was reduced.
        tokens_per_level, cells_per_level: of each level that MVViT fuses, the first one being the finest: the tokens of a view, and
            the cells of its map that they stand for.
        validations: of teacher and student, in the order in which they took place.
        history: monitoring figures over the run, window by window.
        alarms: what was wrong meanwhile.
        gates: the monitoring checklist of an arm, each line with its verdict.
        peak_memory_mb: MiB allocated on the GPU; without one, resident in main memory.
        peak_reserved_mb: MiB that PyTorch held of the GPU; without one, ``None``.
        memory_budget_mb: MiB that the run was to stay within.
        seconds: wall seconds over all attempts. ``total`` = ``training`` + ``validation`` is the training loop with
            loading, hooks and checkpoints. ``harness`` is the rest of the call: imports, checks, building model, runner and
            data sets, loading and saving weights; not the burn-in, nor waiting for other processes, nor rendering data.
        resumed_from: iterations at which the run was continued from a checkpoint.
        damaged_checkpoints: names of those that were not whole when the run was continued, and so not used.
        status: how it stands or ended.
        reason: why it failed or was pruned.
        log_tail: last lines of the log of a run that failed.
    """

    version: Literal[1] = 1
    identity: str
    study: str
    arm: str
    kind: Literal["burn_in", "arm"]
    levels: dict[str, Literal["off", "on"]] = Field(default_factory=dict)
    config: str
    seed: int
    split: int = 0
    iterations: int
    delta: dict[str, Any]
    data: Data
    versions: dict[str, str]
    device: str
    burn_in: str | None = None
    fresh_weights: list[str] = Field(default_factory=list)
    num_tokens: int | None = None
    tokens_reduced_from: int | None = None
    tokens_per_level: list[int] = Field(default_factory=list)
    cells_per_level: list[int] = Field(default_factory=list)
    validations: list[Validation] = Field(default_factory=list)
    history: list[Window] = Field(default_factory=list)
    alarms: list[Alarm] = Field(default_factory=list)
    gates: list[Gate] = Field(default_factory=list)
    peak_memory_mb: float | None = None
    peak_reserved_mb: float | None = None
    memory_budget_mb: float | None = None
    seconds: dict[str, float] = Field(default_factory=dict)
    resumed_from: list[int] = Field(default_factory=list)
    damaged_checkpoints: list[str] = Field(default_factory=list)
    status: Status = "running"
    reason: str | None = None
    log_tail: list[str] = Field(default_factory=list)

    def final(self, model: str, split: str = "val") -> Validation | None:
        """The last validation of ``model`` on ``split``, or ``None`` before the first one."""
        found = [v for v in self.validations if v.model == model and v.split == split]
        return max(found, key=lambda v: v.iteration) if found else None


def write_record(record: Record, folder: Path) -> Path:
    """Write ``record.json`` atomically: readers see the old file or the new one, never a part.

    Raises:
        UserError: it cannot be written.
    """
    path = folder / RECORD_NAME
    text = json.dumps(_finite(record.model_dump(mode="json")), indent=1, allow_nan=False) + "\n"
    write_file(text.encode(), path)
    return path


def read_record(folder: Path) -> Record:
    """Read the record of a run folder.

    Raises:
        UserError: the file is missing, not JSON, or not a record; the message names the file.
    """
    path = folder / RECORD_NAME
    try:
        return Record.model_validate_json(read_file(path))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: this folder holds no run; name a run folder.") from None
    except (ValueError, OSError) as error:
        raise UserError(
            f"{path} is not a readable record ({_fault(error)}); delete it and give the same command: the "
            "record is taken from the study's ledger, or the run trained again where that has none."
        ) from None


def _fault(error: ValueError | OSError) -> str:
    """The first fault in one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    return ": ".join(part for part in (".".join(map(str, first["loc"])), first["msg"]) if part)


def _finite(value: Any) -> Any:
    """JSON has no NaN or infinity: such figures become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value

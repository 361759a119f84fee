"""What trackers are told of a run as it begins, and what is in its record at the end. Pure, torch-free.

Nothing here names the machine: paths are cut to their last part, because trackers' files are made to be passed on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from experiments.records import Alarm, Gate, Record
from experiments.tracking.tracker import Notice, Plain

PROJECT = "multiview-ablation-lab"  # in W&B
STEP = "iteration"

T = TypeVar("T")
JobType = Literal["burn-in", "arm", "sample"]

# Two parts or more behind a slash or a tilde that begins a path, not an address (``open-mmlab://detectron2/x``).
_PATH = re.compile(r"(?<![\w/.~-])(?:~[\w.-]*)?(?:/[^/\s'\",;:()\[\]]+)+/([^/\s'\",;:()\[\]]*)")
_OF_THE_ATTEMPT = ("work_dir", "experiment_name", "resume", "load_from")


@dataclass(frozen=True)
class Facts:
    """A run, as trackers know it.

    Attributes:
        identity: of the run; the same whenever it is continued.
        group: the study that trains it.
        tags: the factors that are on.
        config: what it is made of, by name.
        settings: the resolved config, as plain values.
        folder: of the run.
        begins: iterations that are done already.
    """

    identity: str
    name: str
    group: str
    job_type: JobType
    tags: tuple[str, ...]
    config: Mapping[str, Any]
    settings: Mapping[str, Any]
    folder: Path
    begins: int


def facts_of(
    record: Record, *, group: str, sampled: bool, settings: Mapping[str, Any], folder: Path, begins: int
) -> Facts:
    """What trackers are told of a run.

    Args:
        record: as it was begun.
        group: the study that trains it; runs, and burn-ins above all, are shared by studies.
        sampled: whether a sampler chose its settings.
        settings: the resolved config, as plain values.
        folder: of the run.
        begins: iterations that are done already.
    """
    config = {
        "study": group, "arm": record.arm, "levels": dict(record.levels), "delta": record.delta,
        "config": Path(record.config).stem, "seed": record.seed, "split": record.split, "iterations": record.iterations,
        "data": record.data.name, "data_fingerprint": record.data.fingerprint, "classes": record.data.classes,
        "burn_in": record.burn_in, "num_tokens": record.num_tokens, "versions": record.versions, "device": record.device,
    }  # fmt: skip
    return Facts(
        identity=record.identity,
        name=f"{record.arm}-seed{record.seed}",
        group=group,
        job_type="burn-in" if record.kind == "burn_in" else "sample" if sampled else "arm",
        tags=tuple(name for name, level in record.levels.items() if level == "on"),
        config=without_paths(config),
        settings=without_paths({key: value for key, value in settings.items() if key not in _OF_THE_ATTEMPT}),
        folder=folder,
        begins=begins,
    )


def without_paths(value: T) -> T:
    """Plain values with every absolute path in their texts cut to its last part; tuples become lists."""
    plain: Any = value
    if isinstance(value, str):
        plain = _PATH.sub(r"\1", value)
    elif isinstance(value, Mapping):
        plain = {key: without_paths(item) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        plain = [without_paths(item) for item in value]
    return plain


def notice_of(happened: Alarm | Gate, iteration: int) -> Notice:
    """An alarm, or the verdict on a gate that was reached, at its own iteration, or at this one if that is not known."""
    about = f" ({happened.subject})" if happened.subject else ""
    if isinstance(happened, Alarm):
        return Notice(f"Alarm: {happened.kind}{about}", without_paths(happened.says), happened.iteration, bad=True)
    title = f"Gate {happened.verdict}: {happened.name}{about}, due at {happened.milestone}"
    bad = happened.verdict == "failed"
    return Notice(title, without_paths(happened.says), happened.iteration or iteration, bad=bad)


def summary_of(record: Record) -> dict[str, Plain]:
    """The final figures of a run, by name."""
    summary: dict[str, Plain] = {"status": record.status, "alarms": len(record.alarms)}
    if record.reason is not None:
        summary["reason"] = without_paths(record.reason)
    for model in ("teacher", "student"):
        final = record.final(model)
        for name, score in final.scores.items() if final is not None else ():
            summary |= {f"final/{model}/{name}/AP": score.ap, f"final/{model}/{name}/AP50": score.ap50}
    for gate in record.gates:
        summary["/".join(filter(None, ("gate", str(gate.milestone), gate.name, gate.subject)))] = gate.verdict
    summary |= {f"seconds/{name}": seconds for name, seconds in record.seconds.items()}
    summary |= {"peak_memory_mb": record.peak_memory_mb, "num_tokens": record.num_tokens}
    return {name: figure for name, figure in summary.items() if figure is not None}


def told(error: Exception) -> str:
    """An error in one line."""
    return without_paths(" ".join(f"{type(error).__name__}: {error}".split()))

"""``study.json``: which runs make up a study, and how to ask for them again. The records of the runs tell what came of them.

Runs are shared: they lie in ``runs/arms/<identity>`` whatever study asked for them, so no two studies train the same one.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from experiments.data.files import read_file, write_file
from experiments.errors import UserError
from experiments.goals import PLAN, Goals

STUDY_NAME = "study.json"
ARMS_FOLDER = "arms"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StudyRun(_Strict):
    """One replicate of an arm.

    Attributes:
        arm: the name it has in this study.
        levels: factor names -> off or on.
        delta: dotted config paths -> values.
        seed: of the replicate.
        split: number of the labelled/unlabelled split, 0 for the one the data set ships with.
        identity: the run that it is: its folder in ``runs/arms``.
        sampled: a sampler chose the settings; the others are arms of a design.
    """

    arm: str
    levels: dict[str, Literal["off", "on"]] = Field(default_factory=dict)
    delta: dict[str, Any] = Field(default_factory=dict)
    seed: int
    split: int
    identity: str
    sampled: bool = False


class StudyRequest(_Strict):
    """One request that the study was run with.

    Attributes:
        design: the design's name, or several joined by commas.
        factors: names of those that were switched.
        seeds: of its replicates.
        command: repeats it.
        departures: sentences on settings that the config had at other values than the factor table's off.
    """

    design: str
    factors: list[str]
    seeds: list[int]
    command: str
    departures: list[str] = Field(default_factory=list)


class Search(_Strict):
    """What a sampled study looks for.

    Attributes:
        space: names of the sampled settings.
        objective: what is maximised.
        trials: how many settings are tried.
    """

    space: list[str]
    objective: Literal["pareto", "ratio"]
    trials: int


class Study(_Strict):
    """``study.json``.

    Attributes:
        version: of this format.
        study: its name.
        scale: the config's name.
        data: the folder that was named, ``None`` for the scale's own.
        data_fingerprint: hash of the data set when the study was begun; other data are refused.
        hard_classes: the classes whose AP (teacher, val) the ledger holds as values, in that order.
        goals: what the arms are judged by, as the data set said when the study was last run.
        storage: the ledger's address without its password, ``None`` for the SQLite file beside this one.
        grace: after how many seconds without a heartbeat a worker counts as dead.
        requests: what was asked for, one after the other.
        runs: the union over ``requests``, in the order in which they were asked for.
        search: of a sampled study.
    """

    version: Literal[2] = 2
    study: str
    scale: str
    data: str | None
    data_fingerprint: str
    hard_classes: list[str]
    goals: Goals = PLAN
    storage: str | None = None
    grace: float = 60.0
    requests: list[StudyRequest] = Field(default_factory=list)
    runs: list[StudyRun] = Field(default_factory=list)
    search: Search | None = None


def arm_folder(runs_root: Path, identity: str) -> Path:
    """``runs/arms/<identity>``: where a run of any study lies."""
    return runs_root / ARMS_FOLDER / identity


def read_study(folder: Path) -> Study | None:
    """The study of a folder; ``None`` where there is none yet.

    Raises:
        UserError: ``study.json`` is not readable.
    """
    path = folder / STUDY_NAME
    try:
        return Study.model_validate_json(read_file(path))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError, OSError):
        raise UserError(
            f"{path} is not a readable study: delete it, or choose another --study (make: STUDY=)."
        ) from None


def write_study(study: Study, folder: Path) -> None:
    """Write ``study.json`` atomically: readers see the old file or the new one, never a part."""
    write_file((study.model_dump_json(indent=1) + "\n").encode(), folder / STUDY_NAME)

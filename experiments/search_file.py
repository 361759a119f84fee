"""``search.json``: how the settings of a sampled study were judged. The study command writes it, the report reads it."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from experiments.data.files import read_file, write_file
from experiments.errors import UserError

SEARCH_NAME = "search.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Candidate(_Strict):
    """One setting that was judged, on val, by the teacher's means over ``seeds``.

    APs are fractions in [0, 1]. A setting is feasible where its overall mAP is not below ``overall_floor`` of the
    baseline's (the plan: not down by more than 5 %).

    Attributes:
        name: its arm's in ``study.json``.
        seeds: that its means are over.
        delta: dotted config paths -> values, as the run had them.
        values: AP of each of the search's ``classes``, in that order.
        overall: mean AP over all classes.
        ratio: geometric mean over ``classes`` of (AP + 0.001) / (baseline's AP + 0.001).
        constraint: by how much ``overall`` lies below what is allowed; zero or less where it is feasible.
        feasible: the constraint is met.
        front: no other feasible setting is as good in every class and better in one.
        chosen: the one setting that was chosen from the front.
        test: AP by class, and of ``all``, on the test split; ``None`` where it was not scored there.
    """

    name: str
    seeds: list[int]
    delta: dict[str, Any] = Field(default_factory=dict)
    values: list[float]
    overall: float
    ratio: float
    constraint: float
    feasible: bool
    front: bool = False
    chosen: bool = False
    test: dict[str, float | None] | None = None


class SearchResult(_Strict):
    """``search.json``. At most one candidate is chosen; none where no setting is feasible.

    Attributes:
        version: of this format.
        objective: what is maximised.
        classes: whose AP it is.
        candidates: in the order in which they were asked for, the baseline among them.
    """

    version: Literal[1] = 1
    objective: Literal["pareto", "ratio"]
    classes: list[str]
    candidates: list[Candidate] = Field(default_factory=list)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [candidate.name for candidate in self.candidates]
        if len(set(names)) < len(names):
            raise ValueError("two candidates share a name")
        if any(len(candidate.values) != len(self.classes) for candidate in self.candidates):
            raise ValueError("a candidate has not one value per class")
        if sum(candidate.chosen for candidate in self.candidates) > 1:
            raise ValueError("more than one candidate is chosen")
        return self


def read_search(folder: Path) -> SearchResult | None:
    """The search of a study folder; ``None`` where nothing has been judged yet.

    Raises:
        UserError: ``search.json`` is not readable.
    """
    path = folder / SEARCH_NAME
    try:
        return SearchResult.model_validate_json(read_file(path))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError, OSError):
        raise UserError(
            f"{path} is not a readable search: delete it and give the study's command again, which writes it anew."
        ) from None


def write_search(result: SearchResult, folder: Path) -> Path:
    """Write ``search.json`` atomically: readers see the old file or the new one, never a part."""
    path = folder / SEARCH_NAME
    write_file((result.model_dump_json(indent=1) + "\n").encode(), path)
    return path

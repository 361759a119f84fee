import json

import pytest
from pydantic import ValidationError

from experiments.errors import UserError
from experiments.search_file import SEARCH_NAME, Candidate, SearchResult, read_search, write_search


def candidate(name="baseline", **changes):
    given = {
        "seeds": [0, 1], "delta": {"a.b": [1, 2.5]}, "values": [0.1, 0.2], "overall": 0.3, "ratio": 1.0,
        "constraint": -0.01, "feasible": True, "test": {"Chipped": None, "all": 0.3},
    }  # fmt: skip
    return Candidate(name=name, **{**given, **changes})


def result(*candidates):
    return SearchResult(objective="pareto", classes=["Severe_Rust", "Chipped"], candidates=list(candidates))


def test_what_is_written_is_read(tmp_path):
    written = result(candidate(), candidate("trial-0", front=True, chosen=True, test=None))
    path = write_search(written, tmp_path / "study")
    assert read_search(tmp_path / "study") == written
    assert [entry.name for entry in path.parent.iterdir()] == [SEARCH_NAME]  # no temporary left


def test_nothing_judged_yet(tmp_path):
    assert read_search(tmp_path) is None


@pytest.mark.parametrize("change", [{"extra": 1}, {"candidates": [{"name": "baseline"}]}, {"objective": "sum"}])
def test_an_unreadable_file_is_named(tmp_path, change):
    (tmp_path / SEARCH_NAME).write_text(json.dumps({"objective": "ratio", "classes": ["Chipped"], **change}))
    with pytest.raises(
        UserError, match=r"search\.json is not a readable search: delete it and give the study's command"
    ):
        read_search(tmp_path)


@pytest.mark.parametrize(
    ("candidates", "why"),
    [
        ((candidate(), candidate()), "two candidates share a name"),
        ((candidate(values=[0.1]),), "has not one value per class"),
        ((candidate(chosen=True), candidate("trial-0", chosen=True)), "more than one candidate is chosen"),
    ],
)
def test_candidates_fit_together(candidates, why):
    with pytest.raises(ValidationError, match=why):
        result(*candidates)


def test_figures_are_finite():
    with pytest.raises(ValidationError):
        candidate(ratio=float("inf"))

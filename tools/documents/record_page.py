"""Every field of the files that runs, studies and data sets leave or read."""

import inspect
import re
import types
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from experiments.exhibits_file import Exhibits
from experiments.goals import Goals, Multiples
from experiments.records import Alarm, Data, Gate, Record, Score, Validation, Window
from experiments.search_file import Candidate, SearchResult
from experiments.studies import Search, Study, StudyRequest, StudyRun
from tools.documents.markdown import code, page, table

FILES: dict[str, tuple[str, tuple[type[BaseModel], ...]]] = {
    "record.json": (
        "Of every run, in its folder: the truth that tables, charts and trackers are views of.",
        (Record, Data, Validation, Score, Window, Gate, Alarm),
    ),
    "study.json": ("Of every study: which runs make it up.", (Study, StudyRequest, StudyRun, Search)),
    "search.json": ("Of a sampled study: how its settings were judged.", (SearchResult, Candidate)),
    "exhibits.json": ("Beside a record: what the report shows of the run besides its scores.", (Exhibits,)),
    "targets.toml": ("Of a data set, to be edited: what arms trained on it are judged by.", (Goals, Multiples)),
}


def record_page() -> str:
    """The page."""
    parts = []
    for name, (lead, models) in FILES.items():
        parts += [f"## `{name}`", lead]
        for model in models:
            meanings = meanings_of(model)
            rows = (
                (code(field), code(_kind(info.annotation)), _default(info), meanings.get(field, ""))
                for field, info in model.model_fields.items()
            )
            parts += [f"### {model.__name__}", _summary(model), table(("field", "type", "default", "meaning"), rows)]
    lead = (
        "JSON, written atomically and read strictly: an unknown field is refused. Scores are fractions in [0, 1]. `null` stands "
        "for a figure that is not there or was not finite."
    )
    return page("Files that a run and a study leave", lead, parts)


def meanings_of(model: type[BaseModel]) -> dict[str, str]:
    """Field -> meaning, from the section ``Attributes`` of the class's docstring."""
    _, _, section = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")
    entries = re.findall(r"^    (\w[\w, ]*): ((?:.+\n?)(?:^ {8}.+\n?)*)", section, re.MULTILINE)
    told = ((names.split(","), " ".join(text.replace("``", "`").split())) for names, text in entries)
    return {name.strip(): text for names, text in told for name in names}


def _summary(model: type[BaseModel]) -> str:
    text = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")[0]
    text = re.sub(r":(?:mod|func|class):`([^`]+)`", r"`\1`", text)
    return " ".join(text.replace("``", "`").split())


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is type(None):
        return "null"
    if annotation is Any:
        return "any"
    if origin is Literal:
        return " | ".join(repr(one) for one in inner)
    if origin in (Union, types.UnionType):
        return " | ".join(_kind(one) for one in inner)
    if origin is list:
        return f"list of {_kind(inner[0])}"
    if origin is dict:
        return f"{_kind(inner[0])} -> {_kind(inner[1])}"
    if hasattr(annotation, "__metadata__"):
        return _kind(inner[0])
    return str(annotation.__name__)


def _default(info: Any) -> str:
    if info.default_factory is not None:
        return "empty"
    if info.default is PydanticUndefined:
        return "required"
    if isinstance(info.default, BaseModel):
        return "the plan's"
    return code("null" if info.default is None else repr(info.default))

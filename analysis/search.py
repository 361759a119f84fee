"""The settings of a sampled study as its search judged them, what was chosen, and how that does on the test split."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.results import Study
from analysis.targets import BASELINE
from experiments.errors import UserError
from experiments.goals import OVERALL
from experiments.search_file import SEARCH_NAME, SearchResult


@dataclass(frozen=True)
class Setting:
    """One judged setting; ``sampled`` is false for the baseline and other arms that it is measured against.

    Attributes:
        label: the name, with K behind it where an out-of-memory error made it smaller.
        num_tokens: every K that its runs really had.
        parameters: short name -> value, of all that the setting changes.
        delta: the same by dotted config path.
        aps: AP on val of the classes searched for, then of ``all``.
        ratio: geometric mean of the classes' APs over the baseline's, 0.001 added to both.
        test: AP on test by class, ``None`` where it was not scored there.
    """

    name: str
    label: str
    sampled: bool
    seeds: tuple[int, ...]
    num_tokens: tuple[int, ...]
    parameters: dict[str, Any]
    delta: dict[str, Any]
    aps: dict[str, float]
    ratio: float
    constraint: float
    feasible: bool
    front: bool
    chosen: bool
    test: dict[str, float | None] | None


@dataclass(frozen=True)
class SearchSummary:
    """What the tables and the chart show of a search: ``classes`` are those it looks at, ``notes`` sentences."""

    objective: str
    classes: tuple[str, ...]
    settings: tuple[Setting, ...]
    notes: tuple[str, ...]

    @property
    def shown(self) -> list[Setting]:
        """What is printed: the arms measured against, the Pareto front and the chosen setting."""
        return [setting for setting in self.settings if setting.front or setting.chosen or not setting.sampled]

    @property
    def tested(self) -> list[Setting]:
        """What is reported on the test split: the baseline and the chosen setting, as far as scored there."""
        wanted = [setting for setting in self.settings if setting.chosen or setting.name == BASELINE]
        return [setting for setting in wanted if setting.test is not None]


def without_samples(study: Study, result: SearchResult | None) -> Study:
    """The study without its sampled runs, but with the chosen setting; as it is where nothing else would be left."""
    chosen = {candidate.name for candidate in result.candidates if candidate.chosen} if result else set()
    kept = [run for run in study.completed if not run.entry.sampled or run.arm in chosen]
    return dataclasses.replace(study, completed=kept or study.completed)


def summarise_search(study: Study, result: SearchResult) -> SearchSummary:
    """The judged settings, in the order in which they were judged; pure.

    Raises:
        UserError: ``result`` judges a setting of which the study has no completed run.
    """
    sampled = {run.arm: run.entry.sampled for run in study.completed}
    for candidate in result.candidates:
        if candidate.name not in sampled:
            raise UserError(
                f"{SEARCH_NAME} of study '{study.name}' judges '{candidate.name}', of which there is no completed run: delete "
                f"that file and give the study's command again, which writes it anew."
            )
    names = short_names([candidate.delta for candidate in result.candidates])
    settings = tuple(
        Setting(
            name=candidate.name,
            label=study.label(candidate.name),
            sampled=sampled[candidate.name],
            seeds=tuple(candidate.seeds),
            num_tokens=study.tokens(candidate.name),
            parameters={names[path]: value for path, value in candidate.delta.items()},
            delta=candidate.delta,
            aps={**dict(zip(result.classes, candidate.values, strict=True)), OVERALL: candidate.overall},
            ratio=candidate.ratio,
            constraint=candidate.constraint,
            feasible=candidate.feasible,
            front=candidate.front,
            chosen=candidate.chosen,
            test=_in_order(candidate.test, study.classes),
        )
        for candidate in result.candidates
    )
    judged = {setting.name for setting in settings}
    unjudged = [arm for arm in study.arms if sampled[arm] and arm not in judged]
    notes = _notes(settings, unjudged, classes=result.classes, floor=study.goals.overall_floor)
    return SearchSummary(result.objective, tuple(result.classes), settings, tuple(notes))


def short_names(deltas: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The last parts of every path in ``deltas``: as few as tell it from all paths that ever have another value.

    Paths that always have one value (a step that stands in two pipelines) are one parameter and share a name.
    """
    paths = list(dict.fromkeys(path for delta in deltas for path in delta))
    values = {path: [delta.get(path) for delta in deltas] for path in paths}

    def name(path: str) -> str:
        parts = path.split(".")
        for length in range(1, len(parts)):
            short = ".".join(parts[-length:])
            rivals = [other for other in paths if other == short or other.endswith(f".{short}")]
            if all(values[rival] == values[path] for rival in rivals):
                return short
        return path

    return {path: name(path) for path in paths}


def value_text(value: object) -> str:
    """A sampled value for a table."""
    if isinstance(value, list):
        return " ".join(value_text(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def search_frame(search: SearchSummary) -> pd.DataFrame:
    """One row per judged setting; its changed values in columns named by their config paths, lists as JSON.

    ``K`` holds every K that the setting's runs really had, joined by ``/``.
    """
    tests = list(dict.fromkeys(name for setting in search.settings for name in setting.test or {}))
    paths = list(dict.fromkeys(path for setting in search.settings for path in setting.delta))
    rows = [
        {
            "setting": setting.name,
            "sampled": setting.sampled,
            "seeds": " ".join(map(str, setting.seeds)),
            "K": "/".join(map(str, setting.num_tokens)),
            **{f"val AP {name}": ap for name, ap in setting.aps.items()},
            "ratio": setting.ratio,
            "constraint": setting.constraint,
            "feasible": setting.feasible,
            "front": setting.front,
            "chosen": setting.chosen,
            **{f"test AP {name}": (setting.test or {}).get(name) for name in tests},
            **{path: _text(setting.delta.get(path)) for path in paths},
        }
        for setting in search.settings
    ]
    return pd.DataFrame(rows)


def _in_order(test: dict[str, float | None] | None, classes: Sequence[str]) -> dict[str, float | None] | None:
    if test is None:
        return None
    known = [name for name in classes if name in test]
    return {name: test[name] for name in [*known, *(name for name in test if name not in known)]}


def _text(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value


def _notes(settings: Sequence[Setting], unjudged: Sequence[str], *, classes: Sequence[str], floor: float) -> list[str]:
    drawn = [setting for setting in settings if setting.sampled]
    feasible = sum(setting.feasible for setting in drawn)
    front = f"{sum(setting.front for setting in drawn)}"
    if others := [setting.label for setting in settings if setting.front and not setting.sampled]:
        front += f", beside {' and '.join(others)},"
    notes = [
        f"{len(drawn)} sampled settings judged, all of them in search.csv: {feasible} feasible (overall mAP not down by more "
        f"than {100 * (1 - floor):.3g} % from the baseline's); {front} on the Pareto front of {' and '.join(classes)}. "
        f"The ratio is the geometric mean of these classes' APs over the baseline's, 0.001 added to both."
    ]
    chosen = next((setting for setting in settings if setting.chosen), None)
    if chosen is None:
        notes.append("No setting is chosen.")
    elif not chosen.sampled:
        notes.append(f"Chosen: {chosen.label}, since no sampled setting on the front has a larger ratio.")
    else:
        notes.append(
            f"Chosen: {chosen.label}. It was selected by its scores on val, which therefore flatter it; what it is worth is told "
            f"by the test split alone{'' if chosen.test else ', on which it has not been scored yet'}."
        )
    if unjudged:
        notes.append(
            f"Not judged, for want of a seed that the baseline has or since the last judgement: {', '.join(unjudged)}."
        )
    return notes

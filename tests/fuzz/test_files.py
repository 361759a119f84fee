"""Files from outside, changed at random: each is read, or refused in a sentence."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablations.status import status_of
from analysis.results import load_study
from experiments.data.annotations import read_annotations
from experiments.data.description import read_description
from experiments.data.groups import read_groups
from experiments.errors import UserError
from experiments.exhibits_file import Exhibits, read_exhibits, write_exhibits
from experiments.goals import read_goals
from experiments.records import Data, Record, read_record, write_record
from experiments.runs import read_dataset
from experiments.search_file import SearchResult, read_search, write_search
from experiments.studies import Study, StudyRun, read_study, write_study

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=12),
    st.sampled_from(["../x_crop_1.jpg", "/etc/passwd", "a\x00b", "\ud800", "<script>", 1e308, -1, 10**400]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=6
)  # fmt: skip


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where anything stands in a JSON value; of a long list the first and the last entry."""
    found = [path] if path else []
    if isinstance(node, dict):
        items: Any = node.items()
    elif isinstance(node, list):
        items = [(number, node[number]) for number in sorted({0, len(node) - 1}) if node]
    else:
        items = ()
    return found + [place for key, child in items for place in places(child, (*path, key))]


@st.composite
def changed(draw: st.DrawFn, content: Any) -> bytes:
    """A JSON file with up to three values replaced, removed or given twice, or with a few bytes changed or cut off."""
    found = copy.deepcopy(content)
    for _ in range(draw(st.integers(0, 3))):
        *way, last = draw(st.sampled_from(places(content)))
        node = found
        try:
            for key in way:
                node = node[key]
            how = draw(st.sampled_from(["replace", "remove", "twice"]))
            if how == "replace":
                node[last] = draw(VALUES)
            elif how == "remove":
                del node[last]
            elif isinstance(node, list):
                node.append(node[last])
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change has taken it away
    data = bytearray(json.dumps(found).encode())
    for _ in range(draw(st.integers(0, 2))):
        if data and draw(st.booleans()):
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 9)) == 0 else data)


def reads(read: Callable[[], object]) -> None:
    """It returns, or is refused in one sentence."""
    try:
        read()
    except UserError as error:
        said = str(error)
        assert said
        assert len(said) < 5000
        said.encode(errors="backslashreplace")


@pytest.fixture(scope="module")
def data(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz") / "tiny"
    shutil.copytree(tiny_data, folder)
    return folder


@given(st.data())
def test_annotations(data: Path, draw: st.DataObject) -> None:
    file = data / "annotations" / "val.json"
    kept = file.read_bytes()
    classes = json.loads((data / "dataset.json").read_text())["classes"]
    try:
        file.write_bytes(draw.draw(changed(json.loads(kept))))
        for problem in read_annotations(file, images=data / "images", classes=classes).problems:
            assert str(problem)
        reads(lambda: read_groups(file, images=data / "images", classes=classes, views=8))
    finally:
        file.write_bytes(kept)


@given(st.data())
def test_descriptions(data: Path, draw: st.DataObject) -> None:
    file = data / "dataset.json"
    kept = file.read_bytes()
    try:
        file.write_bytes(draw.draw(changed(json.loads(kept))))
        reads(lambda: read_dataset(data))
        reads(lambda: read_description(data))
    finally:
        file.write_bytes(kept)


TARGETS = "[hard.Chipped]\nfactors = [2.5, 3.7]\n[overall]\nfloor = 0.95\n"


@given(st.text(max_size=60) | st.sampled_from(["[" * 5000, "a=" + "[" * 5000, TARGETS]), st.integers(0, 60))
def test_targets(tmp_path_factory: pytest.TempPathFactory, text: str, cut: int) -> None:
    folder = tmp_path_factory.getbasetemp() / "targets"
    folder.mkdir(exist_ok=True)
    (folder / "targets.toml").write_bytes((TARGETS[:cut] + text).encode(errors="surrogatepass"))
    reads(lambda: read_goals(folder, ["Chipped"]))


SCORE = {"ap": 0.1, "ap50": 0.2, "boxes": 3}
RECORD = Record.model_validate({
    "identity": "0" * 16, "study": "s", "arm": "baseline", "kind": "arm", "config": "tiny", "seed": 0, "iterations": 4, "delta": {},
    "data": Data(name="tiny", fingerprint="f", classes=["Chipped"]), "versions": {"torch": "2"}, "device": "cpu",
    "status": "completed", "levels": {"focal": "off"}, "seconds": {"total": 1.0},
    "validations": [
        {"iteration": 4, "model": model, "split": "val", "scores": {"Chipped": SCORE, "all": SCORE}}
        for model in ("teacher", "student")
    ],
})  # fmt: skip
STUDY = Study(
    study="s", scale="tiny", data=None, data_fingerprint="f", hard_classes=["Chipped"],
    runs=[StudyRun(arm="baseline", seed=0, split=0, identity="0" * 16, levels={"focal": "off"})],
)  # fmt: skip


@given(st.data())
def test_records_and_studies(tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject) -> None:
    root = tmp_path_factory.getbasetemp() / "runs"
    folder, run = root / "s", root / "arms" / ("0" * 16)
    run.mkdir(parents=True, exist_ok=True)
    write_study(STUDY, folder)
    write_record(RECORD, run)
    file = draw.draw(st.sampled_from([folder / "study.json", run / "record.json"]))
    file.write_bytes(draw.draw(changed(json.loads(file.read_text()))))
    reads(lambda: read_record(run))
    reads(lambda: read_study(folder))
    reads(lambda: load_study(folder))
    reads(lambda: status_of(read_study(folder) or STUDY, []))


SEARCH = {"objective": "pareto", "classes": ["Chipped"], "candidates": [
    {"name": "baseline", "seeds": [0], "values": [0.1], "overall": 0.1, "ratio": 1.0, "constraint": 0.0, "feasible": True},
]}  # fmt: skip


@given(st.data())
def test_searches_and_exhibits(tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "search"
    folder.mkdir(exist_ok=True)
    search = write_search(SearchResult.model_validate(SEARCH), folder)
    search.write_bytes(draw.draw(changed(json.loads(search.read_text()))))
    write_exhibits(Exhibits(precision={"Chipped": [0.5]}, pictures=["a.jpg"]), folder)
    exhibits = folder / "exhibits.json"
    exhibits.write_bytes(draw.draw(changed(json.loads(exhibits.read_text()))))
    reads(lambda: read_search(folder))
    reads(lambda: read_exhibits(folder))

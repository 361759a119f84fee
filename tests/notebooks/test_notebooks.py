"""The notebooks run as they stand, on the stored studies and a tiny data set, and hold prose and pictures alone."""

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbmake.nb_run import NotebookRun

from analysis.results import load_study
from analysis.stored import STORED, nearest_study

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = ["01_data", "02_one_run", "03_ablation", "04_optuna_thresholds"]
MACHINE = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|work|mnt|Users|usr|var|opt)/")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def read(path):
    return nbformat.read(path, as_version=4)


def code(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def test_there_are_four_notebooks():
    assert [path.stem for path in NOTEBOOKS] == NAMES


@pytest.fixture
def kernel(monkeypatch, tiny_data, tmp_path):
    """What the kernels see: this checkout's modules, no studies of one's own, the tiny data set."""
    settings = {
        "PYTHONPATH": ROOT, "RUNS": tmp_path / "runs", "DATA": tiny_data, "IPYTHONDIR": tmp_path / "ipython",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_it_runs_without_warnings_and_without_torch(path, kernel, tmp_path):
    notebook = read(path)
    notebook.cells.append(nbformat.v4.new_code_cell("import sys\nprint('torch' in sys.modules)"))
    copy = tmp_path / path.name
    nbformat.write(notebook, copy)
    before = {file: file.read_bytes() for file in STORED.rglob("*") if file.is_file()}
    result = NotebookRun(copy, 60).execute()
    assert result.error is None, result.error.summary + result.error.trace
    outputs = [output for cell in result.nb.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    assert outputs[-1].text == "False\n"
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert {file: file.read_bytes() for file in STORED.rglob("*") if file.is_file()} == before


@pytest.fixture
def noise(tmp_path):
    """One's own study, of the baseline alone."""
    listed = json.loads((STORED / "fractional-16-all" / "study.json").read_text())
    runs = [run for run in listed["runs"] if run["arm"] == "baseline"]
    (tmp_path / "runs" / "noise").mkdir(parents=True)
    (tmp_path / "runs" / "arms").symlink_to(STORED / "arms")
    (tmp_path / "runs" / "noise" / "study.json").write_text(json.dumps(listed | {"study": "noise", "runs": runs}))


@pytest.mark.parametrize(
    ("name", "study"),
    [
        ("02_one_run", "study-thresholds-tiny"),  # too short to tell how its loss varies
        ("03_ablation", "study-thresholds-tiny"),  # ratios of nothing
        ("03_ablation", "noise"),  # no arm to compare
    ],
)
def test_it_runs_over_other_studies_with_one_word_changed(name, study, kernel, noise, tmp_path):
    notebook = read(ROOT / "notebooks" / f"{name}.ipynb")
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert first.source.count("fractional-16-all") == 1
    first.source = first.source.replace("fractional-16-all", study)
    nbformat.write(notebook, tmp_path / "copy.ipynb")
    result = NotebookRun(tmp_path / "copy.ipynb", 60).execute()
    assert result.error is None, result.error.summary + result.error.trace


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_it_is_committed_without_outputs_definitions_and_paths_of_a_machine(path):
    assert [cell.id for cell in code(path) if cell.outputs or cell.execution_count is not None] == []
    nodes = [node for cell in code(path) for node in ast.walk(ast.parse(cell.source))]
    assert [ast.unparse(node) for node in nodes if isinstance(node, DEFINITIONS)] == []
    assert MACHINE.findall(path.read_text()) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_cells_are_short_and_pictures_are_introduced(path):
    assert [cell.id for cell in code(path) if len(cell.source.splitlines()) > 16] == []
    cells = read(path).cells
    assert (cells[0].cell_type, cells[-1].cell_type) == ("markdown", "markdown")


@pytest.mark.parametrize("name", [folder.parent.name for folder in sorted(STORED.glob("*/study.json"))])
def test_stored_studies_load_and_tell_of_no_machine(name, tmp_path):
    assert load_study(nearest_study(name, runs=tmp_path)).completed
    told = [path for path in STORED.rglob("*.json") if MACHINE.search(path.read_text())]
    assert told == []
    assert [path for path in STORED.rglob("record.json") if json.loads(path.read_text())["log_tail"]] == []
    largest = max(path.stat().st_size for path in STORED.rglob("*") if path.is_file() and "report" not in path.parts)
    assert largest < 300_000

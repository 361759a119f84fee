"""Reference pages are what the code says now, whole, and every document's links lead somewhere."""

import re
import subprocess
from pathlib import Path

import pytest
from matplotlib.image import imread

from tools.documents import charts
from tools.documents.command_page import APPLICATIONS, commands
from tools.documents.environment_page import MEANINGS, names_read
from tools.documents.make_page import targets, variables
from tools.documents.markdown import table
from tools.documents.pages import FOLDER, PAGES
from tools.documents.record_page import FILES, meanings_of
from tools.documents.setting_page import leaves, settings_of

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("name", list(PAGES))
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "give `make docs`"


def test_charts_are_what_the_stored_records_give(tmp_path: Path) -> None:
    for name in charts.draw(tmp_path):
        stored, drawn = (imread(folder / name) for folder in (charts.FOLDER, tmp_path))
        # Another build of the fonts' library may draw edges otherwise; another sentence or bar is far more.
        assert stored.shape == drawn.shape and abs(stored - drawn).mean() < 1e-3, f"{name}: give `make docs`"


def test_every_file_of_the_reference_is_a_page() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)


def test_no_page_tells_of_a_machine() -> None:
    for path in DOCUMENTS:
        assert not re.search(r"(?<![\w.])/(home|root|work|tmp|Users)/|/site-packages", path.read_text()), path


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / link).exists(), link


def test_help_tells_every_target_and_every_variable() -> None:
    printed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    assert listed is not None
    phony = listed[1].replace("\\\n", " ").replace("$(ABLATIONS)", "ablation-<factor>").split()
    assert re.findall(r"^  make (\S+)", printed, re.MULTILINE) == [target.name for target in targets(MAKEFILE)]
    assert set(phony) == {target.name for target in targets(MAKEFILE)}
    settable = re.findall(r"^([A-Z_]+) \?=", MAKEFILE, re.MULTILINE)
    assert [variable.name for variable in variables(MAKEFILE)] == settable
    assert all(re.search(rf"^  {name} ", printed, re.MULTILINE) for name in settable)


def test_variables_are_read_with_default_and_meaning() -> None:
    (one,) = variables("## Size of the runs\nSCALE ?= cpu\nOTHER := 1\n")
    assert (one.name, one.default, one.meaning) == ("SCALE", "cpu", "Size of the runs")


def test_every_command_and_every_option_says_what_it_is() -> None:
    for words, command in (pair for package in APPLICATIONS for pair in commands(package)):
        assert command.help, words
        for parameter in command.params:
            assert getattr(parameter, "hidden", False) or parameter.help, (words, parameter.name)


def test_the_commands_page_has_an_option_by_hand() -> None:
    text = (FOLDER / "commands.md").read_text()
    assert "### `python -m ablations retry [ARMS...]`" in text
    assert "| `--on-fail warn\\|stop\\|prune` | `warn` | What a failed gate" in text
    assert "--parent" not in text  # hidden: what a study's command tells its own workers


@pytest.mark.parametrize("model", [model for _, models in FILES.values() for model in models], ids=lambda m: m.__name__)
def test_every_field_of_a_file_has_a_meaning(model: type) -> None:
    assert set(meanings_of(model)) == set(model.model_fields)  # type: ignore[attr-defined]


def test_every_environment_variable_that_is_read_is_told() -> None:
    assert names_read() == set(MEANINGS)


def test_every_setting_of_a_scale_stands_on_its_page() -> None:
    text = (FOLDER / "settings.md").read_text()
    for scale in ("tiny", "cpu", "gpu", "paper"):
        assert [path for path in settings_of(scale) if f"| `{path}` |" not in text] == []


def test_leaves_by_hand() -> None:
    tree = {"a": 1, "b": {"c": [1, 2], "d": [{"e": 3}]}, "f": {}}
    assert list(leaves(tree)) == [("a", 1), ("b.c", [1, 2]), ("b.d.0.e", 3), ("f", {})]


def test_cells_keep_their_table_whole() -> None:
    assert table(("a", "b"), [("x|y", "<z>"), ("`<z>`", "one\ntwo<br>")]).splitlines()[2:] == [
        r"| x\|y | \<z> |", "| `<z>` | one two<br> |",
    ]  # fmt: skip

"""The data commands as a user gives them: import then train, check with its exit status, statistics, pictures."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.data.commands import app
from experiments.errors import Terminated
from experiments.train import train_run

BY = ["--group-by", r"(?P<group>.+)_crop_(?P<view>\d+)", "--specimen-by", r"(?P<specimen>S\d+)_", "--views", "2"]


def call(*words: str, status: int = 0) -> str:
    """What a command prints; its exit status must be ``status``."""
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == status, (result.output, result.exception)
    return result.output


@pytest.mark.parametrize("layout", ["coco", "yolo", "voc"])
def test_own_data_of_each_layout_are_imported_and_train(
    layout: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    out = tmp_path / "mine"
    told = call("import", str(request.getfixturevalue(f"{layout}_source")), "--out", str(out), *BY)
    assert f"{out}: train_labeled" in told
    assert "guessed" not in told  # Chipped is one of the plan's
    assert told.splitlines()[-1] == f"Next: python -m experiments data check {out}"
    assert "0 errors" in call("check", str(out))
    assert (out / "CARD.md").exists()
    record = train_run(config="tiny", study="s", data=out, runs_root=tmp_path / "runs", progress=False)
    assert (record.status, record.reason) == ("completed", None)
    assert record.data.classes == json.loads((out / "dataset.json").read_text())["classes"]


def test_classes_are_listed_and_names_that_differ_in_case_alone_are_told(coco_source: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    assert "Classes: Rust, Chipped." in call("import", str(coco_source), "--out", str(out), *BY).splitlines()
    file = coco_source / "valid" / "_annotations.coco.json"
    file.write_text(file.read_text().replace("Rust", "rust").replace("Chipped", " Chipped "))
    lines = call("import", str(coco_source), "--out", str(tmp_path / "other"), *BY).splitlines()
    assert "Classes: Rust, Chipped, rust." in lines
    assert [line for line in lines if "differ" in line] == [
        "Note: Classes 'Rust' and 'rust' differ in case alone, and count as two: if they are one, give them one name in the "
        "export, and import it again."
    ]


def test_hard_classes_that_are_guessed_are_told(coco_source: Path, tmp_path: Path) -> None:
    for path in coco_source.rglob("*.json"):
        path.write_text(path.read_text().replace("Chipped", "Dent"))
    out = tmp_path / "mine"
    lines = call("import", str(coco_source), "--out", str(out), *BY).splitlines()
    assert lines[-3].startswith("Training sees the labels of 2 of its 4 groups; those of the others are hidden from it")
    assert lines[-2] == f"Hard classes guessed: Rust, Dent (fewest boxes); edit {out / 'targets.toml'}."


def test_check_fixes_what_clipping_mends_and_says_so_by_its_exit_status(tiny_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(tiny_data, folder)
    file = folder / "annotations" / "val.json"
    content = json.loads(file.read_text())
    box = content["annotations"][0]
    box["bbox"][2] = 1000
    file.write_text(json.dumps(content))
    told = call("check", str(folder), status=1)
    assert f"box {box['id']}" in told
    assert "1 error," in told
    assert "--fix clip mends 1" in told
    assert "0 errors" in call("check", str(folder), "--fix", "clip")


def test_statistics_come_beside_the_plans_and_as_json(tiny_data: Path) -> None:
    assert "Severe_Rust" in call("stats", str(tiny_data))
    assert json.loads(call("stats", str(tiny_data), "--json"))


@pytest.mark.parametrize(("options", "suffix"), [([], ".png"), (["--by", "class"], ".png"), (["--html"], ".html")])
def test_pictures_are_written_and_named(options: list[str], suffix: str, tiny_data: Path, tmp_path: Path) -> None:
    told = call("browse", str(tiny_data), "--out", str(tmp_path / "pictures"), *options).split()
    paths = [Path(word) for word in told if word.startswith(str(tmp_path))]
    assert paths
    assert all(path.suffix == suffix and path.stat().st_size > 1000 for path in paths)


def test_names_from_data_are_not_read_as_markup(tiny_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(tiny_data, folder)
    for file in [folder / "dataset.json", *(folder / "annotations").glob("*.json")]:
        file.write_text(file.read_text().replace("Chipped", "dent [/b]"))
    assert "dent [/b]" in call("stats", str(folder))


@pytest.mark.parametrize(("stop", "status"), [(KeyboardInterrupt, 130), (Terminated, 143)])
def test_a_stop_is_told_and_leaves_nothing(
    stop: type[BaseException], status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise stop

    monkeypatch.setattr("experiments.data.synthesis._fill", stopped)
    told = call("make", "--preset", "tiny", "--out", str(tmp_path / "set"), status=status)
    assert told == "Stopped; nothing was written.\n"
    assert list(tmp_path.iterdir()) == []

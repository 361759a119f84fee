"""The command line's views of the table and the designs, and what it must not import."""

import io
import json
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from rich.console import Console
from typer.testing import CliRunner

from ablations.commands import app
from ablations.factor import plain
from ablations.factors import FACTORS
from ablations.further import FURTHER
from ablations.listing import print_factors
from experiments.address import default_url
from experiments.studies import Study, write_study
from tests.ablations.conftest import make_data


def test_list_json_is_the_table() -> None:
    result = CliRunner().invoke(app, ["list", "--json"])
    assert result.exit_code == 0
    factors = json.loads(result.stdout)["factors"]
    assert [factor["name"] for factor in factors] == [
        "focal",
        "anchors",
        "pseudo_labels",
        "augmentation",
        "fusion",
        "pooling",
    ]
    assert [set(factor) for factor in factors] == [{"name", "title", "meaning", "settings"}] * 6
    listed = {s["name"]: (s["paths"], s["off"], s["on"]) for factor in factors for s in factor["settings"]}
    assert listed == {s.name: (list(s.paths), plain(s.off), plain(s.on)) for f in FACTORS for s in f.settings}


def test_further_factors_are_listed_in_a_part_of_their_own() -> None:
    listed = json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)["further"]
    assert [factor["name"] for factor in listed] == [factor.name for factor in FURTHER]
    assert listed[0]["settings"] == [
        {"name": "spatial", "paths": ["model.detector.backbone.mvvit.spatial"], "off": "pooled", "on": "banded", "search": None}
    ]  # fmt: skip
    plan, further = (
        CliRunner().invoke(app, ["list"]).stdout.split("Further factors, which take part where they are named:")
    )
    assert "fault_" not in plan.split("focal (")[0] and "banded" in further and "custom_hooks.0.swapped" in further


@pytest.mark.parametrize("width", [80, 60])
def test_no_value_of_the_list_is_cut(width: int) -> None:
    file = io.StringIO()
    print_factors(Console(file=file, width=width))
    table = file.getvalue()
    assert "…" not in table
    if width == 80:  # as in a pipe
        assert "256-4096" in table and "augmentation_strength" in table


def test_list_json_of_one_setting_of_each_kind() -> None:
    factors = json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)["factors"]
    settings = {s["name"]: s for factor in factors for s in factor["settings"]}
    assert settings["roi_gamma"] == {
        "name": "roi_gamma",
        "paths": ["model.detector.roi_head.bbox_head.loss_cls.gamma"],
        "off": 2.5,
        "on": 3.5,
        "search": {"low": 1.0, "high": 5.0},
    }
    assert settings["num_heads"]["search"] == {"options": [2, 4, 8]}
    assert settings["ratios"]["search"] == {
        "options": [[0.2, 0.35, 0.5, 1.0, 2.0], [0.2, 0.35, 0.45, 0.55, 0.65, 1.0, 2.0]]
    }
    assert settings["posterize_prob"] == {
        "name": "posterize_prob",
        "paths": [
            "train_dataloader.dataset.labelled.pipeline.2.sup.0.posterize.prob",
            "train_dataloader.dataset.unlabelled.pipeline.1.unsup_student.1.posterize.prob",
        ],
        "off": 0.0,
        "on": 0.3,
        "search": None,
    }


def test_list_shows_every_setting_and_whole_paths() -> None:
    shown = CliRunner().invoke(app, ["list"]).stdout
    lines = [line.strip() for line in shown.splitlines()]
    for factor in FACTORS:
        for setting in factor.settings:
            assert setting.name in shown
            assert set(setting.paths) <= set(lines)
    assert "1.0-5.0" in shown
    assert "2|4|8" in shown


def test_plan_json() -> None:
    result = CliRunner().invoke(app, ["plan", "--design", "factorial", "--factors", "pooling,anchors", "--json"])
    arms = json.loads(result.stdout)["arms"]
    assert [arm["name"] for arm in arms] == ["baseline", "anchors", "pooling", "anchors+pooling"]
    assert arms[2] == {
        "name": "pooling",
        "levels": {
            "focal": "off",
            "anchors": "off",
            "pseudo_labels": "off",
            "augmentation": "off",
            "fusion": "off",
            "pooling": "on",
        },
        "delta": {"model.detector.backbone.mvvit.num_tokens": 2048},
    }


def test_plan_of_the_six_and_a_further_factor(tmp_path: Path) -> None:
    options = ["plan", "--design", "factorial", "--factors", "banded,focal", "--runs-root", str(tmp_path)]
    planned = json.loads(CliRunner().invoke(app, [*options, "--json"]).stdout)
    assert planned["factors"] == ["focal", "banded"]
    assert [arm["name"] for arm in planned["arms"]] == ["baseline", "focal", "banded", "focal+banded"]
    assert [effect["effect"] for effect in planned["estimability"]["effects"]] == ["focal", "banded", "focal:banded"]
    lines = [" ".join(line.split()) for line in CliRunner().invoke(app, options).stdout.splitlines()]
    assert "banded · · · · · · on 1" in lines
    assert "2 on on · · · · · on 4" in lines
    assert "Every combination is trained: each main effect and each interaction can be told from all others." in lines


def test_plan_tells_arms_aliases_cost_and_what_would_be_found(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["plan", "--design", "fractional-16", "--runs-root", str(tmp_path)]).stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "baseline · · · · · · 0" in lines
    assert "focal:anchors pseudo_labels:fusion 2" in lines
    assert any("Two-way interactions are aliased with each other in 7 groups" in line for line in lines)
    assert any("no arm of scale cpu as it is now configured has been measured" in line for line in lines)
    assert sum(f"measure it with make noise RUNS={tmp_path}." in line for line in lines) == 2


def test_what_measures_the_noise_is_named_with_scale_and_data(tmp_path: Path) -> None:
    make_data(tmp_path / "my own", "own-1")
    options = ["plan", "--factors", "focal", "--scale", "tiny", "--data", str(tmp_path / "my own")]
    lines = CliRunner().invoke(app, options).stdout.splitlines()
    command = f"make noise SCALE=tiny 'DATA={tmp_path / 'my own'}'"
    assert sum(f"measure it with {command}." in line for line in lines) == 2
    assert any(line.startswith("Cost: not known") and line.endswith(f"`{command}` measures it.") for line in lines)


@pytest.mark.parametrize(
    ("design", "arms"),
    [("noise", 1), ("alone", 7), ("leave-one-out", 8), ("alone,leave-one-out", 14), ("factorial", 64), ("fractional", 32),
     ("fractional-16", 16), ("optuna", 1)],
)  # fmt: skip
def test_every_design_is_planned_as_json(design: str, arms: int, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["plan", "--design", design, "--json", "--runs-root", str(tmp_path)])
    planned = json.loads(result.stdout)
    assert len(planned["arms"]) == arms
    assert planned["arms"][0]["name"] == "baseline"
    if design == "optuna":
        assert (planned["trials"], len(planned["space"])) == (20, 12)


def test_plan_refuses_an_unknown_name() -> None:
    result = CliRunner().invoke(app, ["plan", "--factors", "fokal"])
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: There is no factor 'fokal': did you mean focal?\n",
    )


def test_listing_imports_no_framework() -> None:
    code = (
        "import sys\n"
        "from ablations.commands import app\n"
        "app(['list'], standalone_mode=False)\n"
        "heavy = {'torch', 'mmengine', 'mmcv', 'mmdet', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_a_study_of_records_alone_sends_to_its_table(tmp_path: Path) -> None:
    begun = Study(study="kept", scale="cpu", data=None, data_fingerprint="f00d", hard_classes=[])
    write_study(begun, tmp_path / "kept")
    told_to_read_its_table(tmp_path)
    # Of a sampled study what Optuna's charts need is kept too, in a storage that is no ledger.
    optuna.create_study(study_name="kept", storage=default_url(tmp_path / "kept"))
    told_to_read_its_table(tmp_path)


def told_to_read_its_table(tmp_path: Path) -> None:
    for command in (["status", "--study", "kept"], ["show", "focal", "--study", "kept"]):
        result = CliRunner().invoke(app, [*command, "--runs-root", str(tmp_path)])
        assert result.exit_code == 2, result.output
        table = f"`python -m analysis table --study kept --runs-root {tmp_path}` tells what they say"
        assert table in " ".join(result.output.split())


def test_module_exits_with_the_commands_status() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ablations", "run", "--design", "alon"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: There is no design 'alon': did you mean alone?\n"


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("1", "address is not understood"),
        ("postgresql://user@host/db?password=secret", "has a password behind its question mark"),
        ("sqlite:///none.db", "There is no ledger of study 's' in sqlite:///none.db"),
    ],
)
def test_a_storage_that_cannot_be_looked_at_is_refused(storage: str, message: str, tmp_path: Path) -> None:
    options = ["status", "--study", "s", "--storage", storage, "--runs-root", str(tmp_path)]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == [] and not Path("none.db").exists()

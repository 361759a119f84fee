"""What ties the repository together: make targets, lock file, import rules."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from ablations.factors import FACTOR_NAMES, FURTHER_NAMES, GROUPS

ROOT = Path(__file__).resolve().parent.parent


def test_there_is_a_make_target_for_every_factor() -> None:
    for variable, names in (("FACTORS", FACTOR_NAMES), ("FURTHER", (*FURTHER_NAMES, *(GROUPS.keys() - {"all"})))):
        match = re.search(rf"^{variable} := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert match is not None
        assert tuple(match[1].split()) == names
    said = subprocess.run(
        ["make", "-n", "ablation-banded"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "run --design alone --factors banded --scale " in said


def make(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What make would do, called by nobody but the user."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "-n", *words], cwd=ROOT, env=environment | variables, capture_output=True, text=True, check=False
    )


def test_a_variable_that_nothing_reads_is_refused_where_it_stands_behind_the_target() -> None:
    refused = make("noise", "SEEDS=3", "SEED=3")
    assert refused.returncode == 2
    assert "There is no variable SEED: the variables are PYTHON SCALE SEEDS " in refused.stderr
    known = ["SEEDS=3", "RUNS=x", "WANDB_MODE=offline", "OMP_NUM_THREADS=1", "HTTPS_PROXY=x", "https_proxy=x", "CI=1"]
    assert make("noise", *known).returncode == 0
    assert make("noise", SEED="3").returncode == 0  # in the environment: it may be anybody's
    assert make("noise", MAKELEVEL="1", MAKEFLAGS="-- SEED=3").returncode == 0  # of a make that calls this one


def test_a_variable_in_small_letters_is_refused_too() -> None:
    assert "There is no variable scale: " in make("ablation-focal", "scale=tiny").stderr


def test_a_switch_is_on_at_1_and_off_at_0() -> None:
    assert "--control" in make("ablation-focal", "CONTROL=1").stdout
    assert "--control" not in make("ablation-focal", "CONTROL=0").stdout
    assert "--from-start" in make("ablation-focal", "FROM_START=1").stdout
    assert "--from-start" in make("study", "FROM_START=1").stdout  # which refuses it
    assert "--from-start" not in make("ablation-focal", "FROM_START=0").stdout
    assert "--quick" not in make("bench", "QUICK=0").stdout
    refused = make("ablation-focal", "CONTROL=yes")
    assert refused.returncode == 2
    assert "CONTROL is yes: give 1 for yes, 0 or nothing for no" in refused.stderr


def test_noise_takes_three_seeds_where_none_are_given() -> None:
    assert "--seeds 3" in make("noise").stdout
    assert make("noise", "SEEDS=2").stdout.count("--seeds") == 1


def test_a_study_of_two_words_reaches_the_program_as_one() -> None:
    assert '--study "my study" ' in make("ablation-focal", "STUDY=my study").stdout


def test_an_empty_variable_reaches_the_program_as_one_that_is_empty() -> None:
    assert '--scale "" --seeds "" --workers ""' in make("noise", "SCALE=", "SEEDS=", "WORKERS=").stdout


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("ablation-focl", "Error: There is no factor focl; the factors are focal anchors "),
        ("ablate", "Error: There is no target ablate; `make help` lists them."),
    ],
)
def test_a_target_that_does_not_exist_is_told_in_a_sentence(target: str, told: str) -> None:
    done = subprocess.run(["make", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(told)


def test_an_interpreter_of_another_version_is_refused_before_an_environment_is_made(tmp_path: Path) -> None:
    fake = tmp_path / "python3.9"
    fake.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.2\n[ "$1" = -V ]\n')
    fake.chmod(0o755)
    done = subprocess.run(
        ["make", "setup", f"PYTHON={fake}", f"VENV={tmp_path}/venv"], cwd=ROOT, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"Error: {fake} is Python 3.9.2, and 3.11 or 3.12 is needed: name another with PYTHON=python3.12"
    )
    assert not (tmp_path / "venv").exists()


def test_the_lock_pins_everything_by_hash_and_names_no_index() -> None:
    text = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) > 50
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in text
    # The build that needs libGL and overwrites the headless one's cv2 is never installed.
    assert all("'never'" in line for line in text.splitlines() if line.startswith("opencv-python=="))


@pytest.mark.parametrize(
    "module",
    [
        "ablations.commands", "analysis.commands", "analysis.table", "analysis.report.build", "analysis.dashboard",
        "analysis.publish", "analysis.sync", "experiments.commands",
    ],
)  # fmt: skip
def test_commands_start_without_torch(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('torch', 'mmengine', 'mmdet', 'mmcv') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("models", ("experiments", "ablations", "analysis")),
        ("experiments", ("ablations", "analysis")),
        ("analysis", ("models", "ablations", "torch", "mmdet", "mmengine")),
    ],
)
def test_imports_run_one_way(package: str, forbidden: tuple[str, ...]) -> None:
    pattern = re.compile(rf"^\s*(?:from|import) ({'|'.join(forbidden)})\b", re.MULTILINE)
    guilty = [str(path) for path in (ROOT / package).rglob("*.py") if pattern.search(path.read_text())]
    assert guilty == []


def test_version_and_licence_are_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert citation["authors"] == project["authors"]
    assert f"## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text()
    assert "Apache License\n                           Version 2.0" in (ROOT / "LICENSE").read_text()


def test_hooks_before_a_commit_need_no_network() -> None:
    content = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert {repo["repo"] for repo in content["repos"]} == {"local"}
    hooks = [hook for repo in content["repos"] for hook in repo["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert [hook["entry"].split()[0] for hook in hooks] == [".venv/bin/ruff", ".venv/bin/ruff", ".venv/bin/mypy"]


def array_task(place: Path, number: int, **variables: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """One task of the array job, with a laboratory that notes what it is asked, and in which nothing takes time.

    Its study begins when `BEGUN` questions of how it stands have been asked.
    """
    for name, lines in {
        ".venv/bin/python": 'echo "$@" >>said\n[ "$3" != status ] || [ "$(wc -l <said)" -ge "$BEGUN" ] || { echo none; exit 2; }',
        "bin/sleep": "",
    }.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/bash\n{lines}\n")
        file.chmod(0o755)
    (place / "said").unlink(missing_ok=True)
    environment = {"PATH": f"{place / 'bin'}:{os.environ['PATH']}", "SLURM_SUBMIT_DIR": str(place), "STUDY": "s"}
    done = subprocess.run(
        ["bash", ROOT / "docs/how-to/study.sbatch"], env=environment | {"SLURM_ARRAY_TASK_ID": str(number)} | variables,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done, (place / "said").read_text().splitlines()


def test_the_first_task_of_the_array_begins_the_study(tmp_path: Path) -> None:
    done, said = array_task(tmp_path, 0, FACTORS="focal,banded", DATA="my bits")
    assert done.returncode == 0
    assert said == [
        "-m ablations run --study s --design alone --factors focal,banded --scale gpu --seeds 1 --data my bits"
    ]


def test_other_tasks_wait_for_the_study_and_give_up_in_the_end(tmp_path: Path) -> None:
    done, said = array_task(tmp_path, 1, BEGUN="3")
    assert (done.returncode, said) == (0, ["-m ablations status --study s"] * 3 + ["-m ablations worker --study s"])
    done, said = array_task(tmp_path, 1, BEGUN="1000")
    assert (done.returncode, done.stderr) == (2, "none\n")
    assert said == ["-m ablations status --study s"] * 180

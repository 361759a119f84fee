"""The wheelhouse: what is collected, what is refused. pip and the registry are stood in for."""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from experiments.errors import UserError
from tools import wheelhouse
from tools.lock import Pin

PINS = [Pin("alpha", "1.0", None, ("sha256:aa",)), Pin("beta", "2.0", None, ("sha256:bb",))]
OURS = "multiview_ablation_lab-0.1.0-py3-none-any.whl"


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stand in for pip: ``fetches`` are the files that it downloads, ``builds`` what it makes of a source; ``calls`` its words."""
    told: dict[str, Any] = {
        "fetches": ["alpha-1.0-cp312-cp312-manylinux_2_28_x86_64.whl", "beta-2.0.tar.gz"],
        "builds": "beta-2.0-py3-none-any.whl",
        "calls": [],
    }

    def run(words: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        told["calls"].append(words)
        if "download" in words:
            folder, names = Path(words[words.index("--dest") + 1]), told["fetches"]
        else:
            names = [told["builds"] if words[-1].endswith(".tar.gz") else OURS]
            folder = Path(words[words.index("--wheel-dir") + 1])
        for name in names:
            (folder / name).write_bytes(name.encode())
        return subprocess.CompletedProcess(words, told.get("rc", 0), "", "ERROR: no such host\n")

    monkeypatch.setattr(wheelhouse.subprocess, "run", run)
    monkeypatch.setattr(wheelhouse, "wanted_pins", lambda text, python: PINS)
    return told


def test_wheels_are_collected_sources_are_built_and_ours_is_among_them(pip: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "wheelhouse"
    out.mkdir()
    (out / "requirements.txt").touch()
    (out / "old-1.0-py3-none-any.whl").touch()  # of an earlier lock
    found = wheelhouse.collect("3.12", out)
    assert [path.name for path in found] == [pip["fetches"][0], pip["builds"], OURS]
    assert {path.name for path in out.iterdir()} == {*(path.name for path in found), "requirements.txt"}
    lines = (out / "requirements.txt").read_text().splitlines()
    assert [line.split(" ")[0] for line in lines] == ["alpha==1.0", "beta==2.0", "multiview-ablation-lab==0.1.0"]
    assert lines[1].endswith("--hash=sha256:" + hashlib.sha256(b"beta-2.0-py3-none-any.whl").hexdigest())
    assert "--require-hashes" in pip["calls"][0]
    assert pip["calls"][0][pip["calls"][0].index("--python-version") + 1] == "3.12"


def test_a_wheel_compiled_here_for_another_python_is_refused(pip: dict[str, Any], tmp_path: Path) -> None:
    pip["builds"] = "beta-2.0-cp311-cp311-linux_x86_64.whl"
    with pytest.raises(UserError, match=r"beta-2.0-cp311.* compiled for another Python than 3\.12"):
        wheelhouse.collect("3.12", tmp_path / "wheelhouse")


def test_a_pin_without_a_wheel_is_refused(pip: dict[str, Any], tmp_path: Path) -> None:
    pip["fetches"] = ["beta-2.0.tar.gz"]
    with pytest.raises(UserError, match=r"no wheel of alpha 1\.0"):
        wheelhouse.collect("3.12", tmp_path / "wheelhouse")


def test_a_registry_out_of_reach_is_told(pip: dict[str, Any], tmp_path: Path) -> None:
    pip["rc"] = 1
    with pytest.raises(UserError, match="pip download failed, the registry may be out of reach: ERROR: no such host"):
        wheelhouse.collect("3.12", tmp_path / "wheelhouse")


def test_other_pythons_and_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"PYTHON is '3\.9'"):
        wheelhouse.collect("3.9", tmp_path / "wheelhouse")
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError, match="holds something else"):
        wheelhouse.collect("3.12", tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_the_source_of_our_wheel_is_whole_and_apart(tmp_path: Path) -> None:
    source = wheelhouse._own_source(tmp_path / "source")
    assert (source / "analysis/report/template.html").exists()
    assert (source / "experiments/configs/base.py").exists()
    assert not list(source.rglob("__pycache__"))

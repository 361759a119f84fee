"""Optuna's dashboard over a ledger in PostgreSQL, and over one that is out of reach."""

import json
import urllib.request
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage

from analysis.dashboard import optuna_dashboard, serving
from experiments.errors import UserError
from experiments.studies import Study, write_study


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study's folder; its address of the ledger is given with the command."""
    folder = tmp_path / "runs" / "focal"
    write_study(Study(study="focal", scale="cpu", data=None, data_fingerprint="f00d", hard_classes=[]), folder)
    return folder


def test_a_ledger_in_postgresql_is_shown(folder: Path, postgresql: str) -> None:
    begun = RDBStorage(postgresql)
    for name in ("other", "focal"):
        optuna.create_study(study_name=name, storage=begun)
    begun.remove_session()
    begun.engine.dispose()
    with optuna_dashboard(folder, postgresql) as (app, path), serving(app, "127.0.0.1") as port:
        assert path == "/dashboard/studies/2"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies") as answer:
            names = [study["study_name"] for study in json.load(answer)["study_summaries"]]
    assert sorted(names) == ["focal", "other"]


def test_a_server_out_of_reach_is_one_sentence_without_the_password(folder: Path) -> None:
    with (
        pytest.raises(
            UserError,
            match=r"The ledger of study focal cannot be opened \(.*\): is the server running, and its address right\?",
        ) as said,
        optuna_dashboard(folder, "postgresql://lab:secret@127.0.0.1:9/postgres"),
    ):
        pass
    assert "secret" not in str(said.value)

import json

import optuna
import pytest
from typer.testing import CliRunner

from analysis.commands import app
from analysis.excerpt import store_study
from analysis.importance import complete_trials, figures_of, open_ledger
from analysis.results import load_study
from experiments.errors import UserError
from experiments.records import read_record
from experiments.search_file import Candidate, read_search
from experiments.studies import StudyRequest, read_study, write_study

COMMAND = "python -m ablations run --design alone --data /home/me/data/mine --study focal"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "docs" / "runs"


def test_what_is_over_is_copied_and_what_is_in_training_waits(study, add_run, add_burn_in, out):
    add_burn_in("cpu-1", 0.5, 0.1, 0.3, 0.2, 0.4)
    add_burn_in("cpu-2", 0.5, 0.1, 0.3, 0.2, 0.4)
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4, burn_in="cpu-1")
    add_run("focal", status="failed", reason="no space on /mnt/disk/runs", log_tail=["at /home/me/train.py"])
    add_run("fusion", status="running")
    add_run("pooling", recorded=False)
    written = store_study(study, out)
    assert sorted(path.relative_to(out).as_posix() for path in written) == [
        "arms/baseline-0/record.json", "arms/focal-0/record.json", "burn-in/cpu-1/record.json", "focal/study.json",
    ]  # fmt: skip
    copy = load_study(out / "focal")
    assert [run.arm for run in copy.completed] == ["baseline"]
    assert [burn_in.record.identity for burn_in in copy.burn_ins] == ["cpu-1"]
    assert [(run.arm, run.status) for run in copy.unfinished] == [
        ("focal", "failed"), ("fusion", "missing"), ("pooling", "missing"),
    ]  # fmt: skip
    failed = read_record(out / "arms" / "focal-0")
    assert (failed.reason, failed.log_tail) == ("no space on runs", [])
    original = read_record(study.parent / "arms" / "baseline-0")
    assert read_record(out / "arms" / "baseline-0") == original


def test_no_machine_is_told_of(study, add_run, out):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4, config="/home/me/own.py", levels={"focal": "off"})
    listed = read_study(study)
    request = StudyRequest(design="alone", factors=["focal"], seeds=[0], command=COMMAND)
    changes = {"data": "/home/me/data/mine", "storage": "postgresql://me@db.host/x", "requests": [request]}
    write_study(listed.model_copy(update=changes), study)
    store_study(study, out)
    copy = read_study(out / "focal")
    assert (copy.data, copy.storage) == ("mine", None)
    assert copy.requests[0].command == "python -m ablations run --design alone --data mine --study focal"
    assert read_record(out / "arms" / "baseline-0").config == "own.py"


def test_a_sampled_study_keeps_its_judgement_and_its_trials(study, add_run, make_search, out):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    make_search(
        Candidate(name="baseline", seeds=[0], values=[0.2, 0.1], overall=0.3, ratio=1.0, constraint=0.0, feasible=True)
    )
    storage = f"sqlite:///{study / 'study.db'}"
    ledger = optuna.create_study(storage=storage, study_name="focal", directions=["maximize", "maximize"])
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        ledger.set_metric_names(["Severe_Rust", "Chipped"])
    ranges = {"roi_gamma": optuna.distributions.FloatDistribution(1.0, 5.0)}
    worker = {"progress": {"worker": "me@host:12"}, "records": {"0": "/home/me"}}
    for gamma in (2.0, 3.0):
        attributes = {**worker, "duplicate": gamma == 3.0}
        trial = optuna.create_trial(
            params={"roi_gamma": gamma}, distributions=ranges, values=[gamma / 10, 0.1], user_attrs=attributes
        )
        ledger.add_trial(trial)
    store_study(study, out)
    copy = open_ledger(out / "focal")
    assert figures_of(copy) == ["Severe_Rust", "Chipped"]
    assert [(trial.params, trial.values, trial.user_attrs) for trial in complete_trials(copy)] == [
        ({"roi_gamma": 2.0}, [0.2, 0.1], {})
    ]
    assert read_search(out / "focal") == read_search(study)
    assert not list((out / "focal").glob(".*"))


def test_storing_again_gives_the_same_files(study, add_run, out):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    first = {path: path.read_text() for path in store_study(study, out)}
    assert {path: path.read_text() for path in store_study(study, out)} == first


def test_a_study_is_not_stored_on_itself_nor_without_a_study(study, tmp_path):
    with pytest.raises(UserError, match="give another folder"):
        store_study(study, study.parent)
    with pytest.raises(UserError, match=r"holds no study\.json"):
        store_study(tmp_path, tmp_path / "out")


def test_the_command_stores_into_a_folder(study, add_run, out):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    done = CliRunner().invoke(app, ["store", "--study", "focal", "--runs-root", str(study.parent), "--out", str(out)])
    assert done.exit_code == 0
    assert "2 files" in done.stdout
    assert json.loads((out / "focal" / "study.json").read_text())["study"] == "focal"

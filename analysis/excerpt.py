"""A study's small files, copied to be kept in a repository: without weights and logs, and without what tells of a machine."""

import os
import re
import warnings
from pathlib import Path
from typing import Any

import optuna

from analysis.importance import complete_trials, figures_of, open_ledger
from experiments.errors import UserError
from experiments.records import RECORD_NAME, Record, read_record, write_record
from experiments.runs import BURN_IN_STUDY
from experiments.search_file import read_search, write_search
from experiments.studies import STUDY_NAME, Study, arm_folder, read_study, write_study

LEDGER_NAME = "study.db"
_PATH = re.compile(r"(?<![^\s=:,'\"(\[])(?:/[^\s/,'\")\]]+)+/([^\s/,'\")\]]+)/?")


def store_study(folder: Path, out: Path) -> list[Path]:
    """Copy the small files of a study into another runs folder; returns what was written.

    These are ``study.json``, ``search.json``, the completed trials of the ledger of a sampled study, and the records of runs that
    are over, with their burn-ins'. Absolute paths are cut to their last part; storage addresses, logs and what workers told of
    themselves are left out. Runs still in training are left out as well: the copy lists them as waiting.

    Raises:
        UserError: the folder holds no study, the copy would lie on the original, or a file is unreadable.
    """
    study = read_study(folder)
    if study is None:
        raise UserError(f"{folder} holds no {STUDY_NAME}, so it is no study: name another.")
    root, target = folder.parent, out / folder.name
    if out.resolve() == root.resolve():
        raise UserError(f"{out} is where study '{folder.name}' lies: give another folder.")
    plain = _without_paths({**study.model_dump(mode="json"), "storage": None})
    write_study(Study.model_validate(plain), target)
    written = [target / STUDY_NAME]
    search = read_search(folder)
    if search is not None:
        written.append(write_search(search, target))
    if study.search is not None:
        written.append(_store_ledger(open_ledger(folder), target))
    records = [_record_of(arm_folder(root, run.identity)) for run in study.runs]
    over = [record for record in records if record is not None and record.status != "running"]
    written += [_store_record(record, arm_folder(out, record.identity)) for record in over]
    wanted = {record.burn_in for record in over}
    for path in sorted((root / BURN_IN_STUDY).glob(f"*/{RECORD_NAME}")):
        record = read_record(path.parent)
        if record.identity in wanted:
            written.append(_store_record(record, out / BURN_IN_STUDY / path.parent.name))
    return written


def _record_of(folder: Path) -> Record | None:
    return read_record(folder) if (folder / RECORD_NAME).exists() else None


def _store_record(record: Record, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    plain = _without_paths({**record.model_dump(mode="json"), "log_tail": []})
    return write_record(Record.model_validate(plain), folder)


def _store_ledger(ledger: optuna.Study, folder: Path) -> Path:
    """A new ledger file of the completed trials alone: their parameters and values."""
    path, temporary = folder / LEDGER_NAME, folder / f".{LEDGER_NAME}.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{temporary}")
    copy = optuna.create_study(storage=storage, study_name=ledger.study_name, directions=ledger.directions)
    with warnings.catch_warnings():  # Optuna calls names of figures experimental
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        copy.set_metric_names(figures_of(ledger))
    for trial in complete_trials(ledger, needed=()):
        copy.add_trial(optuna.create_trial(params=trial.params, distributions=trial.distributions, values=trial.values))
    storage.remove_session()
    storage.engine.dispose()
    os.replace(temporary, path)
    return path


def _without_paths(value: Any) -> Any:
    """Absolute paths, wherever they stand in a text, cut to their last part."""
    if isinstance(value, str):
        return _PATH.sub(r"\1", value)
    if isinstance(value, dict):
        return {key: _without_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_paths(item) for item in value]
    return value

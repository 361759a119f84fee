"""A study: what is asked for becomes jobs in a ledger, workers train them, and the records come back.

``runs/<study>/study.json`` tells which runs belong to the study; the ledger, what has become of each; the records in
``runs/arms/``, what came out. The same request again trains only what is missing, and imports no torch if nothing is.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from optuna.distributions import CategoricalDistribution
from rich.console import Console

from ablations.arms import BASELINE, arm_with
from ablations.factors import FACTOR_NAMES
from ablations.ledger import Ledger
from ablations.objective import values_of
from ablations.request import Request
from ablations.search import write_judgement
from ablations.space import fixed_params
from ablations.status import first_line, label
from ablations.trials import Entry, Job, Outcome
from ablations.worker import Place
from experiments.address import hidden, known_url
from experiments.checks import check_data
from experiments.config import load_config
from experiments.errors import UserError
from experiments.exhibits_file import EXHIBITS_NAME
from experiments.fitting import fit_to_data
from experiments.goals import Goals, read_goals
from experiments.locks import locked
from experiments.monitoring.console import print_checklist
from experiments.monitoring.gates import judge_scores, settled
from experiments.paths import study_options
from experiments.prepare import prepared_data
from experiments.records import RECORD_NAME, Record, read_record, write_record
from experiments.runs import (
    FROM_START,
    WEIGHTS_NAME,
    acts_from_start,
    completed_record,
    data_folder,
    default_split,
    read_dataset,
    run_identity,
)
from experiments.studies import Search, Study, StudyRequest, StudyRun, arm_folder, read_study, write_study

PLAN = "plan"
"""Name of the sampled setting that is the plan's own."""
_LEVELS = CategoricalDistribution(("off", "on"))


def begin(request: Request) -> tuple[Study, Ledger]:
    """Make the data if they are the scale's own, write down what is asked for, and queue what the ledger lacks.

    Raises:
        UserError: the data are faulty, told before anything is written; the study is of another scale, data set or search, or the
            configs have changed since it was begun.
    """
    folder = prepared_data(request.scale, request.data)
    description = read_dataset(folder)
    _check_trainable(request, folder, description)
    with locked(request.folder):
        study = _extended(read_study(request.folder), request, folder, description)
        url = known_url(request.folder, study.storage, request.storage)
        ledger = Ledger(name=request.study, url=url)
        ledger.create(study)
        write_study(study, request.folder)
        ledger.add(jobs_of(study), lambda job: None if study.search else _settled(job, study, request.runs_root))
    return study, ledger


def _check_trainable(request: Request, data: Path, description: Mapping[str, Any]) -> None:
    """Refuse data that training would refuse: once mended they are another data set, with which the study could not go on."""
    settings = load_config(request.scale)
    fit_to_data(settings, description, data)
    # A split that is dealt out anew reads all that the shipped one does, and the hidden boxes.
    settings.train_dataloader.dataset.split = default_split(request.seeds - 1, data)
    check_data(settings, data, description)


def jobs_of(study: Study) -> list[Job]:
    """The jobs of a study: one per replicate of an arm; with a search, one per sampled setting, drawn when it is claimed.

    The first sampled setting is the plan's own, every sampled setting at its on value: it shows the sampler the way.
    """
    search = study.search
    factors = dict.fromkeys(name for run in study.runs for name in run.levels)
    jobs = []
    for run in study.runs:
        if run.sampled:
            continue  # its job was queued without what was drawn for it
        if search is not None:
            jobs.append(Job((run,), params=fixed_params(run.levels, search.space)))
        else:
            levels = {name: run.levels.get(name, "off") for name in factors}
            jobs.append(Job((run,), params=levels, distributions=dict.fromkeys(levels, _LEVELS)))
    if search is not None:
        plan = fixed_params(arm_with(FACTOR_NAMES).levels, search.space)
        replicates = sorted({(run.seed, run.split) for run in study.runs if not run.sampled})
        for number in range(search.trials):
            name = PLAN if number == 0 else f"sample-{number:03d}"
            runs = [StudyRun(arm=name, seed=seed, split=split, identity="", sampled=True) for seed, split in replicates]
            jobs.append(Job(tuple(runs), params=plan if number == 0 else {}))
    return jobs


def _settled(job: Job, study: Study, runs_root: Path) -> Outcome | None:
    """The outcome of a job whose run was trained already, for another study."""
    (run,) = job.runs
    record = completed_record(arm_folder(runs_root, run.identity), run.identity)
    if record is None:
        return None
    return Outcome("completed", {run.identity: record}, values_of([record], study.hard_classes))


def collect(study: Study, ledger: Ledger, runs_root: Path, console: Console) -> Study:
    """Bring home what workers did: the runs of sampled settings, and the records of runs trained on other machines.

    Arms whose baseline was trained after them, or beside them, are now compared with it; the console says so.
    """
    folder = runs_root / study.study
    with locked(folder):
        study = read_study(folder) or study  # another request may have joined meanwhile
        runs = {(run.arm, run.seed): run for run in study.runs}
        for entry in ledger.entries():
            runs |= {(run.arm, run.seed): run for run in entry.runs if run.identity}
            for identity, content in entry.records.items():
                record = Record.model_validate(content)
                with locked(arm_folder(runs_root, identity)):
                    _bring_home(record, arm_folder(runs_root, identity))
        study = study.model_copy(update={"runs": list(runs.values())})
        write_study(study, folder)
    for record in _settle_gates(study, runs_root):
        console.print(f"{record.arm}, seed {record.seed}, beside its baseline:", markup=False, highlight=False)
        print_checklist(record, console)
    return study


def _settle_gates(study: Study, runs_root: Path) -> list[Record]:
    """Judge the scores of arms whose baseline was trained after them, or beside them.

    Returns:
        The records with new verdicts, of their gates and alarms the gates alone that have passed or failed now.
    """
    changed: list[Record] = []
    folders = {
        (run.arm, run.seed, run.split): arm_folder(runs_root, run.identity) for run in study.runs if run.identity
    }
    for (_, seed, split), folder in folders.items():
        against = folders.get((BASELINE, seed, split))
        if against is None or not all((place / RECORD_NAME).exists() for place in (folder, against)):
            continue
        with locked(folder):
            record = read_record(folder)
            gates = settled(record.gates, judge_scores(record, baseline=read_record(against), goals=study.goals))
            if gates != record.gates:
                new = [gate for gate in gates if gate.verdict != "not_reached" and gate not in record.gates]
                if new:
                    changed.append(record.model_copy(update={"gates": new, "alarms": []}))
                record.gates = gates
                write_record(record, folder)
    return changed


def _bring_home(record: Record, folder: Path) -> None:
    """Write a record of the ledger to its folder, unless there is one that says as much."""
    here = read_record(folder) if (folder / RECORD_NAME).exists() else None
    if here is None or (record.status == "completed" and here.status != "completed"):
        write_record(record, folder)


def conclude(study: Study, entries: Sequence[Entry], place: Place, console: Console) -> bool:
    """Report what came out, and what failed and how to go on; returns whether everything completed or was pruned."""
    folder = place.runs_root / study.study
    if study.search is not None:
        has_test = (place.data / "annotations" / "test.json").exists()
        score = partial(evaluate, data=place.data, console=console) if has_test else None
        write_judgement(study, entries, runs_root=place.runs_root, score=score)
    exhibit(study, place, console)
    if any(entry.state == "completed" for entry in entries):
        say("Working out the tables, and drawing the charts ...", console)
        from analysis.table import report_study

        report_study(folder, console=console)
    failed = [entry for entry in entries if entry.state == "failed"]
    if failed:
        told = "; ".join(f"{label(entry)}: {first_line(entry.reason)}" for entry in failed)
        others = "; the other results stand" if len(failed) < len(entries) else ""
        console.print(
            f"{len(failed)} of {len(entries)} jobs failed ({told}){others}. To queue them again: "
            f"python -m ablations retry {study_options(folder)}",
            style="red", markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    return not failed


def exhibit(study: Study, place: Place, console: Console) -> None:
    """Have curves and pictures made of the baseline and of the arm with the most factors on, of the first seed, once.

    Of a run that was trained on another machine, which has its weights, none are made.
    """
    first = min((run.seed for run in study.runs), default=0)
    runs = [run for run in study.runs if run.seed == first and run.identity]
    most = max(runs, key=lambda run: list(run.levels.values()).count("on"), default=None)
    for run in (run for run in runs if run.arm == BASELINE or run is most):
        folder = arm_folder(place.runs_root, run.identity)
        if not (folder / WEIGHTS_NAME).exists() or (folder / EXHIBITS_NAME).exists():
            continue
        say(f"Drawing curves and pictures of {run.arm} ...", console)
        from experiments.exhibits import exhibit_run

        try:
            exhibit_run(folder, data=place.data)
        except UserError as error:
            console.print(f"No curves and pictures of {run.arm}: {error}", markup=False, soft_wrap=True)


def say(what: str, console: Console) -> None:
    """A line about what takes its time from now on."""
    console.print(what, style="dim", markup=False, highlight=False, soft_wrap=True)


def evaluate(folder: Path, *, data: Path, console: Console) -> Record:
    """Score a run on the test split, unless it is scored there, and return its record.

    A run that was trained on another machine, which has its weights, is left as it is, and the console says so.
    """
    record = read_record(folder)
    if record.final("teacher", "test") is None:
        say(f"Scoring {record.arm}, seed {record.seed}, on the test split ...", console)
        from experiments.evaluate import evaluate_run

        try:
            evaluate_run(folder, data=data, split="test")
        except UserError as error:
            console.print(f"No scores on the test split of {record.arm}: {error}", markup=False, soft_wrap=True)
    return read_record(folder)


def _extended(stored: Study | None, request: Request, data: Path, description: Mapping[str, Any]) -> Study:
    """The stored study with the request and its runs added; a new one if none is stored."""
    fingerprint, goals = description["fingerprint"], read_goals(data, description["classes"])
    study = stored or Study(
        study=request.study, scale=request.scale, data=str(request.data) if request.data else None,
        data_fingerprint=fingerprint, hard_classes=goals.searched, search=request.search,
        storage=hidden(request.storage) if request.storage else None, grace=request.grace,
    )  # fmt: skip
    _check_same(study, request, fingerprint, goals)
    wanted = [
        StudyRun(
            arm=arm.name, levels=arm.levels, delta=arm.delta, seed=seed, split=(split := default_split(seed, data)),
            identity=run_identity(
                config=request.scale, delta=arm.delta, seed=seed, split=split, data_fingerprint=fingerprint
            ),
        )
        for seed in range(request.seeds)
        for arm in request.arms
    ]  # fmt: skip
    runs = {(run.arm, run.seed): run for run in study.runs}
    for run in [*study.runs, *wanted]:
        identity = run_identity(
            config=request.scale, delta=run.delta, seed=run.seed, split=run.split, data_fingerprint=fingerprint
        )
        known = runs.setdefault((run.arm, run.seed), run)
        if known.identity != identity:
            raise UserError(
                f"Study {study.study} in {request.runs_root} holds {run.arm}, seed {run.seed} as another run (identity "
                f"{known.identity}, wanted {identity}): configs or factors have changed since, or CONFIGS names others; choose "
                "another --study (make: STUDY=)."
            )
    asked = StudyRequest(
        design=request.design, factors=request.factors, seeds=list(range(request.seeds)), command=request.command,
        departures=list(request.departures),
    )  # fmt: skip
    search = study.search
    if search is not None and request.search is not None:
        search = search.model_copy(update={"trials": max(search.trials, request.search.trials)})
    return study.model_copy(
        update={
            "requests": study.requests if asked in study.requests else [*study.requests, asked],
            "runs": list(runs.values()),
            "search": search,
            "goals": goals,
        }
    )


def check_unchanged(study: Study, fingerprint: str, runs_root: Path) -> None:
    """Refuse a study whose data folder now holds other data than it began with.

    Args:
        fingerprint: of the data that lie there.
        runs_root: the folder of runs that the study is in.

    Raises:
        UserError: see above.
    """
    if fingerprint != study.data_fingerprint:
        folder = data_folder(study.scale, Path(study.data) if study.data else None)
        raise UserError(
            f"The files in {folder} have changed since study {study.study} in {runs_root} began (fingerprint "
            f"{study.data_fingerprint}, now {fingerprint}): runs before and after do not compare; put back the files that it began "
            "with, or begin another study (--study, make: STUDY=)."
        )


def _check_same(study: Study, request: Request, fingerprint: str, goals: Goals) -> None:
    where = f"Study {study.study} in {request.runs_root}"
    if study.scale != request.scale:
        raise UserError(
            f"{where} is at scale {study.scale}, not {request.scale}: runs of two scales do not compare; "
            "choose another --study (make: STUDY=)."
        )
    if study.data == (str(request.data) if request.data else None):
        check_unchanged(study, fingerprint, request.runs_root)
    if study.data_fingerprint != fingerprint:
        raise UserError(
            f"{where} is on another data set ({study.data or 'the default one'}, fingerprint {study.data_fingerprint}): "
            "runs on two data sets do not compare; choose another --study (make: STUDY=)."
        )
    if request.storage and study.storage != hidden(request.storage):
        raise UserError(
            f"{where} keeps its ledger in {study.storage or 'the file in its folder'}, not in {hidden(request.storage)}: "
            "leave out --storage, or choose another --study (make: STUDY=)."
        )
    begun, wanted = (
        {FROM_START in arm.delta for arm in arms if "on" in arm.levels.values() and acts_from_start(arm.delta)}
        for arms in (study.runs, request.arms)
    )
    if len(begun | wanted) > 1:
        raise UserError(
            f"{where} switches factors on {_since(begun)}, and the new request {_since(wanted)}: such arms do not compare; choose "
            "another --study (make: STUDY=)."
        )
    kinds = [(search.space, search.objective) if search else None for search in (study.search, request.search)]
    if kinds[0] != kinds[1]:
        raise UserError(
            f"{where} {_searches(study.search)}, and the new request {_searches(request.search)}: choose "
            "another --study (make: STUDY=)."
        )
    if study.search and study.hard_classes != goals.searched:
        raise UserError(
            f"{where} searches for the AP of {', '.join(study.hard_classes)}, and the data set's targets now name "
            f"{', '.join(goals.searched)}: choose another --study (make: STUDY=)."
        )
    seeds = {run.seed for run in study.runs}
    if study.search and seeds and seeds != set(range(request.seeds)):
        raise UserError(
            f"{where} samples settings with {len(seeds)} seed(s), not {request.seeds}: choose another --study (make: STUDY=)."
        )


def _since(from_start: set[bool]) -> str:
    return "from the start (--from-start)" if True in from_start else "after a shared burn-in"


def _searches(search: Search | None) -> str:
    return f"searches {', '.join(search.space)} for the {search.objective}" if search else "samples no settings"

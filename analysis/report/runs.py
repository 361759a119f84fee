"""The report's sections on runs that gave no result, on where runs were trained, and on how to train them again."""

import shlex
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from analysis.report.page import Cell, Section, Table, Tone
from analysis.results import UNENDED, Run, Unfinished
from experiments.config import setting_words
from experiments.records import Record
from experiments.studies import Study, StudyRun

_TONES: dict[str, Tone] = {"failed": "bad", "pruned": "warn", "running": "quiet", "missing": "quiet"}
_WORDS = {"missing": "waiting, no record yet", "running": UNENDED}


def unfinished_section(unfinished: Sequence[Unfinished]) -> Section:
    """Failed, pruned, running and missing runs with their reasons: none is dropped silently."""
    title = "Runs without a result"
    if not unfinished:
        return Section("unfinished", title, paragraphs=("Every run of the study is completed.",))
    rows = tuple(
        (
            run.arm,
            str(run.seed),
            Cell(_WORDS.get(run.status, run.status), _TONES[run.status]),
            _reason(run),
            "\n".join(run.log_tail[-3:]),
        )
        for run in unfinished
    )
    columns = ("arm", "seed", "state", "reason", "last lines of the log")
    return Section("unfinished", title, tables=(Table("Failed, pruned, running and missing runs", columns, rows),))


def environment_section(runs: Sequence[Run]) -> Section:
    """Versions, devices and data, each once with the runs that it holds for; time and memory by run."""
    values: dict[str, Callable[[Record], str]] = {
        "data": lambda record: f"{record.data.name}, {len(record.data.classes)} classes",
        "data fingerprint": lambda record: record.data.fingerprint,
        "config": lambda record: f"{Path(record.config).stem}, {record.iterations:,} iterations",
        "device": lambda record: record.device,
        **{name: partial(_version, name=name) for name in _packages(runs)},
    }
    facts = tuple((name, _by_value(runs, value_of)) for name, value_of in values.items())
    cost = tuple(
        (run.arm, str(run.seed), _tokens(run.record), _minutes(run.record), _memory(run.record)) for run in runs
    )
    return Section(
        "environment",
        "Environment",
        tables=(
            Table("What the runs were trained with", ("what", "value"), facts),
            Table("Time and memory", ("arm", "seed", "K (tokens per view)", "training loop", "peak memory"), cost),
        ),
    )


def reproduce_section(study: Study) -> Section:
    """The study's own commands, and one for each run."""
    requests = tuple((request.design, request.command) for request in study.requests)
    runs = tuple((run.arm, str(run.seed), command_of(study, run)) for run in study.runs)
    code = frozenset({"command"})
    tables = [Table("The whole study", ("design", "command"), requests, code)] if requests else []
    tables.append(Table("Each run alone", ("arm", "seed", "command"), runs, code))
    said = (
        "Give these in the repository's folder, with its environment active, and with the CONFIGS that the study had, if any. "
        "A run alone trains its burn-in first, unless that is there already; the same settings, seed, split and data give the "
        "same identity."
    )
    return Section("reproduce", "How to reproduce each arm", paragraphs=(said,), tables=tuple(tables))


def command_of(study: Study, run: StudyRun) -> str:
    """The command that trains one run on its own."""
    words = ["python", "-m", "experiments", "train", study.scale, *setting_words(run.delta)]
    words += ["--seed", str(run.seed), "--split", str(run.split), "--study", f"{study.study}-alone", "--name", run.arm]
    if study.data:
        words += ["--data", study.data]
    return shlex.join(words)


def _reason(run: Unfinished) -> str:
    reduced = f"K={run.num_tokens} instead of {run.tokens_reduced_from}" if run.tokens_reduced_from else ""
    reason = run.reason or ("no reason recorded" if run.status in ("failed", "pruned") else "")
    return "; ".join(part for part in (reason, reduced) if part)


def _packages(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.record.versions))


def _version(record: Record, *, name: str) -> str:
    return record.versions.get(name, "not recorded")


def _by_value(runs: Sequence[Run], value_of: Callable[[Record], str]) -> str:
    """The value, or, where runs differ, each value with its runs."""
    found: dict[str, list[str]] = defaultdict(list)
    for run in runs:
        found[value_of(run.record)].append(f"{run.arm}, seed {run.seed}")
    if len(found) == 1:
        return next(iter(found))
    told = {value: "; ".join(names) if len(names) <= 4 else f"{len(names)} runs" for value, names in found.items()}
    return "\n".join(f"{value} ({names})" for value, names in told.items())


def _tokens(record: Record) -> str:
    if record.num_tokens is None:
        return "-"
    return f"{record.num_tokens}" + (f" instead of {record.tokens_reduced_from}" if record.tokens_reduced_from else "")


def _minutes(record: Record) -> str:
    seconds = record.seconds.get("total")
    if seconds is None:
        return "-"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _memory(record: Record) -> str:
    if record.peak_memory_mb is None:
        return "-"
    kind = "of the GPU" if record.peak_reserved_mb is not None else "of main memory"
    return f"{record.peak_memory_mb:,.0f} MiB {kind}"

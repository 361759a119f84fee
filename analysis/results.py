"""The results of a study: the runs that it lists, with their records, read, checked and put in order."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from analysis.targets import BASELINE
from experiments.errors import UserError
from experiments.goals import PLAN, Goals
from experiments.records import RECORD_NAME, Record, Status, read_record
from experiments.runs import BURN_IN_STUDY
from experiments.studies import STUDY_NAME, Search, StudyRun, arm_folder, read_study

Model = Literal["teacher", "student"]
SPLIT = "val"


@dataclass(frozen=True)
class Run:
    """A completed run: what this study calls it, and its record, where another study's name for it may stand."""

    entry: StudyRun
    folder: Path
    record: Record

    @property
    def arm(self) -> str:
        """The arm's name in this study."""
        return self.entry.arm

    @property
    def seed(self) -> int:
        return self.entry.seed

    @property
    def is_control(self) -> bool:
        """Whether it switches no factor on, and is not the baseline: a run to compare the baseline with."""
        return self.arm != BASELINE and bool(self.entry.levels) and "on" not in self.entry.levels.values()


UNENDED = "not at its end: it runs, or was stopped, and then the study's command goes on with it"


@dataclass(frozen=True)
class BurnIn:
    """A completed burn-in and its folder."""

    folder: Path
    record: Record


@dataclass(frozen=True)
class Unfinished:
    """A run that gives no number; ``missing`` has no record yet: it waits to be trained.

    ``record`` is the path of its record, ``tokens_reduced_from`` the K before an out-of-memory error, and
    ``log_tail`` the last lines of its log.
    """

    arm: str
    seed: int
    split: int
    status: Status | Literal["missing"]
    reason: str | None
    record: str
    num_tokens: int | None = None
    tokens_reduced_from: int | None = None
    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """The runs of one study. ``completed`` is in table order (see `arm_order`) and then by seed.

    Attributes:
        burn_ins: completed burn-ins that the arms continued from (not arms themselves).
        unfinished: every listed run that is not completed, in the order of ``study.json``.
        search: what a sampled study looks for; ``None`` for others.
        goals: what the arms are judged by.
        entries: every listed run, completed or not, in the order of ``study.json``.
        departures: sentences on factors whose off was not the factor table's.
    """

    name: str
    completed: list[Run]
    burn_ins: list[BurnIn]
    unfinished: list[Unfinished]
    search: Search | None
    goals: Goals = PLAN
    entries: list[StudyRun] = field(default_factory=list)
    departures: tuple[str, ...] = ()

    @property
    def arms(self) -> list[str]:
        """Names of the arms that have a completed run."""
        return list(dict.fromkeys(run.arm for run in self.completed))

    @property
    def classes(self) -> list[str]:
        """Class names in the data set's order, without ``all``."""
        return self.completed[0].record.data.classes

    def tokens(self, arm: str) -> tuple[int, ...]:
        """The K that the arm's completed runs really had, each once, smallest first."""
        tokens = {run.record.num_tokens for run in self.completed if run.arm == arm}
        return tuple(sorted(number for number in tokens if number is not None))

    def label(self, arm: str) -> str:
        """The arm's name, with the K of its runs behind it where an out-of-memory error made one's smaller."""
        reduced = any(run.record.tokens_reduced_from is not None for run in self.completed if run.arm == arm)
        return f"{arm} (K={'/'.join(map(str, self.tokens(arm)))})" if reduced else arm


def find_study(name: str, root: Path) -> Path:
    """The folder of a study.

    Raises:
        UserError: there is no folder of that name; the message names the studies that exist.
    """
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []
    for folder in folders:
        if folder.name == name:
            return folder
    known = [folder.name for folder in folders if (folder / STUDY_NAME).exists()]
    there = f"existing studies: {', '.join(known)}" if known else "no study exists there yet"
    missing = (
        f"There is no study '{name}' in {root}"
        if name
        else f"Which study of {root}? Name it with --study (make: STUDY=)"
    )
    raise UserError(f"{missing}; {there}.")


def load_study(folder: Path) -> Study:
    """Read and check every run that ``study.json`` of a study folder lists; the runs lie beside it in ``arms``.

    Raises:
        UserError: there is no ``study.json``, it or a record is unreadable, it lists an arm and seed twice, no run is
            completed, or completed runs mix data sets.
    """
    listed = read_study(folder)
    if listed is None:
        raise UserError(f"{folder} holds no {STUDY_NAME}, so it is no study: name another, or begin one there.")
    _check_duplicates(folder, listed.runs)
    completed, unfinished = [], []
    for entry in listed.runs:
        place = arm_folder(folder.parent, entry.identity)
        record = read_record(place) if (place / RECORD_NAME).exists() else None
        if record is not None and record.identity != entry.identity:
            raise UserError(
                f"{place / RECORD_NAME} is of another run ({record.identity}): delete it to train this one."
            )
        if record is not None and record.status == "completed":
            completed.append(Run(entry, place, record))
        else:
            unfinished.append(_unfinished(entry, place / RECORD_NAME, record))
    if not completed:
        raise UserError(_nothing_completed(folder, unfinished))
    _check_data(folder.name, completed)
    order = arm_order([run.entry for run in completed])
    completed.sort(key=lambda run: (order.index(run.arm), run.seed))
    burn_ins = _burn_ins(folder.parent, completed)
    departures = tuple(dict.fromkeys(sentence for request in listed.requests for sentence in request.departures))
    return Study(folder.name, completed, burn_ins, unfinished, listed.search, listed.goals, listed.runs, departures)


def describe_unfinished(runs: Sequence[Unfinished]) -> list[str]:
    """One line per run that was begun (status, reason, record's path), and one for all that still wait."""
    lines = []
    waiting: dict[str, list[str]] = defaultdict(list)
    for run in runs:
        if run.status == "missing":
            waiting[run.arm].append(str(run.seed))
            continue
        reduced = f", K={run.num_tokens} instead of {run.tokens_reduced_from}" if run.tokens_reduced_from else ""
        status = UNENDED if run.status == "running" else f"{run.status}: {run.reason or 'no reason recorded'}"
        lines.append(f"{run.arm}, seed {run.seed}{reduced}, {status} ({run.record})")
    if waiting:
        told = "; ".join(f"{arm}, seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}" for arm, seeds in waiting.items())
        lines.append(f"waiting, no record yet: {told}")
    return lines


def _unfinished(entry: StudyRun, path: Path, record: Record | None) -> Unfinished:
    if record is None:
        return Unfinished(entry.arm, entry.seed, entry.split, "missing", None, str(path))
    return Unfinished(
        entry.arm, entry.seed, entry.split, record.status, record.reason, str(path),
        record.num_tokens, record.tokens_reduced_from, tuple(record.log_tail),
    )  # fmt: skip


def _burn_ins(root: Path, runs: list[Run]) -> list[BurnIn]:
    wanted = {run.record.burn_in for run in runs} - {None}
    folders = [path.parent for path in sorted((root / BURN_IN_STUDY).glob(f"*/{RECORD_NAME}"))]
    found = [BurnIn(folder, read_record(folder)) for folder in folders]
    continued = [burn_in for burn_in in found if burn_in.record.identity in wanted]
    return sorted(continued, key=lambda burn_in: burn_in.record.seed)


def arm_order(entries: list[StudyRun]) -> list[str]:
    """Baseline first, then the design's arms by number of factors switched on, in the order in which studies list factors.

    Arms that switch on none (controls) come next, and sampled settings last; both in the order in which they were asked for.
    """
    arms = {entry.arm: entry for entry in entries}
    names = list(arms)
    most_detailed = sorted(arms.values(), key=lambda entry: -len(entry.levels))
    factors = list(dict.fromkeys(factor for entry in most_detailed for factor in entry.levels))

    def key(arm: str) -> tuple[bool, bool, float, list[int], int]:
        entry = arms[arm]
        on = [] if entry.sampled else [factors.index(name) for name, level in entry.levels.items() if level == "on"]
        return arm != BASELINE, entry.sampled, len(on) or float("inf"), sorted(on), names.index(arm)

    return sorted(names, key=key)


def _check_data(study: str, runs: list[Run]) -> None:
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    names: dict[tuple[str, ...], str] = {}
    for run in runs:
        data = run.record.data
        key = (data.fingerprint, *data.classes)
        groups[key].append(f"{run.arm}, seed {run.seed}")
        names[key] = f"{data.name} (fingerprint {data.fingerprint}; {', '.join(data.classes)})"
    if len(groups) > 1:
        parts = "; ".join(f"{' and '.join(members)}: {names[key]}" for key, members in groups.items())
        raise UserError(f"Study '{study}' mixes runs on different data, [{parts}]; give each data set its own study.")


def _check_duplicates(folder: Path, entries: list[StudyRun]) -> None:
    seen: dict[tuple[str, int], str] = {}
    for entry in entries:
        key = (entry.arm, entry.seed)
        if key in seen:
            raise UserError(
                f"{folder / STUDY_NAME} lists arm '{entry.arm}' with seed {entry.seed} twice, as {seen[key]} and "
                f"{entry.identity}; remove one of the two entries."
            )
        seen[key] = entry.identity


def _nothing_completed(folder: Path, unfinished: list[Unfinished]) -> str:
    if not unfinished:
        return f"Study '{folder.name}' holds no run yet ({folder}); train one first."
    told = "; ".join(describe_unfinished(unfinished))
    return f"Study '{folder.name}' has no completed run of an arm to report; it holds: {told}."

"""The report's sections on curves, the monitoring checklist's verdicts, and alarms."""

from collections import defaultdict
from collections.abc import Sequence

from analysis.curves import Curves
from analysis.report.page import Cell, Content, Fold, Picture, Section, Table, Tone
from analysis.results import Run
from experiments.records import Gate, GateName, Verdict

_TONES: dict[Verdict, Tone] = {"passed": "good", "failed": "bad", "not_reached": "quiet"}
_WORDS: dict[Verdict, str] = {"passed": "passed", "failed": "failed", "not_reached": "not reached"}
TITLES: dict[GateName, str] = {
    "finite_loss": "finite loss",
    "stability": "stable loss",
    "memory": "memory",
    "kept_ratio": "kept ratio rises",
    "class_ap": "AP",
    "overall_ap": "overall AP",
    "out_of_memory": "no out-of-memory",
    "falling_loss": "loss falls",
}
_SHOWN = 40  # sentences on what failed; more of them are folded
_Key = tuple[int, GateName, str | None]


def curves_section(key: str, title: str, *, curves: Curves | None, picture: Picture | None, absent: str) -> Section:
    """A chart of curves with its figures in a table; ``absent`` says why there is none."""
    if curves is None or picture is None:
        return Section(key, title, paragraphs=(absent,))
    rows = []
    for panel in curves.panels:
        for line in panel.lines:
            ordered = sorted(line.points)
            best = max(ordered, key=lambda point: point[1])
            name = f"{line.arm} ({curves.dashed})" if line.dashed else line.arm
            told = (_at(ordered[0]), _at(best), _at(ordered[-1]))
            rows.append((name, panel.title, *told))
    columns = ("arm", "class", "first", "highest", "last")
    table = Table(f"{title}: figures of the chart, with their iterations", columns, tuple(rows))
    return Section(key, title, pictures=(picture,), folds=(Fold("The figures of this chart", (table,)),))


def gates_section(runs: Sequence[Run]) -> Section:
    """The checklist as a traffic-light table, an arm per row, and every verdict's sentence."""
    title = "Monitoring checklist"
    judged = [run for run in runs if run.record.gates]
    if not judged:
        return Section(
            "monitoring", title, paragraphs=("No run's record holds a verdict of the monitoring checklist.",)
        )
    keys = sorted({_key(gate) for run in judged for gate in run.record.gates}, key=_place)
    arms: dict[str, list[Run]] = defaultdict(list)
    for run in judged:
        arms[run.arm].append(run)
    rows: list[tuple[Content, ...]] = [(arm, *(_light(members, key) for key in keys)) for arm, members in arms.items()]
    caption = "Verdicts by arm and milestone (iteration from which on a line is judged)"
    tables = [Table(caption, ("arm", *map(_heading, keys)), tuple(rows))]
    failed = [(run, gate) for run in judged for gate in run.record.gates if gate.verdict == "failed"]
    folds = [
        Fold(
            f"Every verdict of {arm}",
            (_sentences(f"Verdicts of {arm}", [(r, g) for r in members for g in r.record.gates]),),
        )
        for arm, members in arms.items()
    ]
    if failed and len(failed) <= _SHOWN:
        tables.append(_sentences("What failed", failed))
    elif failed:
        folds.insert(0, Fold(f"What failed: {len(failed)} verdicts", (_sentences("What failed", failed),)))
    unjudged = list(dict.fromkeys(run.arm for run in runs if not run.record.gates and run.arm not in arms))
    paragraphs = (f"Without verdicts in their records: {', '.join(unjudged)}.",) if unjudged else ()
    return Section("monitoring", title, paragraphs=paragraphs, tables=tuple(tables), folds=tuple(folds))


def alarms_section(runs: Sequence[Run]) -> Section:
    """What was wrong while runs trained."""
    rows = tuple(
        (
            run.arm,
            str(run.seed),
            _span(alarm.iteration, alarm.last),
            Cell(alarm.kind.replace("_", " "), "warn"),
            alarm.says,
        )
        for run in runs
        for alarm in run.record.alarms
    )
    if not rows:
        return Section("alarms", "Alarms", paragraphs=(f"None of {len(runs)} runs raised an alarm.",))
    table = Table("Alarms of the runs", ("arm", "seed", "iterations", "alarm", "what was wrong, and what to do"), rows)
    return Section("alarms", "Alarms", tables=(table,))


def _key(gate: Gate) -> _Key:
    return gate.milestone, gate.name, gate.subject


def _place(key: _Key) -> tuple[int, int, str]:
    return key[0], list(TITLES).index(key[1]), key[2] or ""


def _heading(key: _Key) -> str:
    milestone, name, subject = key
    return f"{_title(name, subject)}, from {milestone:,}"


def _title(name: GateName, subject: str | None) -> str:
    return TITLES[name] + (f" of {subject}" if subject else "")


def _light(runs: Sequence[Run], key: _Key) -> Cell:
    """One arm's verdict on one line: failed if it is so for any seed, passed if for none and for some."""
    verdicts = [gate.verdict for run in runs for gate in run.record.gates if _key(gate) == key]
    if not verdicts:
        return Cell("not judged", "quiet")
    worst: Verdict = next(v for v in ("failed", "passed", "not_reached") if v in verdicts)
    share = verdicts.count(worst)
    return Cell(_WORDS[worst] + (f" ({share} of {len(verdicts)})" if share < len(verdicts) else ""), _TONES[worst])


def _sentences(caption: str, gates: Sequence[tuple[Run, Gate]]) -> Table:
    rows = tuple(
        (run.arm, str(run.seed), _title(gate.name, gate.subject), f"{gate.milestone:,}",
         Cell(_WORDS[gate.verdict], _TONES[gate.verdict]), gate.says)
        for run, gate in gates
    )  # fmt: skip
    return Table(caption, ("arm", "seed", "line of the checklist", "from iteration", "verdict", "why"), rows)


def _at(point: tuple[float, float]) -> str:
    return f"{point[1]:.3f} at {point[0]:,}"


def _span(first: int, last: int) -> str:
    return f"{first:,} to {last:,}" if last > first else f"{first:,}"

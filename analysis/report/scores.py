"""The report's section on targets: every arm's AP, its change against the baseline, and the verdicts."""

from analysis.frame import Cell as Figure
from analysis.numerals import signed, times
from analysis.report.page import Cell, Content, Picture, Section, Table, Tone
from analysis.search import SearchSummary, Setting, value_text
from analysis.summary import ArmSummary, Summary
from analysis.targets import Comparison, Verdict
from experiments.goals import OVERALL

_TONES: dict[Verdict, Tone] = {"met": "good", "missed": "bad", "undefined": "quiet"}


def targets_section(summary: Summary, *, picture: Picture | None = None) -> Section:
    """Targets per arm and APs per class."""
    goals = "; ".join(f"{_title(goal.class_name)} {goal.description}" for goal in summary.goals)
    compared = [arm for arm in summary.arms if arm.comparisons]
    tables = [_target_table(summary, compared)] if compared else []
    measured = ("Met and missed are here of the figures as measured, whatever their uncertainty.",) if compared else ()
    return Section(
        "targets",
        "Targets",
        paragraphs=(f"Targets, as multiples of the measured baseline: {goals}.", *measured, *summary.notes),
        tables=(*tables, _ap_table(summary)),
        pictures=(picture,) if picture else (),
    )


def search_section(search: SearchSummary, *, picture: Picture | None = None) -> Section:
    """What a sampled study judged and chose."""
    columns = ("setting", "seeds", *(f"AP of {_title(name)}" for name in search.settings[0].aps), "ratio", "feasible", "front",
               "chosen", "changes")  # fmt: skip
    tables = [Table("Settings on the Pareto front, the chosen one and the arms they are measured against: AP of the teacher on val",
                    columns, tuple(_setting_row(setting) for setting in search.shown))]  # fmt: skip
    if search.tested:
        names = list(dict.fromkeys(name for setting in search.tested for name in setting.test or {}))
        rows = tuple(
            (setting.label, *(_number((setting.test or {}).get(name)) for name in names)) for setting in search.tested
        )
        tables.append(
            Table("AP of the teacher on test, which no selection saw", ("setting", *map(_title, names)), rows)
        )
    pictures = (picture,) if picture else ()
    return Section("search", "Sampled settings", paragraphs=search.notes, tables=tuple(tables), pictures=pictures)


def _target_table(summary: Summary, compared: list[ArmSummary]) -> Table:
    return Table(
        f"Change of the {summary.model}'s AP on {summary.split} against the baseline, and the verdict on each target",
        ("arm", *(heading for goal in summary.goals for heading in (f"{_title(goal.class_name)}: change", "verdict"))),
        tuple(
            (arm.label, *(cell for comparison in arm.comparisons for cell in _comparison_cells(comparison)))
            for arm in compared
        ),
    )


def _comparison_cells(comparison: Comparison) -> tuple[Content, Content]:
    change = "-" if comparison.change is None else signed(comparison.change)
    ratio = "no ratio" if comparison.ratio is None else times(comparison.ratio)
    judgements = (Cell(f"{one.label} {one.verdict}", _TONES[one.verdict]) for one in comparison.judgements)
    return f"{change} ({ratio})", tuple(judgements)


def _ap_table(summary: Summary) -> Table:
    spread = ", mean over seeds ± sample deviation" if len(summary.seeds) > 1 else ""
    rows = tuple(
        (arm.label, str(len(arm.seeds)), *(_figure(arm.cells[name]) for name in summary.classes))
        for arm in summary.arms
    )
    return Table(
        f"AP of the {summary.model} on {summary.split} (IoU 0.50:0.95){spread}",
        ("arm", "seeds", *(_title(name) for name in summary.classes)),
        rows,
    )


def _setting_row(setting: Setting) -> tuple[Content, ...]:
    changes = ", ".join(f"{name} {value_text(value)}" for name, value in setting.parameters.items()) or "nothing"
    return (
        setting.label, str(len(setting.seeds)), *(f"{ap:.3f}" for ap in setting.aps.values()), times(setting.ratio),
        Cell("yes", "good") if setting.feasible else Cell("no", "bad"), _yes(setting.front), _yes(setting.chosen), changes,
    )  # fmt: skip


def _figure(cell: Figure) -> str:
    return _number(cell.mean) + (f" ± {cell.std:.3f}" if cell.std is not None else "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _title(name: str) -> str:
    return "overall" if name == OVERALL else name


def _yes(verdict: bool) -> str:
    return "yes" if verdict else "no"

"""The report's sections on effects, interactions, Shapley values, synergy and the certainty of targets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from analysis.answer_frames import alias_text
from analysis.answers import Answers, method_of
from analysis.attainment import ArmAttainment, ClassAttainment, words_on
from analysis.effects import FactorEffect, meanings_of
from analysis.fits import Estimate, reason_notes
from analysis.numerals import probability, signed, times
from analysis.refusals import Refusal
from analysis.report.page import Cell, Content, Fold, Picture, Section, Table, Tone
from analysis.report.svg import inline
from analysis.shapley import Shapley
from analysis.synergy import Synergy
from experiments.goals import OVERALL

_CAPTIONS = {
    "targets": "AP of the highest arms with intervals, beside the targets.",
    "effects": "What each factor does to AP, with intervals and verdicts.",
    "interactions": "How pairs of factors change each other's effect; hatched cells cannot be told from others.",
    "shapley": "Each factor's part in what all of them gain together.",
    "synergy": "From the gains alone to the gain of all together.",
}
_TONES: dict[str, Tone] = {
    "up": "good", "down": "bad", "met": "good", "missed": "bad", "synergy": "good", "antagonism": "bad",
    "underpowered": "warn", "undefined": "quiet",
}  # fmt: skip


def effects_sections(answers: Answers, charts: Mapping[str, str] | None = None) -> tuple[Section, ...]:
    """Sections in the order of the report; none where no effect could be worked out; pure.

    Args:
        answers: the study's.
        charts: SVG files by name, as :func:`analysis.answer_charts.write_answer_charts` names them; what is not there is left out.
    """
    if not answers.effects.main:
        return ()
    charts = charts or {}
    heat_maps = [name for name in charts if name.startswith("interactions_")]
    shown = {
        "certainty": ["targets"],
        "effects": ["effects", *heat_maps],
        "shapley": ["shapley"],
        "synergy": ["synergy"],
    }
    return tuple(
        replace(section, pictures=tuple(_picture(name, charts[name]) for name in shown[section.key] if name in charts))
        for section in (_certainty(answers), _effects(answers), _shapley(answers), _synergy(answers))
        if section.tables or section.paragraphs
    )


def _picture(name: str, svg: str) -> Picture:
    caption = _CAPTIONS[name.partition("_")[0]]
    return Picture(inline(svg, name=name, alt=f"{caption} The tables of this section hold the figures."), caption)


def _certainty(answers: Answers) -> Section:
    found = [one for one in answers.targets if isinstance(one, ClassAttainment)]
    tables = []
    for one in found:
        columns = ("arm", "change of AP (95 %)", "ratio", *(target.label for target in one.goal.targets))
        rows = [(arm.arm, *_attained(arm)) for arm in one.arms]
        if one.best.candidates > 1:
            best = one.best.attainment
            rows.append((f"best: {best.arm}", *_attained(best, bound=True)))
        tables.append(Table(f"{_class(one.class_name)}: {one.goal.description}", columns, tuple(rows)))
    said = [f"Best arm of {_class(one.class_name)}: {one.best.note}." for one in found]
    said += dict.fromkeys(_sentence(note) for one in found for note in one.notes)
    said += words_on(found)
    said += reason_notes((one.class_name, arm.change) for one in found for arm in one.arms)
    return Section("certainty", "Certainty of the targets", (*said, *_refused(answers.targets)), tuple(tables))


def _effects(answers: Answers) -> Section:
    shown = {*answers.hard, OVERALL}
    tables: list[Table] = []
    others: list[Table] = []
    for caption, effects in (
        ("Main effects: mean change of AP from off to on (p corrected by Holm)", answers.effects.main),
        (
            "Interactions: by how much one factor's effect changes when the other is on (p corrected by Benjamini-Hochberg)",
            answers.effects.interactions,
        ),
    ):
        for rows, into in (
            ([effect for effect in effects if effect.class_name in shown], tables),
            ([effect for effect in effects if effect.class_name not in shown], others),
        ):
            if rows:
                into.append(_effect_table(caption, rows))
    listed = [*answers.effects.main, *answers.effects.interactions]
    said = [*method_of(answers, answers.effects), *answers.notes]
    if any(effect.aliases or effect.more for effect in listed):
        said.append("Aliases cannot be told from the effect that they stand beside; effects.csv names more of them.")
    said += meanings_of(answers.effects.main)
    said += reason_notes((effect.class_name, effect.estimate) for effect in listed)
    folds = (Fold("Effects on the other classes", tuple(others)),) if others else ()
    refused = _refused(answers.effects.refusals)
    return Section("effects", "Effects and interactions", (*said, *refused), tuple(tables), folds=folds)


def _shapley(answers: Answers) -> Section:
    found = [one for one in answers.shapley if isinstance(one, Shapley)]
    tables = []
    if found:
        factors = [value.factor for value in found[0].values]
        rows = [
            (factor, *(_two_lines(one.values[place].estimate) for one in found)) for place, factor in enumerate(factors)
        ]
        rows.append(("total", *(_two_lines(one.total) for one in found)))
        columns = ("factor", *(_class(one.class_name) for one in found))
        tables.append(Table("Each factor's part in what all of them gain together, in AP (95 %)", columns, tuple(rows)))
    said = dict.fromkeys(f"Values are {one.note}." for one in found if one.method != "exact")
    return Section(
        "shapley",
        "Shapley values",
        (*said, *reason_notes((one.class_name, one.total) for one in found), *_refused(answers.shapley)),
        tuple(tables),
    )


def _synergy(answers: Answers) -> Section:
    found = [one for one in answers.synergy if isinstance(one, Synergy)]
    rows: list[tuple[Content, ...]] = [
        (_class(one.class_name), *map(_interval, (one.summed, one.total, one.synergy)), _verdict(one.verdict))
        for one in found
    ]
    columns = ("class", "sum of the gains alone", "all together", "synergy", "verdict")
    caption = "The gain of all factors together, less the sum of their gains alone, in AP (95 %)"
    tables = (Table(caption, columns, tuple(rows)),) if rows else ()
    said = [one.sentence for one in found if one.class_name in answers.hard]
    said += dict.fromkeys(_sentence(one.note) for one in found if one.note)
    return Section("synergy", "Synergy", (*said, *_refused(answers.synergy)), tables)


def _effect_table(caption: str, effects: Sequence[FactorEffect]) -> Table:
    rows: list[tuple[Content, ...]] = [
        (
            effect.effect,
            _class(effect.class_name),
            _interval(effect.estimate),
            _p(effect.adjusted),
            _verdict(effect.verdict),
            alias_text(effect, most=3),
        )
        for effect in effects
    ]
    aliased = any(effect.aliases or effect.more for effect in effects)
    columns = ("effect", "class", "change of AP (95 %)", "p", "verdict", "aliases")
    return Table(caption, columns if aliased else columns[:-1], tuple(row if aliased else row[:-1] for row in rows))


def _attained(arm: ArmAttainment, *, bound: bool = False) -> tuple[Content, ...]:
    ratio = "-"
    if arm.ratio is not None:
        ratio = times(arm.ratio.value)
        if arm.ratio.low is not None:
            ratio += f" ({arm.ratio.low:.2f} to {'no end' if arm.ratio.high is None else f'{arm.ratio.high:.2f}'})"
    targets: list[Content] = []
    for target in arm.targets:
        lines = [_verdict(target.verdict)]
        if target.probability is not None:
            lines.append(Cell(f"P {probability(target.probability, bound=bound)}"))
        targets.append(tuple(lines))
    return _interval(arm.change), ratio, *targets


def _refused(items: Iterable[object]) -> list[str]:
    """One sentence per reason; aliases of what is listed have none."""
    subjects: dict[str, list[str]] = {}
    for item in items:
        if isinstance(item, Refusal) and item.alias_of is None:
            subjects.setdefault(item.reason, []).append(item.subject)
    return [f"Not estimated: {', '.join(dict.fromkeys(names))}: {reason}." for reason, names in subjects.items()]


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return signed(estimate.value)
    return f"{signed(estimate.value)} ({signed(estimate.low)} to {signed(estimate.high)})"


def _two_lines(estimate: Estimate) -> str:
    """As ``_interval``, for tables with a column for each class."""
    return _interval(estimate).replace(" (", "\n(")


def _verdict(verdict: str) -> Cell:
    return Cell(verdict, _TONES.get(verdict, "quiet"))


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _class(name: str) -> str:
    return "overall" if name == OVERALL else name


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."

"""Answers as tables on the console, 100 columns wide or more."""

from collections.abc import Iterable, Sequence
from string import ascii_uppercase

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.answer_frames import alias_text
from analysis.answers import Answers, method_of
from analysis.attainment import ArmAttainment, ClassAttainment, words_on
from analysis.effects import FactorEffect, meanings_of
from analysis.fits import Estimate, reason_notes
from analysis.numerals import plain, probability, signed, times
from analysis.refusals import Refusal
from analysis.shapley import Shapley
from analysis.synergy import Synergy

_MOST_ARMS = 12
_WIDTH = 90  # of a table at least, so that titles are not folded to a few short columns
_STYLES = {
    "up": "green", "down": "red", "met": "green", "missed": "red", "underpowered": "yellow", "undefined": "yellow",
    "synergy": "green", "antagonism": "red",
}  # fmt: skip


def print_effects(answers: Answers, console: Console, *, every: bool = False) -> None:
    """Main effects and interactions of the hard classes and of ``all``, or of every class."""
    shown = [*answers.hard, *(["all"] if "all" not in answers.hard else [])]
    for title, effects, correction in (
        ("Main effects: mean change of AP from off to on", answers.effects.main, "Holm"),
        (
            "Interactions: by how much one factor's effect changes when the other is on",
            answers.effects.interactions,
            "Benjamini-Hochberg",
        ),
    ):
        rows = [effect for effect in effects if every or effect.class_name in shown]
        if rows:
            console.print(_effect_table(rows, f"{title} (p: {correction})", _letters(answers.factors)))
    listed = [e for e in (*answers.effects.main, *answers.effects.interactions) if every or e.class_name in shown]
    for words in _alias_legend(listed, _letters(answers.factors)):
        console.print(Text(words))
    if any(effect.adjusted is not None for effect in listed):
        console.print(Text("Each interval stands alone at 95 %; verdicts go by p, corrected for the number of tests."))
    for sentence in meanings_of(answers.effects.main):
        console.print(Text(sentence))
    _print_reasons(((effect.class_name, effect.estimate) for effect in listed), console)
    _print_refusals([r for r in answers.effects.refusals if every or r.class_name in shown], console)
    if not every:
        others = len({effect.class_name for effect in answers.effects.main} - set(shown))
        if others:
            these = (
                "class is shown with --every, and stands"
                if others == 1
                else "classes are shown with --every, and stand"
            )
            console.print(Text(f"{others} other {these} in effects.csv."))
    print_notes(answers, console, listed)


def print_shapley(answers: Answers, console: Console) -> None:
    """One table over all classes: values with their intervals, the factors in rows."""
    found = [shapley for shapley in answers.shapley if isinstance(shapley, Shapley)]
    for group in (found[start : start + 3] for start in range(0, len(found), 3)):
        table = _table("Shapley values: each factor's part in all-on minus all-off, in AP")
        table.add_column("factor")
        for shapley in group:
            table.add_column(shapley.class_name, justify="right", no_wrap=True)
        for place, value in enumerate(group[0].values):
            table.add_row(value.factor, *(_interval(shapley.values[place].estimate) for shapley in group))
        table.add_row("total", *(_interval(shapley.total) for shapley in group))
        console.print(table)
    _print_reasons(((shapley.class_name, shapley.total) for shapley in found), console)
    for note in dict.fromkeys(f"Values are {shapley.note}." for shapley in found if shapley.method != "exact"):
        console.print(Text(note))
    _print_refusals([refusal for refusal in answers.shapley if isinstance(refusal, Refusal)], console)
    print_notes(answers, console, found)


def print_synergy(answers: Answers, console: Console) -> None:
    """Sum of the gains alone, total gain and synergy of every class, and the verdict of the hard ones in a sentence."""
    found = [synergy for synergy in answers.synergy if isinstance(synergy, Synergy)]
    if found:
        table = _table("Synergy: the gain of all factors together, less the sum of their gains alone, in AP")
        table.add_column("class", no_wrap=True)
        for name in ("sum alone", "all together", "synergy"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("verdict")
        for synergy in found:
            figures = [_two_lines(estimate) for estimate in (synergy.summed, synergy.total, synergy.synergy)]
            table.add_row(synergy.class_name, *figures, _styled(synergy.verdict))
        console.print(table)
    for synergy in found:
        if synergy.class_name in answers.hard:
            console.print(Text(synergy.sentence))
    others = [synergy for synergy in found if synergy.class_name not in answers.hard]
    _print_reasons(((synergy.class_name, synergy.synergy) for synergy in others), console)
    for note in dict.fromkeys(synergy.note for synergy in found if synergy.note):
        console.print(Text(f"The figures are {note}." if note.startswith("fitted") else f"{note.capitalize()}."))
    _print_refusals([refusal for refusal in answers.synergy if isinstance(refusal, Refusal)], console)
    print_notes(answers, console, found)


def print_targets(answers: Answers, console: Console) -> None:
    """One table per class: change, ratio and every target, arm by arm, the best arm last."""
    judged = [found for found in answers.targets if isinstance(found, ClassAttainment)]
    for found in judged:
        console.print(_target_table(found))
        console.print(Text(f"Best arm of {found.class_name}: {found.best.note}."))
        if len(found.arms) > _MOST_ARMS:
            rest = len(found.arms) - _MOST_ARMS
            console.print(Text(f"{rest} further arms are in targets.csv."))
        for note in found.notes:
            console.print(Text(f"{note[0].upper()}{note[1:].rstrip('.')}."))
    _print_reasons(((found.class_name, arm.change) for found in judged for arm in found.arms), console)
    _print_refusals([refusal for refusal in answers.targets if isinstance(refusal, Refusal)], console)
    if words := words_on(judged):
        console.print(Text(" ".join(words)))
    print_notes(answers, console, judged)


def _print_reasons(estimates: Iterable[tuple[str, Estimate]], console: Console) -> None:
    for note in reason_notes(estimates):
        console.print(Text(note))


def print_notes(answers: Answers, console: Console, shown: Sequence[object]) -> None:
    """How the intervals of what is shown are made, what is left out, and which runs give no number."""
    for note in (*method_of(answers, shown), *answers.notes):
        console.print(Text(note, style="dim"))
    if answers.unfinished:
        console.print(Text("Not in these figures:"))
    for line in answers.unfinished:
        console.print(Text(f"  {line}"), soft_wrap=True)  # paths are there to be copied


def _letters(factors: Sequence[str]) -> dict[str, str]:
    """Factor -> a capital, in order."""
    return dict(zip(factors, ascii_uppercase, strict=False))


def _alias_legend(effects: Sequence[FactorEffect], letters: dict[str, str]) -> list[str]:
    """What the column of aliases means, as far as its signs occur."""
    texts = [part for effect in effects for part in _aliases(effect, letters).replace(",", "").split()]
    if not texts:
        return []
    names = ", ".join(f"{letter} {name}" for name, letter in letters.items())
    lines = [f"Aliases cannot be told from the effect that they stand beside. By letters: {names}."]
    share = next((part for part in texts if part[1:2].isdigit() and "." in part), None)
    rest = next((part for part in texts if part.startswith("+") and "." not in part), None)
    signs = [f"{share} is the share of the alias behind it"] if share else []
    minus = next((part for part in texts if part.startswith("-") and part[1:].isalpha()), None)
    signs += [f"{minus}: with the opposite sign"] if minus else []
    signs += [f"{rest}: that many more (effects.csv names those of up to three factors)"] if rest else []
    return [*lines, f"{'; '.join(signs)}."] if signs else lines


def _aliases(effect: FactorEffect, letters: dict[str, str]) -> str:
    return alias_text(effect, most=3, letters=letters)


def _effect_table(effects: Sequence[FactorEffect], title: str, letters: dict[str, str]) -> Table:
    table = _table(title)
    table.add_column("class", overflow="fold")
    table.add_column("effect", overflow="fold")
    table.add_column("change of AP (95 %)", justify="right", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("aliases", overflow="fold", max_width=18)
    before = None
    for effect in effects:
        name = effect.class_name if effect.class_name != before else ""
        before = effect.class_name
        told = _aliases(effect, letters)
        table.add_row(
            Text(name),
            Text(effect.effect),
            _interval(effect.estimate),
            _p(effect.adjusted),
            _styled(effect.verdict),
            Text(told),
        )
    return table


def _target_table(found: ClassAttainment) -> Table:
    table = _table(f"{found.class_name}: {found.goal.description}; baseline {_plain(found.baseline)}")
    table.add_column("arm", overflow="fold")
    for name in ("change of AP", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    for target in found.goal.targets:
        table.add_column(target.label, no_wrap=True)
    highest = sorted(found.arms, key=lambda arm: -arm.mean.value)[:_MOST_ARMS]
    for arm in (arm for arm in found.arms if arm in highest):
        table.add_row(arm.arm, *_target_cells(arm))
    if found.best.candidates > 1:
        table.add_section()
        best = found.best.attainment
        table.add_row(f"best: {best.arm}", *_target_cells(best, bound=True))
    return table


def _target_cells(arm: ArmAttainment, *, bound: bool = False) -> list[Text]:
    ratio = Text("-")
    if arm.ratio is not None:
        ratio = Text(times(arm.ratio.value))
        if arm.ratio.low is not None:
            high = "no end" if arm.ratio.high is None else f"{arm.ratio.high:.2f}"
            ratio.append(f"\n{arm.ratio.low:.2f} to {high}", style="dim")
    targets = []
    for target in arm.targets:
        text = _styled(target.verdict)
        if target.probability is not None:
            text.append(f"\nP {probability(target.probability, bound=bound)}", style="dim")
        targets.append(text)
    return [_two_lines(arm.change), ratio, *targets]


def _print_refusals(refusals: Iterable[Refusal], console: Console) -> None:
    """One line per reason: what it is about, and of which classes."""
    subjects: dict[str, dict[str, list[str]]] = {}
    beside = set()
    for refusal in refusals:
        if refusal.alias_of is not None:
            beside.add(refusal.subject)
            continue
        subjects.setdefault(refusal.reason, {}).setdefault(refusal.subject, []).append(refusal.class_name)
    for reason, found in subjects.items():
        names = ", ".join(found)
        classes = ", ".join(dict.fromkeys(name for listed in found.values() for name in listed))
        console.print(Text(f"Not estimated: {names} ({classes}): {reason}."))
    if beside:
        console.print(Text(f"{len(beside)} interactions have no row of their own: they are aliases of those listed."))


def _table(title: str) -> Table:
    return Table(title=Text(title), min_width=_WIDTH, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))


def _two_lines(estimate: Estimate) -> Text:
    return _interval(estimate, between="\n")


def _interval(estimate: Estimate, *, between: str = " ") -> Text:
    text = Text(signed(estimate.value))
    if estimate.low is not None and estimate.high is not None:
        text.append(f"{between}{signed(estimate.low)} to {signed(estimate.high)}", style="dim")
    return text


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return "<.001" if value < 0.001 else f"{value:.3f}"


def _plain(estimate: Estimate) -> str:
    interval = (
        "" if estimate.low is None or estimate.high is None else f" ({plain(estimate.low)} to {plain(estimate.high)})"
    )
    return f"{plain(estimate.value)}{interval}"


def _styled(verdict: str) -> Text:
    return Text(verdict, style=_STYLES.get(verdict, ""))

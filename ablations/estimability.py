"""What the arms of a design can and cannot tell: aliases, estimable effects, degrees of freedom.

Linear algebra of :mod:`analysis.contrasts` over the model matrix of arms. Effects are written ``focal`` (a main effect) or
``focal:anchors`` (an interaction). The control arm is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ablations.arms import Arm
from ablations.contrasts import levels_of
from analysis.contrasts import Effect, Matrix, alike, column, effects_up_to, estimable, text_of

Model = Literal["two-way", "main-effects", "none"]

_SHOWN_ORDER = 3


@dataclass(frozen=True)
class AliasGroup:
    """Effects whose columns are identical or opposite on the arms: one figure, of which nobody can tell whose it is.

    ``effects`` are those of up to three factors, lowest order first; one with a minus sign is opposite to the first.
    ``higher`` counts the others.
    """

    effects: tuple[str, ...]
    higher: int


@dataclass(frozen=True)
class EffectStatus:
    """The largest model in which an effect can be estimated.

    ``two-way``: mean, main effects and two-way interactions. ``main-effects``: only if there are no interactions. ``none``:
    not at all.
    """

    effect: str
    model: Model


@dataclass(frozen=True)
class Estimability:
    """What a design can tell; ``dataclasses.asdict`` makes it JSON.

    Attributes:
        factors: the factors asked about.
        arms: number of arms, the control not counted.
        regular: whether the arms are the full factorial or a regular fraction of it: any two effects are then either
            free of each other or aliased. Aliases are listed for such designs alone.
        resolution: order of the lowest interaction aliased with the mean; ``None`` of a full factorial or where not regular.
        defining: the interactions aliased with the mean, with their sign; none of a full factorial.
        aliases: groups of two and more effects that hold a main effect or a two-way interaction.
        effects: main effects, then two-way interactions.
        main_rank, two_way_rank: independent parameters, the mean included, of the two models of :class:`EffectStatus`.
        sentences: the same in words.
    """

    factors: tuple[str, ...]
    arms: int
    regular: bool
    resolution: int | None
    defining: tuple[str, ...]
    aliases: tuple[AliasGroup, ...]
    effects: tuple[EffectStatus, ...]
    main_rank: int
    two_way_rank: int
    sentences: tuple[str, ...]

    def error_degrees(self, replicates: int, *, interactions: bool) -> int:
        """Degrees of freedom left for the error where every arm runs with the same ``replicates`` seeds, seeds as blocks.

        Args:
            replicates: 1 or more.
            interactions: whether two-way interactions are in the model beside main effects.
        """
        rank = self.two_way_rank if interactions else self.main_rank
        return self.arms * replicates - rank - (replicates - 1)


def describe(arms: Sequence[Arm], factors: Sequence[str], *, replicates: int = 1) -> Estimability:
    """Work out what arms can tell about factors, where each runs with ``replicates`` seeds (which one sentence rests on).

    Raises:
        ValueError: there is no arm but the control, or one has a factor on that is not among ``factors``.
    """
    levels = levels_of(arms, factors)
    columns = {effect: column(levels, factors, effect) for effect in effects_up_to(len(factors), factors)}
    main, two_way = effects_up_to(1, factors), effects_up_to(2, factors)
    main_rank, in_main = _estimable(columns, main)
    two_way_rank, in_two_way = _estimable(columns, two_way)
    statuses = tuple(
        EffectStatus(text_of(e), "two-way" if e in in_two_way else "main-effects" if e in in_main else "none")
        for e in two_way
        if e
    )
    sums = {effect: signs.sum() for effect, signs in columns.items()}
    varied = len(levels) > 1 and all(abs(sums[(name,)]) < len(levels) for name in factors)
    regular = varied and all(abs(total) in (0, len(levels)) for total in sums.values())
    words = [effect for effect, total in sums.items() if effect and abs(total) == len(levels)] if regular else []
    aliases = _aliases(columns) if regular else ()
    return Estimability(
        factors=tuple(factors),
        arms=len(levels),
        regular=regular,
        resolution=min(map(len, words), default=None),
        defining=tuple(("-" if sums[word] < 0 else "") + text_of(word) for word in words),
        aliases=aliases,
        effects=statuses,
        main_rank=main_rank,
        two_way_rank=two_way_rank,
        sentences=(
            *(_regular_sentences(words, aliases) if regular else _other_sentences(levels, factors, statuses)),
            *(_error_sentences(len(levels), main_rank, two_way_rank) if replicates == 1 else ()),
        ),
    )


def _estimable(columns: dict[Effect, Matrix], model: list[Effect]) -> tuple[int, set[Effect]]:
    """Rank of a model and which of its effects can be estimated."""
    matrix = np.column_stack([columns[effect] for effect in model])
    rank = int(np.linalg.matrix_rank(matrix))
    return rank, {effect for effect, told in zip(model, estimable(matrix), strict=True) if told}


def _aliases(columns: dict[Effect, Matrix]) -> tuple[AliasGroup, ...]:
    return tuple(
        AliasGroup(
            tuple(("-" if sign < 0 else "") + text_of(e) for e, sign in group if len(e) <= _SHOWN_ORDER),
            sum(len(e) > _SHOWN_ORDER for e, _ in group),
        )
        for group in alike(columns)
        if len(group) > 1 and 1 <= len(group[0][0]) <= 2
    )


def _regular_sentences(words: list[Effect], aliases: Sequence[AliasGroup]) -> list[str]:
    if not words:
        return ["Every combination is trained: each main effect and each interaction can be told from all others."]
    resolution = min(map(len, words))
    if resolution < 4:
        mixed = "each other" if resolution == 2 else "two-way interactions"
        return [f"Main effects are aliased with {mixed}: a figure is a factor's only where those are nil."]
    free = f"Main effects are free of interactions of fewer than {resolution - 1} factors"
    if resolution > 4:
        return [
            f"{free}, two-way interactions of those of fewer than {resolution - 2}; higher ones are taken to be nil."
        ]
    shared = sum(sum(":" in effect for effect in group.effects) > 1 for group in aliases if ":" in group.effects[0])
    return [
        f"{free}; higher ones are taken to be nil.",
        f"Two-way interactions are aliased with each other in {shared} groups: a figure is that of its whole group.",
    ]


def _other_sentences(levels: Matrix, factors: Sequence[str], statuses: Sequence[EffectStatus]) -> list[str]:
    if len(levels) == 1:
        return [
            "No factor is varied, so there is no effect; over several seeds the arm gives the run-to-run standard deviation."
        ]
    arms = {frozenset(name for name, level in zip(factors, row, strict=True) if level > 0) for row in levels}
    everything = frozenset(factors)
    with_others_off = frozenset() in arms and all(frozenset((name,)) in arms for name in factors)
    with_others_on = everything in arms and all(everything - {name} in arms for name in factors)
    interactions = [status for status in statuses if ":" in status.effect]
    found = [status.effect for status in interactions if status.model == "two-way"]
    mains = [status.effect for status in statuses if ":" not in status.effect and status.model == "main-effects"]
    lost = [status.effect for status in statuses if ":" not in status.effect and status.model == "none"]
    told = []
    if with_others_off:
        told.append("Each factor's effect with the others off: its arm against the baseline.")
    if with_others_on:
        told.append("Each factor's effect with the others on: all of them against all but it.")
    if with_others_off and with_others_on and not found:
        told.append("Where the two differ, the factor acts on others or they on it; with which others cannot be told.")
    if mains and not (with_others_off or with_others_on):
        told.append(f"Only if there are no interactions: {', '.join(mains)}.")
    if lost:
        told.append(f"No effect at all of {', '.join(lost)}.")
    nil = "if there are no interactions of three factors and more"
    if not found:
        told.append("No two-way interaction can be told.")
    elif len(found) == len(interactions):
        told.append(f"Main effects and two-way interactions can be told apart, {nil}.")
    else:
        told.append(f"Of {len(interactions)} two-way interactions these can be told, {nil}: {', '.join(found)}.")
    return told


def _error_sentences(arms: int, main_rank: int, two_way_rank: int) -> list[str]:
    if arms == 1 or arms > two_way_rank:
        return []
    condition = " unless there are no interactions" if arms > main_rank else ""
    return [
        f"With one seed per arm nothing is left to estimate the error from{condition}: use several, or a measured noise."
    ]

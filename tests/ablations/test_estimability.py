"""Estimability: aliases worked out from the defining relations by hand, ranks and degrees counted by hand."""

import json
from dataclasses import asdict
from itertools import combinations

import pytest

from ablations.designs import arms_of
from ablations.estimability import AliasGroup, Estimability, describe
from ablations.factors import FACTOR_NAMES, select

ALL = select(["all"])
LETTERS = dict(zip("ABCDEF", FACTOR_NAMES, strict=True))


def described(design: str, count: int = 6, *, control: bool = False) -> Estimability:
    return describe(arms_of(design, ALL[:count], control=control), FACTOR_NAMES[:count])


def group(*effects: str, higher: int = 0) -> AliasGroup:
    """``AB`` stands for ``focal:anchors``."""
    full = [("-" if e[0] == "-" else "") + ":".join(LETTERS[letter] for letter in e.strip("-")) for e in effects]
    return AliasGroup(tuple(full), higher)


def models(found: Estimability) -> tuple[set[str], set[str]]:
    """The models of main effects and of two-way interactions."""
    kinds: dict[bool, set[str]] = {False: set(), True: set()}
    for status in found.effects:
        kinds[":" in status.effect].add(status.model)
    return kinds[False], kinds[True]


def test_half_of_six_from_its_defining_relation() -> None:
    # I = ABCDEF: an effect is aliased with the letters it lacks, so 1 with 5 and 2 with 4, which are counted, not shown.
    found = described("fractional")
    assert (found.regular, found.resolution, found.defining) == (True, 6, (":".join(FACTOR_NAMES),))
    assert found.aliases == (
        *(group(letter, higher=1) for letter in "ABCDEF"),
        *(group("".join(pair), higher=1) for pair in combinations("ABCDEF", 2)),
    )
    assert models(found) == ({"two-way"}, {"two-way"})
    assert found.sentences == (
        "Main effects are free of interactions of fewer than 5 factors, two-way interactions of those of fewer than 4; "
        "higher ones are taken to be nil.",
    )


def test_quarter_of_six_from_its_defining_relation() -> None:
    # I = ABCE = BCDF = ADEF. For instance A = BCE = ABCDF = DEF, and AE = BC = ABCDEF = DF.
    found = described("fractional-16")
    words = ("ABCE", "ADEF", "BCDF")
    assert set(found.defining) == {":".join(LETTERS[letter] for letter in word) for word in words}
    assert (found.regular, found.resolution) == (True, 4)
    assert set(found.aliases) == {
        group("A", "BCE", "DEF", higher=1),
        group("B", "ACE", "CDF", higher=1),
        group("C", "ABE", "BDF", higher=1),
        group("D", "AEF", "BCF", higher=1),
        group("E", "ABC", "ADF", higher=1),
        group("F", "ADE", "BCD", higher=1),
        group("AB", "CE", higher=2),
        group("AC", "BE", higher=2),
        group("AD", "EF", higher=2),
        group("AE", "BC", "DF", higher=1),
        group("AF", "DE", higher=2),
        group("BD", "CF", higher=2),
        group("BF", "CD", higher=2),
    }
    assert len(found.aliases) == 13
    assert models(found) == ({"two-way"}, {"none"})
    assert found.two_way_rank == 1 + 6 + 7
    assert found.sentences[1].startswith("Two-way interactions are aliased with each other in 7 groups")


def test_halves_of_odd_number_have_opposite_columns() -> None:
    found = described("fractional", 3)  # I = -ABC
    assert found.defining == ("-focal:anchors:pseudo_labels",)
    assert found.aliases == (group("A", "-BC"), group("B", "-AC"), group("C", "-AB"))
    assert models(found) == ({"main-effects"}, {"none"})
    assert found.sentences[0].startswith("Main effects are aliased with two-way interactions")
    five = described("fractional", 5)  # I = -ABCDE: two-way interactions with three-way ones
    assert group("AB", "-CDE") in five.aliases
    assert five.resolution == 5
    assert models(five) == ({"two-way"}, {"two-way"})


def test_factorial_tells_all() -> None:
    found = described("factorial")
    assert (found.arms, found.regular, found.resolution, found.aliases) == (64, True, None, ())
    assert models(found) == ({"two-way"}, {"two-way"})
    assert found.sentences == (
        "Every combination is trained: each main effect and each interaction can be told from all others.",
    )


def test_alone_tells_each_effect_with_the_others_off() -> None:
    found = described("alone")
    assert (found.arms, found.regular, found.aliases) == (7, False, ())
    assert models(found) == ({"main-effects"}, {"none"})
    assert found.sentences == (
        "Each factor's effect with the others off: its arm against the baseline.",
        "No two-way interaction can be told.",
        "With one seed per arm nothing is left to estimate the error from: use several, or a measured noise.",
    )
    assert describe(arms_of("alone", ALL), FACTOR_NAMES, replicates=2).sentences == found.sentences[:-1]


def test_leave_one_out_tells_each_effect_with_the_others_on() -> None:
    found = described("leave-one-out")
    assert models(found) == ({"main-effects"}, {"none"})
    assert found.sentences[0] == "Each factor's effect with the others on: all of them against all but it."
    assert "unless there are no interactions" in found.sentences[-1]


def test_both_together_tell_that_a_factor_interacts_but_not_with_which() -> None:
    found = described("alone,leave-one-out")
    assert models(found) == ({"two-way"}, {"none"})
    assert any("with which others cannot be told" in sentence for sentence in found.sentences)
    more = described("alone,leave-one-out,fractional")
    assert not any("with which others" in sentence for sentence in more.sentences)
    assert more.sentences[-1].startswith("Main effects and two-way interactions can be told apart")


def test_some_interactions_are_named() -> None:
    found = described("alone,fractional-16")
    told = [status.effect for status in found.effects if status.model == "two-way" and ":" in status.effect]
    assert told == ["focal:fusion", "anchors:pseudo_labels", "augmentation:pooling"]  # AE = BC = DF in the quarter
    assert found.sentences[-1].endswith(f"three factors and more: {', '.join(told)}.")


def test_noise_tells_no_effect() -> None:
    found = described("noise")
    assert models(found) == ({"none"}, {"none"})
    assert (found.main_rank, found.two_way_rank, found.regular) == (1, 1, False)
    assert found.sentences == (
        "No factor is varied, so there is no effect; over several seeds the arm gives the run-to-run standard deviation.",
    )
    assert [found.error_degrees(r, interactions=True) for r in (1, 5)] == [0, 0]  # five runs, five blocks
    assert describe(arms_of("noise", ALL), []).sentences == found.sentences


def test_a_factor_that_is_never_on_has_no_effect() -> None:
    found = describe(arms_of("alone", ALL[:1]), FACTOR_NAMES[:2])
    assert [(status.effect, status.model) for status in found.effects] == [
        ("focal", "main-effects"),
        ("anchors", "none"),
        ("focal:anchors", "none"),
    ]
    assert found.sentences[:2] == ("Only if there are no interactions: focal.", "No effect at all of anchors.")


@pytest.mark.parametrize(
    ("design", "one", "two"),
    [  # (main effects, with two-way interactions): runs - parameters (1 + 6 or 1 + 6 + 15) - (replicates - 1)
        ("alone", (0, 0), (6, 6)),
        ("leave-one-out", (1, 0), (8, 7)),  # of the 22 parameters 8 arms tell 8
        ("factorial", (57, 42), (120, 105)),
        ("fractional", (25, 10), (56, 41)),
        ("fractional-16", (9, 2), (24, 17)),  # 7 groups of interactions
    ],
)
def test_error_degrees(design: str, one: tuple[int, int], two: tuple[int, int]) -> None:
    found = described(design)
    for replicates, expected in ((1, one), (2, two)):
        degrees = [found.error_degrees(replicates, interactions=interactions) for interactions in (False, True)]
        assert degrees == list(expected)


def test_the_control_is_left_out_and_all_is_json() -> None:
    assert described("fractional-16", control=True) == described("fractional-16")
    content = json.loads(json.dumps(asdict(described("fractional-16"))))
    assert content["effects"][0] == {"effect": "focal", "model": "two-way"}
    assert content["aliases"][0]["higher"] == 1

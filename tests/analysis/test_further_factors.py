"""A planted study of one of the plan's factors and two further ones, which arms without them do not name."""

from itertools import combinations

import pytest

from analysis.answers import answers_of
from analysis.arm_letters import arm_label, letters_of
from analysis.frame import results_frame
from analysis.notes import burn_in_lines
from analysis.panels import switched_factors
from analysis.report.build import levels_of
from analysis.report.limits import limits_of
from analysis.results import load_study
from experiments.studies import read_study

SIX = ["focal", "anchors", "pseudo_labels", "augmentation", "fusion", "pooling"]
CHOSEN = ("focal", "banded", "fault_softmax")


@pytest.fixture
def planted(study, add_run):
    """A factorial with two seeds: rust starts at 0.3, gains 0.1 by focal and 0.2 by banded, and loses 0.25 by the fault."""
    for size in range(4):
        for on in combinations(CHOSEN, size):
            levels = {name: "on" if name in on else "off" for name in SIX} | {n: "on" for n in on if n not in SIX}
            rust = 0.3 + 0.1 * ("focal" in on) + 0.2 * ("banded" in on) - 0.25 * ("fault_softmax" in on)
            for seed in (0, 1):
                aps = (0.5, 0.1, 0.3, rust + 0.001 * seed * (-1) ** size, 0.4)
                add_run("+".join(on) or "baseline", *aps, seed=seed, levels=levels)
    return study


def test_effects_are_what_was_planted(planted):
    answers = answers_of(load_study(planted))
    assert answers.factors == CHOSEN
    rust = {e.effect: e for e in answers.effects.main if e.class_name == "Severe_Rust"}
    found = {name: effect.estimate.value for name, effect in rust.items()}
    assert found == {
        "focal": pytest.approx(0.1, abs=0.001), "banded": pytest.approx(0.2, abs=0.001),
        "fault_softmax": pytest.approx(-0.25, abs=0.001),
    }  # fmt: skip
    assert {name: effect.verdict for name, effect in rust.items()} == {
        "focal": "up",
        "banded": "up",
        "fault_softmax": "down",
    }
    (shapley,) = (one for one in answers.shapley if one.class_name == "Severe_Rust")
    assert [value.factor for value in shapley.values] == list(CHOSEN)


def test_arms_are_in_table_order_and_have_a_level_of_every_factor(planted):
    study = load_study(planted)
    assert study.arms == [
        "baseline", "focal", "banded", "fault_softmax", "focal+banded", "focal+fault_softmax", "banded+fault_softmax",
        "focal+banded+fault_softmax",
    ]  # fmt: skip
    frame = results_frame(study).drop_duplicates("arm").set_index("arm")
    assert list(frame.columns[-8:]) == [*SIX, "banded", "fault_softmax"]
    assert frame["banded"].to_dict() == {arm: "on" if "banded" in arm else "off" for arm in study.arms}
    letters = letters_of(CHOSEN, study.arms)
    assert arm_label("focal+fault_softmax", letters) == "A · C"


def test_what_is_switched_and_what_it_can_tell_is_seen(planted):
    listed = read_study(planted)
    assert listed is not None
    assert switched_factors(listed) == list(CHOSEN)
    assert limits_of(levels_of(load_study(planted))) == []


def test_one_further_factor_alone_is_told_from_the_baseline(study, add_run):
    off = dict.fromkeys(SIX, "off")
    for seed in (0, 1):
        add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4, seed=seed, levels=off)
        add_run("banded", 0.5, 0.1, 0.3, 0.4, 0.4, seed=seed, levels=off | {"banded": "on"})
    loaded = load_study(study)
    (banded,) = (e for e in answers_of(loaded).effects.main if e.class_name == "Severe_Rust")
    assert (banded.effect, banded.estimate.value) == ("banded", pytest.approx(0.2))
    assert limits_of(levels_of(loaded)) == []


def test_burn_ins_of_one_seed_are_told_apart_by_their_arms(study, add_run, add_burn_in):
    def lines():
        return burn_in_lines(load_study(study), ["Broken"], model="teacher")

    add_burn_in("shared", *(0.5, 0.1, 0.3, 0.2, 0.4))
    for arm in ("baseline", "focal", "fusion", "pooling"):
        add_run(arm, 0.5, 0.1, 0.3, 0.2, 0.4, levels=dict.fromkeys(SIX, "off"), burn_in="shared")
    assert lines() == ["burn-in, seed 0 (shared): AP of the teacher Broken 0.500"]
    add_burn_in("own", *(0.5, 0.1, 0.3, 0.2, 0.4))
    add_run("banded", 0.5, 0.1, 0.3, 0.2, 0.4, levels=dict.fromkeys(SIX, "off"), burn_in="own")
    assert lines() == [
        "burn-in of banded, seed 0 (own): AP of the teacher Broken 0.500",
        "burn-in of baseline, focal, fusion, pooling, seed 0 (shared): AP of the teacher Broken 0.500",
    ]
    add_run("anchors", 0.5, 0.1, 0.3, 0.2, 0.4, levels=dict.fromkeys(SIX, "off"), burn_in="shared")
    assert lines()[1].startswith("burn-in of baseline, focal, fusion, 2 others, seed 0 (shared)")

import pytest

from analysis.answers import answers_of
from analysis.effects import effects_of
from analysis.observations import UNEVEN, arm_name, observe
from analysis.results import load_study

FIVE = (0.5, 0.1, 0.3, 0.2, 0.4)  # mean 0.3


def test_final_scores_by_arm_and_seed(study, add_run):
    add_run("baseline", *FIVE)
    add_run("focal", 0.5, None, 0.3, 0.4, 0.4)
    add_run("focal", *FIVE, seed=1, split=1)
    observed = observe(load_study(study))
    assert observed.factors == ("focal",)
    assert list(observed.classes) == ["Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear", "all"]
    rust = observed.classes["Severe_Rust"]
    assert rust.arms == (frozenset(), frozenset({"focal"}), frozenset({"focal"}))
    assert (rust.blocks, rust.values.tolist()) == (("0", "0", "1"), [0.2, 0.4, 0.2])
    assert observed.classes["Chipped"].blocks == ("0", "1")  # no box of the class in one run
    student = observe(load_study(study), model="student")
    assert student.classes["Severe_Rust"].values.tolist() == [0.1, 0.2, 0.1]


def test_what_is_left_out_is_told(study, add_run):
    add_run("baseline", *FIVE)
    add_run("control", *FIVE)
    add_run("trial-1", *FIVE, sampled=True)
    add_run("pooling", *FIVE, num_tokens=1536, tokens_reduced_from=2048)
    add_run("focal")
    add_run("anchors", status="failed", reason="out of memory")
    add_run("fusion", recorded=False)
    observed = observe(load_study(study))
    assert observed.notes == (
        "focal, seed 0, is left out of effects: it has no validation of the teacher on val.",
        "pooling, seed 0, is left out of effects: it ran with K=1536 instead of 2048.",
        "control, seed 0, is left out of effects: it is no combination of factor levels.",
        "1 runs of sampled settings are left out of effects: they are no combinations of levels.",
    )
    assert observed.factors == ("focal", "anchors", "fusion", "pooling")
    assert observed.absent == {
        "pooling": "no run of it can be used",
        "focal": "no run of it can be used",
        "anchors": "failed",
        "fusion": "no record yet",
    }
    (refusal,) = effects_of([observed.classes["all"]], hard=[]).refusals
    assert refusal.reason == "only one arm has a completed run: there is nothing to compare"


def test_arms_with_different_seeds_are_told(study, add_run):
    for arm, seed in (("baseline", 0), ("baseline", 1), ("focal", 1)):
        add_run(arm, *FIVE, seed=seed)
    assert observe(load_study(study)).notes == (UNEVEN,)
    add_run("focal", *FIVE, seed=0)
    assert observe(load_study(study)).notes == ()


def test_an_arm_with_further_settings_is_not_taken_for_one_without(study, add_run):
    add_run("baseline", *FIVE)
    add_run("focal", *FIVE)
    add_run("focal-inverted", 0.9, 0.9, 0.9, 0.9, 0.9, levels={"focal": "on"})
    observed = observe(load_study(study))
    assert observed.classes["all"].values.tolist() == pytest.approx([0.3, 0.3])
    assert observed.notes == ("focal-inverted, seed 0, is left out of effects: it is no combination of factor levels.",)


def test_a_sampled_study_has_no_effects(study, add_run):
    add_run("baseline", *FIVE)
    add_run("trial-1", *FIVE, sampled=True)
    answers = answers_of(load_study(study))
    assert {refusal.reason for refusal in answers.effects.refusals} == {"the study switches no factor"}
    assert answers.effects.main == ()


def test_a_seed_with_two_splits_is_two_blocks(study, add_run):
    add_run("baseline", *FIVE)
    add_run("focal", *FIVE, split=3)
    assert observe(load_study(study)).classes["all"].blocks == ("0, split 0", "0, split 3")


@pytest.mark.parametrize(("arm", "name"), [((), "baseline"), (("b", "a"), "a+b")])
def test_names(arm, name):
    assert arm_name(arm, ("a", "b")) == name

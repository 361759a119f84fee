import pytest

from analysis.targets import Target, compare, goals_of
from experiments.goals import PLAN, Goals, Multiples, plan_goals

GOALS = goals_of(PLAN)
RUST, CHIPPED, OVERALL = GOALS
CLASSES = ["Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear"]


def verdicts(goal, baseline, arm):
    comparison = compare(goal, baseline={0: baseline}, arm={0: arm})
    return [judgement.verdict for judgement in comparison.judgements]


def test_the_plans_multiples():
    table = {goal.class_name: [(t.name, t.multiple) for t in goal.targets] for goal in GOALS}
    assert table == {
        "Severe_Rust": [("conservative", 5.0), ("optimistic", 8.0)],
        "Chipped": [("conservative", 2.5), ("optimistic", 3.7)],
        "all": [("overall", 0.95)],
    }


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        (0.029, ["missed", "missed"]),  # 4.83x
        (0.030, ["missed", "missed"]),  # exactly 5x: the plan says "> 0.030"
        (0.031, ["met", "missed"]),
        (0.050, ["met", "met"]),  # 8.33x, the plan's optimistic figure
    ],
)
def test_rust_on_the_plans_own_baseline(arm, expected):
    assert verdicts(RUST, 0.006, arm) == expected


def test_chipped_on_the_plans_own_figures():
    assert verdicts(CHIPPED, 0.032, 0.080) == ["missed", "missed"]  # exactly 2.5x
    assert verdicts(CHIPPED, 0.011, 0.0275) == [
        "missed",
        "missed",
    ]  # too, though 2.5 * 0.011 < 0.0275 in floats
    assert verdicts(CHIPPED, 0.032, 0.081) == ["met", "missed"]
    assert verdicts(CHIPPED, 0.032, 0.120) == ["met", "met"]  # 3.75x


@pytest.mark.parametrize(
    ("baseline", "arm", "expected"),
    [
        (0.4, 0.38, "met"),  # down by exactly 5 %
        (0.1, 0.095, "met"),
        (0.101, 0.09595, "met"),  # exactly 5 %, though 0.95 * 0.101 > 0.09595 in floating point
        (0.4, 0.3799, "missed"),
        (0.4, 0.41, "met"),
    ],
)
def test_overall_may_fall_by_five_per_cent_and_no_more(baseline, arm, expected):
    assert verdicts(OVERALL, baseline, arm) == [expected]


def test_a_baseline_near_zero_leaves_the_change_but_no_ratio():
    comparison = compare(RUST, baseline={0: 0.0009}, arm={0: 0.2009})
    assert comparison.change == pytest.approx(0.2)
    assert comparison.ratio is None
    assert [judgement.verdict for judgement in comparison.judgements] == ["undefined", "undefined"]
    assert comparison.reason == "the baseline's AP of Severe_Rust is near zero (0.0009, below 0.001)"
    overall = compare(OVERALL, baseline={0: 0.0}, arm={0: 0.1})
    assert overall.reason == "the baseline's overall mAP is near zero (0.000, below 0.001)"


def test_a_baseline_of_one_thousandth_counts():
    assert compare(RUST, baseline={0: 0.001}, arm={0: 0.006}).ratio == pytest.approx(6.0)


def test_pairing_uses_shared_seeds_only():
    comparison = compare(RUST, baseline={0: 0.1, 1: 0.2, 7: 0.9}, arm={0: 0.4, 1: 0.5, 8: 0.0})
    assert comparison.seeds == (0, 1)
    assert comparison.baseline == pytest.approx(0.15)
    assert comparison.value == pytest.approx(0.45)
    assert comparison.change == pytest.approx(0.3)
    assert comparison.ratio == pytest.approx(3.0)  # of means; the mean of 4 and 2.5 would be 3.25


def test_a_seed_without_the_class_drops_out_of_the_pairing():
    comparison = compare(RUST, baseline={0: 0.1, 1: None}, arm={0: 0.2, 1: 0.9})
    assert comparison.seeds == (0,)
    assert comparison.ratio == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("baseline", "arm", "reason"),
    [
        ({}, {0: 0.2}, "the study has no completed run of the arm 'baseline'"),
        ({1: 0.1}, {0: 0.2}, "no seed is shared with the arm 'baseline'"),
        ({0: None}, {0: 0.2}, "no shared seed has an AP of Severe_Rust in both arms"),
    ],
)
def test_nothing_to_pair_says_why(baseline, arm, reason):
    comparison = compare(RUST, baseline=baseline, arm=arm)
    assert (comparison.change, comparison.ratio, comparison.reason) == (None, None, reason)
    assert {judgement.verdict for judgement in comparison.judgements} == {"undefined"}


def test_goals_follow_the_classes():
    assert [goal.class_name for goal in goals_of(plan_goals(CLASSES))] == ["Severe_Rust", "Chipped", "all"]
    assert [goal.class_name for goal in goals_of(plan_goals(["Crack", "Chipped"]))] == ["Chipped", "all"]


def test_descriptions():
    assert RUST.description == "above 5x (conservative) and above 8x (optimistic)"
    assert OVERALL.description == "not down by more than 5 %"
    assert Target("overall", 0.95, floor=True).label == "≥ 0.95x"


def test_absolute_targets_do_not_follow_the_baseline():
    goals = Goals(hard={"Severe_Rust": Multiples(conservative=5, optimistic=8, before=0.006)}, overall_least=0.1)
    rust, overall = goals_of(goals)
    assert [(target.label, target.absolute) for target in rust.targets] == [("0.030", 0.03), ("0.048", 0.048)]
    assert verdicts(rust, 0.02, 0.031) == ["met", "missed"]  # 1.55x of this baseline
    assert verdicts(rust, 0.0, 0.03) == ["missed", "missed"]  # a baseline near zero leaves an absolute target defined
    assert verdicts(overall, 0.104, 0.099) == ["met", "missed"]
    assert overall.description == "not down by more than 5 % and not below 0.100"
    assert rust.description == "above 0.030 (conservative) and above 0.048 (optimistic)"

"""How sampled settings are judged: hand-worked figures, and Optuna end to end on a toy objective."""

from typing import Any

import optuna
import pytest
from optuna.pruners import MedianPruner, NopPruner

from ablations.objective import (
    Candidate,
    Objective,
    chosen,
    front,
    intermediate_ratio,
    judge,
    make_pruner,
    make_sampler,
    overall_constraint,
    ratio,
    values_of,
)
from ablations.space import SPACES, fixed_params, suggest
from experiments.errors import UserError
from experiments.records import Data, Record, Score, Validation

CLASSES = ["Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear"]
HARD = ["Severe_Rust", "Chipped"]


def validation(rust: float | None, chipped: float | None, overall: float | None, **changes: Any) -> Validation:
    aps = {"Broken": 0.5, "Severe_Rust": rust, "Chipped": chipped, "all": overall}
    scores = {name: Score(ap=ap, ap50=ap, boxes=0 if ap is None else 9) for name, ap in aps.items()}
    return Validation.model_validate({"iteration": 400, "model": "teacher", "split": "val", "scores": scores} | changes)


def run(*validations: Validation, seed: int = 0) -> Record:
    return Record(
        identity=f"run-{seed}", study="search", arm="setting-1", kind="arm", config="tiny", seed=seed, iterations=400,
        delta={}, data=Data(name="synthetic", fingerprint="f", classes=CLASSES), versions={}, device="cpu",
        validations=list(validations), status="completed",
    )  # fmt: skip


def candidate(name: str, *values: float, ratio: float = 1.0, constraint: float = 0.0) -> Candidate:
    return Candidate(name=name, values=values, overall=0.2, ratio=ratio, constraint=constraint)


BASELINE = [run(validation(0.02, 0.1, 0.2)), run(validation(0.04, 0.2, 0.3), seed=1)]  # means 0.03, 0.15, 0.25


def test_values_are_the_teachers_last_on_val_as_means_over_the_replicates() -> None:
    distractions = [
        validation(0.9, 0.9, 0.9, iteration=200),
        validation(0.8, 0.8, 0.8, model="student"),
        validation(0.7, 0.7, 0.7, split="test"),
    ]
    records = [run(validation(0.02, 0.1, 0.2), *distractions), run(*distractions, validation(0.05, 0.3, 0.4), seed=1)]
    assert values_of(records, HARD) == pytest.approx((0.035, 0.2))
    assert values_of(records, ["all"]) == pytest.approx((0.3,))


def test_a_class_without_boxes_counts_as_zero() -> None:
    records = [run(validation(None, 0.1, 0.2)), run(validation(0.05, None, 0.2), seed=1)]
    assert values_of(records, HARD) == pytest.approx((0.025, 0.05))
    assert values_of([run(validation(None, None, None))], [*HARD, "all"]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("overall", "constraint"),
    [
        (0.25, -0.0125),
        (0.2375, 0.0),  # 0.95 * 0.25: down by 5 % and no more
        (0.2, 0.0375),
        (0.0, 0.2375),
    ],
)
def test_the_constraint_is_what_is_missing_to_95_percent(overall: float, constraint: float) -> None:
    assert overall_constraint([run(validation(0.1, 0.1, overall))], BASELINE, floor=0.95) == constraint


@pytest.mark.parametrize("overall", [0.1, 0.123, 0.2, 0.35, 0.7])
def test_rounding_makes_no_setting_infeasible(overall: float) -> None:
    baseline, setting = run(validation(0, 0, overall)), run(validation(0, 0, overall * 0.95))
    assert overall_constraint([setting], [baseline], floor=0.95) == 0.0


def test_ratio() -> None:
    assert ratio((0.02, 0.2), (0.02, 0.2)) == pytest.approx(1.0)
    # 0.044 / 0.011 = 4 and 0.201 / 0.201 = 1; the root of 4 * 1
    assert ratio((0.043, 0.2), (0.01, 0.2)) == pytest.approx(2.0)
    # doubled and halved
    assert ratio((0.019, 0.009), (0.009, 0.019)) == pytest.approx(1.0)
    # from zero: 0.009 / 0.001; to zero: 0.001 / 0.009
    assert ratio((0.008,), (0.0,)) == pytest.approx(9.0)
    assert ratio((0.0,), (0.008,)) == pytest.approx(1 / 9)
    with pytest.raises(ValueError, match="argument 2 is longer"):
        ratio((0.1,), (0.1, 0.2))


def test_judge_puts_a_setting_beside_the_baseline() -> None:
    # (0.123 + 0.001) / (0.03 + 0.001) = 4; (0.15 + 0.001) / (0.15 + 0.001) = 1
    judged = judge("setting-1", [run(validation(0.123, 0.15, 0.2))], baseline=BASELINE, classes=HARD, floor=0.95)
    assert judged.values == (0.123, pytest.approx(0.15))
    assert (judged.name, judged.overall, judged.ratio) == ("setting-1", 0.2, pytest.approx(2.0))
    assert (judged.constraint, judged.feasible) == (0.0375, False)
    itself = judge("baseline", BASELINE, baseline=BASELINE, classes=HARD, floor=0.95)
    assert (itself.ratio, itself.feasible) == (pytest.approx(1.0), True)


def test_front_holds_the_feasible_that_none_dominates() -> None:
    baseline = candidate("baseline", 0.02, 0.1, constraint=-0.01)
    rust = candidate("rust", 0.05, 0.05, ratio=1.5)
    chips = candidate("chips", 0.02, 0.2, ratio=1.7)
    twin = candidate("twin", 0.02, 0.2, ratio=1.7)
    worse = candidate("worse", 0.01, 0.1)
    best = candidate("best", 0.9, 0.9, ratio=9.0, constraint=0.001)
    assert front([baseline, rust, chips, worse, twin, best]) == [rust, chips, twin]
    assert front([baseline, worse]) == [baseline]
    assert front([best]) == front([]) == []


def test_chosen_is_the_largest_ratio_of_the_feasible_front() -> None:
    settings = [
        candidate("rust", 0.05, 0.05, ratio=1.5),
        candidate("chips", 0.02, 0.2, ratio=1.7),
        candidate("twin", 0.02, 0.2, ratio=1.7),
        candidate("too costly", 0.9, 0.9, ratio=9.0, constraint=0.001),
    ]
    found = chosen(settings)
    assert found is not None
    assert found.name == "chips"
    assert chosen(settings[3:]) is None
    assert chosen([]) is None


def test_intermediate_ratio_compares_with_the_baselines_final_values() -> None:
    record = run(
        validation(0.123, 0.15, 0.3, iteration=200),
        validation(0.9, 0.9, 0.9, iteration=200, model="student"),
        validation(0.03, 0.15, 0.3, iteration=400),
    )
    found = [intermediate_ratio(record, BASELINE, classes=HARD, iteration=iteration) for iteration in (200, 400)]
    assert found == pytest.approx([2.0, 1.0])
    assert found[1] == pytest.approx(judge("setting-1", [record], baseline=BASELINE, classes=HARD, floor=0.95).ratio)


def test_only_one_objective_is_pruned() -> None:
    assert isinstance(make_pruner("ratio"), MedianPruner)
    assert isinstance(make_pruner("ratio", prune=False), NopPruner)
    assert isinstance(make_pruner("pareto"), NopPruner)
    assert isinstance(make_pruner("pareto", prune=False), NopPruner)
    with pytest.raises(UserError, match="use objective ratio"):
        make_pruner("pareto", prune=True)


def toy(rust_gamma: float, threshold: float) -> tuple[float, float, float]:
    """AP of the hard classes and overall: a high gamma lifts rust, a low threshold chips; too much gamma costs the rest."""
    return 0.02 * rust_gamma, 0.2 * (1 - threshold), 0.3 - 0.03 * max(0.0, rust_gamma - 3)


def search(objective: Objective, trials: int, *, constrained: bool = True) -> tuple[optuna.Study, list[Candidate]]:
    """A study over the thresholds by the toy, the baseline first, and its judged settings."""
    study = optuna.create_study(
        directions=["maximize"] * (2 if objective == "pareto" else 1),
        sampler=make_sampler(objective, 0),
        pruner=make_pruner(objective),
    )
    study.enqueue_trial(fixed_params({}, SPACES["thresholds"]))
    baseline = [run(validation(*toy(2.5, 0.5)))]
    judged = []
    for number in range(trials):
        trial = study.ask()
        suggest(trial, SPACES["thresholds"], width=32)
        figures = toy(trial.params["roi_gamma"], trial.params["pseudo_label_initial_score_thr"])
        found = judge(str(number), [run(validation(*figures))], baseline=baseline, classes=HARD, floor=0.95)
        if constrained:
            trial.set_constraint("overall", found.constraint)
        study.tell(trial, list(found.values) if objective == "pareto" else found.ratio)
        judged.append(found)
    return study, judged


def test_the_front_is_that_of_the_library() -> None:
    study, judged = search("pareto", 40)
    assert judged[0].ratio == pytest.approx(1.0)
    assert {trial.number for trial in study.best_trials} == {int(one.name) for one in front(judged)}
    assert 0 < len(front(judged)) < len([one for one in judged if one.feasible]) < 40


def test_the_sampler_finds_what_is_good_and_keeps_the_constraint() -> None:
    study, judged = search("ratio", 60)
    best = chosen(judged)
    assert best is not None
    assert study.best_trial.number == int(best.name)
    # Feasible up to a gamma of 3.5, where 0.3 - 0.03 * 0.5 = 0.285 = 0.95 * 0.3.
    assert best.ratio > 0.9 * ratio(toy(3.5, 0.2)[:2], toy(2.5, 0.5)[:2])
    _, careless = search("ratio", 60, constrained=False)
    kept, lost = (sum(one.feasible for one in settings[30:]) for settings in (judged, careless))
    assert kept > lost + 10


def test_the_median_rule_prunes_what_lies_below() -> None:
    study = optuna.create_study(direction="maximize", sampler=make_sampler("ratio", 0), pruner=make_pruner("ratio"))
    for value in (1.0, 1.1, 1.2, 1.3, 1.4):
        trial = study.ask()
        trial.report(value, 200)
        assert not trial.should_prune()  # five settings are seen first
        study.tell(trial, value)
    low, high = study.ask(), study.ask()
    low.report(1.1, 200)
    high.report(1.3, 200)
    assert (low.should_prune(), high.should_prune()) == (True, False)


def test_workers_with_seeds_of_their_own_draw_apart_and_a_seed_repeats() -> None:
    def first(seed: int) -> dict[str, Any]:
        study = optuna.create_study(direction="maximize", sampler=make_sampler("ratio", seed))
        return suggest(study.ask(), SPACES["all"], width=32)

    assert first(0) == first(0)
    assert first(0) != first(1)

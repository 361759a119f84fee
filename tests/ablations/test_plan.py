"""Plans from hand-made records: what is trained already, what it would cost, what would be found."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from ablations.arms import arm_with
from ablations.plan import as_plain, noise_command, plan, print_noise, print_plan
from ablations.request import Request, request_of
from experiments.config import load_config
from experiments.records import read_record, write_record
from experiments.runs import read_dataset, run_identity
from experiments.studies import Study, StudyRun, write_study
from tests.ablations.conftest import Aps, Laboratory, make_record

FOCAL = arm_with(["focal"]).delta
OPTIONS: dict[str, Any] = {
    "design": "alone", "factors": "focal", "scale": "cpu", "seeds": 1, "control": False, "space": "thresholds",
    "objective": "pareto", "trials": 4, "study": None, "data": None, "runs_root": None, "storage": None,
}  # fmt: skip
BURN_IN = load_config("cpu").burn_in.to_dict()


def request(**options: Any) -> Request:
    return request_of(**{**OPTIONS, **options})


def add(laboratory: Laboratory, delta: dict[str, Any], seed: int, aps: Aps, *, training: float, **changes: Any) -> None:
    """Leave a run of this many seconds of training and 200 beside it."""
    fingerprint = read_dataset(laboratory.data)["fingerprint"]
    config = changes.get("config", "cpu")
    identity = run_identity(config=config, delta=delta, seed=seed, split=seed, data_fingerprint=fingerprint)
    data = {"name": "cpu", "fingerprint": fingerprint, "classes": []}
    seconds = {"training": training, "validation": 100.0, "total": training + 100.0, "harness": 100.0}
    record = make_record(identity, aps, delta=delta, seed=seed, split=seed, data=data, seconds=seconds, **changes)
    parent = "burn-in" if record.kind == "burn_in" else "arms"
    folder = laboratory.root / parent / identity
    folder.mkdir(parents=True)
    write_record(record, folder)


@pytest.fixture
def measured(laboratory: Laboratory) -> Laboratory:
    """Baseline with seeds 0 and 1, focal and a burn-in with seed 0."""
    add(laboratory, {}, 0, 0.1, training=900.0)  # 1100 s
    add(laboratory, {}, 1, 0.2, training=1100.0)  # 1300 s
    add(laboratory, FOCAL, 0, 0.3, training=3400.0)  # 3600 s
    add(laboratory, BURN_IN, 0, 0.1, training=400.0, kind="burn_in")  # 600 s
    return laboratory


def test_what_is_trained_is_counted_and_costs_nothing(measured: Laboratory) -> None:
    planned = plan(request())
    assert (planned.runs, planned.trained, planned.cost.hours) == (2, 2, 0.0)


def test_further_factors_need_burn_ins_of_their_own(measured: Laboratory) -> None:
    # Seed 0 of the baseline is there with its burn-in; each of four faults has one that is not.
    planned = plan(request(factors="faults"))
    assert (planned.runs, planned.trained) == (5, 1)
    assert planned.cost.burn_in_hours == pytest.approx(4 * 600 / 3600)
    softmax = {"model.detector.roi_head.bbox_head.loss_cls.type": "FocalLoss"}
    add(measured, {**BURN_IN, **softmax}, 0, 0.1, training=400.0, kind="burn_in")
    assert plan(request(factors="faults")).cost.burn_in_hours == pytest.approx(3 * 600 / 3600)
    assert plan(request(factors="fault_softmax,focal", design="factorial")).cost.burn_in_hours == 0


def test_from_the_start_combinations_need_burn_ins_but_none_for_thresholds(measured: Laboratory) -> None:
    # Of four combinations two have the baseline's burn-in; the two with focal share another.
    asked: dict[str, Any] = {"factors": "focal,pseudo_labels", "design": "factorial", "from_start": True}
    planned = plan(request(**asked))
    assert (planned.runs, planned.trained) == (4, 1)
    assert planned.cost.burn_in_hours == pytest.approx(600 / 3600)
    add(measured, {**FOCAL, **BURN_IN}, 0, 0.1, training=400.0, kind="burn_in")
    assert plan(request(**asked)).cost.burn_in_hours == 0


def test_arms_from_the_start_and_afterwards_are_no_measure_of_each_others_spread(measured: Laboratory) -> None:
    add(measured, {**FOCAL, "from_start": True}, 0, 0.5, training=900.0)
    add(measured, {**FOCAL, "from_start": True}, 1, 0.9, training=900.0)
    within = {from_start: plan(request(from_start=from_start)).noise["Chipped"].within for from_start in (False, True)}
    # The baseline's 0.1 and 0.2 count for both: sqrt(2 * 0.05^2 / 1), and sqrt((2 * 0.05^2 + 2 * 0.2^2) / 2).
    assert [(spread.degrees, spread.std) for spread in within.values() if spread] == [
        (1, pytest.approx(0.0707107, abs=1e-7)), (2, pytest.approx(0.2061553, abs=1e-7)),
    ]  # fmt: skip


def test_missing_runs_and_their_burn_ins_cost_hours(measured: Laboratory) -> None:
    planned = plan(request(seeds=2))  # focal with seed 1 is missing, and nothing says that its burn-in is there
    assert (planned.runs, planned.trained) == (4, 3)
    assert planned.cost.run_hours == pytest.approx(1.0)
    assert planned.cost.burn_in_hours == pytest.approx(600 / 3600)
    assert planned.cost.hours == pytest.approx(4200 / 3600)
    assert (planned.cost.records, planned.cost.burn_in_records, planned.cost.device) == (1, 1, "cpu")


def test_an_unreadable_record_is_no_evidence_and_no_obstacle(measured: Laboratory) -> None:
    broken = measured.root / "arms" / "0123456789abcdef" / "record.json"
    broken.parent.mkdir(parents=True)
    broken.write_text('{"version": 1, "identity": "0123')
    assert plan(request(seeds=2)).trained == 3


def test_a_burn_in_is_counted_once_per_seed_and_those_that_are_there_are_not(measured: Laboratory) -> None:
    planned = plan(request(seeds=3))  # missing: focal with seeds 1 and 2, baseline with seed 2
    assert planned.cost.run_hours == pytest.approx((3600 + 3600 + 1200) / 3600)
    assert planned.cost.burn_in_hours == pytest.approx(1200 / 3600)
    assert plan(request(seeds=3), workers=3).cost.hours == pytest.approx(4200 / 3600)  # the longest after its burn-in
    add(measured, BURN_IN, 1, 0.1, training=400.0, kind="burn_in")
    assert plan(request(seeds=3)).cost.burn_in_hours == pytest.approx(600 / 3600)


def test_sampled_settings_cost_the_mean_over_arms_unless_they_are_measured(measured: Laboratory) -> None:
    planned = plan(request(design="optuna", factors="all", trials=4))
    assert (planned.runs, planned.trained, planned.trials) == (5, 1, 4)
    assert planned.cost.hours == pytest.approx(4 * 1200 / 3600)
    assert [row.name for row in planned.space] == [
        "pseudo_label_initial_score_thr", "cls_pseudo_thr_rise", "rpn_pseudo_thr_rise", "roi_gamma", "rpn_gamma",
    ]  # fmt: skip


def test_the_smallest_effect_stands_on_the_deviation_between_runs(measured: Laboratory) -> None:
    planned = plan(request(seeds=2))
    for name in ("Severe_Rust", "Chipped"):
        within = planned.noise[name].within
        assert within is not None
        # 0.1 and 0.2 of the baseline: sqrt(2 * 0.05^2 / 1)
        assert within.std == pytest.approx(0.0707107, abs=1e-7)
        assert within.degrees == 1
        effect = planned.smallest[name]
        # two arms of two runs each: 0.0707 * sqrt(1/2 + 1/2); (2 - 1) * (2 - 1) degrees of freedom, two tests
        assert effect.standard_error == pytest.approx(0.0707107, abs=1e-7)
        assert (effect.degrees, effect.tests, effect.reason) == (1, 2, None)
        # t on one degree is 25.45 at 2.5 %, and an estimated deviation is below 1.28 of the true one in 80 %.
        assert effect.ap == pytest.approx(25.45 * 1.2816 * 0.0707107, rel=0.01)


def test_nothing_is_known_before_the_data_are_made(laboratory: Laboratory) -> None:
    (laboratory.data / "dataset.json").unlink()
    planned = plan(request(seeds=2))
    assert (planned.runs, planned.trained, planned.cost.hours) == (4, 0, None)
    assert planned.noise == {}
    assert {effect.ap for effect in planned.smallest.values()} == {None}


def test_runs_of_another_scale_or_data_set_tell_nothing(laboratory: Laboratory) -> None:
    add(laboratory, {}, 0, 0.1, training=900.0, config="tiny")
    (laboratory.data / "annotations" / "test.json").write_text("{}")  # changes the data
    planned = plan(request())
    assert (planned.trained, planned.cost.hours, planned.noise) == (0, None, {})


def test_plain_and_printed(measured: Laboratory) -> None:
    planned = plan(request(seeds=2))
    told = as_plain(planned)
    assert (told["study"], told["runs"], told["trained"], told["trials"]) == ("ablation-focal", 4, 3, 0)
    assert [arm["name"] for arm in told["arms"]] == ["baseline", "focal"]
    assert told["cost"]["hours"] == pytest.approx(4200 / 3600)
    assert told["noise"]["Chipped"]["within"]["degrees"] == 1
    assert told["smallest_effect"]["Chipped"]["ap"] == planned.smallest["Chipped"].ap
    file = io.StringIO()
    print_plan(planned, Console(file=file, width=100))
    shown = file.getvalue()
    assert "4 runs at scale cpu (2 arms x 2 seeds), 3 trained already." in shown
    assert "Cost: about 70 min (arms 60 min, burn-ins 10 min of one worker), by the times of 1 run on cpu." in shown
    assert "Smallest effect on Chipped that it would find" in shown


def printed(show: Callable[[Console], None]) -> str:
    file = io.StringIO()
    show(Console(file=file, width=200))
    return file.getvalue()


def test_a_sampled_study_is_printed_with_what_it_samples(laboratory: Laboratory) -> None:
    planned = plan(request(design="optuna", factors="all", space="thresholds", trials=7))
    shown = printed(lambda console: print_plan(planned, console))
    assert "7 settings: the plan's, then what TPE draws" in shown
    assert [line.split() for line in shown.splitlines() if "_thr" in line] == [
        ["pseudo_label_initial_score_thr", "real", "0.2", "to", "0.8", "0.5", "0.4"],
        ["cls_pseudo_thr_rise", "real", "0.0", "to", "1.0", "0.0", "0.0"],
        ["rpn_pseudo_thr_rise", "real", "0.0", "to", "1.0", "0.0", "0.0"],
    ]


def test_noise_is_measured_by_a_study_of_a_name_that_is_free(laboratory: Laboratory) -> None:
    """Another scale, data or config have another baseline, which a study that was begun with one does not take."""
    fingerprint = read_dataset(laboratory.data)["fingerprint"]

    def begin(name: str, *, scale: str = "cpu", data: str = fingerprint, identity: str) -> None:
        runs = [
            StudyRun(arm="baseline", seed=0, split=0, identity=identity),
            StudyRun(arm="control", delta={"train_cfg.max_iters": 2}, seed=0, split=0, identity="any"),
        ]
        begun = Study(study=name, scale=scale, data=None, data_fingerprint=data, hard_classes=[], runs=runs)
        write_study(begun, laboratory.root / name)

    own = run_identity(config="cpu", delta={}, seed=0, split=0, data_fingerprint=fingerprint)
    assert noise_command(request()) == "make noise"
    begin("noise-all", identity=own)
    assert noise_command(request()) == "make noise"
    begin("noise-all", identity="of-another-config")
    assert noise_command(request()) == "make noise STUDY=noise-all-2"
    begin("noise-all-2", scale="tiny", identity=own)
    begin("noise-all-3", data="f00d", identity=own)
    assert noise_command(request()) == "make noise STUDY=noise-all-4"


def test_settings_that_a_study_has_sampled_are_trained_already(laboratory: Laboratory) -> None:
    asked = request(design="optuna", factors="all", space="thresholds", trials=5)
    add(laboratory, {}, 0, 0.1, training=400.0)
    add(laboratory, {"train_cfg.max_iters": 7}, 0, 0.1, training=400.0, study="other", arm="sample-001")
    assert plan(asked).trained == 1
    # One that the study has not come to list, one of another study that it lists, and one that is listed and not trained.
    add(laboratory, {"train_cfg.max_iters": 8}, 0, 0.1, training=400.0, study=asked.study, arm="sample-002")
    records = [read_record(path.parent) for path in laboratory.root.glob("arms/*/record.json")]
    listed = [record.identity for record in records if record.study == "other"]
    runs = [StudyRun(arm=name, seed=0, split=0, identity=name) for name in (*listed, "not-trained")]
    begun = Study(study=asked.study, scale="cpu", data=None, data_fingerprint="f00d", hard_classes=[], runs=runs)
    write_study(begun, laboratory.root / asked.study)
    planned = plan(asked)
    assert (planned.runs, planned.trained) == (6, 3)
    assert planned.cost.hours == pytest.approx(3 * 600 / 3600)
    # No more than are asked for.
    assert plan(request(design="optuna", factors="all", space="thresholds", trials=1, study=asked.study)).trained == 2


def test_the_noise_of_each_class_is_printed(measured: Laboratory) -> None:
    shown = printed(lambda console: print_noise(request(), console))
    # 0.1 and 0.2 of the baseline's two seeds; nothing is paired, since focal has one.
    assert [line.split() for line in shown.splitlines() if "Chipped" in line] == [["Chipped", "0.071", "1", "-", "-"]]


def test_one_seed_has_no_deviation_and_is_told_so(laboratory: Laboratory) -> None:
    add(laboratory, {}, 0, 0.1, training=400.0)
    shown = printed(lambda console: print_noise(request(), console))
    assert "No deviation is known: it takes an arm that has run with two seeds or more." in shown

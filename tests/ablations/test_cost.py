"""Hours of runs to come, worked by hand."""

from typing import Any

import pytest

from ablations.cost import Cost, estimate_cost
from experiments.records import Data, Record

K = {"model.detector.backbone.mvvit.num_tokens": 2048}
FOCAL = {"model.detector.roi_head.bbox_head.loss_cls.gamma": 3.5}


def record(identity: str, delta: dict[str, Any], *, training: float, validation: float = 100.0, **other: Any) -> Record:
    """A completed run of 100 iterations."""
    content = {
        "identity": identity,
        "study": "s",
        "arm": "a",
        "kind": "arm",
        "config": "cpu",
        "seed": 0,
        "iterations": 100,
        "delta": delta,
        "data": Data(name="cpu", fingerprint="f", classes=[]),
        "versions": {},
        "device": "card",
        "seconds": {"training": training, "validation": validation, "total": training + validation},
        "status": "completed",
    }
    return Record.model_validate(content | other)


BASELINE = [record("b0", {}, training=1700), record("b1", {}, training=1900)]  # 1900 s on average
POOLING = record("k0", K, training=3500)  # 3600 s
BURN_IN = record("first", {}, training=800, kind="burn_in")  # 900 s


def test_own_arm_where_it_is_measured_else_the_mean_over_arms() -> None:
    found = estimate_cost([*BASELINE, POOLING], [K, {}, FOCAL])
    # 3600 + 1900 + (1900 + 3600) / 2: the two seeds of the baseline count as one arm.
    assert found == Cost(
        hours=pytest.approx(8250 / 3600), run_hours=pytest.approx(8250 / 3600), burn_in_hours=0.0,
        records=3, burn_in_records=0, device="card",
    )  # fmt: skip
    assert estimate_cost([*BASELINE, POOLING], [K]).records == 1


def test_an_arm_from_the_start_takes_as_long_as_it_does_afterwards() -> None:
    records = [*BASELINE, record("k", K, training=4700)]
    assert estimate_cost(records, [{**K, "from_start": True}]).run_hours == estimate_cost(records, [K]).run_hours


def test_burn_ins_are_counted_apart() -> None:
    found = estimate_cost([*BASELINE, BURN_IN], [{}, {}], burn_ins=[{}, {}])
    assert (found.run_hours, found.burn_in_hours) == (pytest.approx(3800 / 3600), pytest.approx(0.5))
    assert found.hours == pytest.approx(5600 / 3600)
    assert (found.records, found.burn_in_records) == (2, 1)


def test_a_burn_in_takes_as_long_as_those_with_its_settings_or_all_on_average() -> None:
    pooled = record("slow", K, training=1700, kind="burn_in")  # 1800 s
    found = estimate_cost([*BASELINE, BURN_IN, pooled], [{}], burn_ins=[K, {}, {"other": 1}])
    assert found.burn_in_hours == pytest.approx((1800 + 900 + 1350) / 3600)
    assert estimate_cost([*BASELINE, BURN_IN, pooled], [{}], burn_ins=[K], workers=9).hours == pytest.approx(
        3700 / 3600
    )


def test_workers_share_the_work_as_fast_as_measured() -> None:
    runs: list[dict[str, Any]] = [{}] * 8  # 15200 s
    assert estimate_cost(BASELINE, runs, workers=4).hours == pytest.approx(3800 / 3600)
    assert estimate_cost(BASELINE, runs, workers=4, speedup=2.5).hours == pytest.approx(6080 / 3600)
    assert estimate_cost(BASELINE, runs, workers=4).run_hours == pytest.approx(15200 / 3600)


def test_no_number_of_workers_is_faster_than_the_longest_run_after_its_burn_in() -> None:
    found = estimate_cost([*BASELINE, POOLING, BURN_IN], [K, {}], burn_ins=[{}, {}], workers=16)
    assert found.hours == pytest.approx((3600 + 900) / 3600)


def test_other_iterations_scale_the_training_alone() -> None:
    budget = {"train_cfg.max_iters": 200}
    assert estimate_cost([POOLING], [K | budget]).run_hours == pytest.approx(7100 / 3600)
    assert estimate_cost([POOLING], [K], iterations=50).run_hours == pytest.approx(1850 / 3600)
    trial = record("t", budget, training=400, iterations=200)  # a try-out of another length: its pace holds
    assert estimate_cost([trial], [{}], iterations=100).run_hours == pytest.approx(300 / 3600)
    assert estimate_cost([trial], [{}]).run_hours is None  # but how many iterations a run has is not known then
    assert estimate_cost([trial, *BASELINE], [{}]).run_hours == pytest.approx(1900 / 3600)


def test_what_is_not_measured_has_no_hours() -> None:
    assert estimate_cost([], [{}], burn_ins=[{}]) == Cost(None, None, None, 0, 0, None)
    found = estimate_cost(BASELINE, [{}], burn_ins=[{}])
    assert (found.hours, found.run_hours, found.burn_in_hours) == (None, pytest.approx(1900 / 3600), None)
    assert estimate_cost([BURN_IN], [{}], burn_ins=[{}]).burn_in_hours == pytest.approx(0.25)
    assert estimate_cost([], []).hours == 0.0


def test_runs_that_did_not_finish_or_have_no_times_are_passed_over() -> None:
    failed = record("x", {}, training=9, status="failed", reason="out of memory")
    found = estimate_cost([failed, record("y", {}, training=9, seconds={}), *BASELINE], [{}])
    assert (found.run_hours, found.records) == (pytest.approx(1900 / 3600), 2)


def test_one_device_counts_that_of_most_records() -> None:
    slow = record("s", {}, training=99_999, device="cpu (2 threads)")
    found = estimate_cost([slow, *BASELINE], [{}])
    assert (found.run_hours, found.device) == (pytest.approx(1900 / 3600), "card")


def test_what_that_device_has_none_of_is_taken_from_others() -> None:
    # A study with two workers leaves arms of one thread each, and burn-ins of an earlier one with all threads.
    burn_in = record("first", {}, training=800, kind="burn_in", device="cpu (2 threads)")  # 900 s
    found = estimate_cost([burn_in, *BASELINE], [{}], burn_ins=[{}])
    assert found.hours == pytest.approx((1900 + 900) / 3600)
    assert found.device == "card and cpu (2 threads)"
    assert estimate_cost([burn_in, *BASELINE], [{}]).device == "card"


def test_time_beside_training_and_validation_is_counted() -> None:
    seconds = {"training": 3000.0, "validation": 100.0, "total": 3100.0, "harness": 500.0}
    assert estimate_cost([record("h", {}, training=0, seconds=seconds)], [{}]).run_hours == pytest.approx(1.0)

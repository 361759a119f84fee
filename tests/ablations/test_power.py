"""Noise and the smallest effect: worked by hand, against published powers, and by simulation."""

import numpy as np
import pytest

from ablations.designs import arms_of
from ablations.factors import FACTOR_NAMES, select
from ablations.power import Noise, SmallestEffect, Spread, measure_noise, noise_of, smallest_effect
from experiments.records import Data, Record, Score, Validation

ALL = select(["all"])
MEASURED = Noise("Chipped", within=Spread(0.02, 4), paired=None)


def smallest(design: str, *, replicates: int = 1, count: int = 6, noise: Noise | None = MEASURED) -> SmallestEffect:
    return smallest_effect(
        noise, arms_of(design, ALL[:count], control=True), FACTOR_NAMES[:count], replicates=replicates
    )


def record(
    arm: str, seed: int, *, identity: str | None = None, kind: str = "arm", split: int = 0, **aps: float | None
) -> Record:
    validations = [
        Validation(
            iteration=10, model=model, split="val",
            scores={name: Score(ap=ap and ap * scale, ap50=None, boxes=9) for name, ap in aps.items()},
        )
        for model, scale in (("teacher", 1.0), ("student", 2.0))
    ]  # fmt: skip
    return Record.model_validate(
        {
            "identity": identity or f"{arm}-{seed}-{split}",
            "study": "s",
            "arm": arm,
            "kind": kind,
            "config": "cpu",
            "seed": seed,
            "split": split,
            "iterations": 10,
            "delta": {"arm": arm},
            "data": Data(name="cpu", fingerprint="f", classes=list(aps)),
            "versions": {},
            "device": "cpu",
            "validations": validations,
            "status": "completed",
        }
    )


def test_two_arms_that_share_two_seeds() -> None:
    # Within: deviations .02 .02 .01 .01, squares .001 over 2 degrees. Paired: the differences .10 and .08 leave .005 in each
    # of the four cells, squares .0001 over 1 degree.
    noise = noise_of("Chipped", {("a", (0, 0)): 0.10, ("a", (1, 0)): 0.14, ("b", (0, 0)): 0.20, ("b", (1, 0)): 0.22})
    assert noise.within is not None and noise.paired is not None
    assert (noise.within.std, noise.within.degrees) == (pytest.approx(0.0005**0.5), 2)
    assert (noise.paired.std, noise.paired.degrees) == (pytest.approx(0.01), 1)
    assert noise.spread == noise.within  # one degree is too few to go by


def test_what_a_seed_does_to_all_arms_cancels() -> None:
    seeds = (0.00, 0.05, -0.03, 0.01, 0.02)
    scores = {
        (arm, (s, 0)): 0.2 + level + shift for arm, level in (("a", 0), ("b", 0.1)) for s, shift in enumerate(seeds)
    }
    scores["b", (4, 0)] += 0.01  # an interaction of arm and seed: squares 2 * (.005 * sqrt(.8)) ** 2 over 4 degrees
    noise = noise_of("Chipped", scores)
    assert noise.paired is not None and noise.within is not None
    assert (noise.paired.std, noise.paired.degrees) == (pytest.approx((4e-5 / 4) ** 0.5), 4)
    assert noise.within.std > 0.02
    assert noise.spread == noise.paired


def test_one_arm_alone_gives_no_paired_deviation() -> None:
    noise = noise_of("Chipped", {("a", (seed, 0)): value for seed, value in enumerate((0.1, 0.2, 0.3))})
    assert noise.paired is None
    assert noise.within == Spread(pytest.approx(0.1), 2)
    assert noise.spread == noise.within


def test_arms_of_one_seed_tell_nothing() -> None:
    assert noise_of("Chipped", {("a", (0, 0)): 0.1, ("b", (0, 0)): 0.3}) == Noise("Chipped", None, None)


def test_seeds_shared_in_a_circle_count_too() -> None:
    # Three arms of two seeds each, additive but for .06 in one cell: that is left over as .06 / 6 in each, squares .0006.
    cells = [("a", 0), ("a", 1), ("b", 1), ("b", 2), ("c", 2), ("c", 0)]
    scores = {(arm, (seed, 0)): 0.1 * "abc".index(arm) + 0.03 * seed for arm, seed in cells}
    scores["a", (0, 0)] += 0.06
    assert noise_of("Chipped", scores).paired == Spread(pytest.approx(0.0006**0.5), 1)


def test_noise_of_records_by_class_and_model() -> None:
    records = [
        record("a", 0, Chipped=0.10, Broken=0.5),
        record("a", 1, Chipped=0.14, Broken=None),
        record("a", 1, split=2, Chipped=0.12, Broken=0.5),
        record("burn", 0, kind="burn_in", Chipped=0.9),
        record("burn", 1, kind="burn_in", Chipped=0.1),
        record("a", 2, Chipped=0.9).model_copy(update={"tokens_reduced_from": 2048}),
    ]
    noise = measure_noise(records)
    assert noise["Chipped"].within == Spread(pytest.approx(0.02), 2)  # .10 .14 .12: three replicates of one arm
    assert noise["Broken"].within == Spread(0.0, 1)
    assert measure_noise(records, model="student")["Chipped"].within == Spread(pytest.approx(0.04), 2)
    assert measure_noise([]) == {}


def test_the_same_record_twice_counts_once_and_two_runs_of_one_replicate_are_refused() -> None:
    one = record("a", 0, Chipped=0.1)
    assert measure_noise([one, one])["Chipped"] == Noise("Chipped", None, None)
    with pytest.raises(ValueError, match="Runs a-0-0 and other are the same replicate of arm a"):
        measure_noise([one, record("a", 0, identity="other", Chipped=0.2)])


@pytest.mark.parametrize(
    ("design", "replicates", "error", "degrees"),
    [
        ("alone", 1, 0.02 * 2**0.5, 4),  # one run against one; the design leaves no degrees, the noise has 4
        ("alone", 3, 0.02 * (2 / 3) ** 0.5, 12),  # three against three; 6 x 2 degrees
        ("leave-one-out", 1, 0.02 * 2**0.5, 4),
        ("factorial", 1, 0.02 * (2 / 32) ** 0.5, 42),  # 32 against 32
        ("fractional", 1, 0.02 * (2 / 16) ** 0.5, 10),
        ("fractional", 2, 0.02 * (2 / 32) ** 0.5, 41),
        ("fractional-16", 1, 0.02 * (2 / 8) ** 0.5, 4),
    ],
)
def test_standard_error_and_degrees_of_a_design(design: str, replicates: int, error: float, degrees: int) -> None:
    found = smallest(design, replicates=replicates)
    assert found.standard_error == pytest.approx(error)
    assert (found.degrees, found.tests, found.reason) == (degrees, 12, None)


@pytest.mark.parametrize(("group", "difference", "power"), [(64, 0.5, 0.8015), (17, 1.0, 0.8070)])
def test_power_of_two_groups_is_the_published_one(group: int, difference: float, power: float) -> None:
    """Cohen's tables: 64 in each group find half a standard deviation, 17 a whole one."""
    noise = Noise("Chipped", Spread(1.0, 2 * group - 2), None)
    found = smallest_effect(noise, arms_of("alone", ALL[:1]), ["focal"], replicates=group, hard_classes=1, power=power)
    assert found.ap == pytest.approx(difference, rel=1e-3)


def test_a_test_finds_the_smallest_effect_four_times_in_five() -> None:
    found = smallest("alone", replicates=3)
    assert found.ap is not None and found.standard_error is not None and found.degrees == 12
    generator = np.random.default_rng(0)
    estimate = found.ap + found.standard_error * generator.standard_normal(200_000)
    error = found.standard_error * np.sqrt(generator.chisquare(12, 200_000) / 12)
    # Two-sided 5 % shared by 12 tests is .0021 on each side; t tables have 3.43 at .0025 and 3.93 at .001 for 12 degrees.
    critical = 3.5274
    assert np.mean(np.abs(generator.standard_t(12, 1_000_000)) > critical) == pytest.approx(0.05 / 12, rel=0.05)
    assert np.mean(np.abs(estimate / error) > critical) == pytest.approx(0.8, abs=0.005)


def test_more_of_anything_finds_less() -> None:
    sizes = [smallest(d, replicates=r).ap for d, r in (("alone", 1), ("alone", 3), ("fractional", 3), ("factorial", 3))]
    assert all(size is not None for size in sizes)
    assert sizes == sorted(sizes, key=lambda size: -(size or 0))
    few = smallest_effect(MEASURED, arms_of("factorial", ALL), FACTOR_NAMES, replicates=3, hard_classes=1).ap
    assert few is not None and few < (sizes[-1] or 0)


def test_the_paired_deviation_is_used_where_it_is_known_well() -> None:
    noise = Noise("Chipped", within=Spread(0.02, 10), paired=Spread(0.01, 5))
    assert smallest("alone", noise=noise).standard_error == pytest.approx(0.01 * 2**0.5)
    assert smallest("alone", noise=noise).degrees == 5


@pytest.mark.parametrize(
    ("design", "noise", "reason"),
    [
        ("alone", None, "The spread from run to run is not known yet: measure it with make noise."),
        ("alone", Noise("Chipped", None, None), "The spread from run to run is not known yet"),
        ("alone", Noise("Chipped", Spread(0.0, 3), None), "The AP of Chipped was the same in all runs of each arm"),
        ("noise", MEASURED, "Of no factor does the design tell"),
    ],
)
def test_what_cannot_be_said_has_a_reason(design: str, noise: Noise | None, reason: str) -> None:
    found = smallest(design, noise=noise)
    assert (found.ap, found.standard_error, found.degrees) == (None, None, None)
    assert found.reason is not None and found.reason.startswith(reason)

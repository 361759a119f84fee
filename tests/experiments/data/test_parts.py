"""Whole specimens dealt to parts: shares, classes, and specimens that may not be held out."""

from collections import Counter

import pytest

from experiments.data.parts import deal_parts
from experiments.data.splits import specimen_of
from experiments.errors import UserError

SHARES = {"train_labeled": 0.42, "val": 0.15, "test": 0.15, "train_unlabeled": 0.28}


def pool(specimens: int = 40) -> dict[str, list[int]]:
    """1 to 3 groups per specimen; class 0 is everywhere, class 1 on every third specimen, class 2 on four."""
    found = {}
    for i in range(specimens):
        for shot in range(1 + i % 3):
            found[f"S{i:02d}_bright_{shot}"] = [0, 0] + [1] * (i % 3 == 1) + [2] * (i % 10 == 7)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_specimens_stay_whole_shares_are_met_and_no_part_lacks_a_class(seed: int) -> None:
    boxes = pool()
    parts = deal_parts(boxes, shares=SHARES, seed=seed)
    assert sorted(name for names in parts.values() for name in names) == sorted(boxes)
    sides = [{specimen_of(name) for name in names} for names in parts.values()]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 40
    for part, names in parts.items():
        assert len(names) / len(boxes) == pytest.approx(SHARES[part], abs=0.04)
        assert {label for name in names for label in boxes[name]} == {0, 1, 2}


def test_the_seed_and_not_the_order_decides() -> None:
    boxes = pool()
    turned = dict(reversed(boxes.items()))
    assert deal_parts(boxes, shares=SHARES, seed=1) == deal_parts(turned, shares=SHARES, seed=1)
    assert deal_parts(boxes, shares=SHARES, seed=1) != deal_parts(boxes, shares=SHARES, seed=2)


@pytest.mark.parametrize("seed", range(4))
def test_a_class_on_few_specimens_is_learned_first_then_measured(seed: int) -> None:
    boxes = {f"S{i:02d}_1": [0] for i in range(20)}
    boxes["S03_1"] = boxes["S11_1"] = [0, 1]
    boxes["S05_1"] = [0, 2]
    parts = deal_parts(boxes, shares=SHARES, seed=seed)
    holders = {
        label: Counter(part for part, names in parts.items() for n in names if label in boxes[n]) for label in (1, 2)
    }
    assert holders == {1: {"train_labeled": 1, "val": 1}, 2: {"train_labeled": 1}}


@pytest.mark.parametrize("seed", range(4))
def test_the_deal_with_the_nearest_class_shares_wins(seed: int) -> None:
    # Classes 0 and 1 are 4:4 in A and B together, and in C and D; all other pairs deviate.
    boxes = {"A_1": [0, 0, 0, 1], "B_1": [0, 1, 1, 1], "C_1": [0, 0, 0, 0], "D_1": [1, 1, 1, 1]}
    parts = deal_parts(boxes, shares={"train_labeled": 0.5, "val": 0.5}, seed=seed)
    assert sorted(parts.values()) == [["A_1", "B_1"], ["C_1", "D_1"]]


@pytest.mark.parametrize("seed", range(4))
def test_as_many_specimens_as_parts_give_each_part_one(seed: int) -> None:
    parts = deal_parts({"A_1": [0], "B_1": [1], "B_2": [1], "C_1": [], "D_1": [0]}, shares=SHARES, seed=seed)
    assert all(parts.values())


@pytest.mark.parametrize("seed", range(4))
def test_specimens_met_without_labels_are_not_held_out(seed: int) -> None:
    boxes = pool()
    bound = {f"S{i:02d}" for i in range(0, 40, 2)}
    parts = deal_parts(boxes, shares=SHARES, seed=seed, training=bound)
    assert not {specimen_of(name) for part in ("val", "test") for name in parts[part]} & bound
    tight = deal_parts(
        {"A_1": [0], "B_1": [0], "C_1": [0]},
        shares={"train_labeled": 0.6, "val": 0.2, "test": 0.2},
        seed=seed,
        training={"B"},
    )
    assert tight["train_labeled"] == ["B_1"]


@pytest.mark.parametrize(
    ("names", "bound", "message"),
    [
        (
            "ABC",
            "",
            r"There are 3 specimens with labels: train_labeled, val, test, train_unlabeled need one each.*--test 0",
        ),
        ("ABCDE", "ABCD", r"There are 5 specimens with labels, 1 of them not among the unlabelled images"),
    ],
)
def test_too_few_specimens_are_told(names: str, bound: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        deal_parts({f"{name}_1": [0] for name in names}, shares=SHARES, seed=0, training=set(bound))


def test_equal_specimens_are_dealt_as_near_to_the_shares_as_they_can_be() -> None:
    boxes = {f"S{i}_1": [0] for i in range(8)}
    shares = {"train_labeled": 0.42, "val": 0.15, "test": 0.15, "train_unlabeled": 0.28}
    dealt = deal_parts(boxes, shares=shares, seed=0)
    assert {part: len(groups) for part, groups in dealt.items()} == {
        "train_labeled": 4, "val": 1, "test": 1, "train_unlabeled": 2,
    }  # fmt: skip


def test_specimens_bound_to_training_cannot_leave_a_part_empty() -> None:
    shares = {"train_labeled": 0.42, "val": 0.15, "test": 0.15, "train_unlabeled": 0.28}
    for seed in range(20):
        boxes = {"A_1": [0], "B_1": [0], "C_1": [], "D_1": [1], "E_1": [1]}
        dealt = deal_parts(boxes, shares=shares, seed=seed, training={"C", "D"})
        assert all(dealt.values())
        assert not {"C_1", "D_1"} & {*dealt["val"], *dealt["test"]}

"""Deal whole specimens to the parts of a data set, by shares of groups and so that each part holds each class. Torch-free.

The rule: ``DEALS`` deals are drawn at random and the best is kept. In a deal, classes are visited from the rarest on; each part
that lacks groups and the class is given the next specimen that shows it, in the order of ``PARTS``. Every other specimen goes
to the part that has the smallest part of its groups yet, so that none stays empty. The best deal lacks the fewest classes in
the first part, then in the next ones, and then is nearest to the shares asked for and to the class shares of the whole.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from random import Random

from experiments.data.splits import DEALS, deviation, specimen_of
from experiments.errors import UserError

# In order of what they must not lack: a class that is never learned, never measured, never tested, never met without labels.
PARTS = ("train_labeled", "val", "test", "train_unlabeled")
_HELD_OUT = ("val", "test")


def deal_parts(
    boxes: Mapping[str, Sequence[int]], *, shares: Mapping[str, float], seed: int, training: Collection[str] = ()
) -> dict[str, list[str]]:
    """Names of the groups of each part, sorted.

    Args:
        boxes: of each group, the classes of its boxes (one entry per box).
        shares: of all groups, by part; above 0, summing to 1.
        seed: with the groups and shares it decides the outcome, the order of the input does not.
        training: specimens that may not be held out for validation or test.

    Raises:
        UserError: there are too few specimens to give each part one.
    """
    parts = [part for part in PARTS if part in shares]
    shots: dict[str, list[str]] = defaultdict(list)
    classes: dict[str, Counter[int]] = defaultdict(Counter)
    for name in sorted(boxes):
        shots[specimen_of(name)].append(name)
        classes[specimen_of(name)].update(boxes[name])
    bound = shots.keys() & set(training)
    held = [part for part in parts if part in _HELD_OUT]
    if len(shots) < len(parts) or len(shots) - len(bound) < len(held):
        free = f", {len(shots) - len(bound)} of them not among the unlabelled images" if bound else ""
        raise UserError(
            f"There are {len(shots)} specimens with labels{free}: {', '.join(parts)} need one each. Use a --specimen-by that "
            f"tells more specimens apart, add images, or ask for fewer parts (--test 0)."
        )
    wanted = {part: shares[part] * len(boxes) for part in parts}
    pool: Counter[int] = sum(classes.values(), Counter())
    random = Random(seed)
    best: tuple[list[float], dict[str, list[str]]] | None = None
    for _ in range(DEALS):
        # Of all its methods, Python promises the same numbers in every version for random() alone.
        order = sorted(shots, key=lambda _: random.random())
        dealt = _deal(order, {s: len(names) for s, names in shots.items()}, classes, wanted, bound)
        fault = _fault(dealt, shots, classes, wanted, pool)
        if best is None or fault < best[0]:
            best = fault, dealt
    assert best is not None
    if best[0][0]:
        raise UserError(
            f"The {len(shots)} specimens with labels cannot be dealt so that each of {', '.join(parts)} has one: add images, or "
            f"ask for fewer parts (--test 0)."
        )
    return {part: sorted(name for s in specimens for name in shots[s]) for part, specimens in best[1].items()}


def _deal(
    order: Sequence[str], sizes: Mapping[str, int], classes: Mapping[str, Counter[int]], wanted: Mapping[str, float],
    bound: Collection[str],
) -> dict[str, list[str]]:  # fmt: skip
    """Specimens of each part, in one deal."""
    dealt: dict[str, list[str]] = {part: [] for part in wanted}
    left = list(order)

    def missing(part: str) -> float:
        return wanted[part] - sum(sizes[specimen] for specimen in dealt[part])

    def allowed(specimen: str, part: str) -> bool:
        return part not in _HELD_OUT or specimen not in bound

    frequency = Counter(label for found in classes.values() for label in found)
    for label in sorted(frequency, key=lambda label: (frequency[label], label)):
        for part, own in dealt.items():
            spare = len(left) > sum(not specimens for specimens in dealt.values())
            if missing(part) <= 0 or (own and not spare) or any(classes[specimen][label] for specimen in own):
                continue
            holder = next((s for s in left if classes[s][label] and allowed(s, part)), None)
            if holder is not None:
                own.append(holder)
                left.remove(holder)
    for done, specimen in enumerate(left):
        open_parts = [part for part in dealt if allowed(specimen, part)]
        empty = [part for part in open_parts if not dealt[part]]
        candidates = empty if len(left) - done <= len(empty) else open_parts
        dealt[max(candidates, key=missing)].append(specimen)
    return dealt


def _fault(
    dealt: Mapping[str, Sequence[str]], shots: Mapping[str, Sequence[str]], classes: Mapping[str, Counter[int]],
    wanted: Mapping[str, float], pool: Counter[int],
) -> list[float]:  # fmt: skip
    """What is bad about a deal, most important first: empty parts, classes that each part lacks, distance from the shares."""
    lacking, sizes, deviations = [], [], []
    for part, specimens in dealt.items():
        found: Counter[int] = sum((classes[specimen] for specimen in specimens), Counter())
        lacking.append(len(pool.keys() - found.keys()))
        sizes.append(abs(sum(len(shots[specimen]) for specimen in specimens) / wanted[part] - 1))
        deviations.append(deviation(found, pool))
    return [sum(not specimens for specimens in dealt.values()), *lacking, max(sizes) + max(deviations)]

"""What training or scoring would lack or should not be shown: too few boxes of a class, boxes twice or tiny. Torch-free."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from experiments.data.annotations import Annotations
from experiments.data.problems import Problem

FEWEST = 5  # boxes of a class to score it by
LEAST_SIDE = 2  # px


def class_warnings(found: Mapping[str, Annotations], classes: Sequence[str]) -> list[Problem]:
    """Classes without boxes in a split, or with too few of them in val; and boxes that are not expected in train_unlabeled.

    Args:
        found: the annotation files by name.
        classes: all class names.
    """
    problems = []
    for name, part in found.items():
        if not part.images:
            continue
        if name == "train_unlabeled":
            if part.boxes:
                what = f"has {len(part.boxes)} boxes, which are ignored: list its images in train_labeled to train with them."
                problems.append(Problem(part.file, "", what, "warning"))
            continue
        counts = Counter(box.class_name for box in part.boxes)
        for class_name in dict.fromkeys(classes):
            count = counts[class_name]
            if count == 0:
                what = "has no boxes in this split" + (": it cannot be scored." if name == "val" else ".")
            elif name == "val" and count < FEWEST:
                boxes = "1 box" if count == 1 else f"{count} boxes"
                what = (
                    f"has {boxes}, fewer than {FEWEST}: no conclusion can be drawn from its scores; add some, with more of "
                    "`data import --val` for example."
                )
            else:
                continue
            problems.append(Problem(part.file, f"class {class_name}", what, "warning"))
    return problems


def box_warnings(parts: Collection[Annotations]) -> list[Problem]:
    """Boxes that are in a file twice, and those that are too small to be seen."""
    problems = []
    for part in parts:
        seen: dict[object, int] = {}
        for box in part.boxes:
            where = f"box {box.id} of {box.image.file_name}"
            twin = seen.setdefault((box.image.id, box.class_name, box.bbox), box.id)
            if twin != box.id:
                problems.append(Problem(part.file, where, f"is the same as box {twin}: remove one.", "warning"))
            if min(box.bbox[2:]) < LEAST_SIDE:
                width, height = box.bbox[2:]
                what = f"is {width:.4g} x {height:.4g} px, less than {LEAST_SIDE} px across: is it meant?"
                problems.append(Problem(part.file, where, what, "warning"))
    return problems

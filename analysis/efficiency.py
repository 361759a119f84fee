"""The improvement plan's "efficiency" of a class: its AP over its share of the boxes.

A class that holds much of the boxes and scores low has a low one. It says nothing of what an arm costs.
"""

from dataclasses import dataclass

from analysis.frame import Cell
from analysis.results import SPLIT, Model, Study


@dataclass(frozen=True)
class Efficiency:
    """One arm in one class: ``share`` of val's boxes (a fraction), mean AP over seeds, and their quotient.

    ``value`` is ``None`` where the class has no box or no AP.
    """

    arm: str
    class_name: str
    boxes: int
    share: float
    ap: float | None
    value: float | None


def efficiency(study: Study, cells: dict[str, dict[str, Cell]], *, model: Model = "teacher") -> list[Efficiency]:
    """The table of a study, arm by arm and class by class, without the mean over classes.

    Args:
        study: tells the boxes of val, which are the same for all its runs.
        cells: mean APs by arm and class (:func:`analysis.frame.mean_cells`).
        model: whose validations tell the boxes.
    """
    finals = [final for run in study.completed if (final := run.record.final(model, SPLIT)) is not None]
    if not finals:
        return []
    boxes = {name: score.boxes for name, score in finals[0].scores.items() if name in study.classes}
    total = sum(boxes.values())
    rows = []
    for arm, of_arm in cells.items():
        for name in boxes:
            ap = of_arm[name].mean if name in of_arm else None
            share = boxes[name] / total if total else 0.0
            value = ap / share if ap is not None and share else None
            rows.append(Efficiency(arm, name, boxes[name], share, ap, value))
    return rows

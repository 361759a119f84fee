"""What the teacher finds in a few groups, always the same ones, drawn beside their annotated boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.data.dataset import MultiViewDataset, multi_view_collate
from experiments.data.groups import Group
from experiments.data.sheets import Mark, SheetRow, ViewPicture, contact_sheet, view_picture
from experiments.data.splits import read_parts
from experiments.doctor.sources import labelled_groups, spread
from experiments.runs import TRUTH_NAME
from experiments.tracking.tracker import Sheet

GROUPS = 2  # of each kind
SHOWN = 0.3  # least score of a prediction; the many boxes below it would hide the view
MOST = 5  # boxes drawn on a view; a teacher that has learnt little finds dozens
_HEIGHT = 160  # px of a view


@dataclass(frozen=True)
class Found:
    """Boxes of one view, score-sorted as the detector gives them: (n, 4) xyxy in px of the stored image, (n,), (n,)."""

    boxes: NDArray[np.float64]
    labels: NDArray[np.intp]
    scores: NDArray[np.float64]

    def above(self, score: float, *, least: tuple[float, float] = (0.0, 0.0)) -> "Found":
        """The boxes above a score, and both wider and higher than ``least``: Soft Teacher's rule for pseudo-boxes."""
        sizes = self.boxes[:, 2:] - self.boxes[:, :2]
        kept = (self.scores > score) & (sizes > least).all(axis=1)
        return Found(self.boxes[kept], self.labels[kept], self.scores[kept])

    @property
    def marks(self) -> tuple[Mark, ...]:
        """To be drawn."""
        values = zip(self.boxes.tolist(), self.labels.tolist(), self.scores.tolist(), strict=True)
        return tuple(Mark(tuple(box), label, score) for box, label, score in values)


class TeacherSheets:
    """Draws sheets of ``predictions`` (validation groups) and ``pseudo_labels`` (unlabelled groups, by the run's threshold).

    Nothing is drawn at random and nothing is changed: a run goes on as if it had not been looked at. The boxes of unlabelled
    groups are shown where the data set knows them.

    Args:
        settings: the config; images go through its validation pipeline.
        split: number of the labelled/unlabelled split.

    Raises:
        UserError: the data are faulty.
    """

    def __init__(self, settings: Any, *, split: int) -> None:
        validation, semi = settings.val_dataloader.dataset, settings.model.semi_train_cfg
        data = Path(validation.data_root)
        self._source = validation.to_dict()
        self._classes = list(validation.metainfo.classes)
        self._threshold = float(semi.pseudo_label_initial_score_thr)
        self._least = (float(semi.min_pseudo_bbox_wh[0]), float(semi.min_pseudo_bbox_wh[1]))
        self._groups = {"predictions": spread(labelled_groups(settings, data=data, on="val", split=split), GROUPS)}
        self._truth_is_known = (data / TRUTH_NAME).is_file()
        if settings.train_dataloader.sampler.source_ratio[1] > 0:
            if self._truth_is_known:
                hidden = labelled_groups(settings, data=data, on="train_unlabeled_truth", split=split)
            else:
                parts = settings.train_dataloader.dataset
                hidden = read_parts(data, parts.labelled, parts.unlabelled, split=split)[1]
            self._groups["pseudo_labels"] = spread(hidden, GROUPS)

    def draw(self, model: Any) -> dict[str, list[Sheet]]:
        """The sheets of each kind, by what the model's teacher finds now."""
        return {name: self._sheets(name, groups, model) for name, groups in self._groups.items()}

    def _sheets(self, name: str, groups: Sequence[Group], model: Any) -> list[Sheet]:
        options = {key: value for key, value in self._source.items() if key not in ("type", "groups", "mix_views")}
        dataset = MultiViewDataset(groups=groups, **options)
        sheets = []
        for number, group in enumerate(groups):
            found = teacher_finds(model, dataset[number])
            if name == "predictions":
                found = [view.above(SHOWN) for view in found]
            else:
                found = [view.above(self._threshold, least=self._least) for view in found]
            known = self._truth_is_known or name == "predictions"
            sheets.append(sheet_of(group, found, self._classes, known=known))
        return sheets


@torch.no_grad()
def teacher_finds(model: Any, sample: dict[str, Any]) -> list[Found]:
    """What the teacher of a model in evaluation mode finds in each view of a group, after the detector's own ``test_cfg``."""
    batch = model.data_preprocessor(multi_view_collate([sample]), False)
    views = [view.pred_instances for view in model.teacher.predict(batch["inputs"], batch["data_samples"])]
    return [
        Found(
            boxes=view.bboxes.cpu().numpy().astype(np.float64).reshape(-1, 4),
            labels=view.labels.cpu().numpy().astype(np.intp),
            scores=view.scores.cpu().numpy().astype(np.float64),
        )
        for view in views
    ]


def sheet_of(group: Group, found: Sequence[Found], classes: Sequence[str], *, known: bool = True) -> Sheet:
    """A group's views in a row with their annotated boxes, if they are known, and in a row below with the best found ones.

    Below a view stands how many more than ``MOST`` were found there.
    """
    annotated = [view_picture(view) for view in group.views]
    teacher = [
        ViewPicture(view.image, found=boxes.marks[:MOST], caption=_more(len(boxes.boxes) - MOST))
        for view, boxes in zip(annotated, found, strict=True)
    ]
    title = "annotated" if known else "not annotated"
    best = f", the {MOST} best of a view" if any(picture.caption for picture in teacher) else ""
    rows = [SheetRow(f"{group.name}: {title}", annotated), SheetRow(f"{group.name}: teacher{best}", teacher)]
    return Sheet(
        group=group.name,
        picture=contact_sheet(rows, classes, cell_height=_HEIGHT),
        annotated=sum(len(view.truth) for view in annotated) if known else None,
        found=sum(len(view.boxes) for view in found),
    )


def _more(count: int) -> str:
    return f"{count} more" if count > 0 else ""

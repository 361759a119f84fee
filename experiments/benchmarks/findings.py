"""What in the plan's original setting works against it, as figures: no training, one model built, under a minute.

    python -m experiments.benchmarks.findings [--scale cpu] [--data data/cpu]

docs/explanation/findings.md tells what they mean, and which test holds each.
"""

import argparse
import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.checks import build
from experiments.config import import_components, load_config
from experiments.console import mistakes_told
from experiments.doctor.anchor_checks import coverages
from experiments.doctor.anchors import Coverage
from experiments.doctor.case import prepare
from experiments.errors import UserError
from experiments.fitting import fit_to_data
from experiments.prepare import prepared_data
from experiments.runs import read_dataset

SCORES = (0.9, 0.7, 0.55)  # of the boxes that a stand-in for the teacher gives in each view
THRESHOLDS = (0.1, 0.3, 0.5, 0.6, 0.8)


def anchors(scale: str, data: Path) -> list[Coverage]:
    """Coverage of the labelled boxes by the plan's ratios: off, off as width / height, on, on as width / height.

    Raises:
        UserError: the data are faulty.
    """
    case, faults = prepare(scale, {}, data=data, seed=0, split=0)
    if case.groups is None:
        raise UserError(faults[0].says)
    return coverages(case)[:4]


def fitted(scale: str, data: Path, delta: Mapping[str, Any] | None = None) -> Any:
    """The scale's config with its changes, for the classes and views of the data."""
    settings = load_config(scale, delta)
    fit_to_data(settings, read_dataset(data), data)
    return settings


def teacher_left(model: Any, momentum: float) -> float:
    """Share of the distance between teacher and student that one update leaves, for mmdet's meaning of ``momentum``."""
    import torch

    from experiments.hooks.mean_teacher import MultiViewMeanTeacherHook

    pair = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in pair.student.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))

    def distance() -> float:
        both = zip(pair.teacher.parameters(), pair.student.parameters(), strict=True)
        return math.sqrt(sum(float((a - b).detach().square().sum()) for a, b in both))

    before = distance()
    MultiViewMeanTeacherHook().momentum_update(pair, momentum)  # given here, since the hook refuses the wrong one
    return distance() / before


def background_boxes(scale: str, loss: str) -> tuple[int, float]:
    """Boxes predicted where every logit says "not this" (-4, a sigmoid of 0.018), and the background's score there."""
    import torch
    from mmengine.config import ConfigDict

    settings = load_config(scale, {"model.detector.roi_head.bbox_head.loss_cls.type": loss})
    head = build(settings)[0].student.roi_head.bbox_head
    logits = torch.full((1, head.fc_cls.out_features), -4.0)
    scores = head.loss_cls.get_activation(logits) if head.custom_activation else logits.softmax(dim=-1)
    rois = torch.tensor([[0.0, 8.0, 8.0, 40.0, 40.0]])
    found = head.predict_by_feat(
        (rois,), (logits,), (torch.zeros(1, 4 * head.num_classes),), [{"img_shape": (48, 48), "scale_factor": (1.0, 1.0)}],
        rcnn_test_cfg=ConfigDict(score_thr=0.05, nms={"type": "nms", "iou_threshold": 0.5}, max_per_img=100),
    )[0]  # fmt: skip
    return len(found.scores), float(scores[0, -1])


def fusion_parameters(model: Any) -> tuple[int, int]:
    """Values in MVViT's parameters, and in all of the student's: what a lazily built MVViT would leave at random."""
    student = model.student
    return sum(p.numel() for p in student.backbone.mvvit.parameters()), sum(p.numel() for p in student.parameters())


def token_variances(model: Any, views: Any) -> tuple[float, float]:
    """Variance between a view's pooled tokens at the finest level, over that of its cells: with queries as built, and all alike.

    Args:
        views: one group's images (V, 3, H, W), preprocessed.
    """
    import torch

    from models.mvvit import grid_places, position_codes

    backbone = model.student.backbone.eval()
    level = backbone.mvvit.levels[0]
    with torch.no_grad():
        finest = backbone.backbone(views)[0]
        content = level.norm(level.project(finest.flatten(2).transpose(1, 2)))
        placed = content + position_codes(grid_places(*finest.shape[-2:]), level.width)
        cells = level.pool.value(content).var(dim=1).mean()
        shares = []
        for queries in (level.queries, level.queries.mean(dim=0, keepdim=True).expand_as(level.queries)):
            pooled = level.pool(queries.expand(len(views), -1, -1), placed, content)
            shares.append(float(pooled.var(dim=1).mean() / cells))
    return shares[0], shares[1]


def losses_at(
    scale: str, data: Path, batch: Any, name: str, thresholds: Sequence[float] = THRESHOLDS
) -> dict[float, float]:
    """The unsupervised loss of ``name``'s branch at each of its thresholds, all else alike; the initial one is the plan's 0.5."""
    import torch
    from mmengine.structures import InstanceData

    def predict(x: Any, proposals: Any, samples: list[Any], rescale: bool = False) -> list[Any]:
        boxes = torch.tensor([[4.0 + 8 * i, 10.0 + i, 14.0 + 8 * i, 30.0 + i] for i in range(len(SCORES))])
        labels = torch.arange(len(SCORES)) % model.student.roi_head.bbox_head.num_classes
        return [InstanceData(bboxes=boxes.clone(), scores=torch.tensor(SCORES), labels=labels) for _ in samples]

    losses = {}
    for threshold in thresholds:
        torch.manual_seed(0)
        model = build(fitted(scale, data, {f"model.semi_train_cfg.{name}": threshold}))[0].train()
        model.teacher.load_state_dict(model.student.state_dict())
        model.teacher.roi_head.predict = predict
        model.compute_uncertainty_with_aug = lambda x, samples: [torch.zeros(len(s.gt_instances)) for s in samples]
        torch.manual_seed(1)
        found = model.loss(*batch(model))
        branch = "unsup_loss_cls" if name == "cls_pseudo_thr" else "unsup_loss_rpn_cls"
        losses[threshold] = sum(float(part.detach().sum()) for part in _listed(found[branch]))
    return losses


def read_batch(scale: str, data: Path) -> Any:
    """A function from a model to its preprocessed batch: one labelled group and one unlabelled one, always the same."""
    settings = fitted(scale, data)
    import_components(settings)
    import numpy as np
    from mmdet.registry import DATASETS
    from mmengine.registry import init_default_scope

    from experiments.data.dataset import multi_view_collate

    init_default_scope("mmdet")
    dataset = DATASETS.build(settings.train_dataloader.dataset)
    labelled = len(dataset.datasets[0])

    def batch(model: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        np.random.seed(0)
        ready = model.data_preprocessor(multi_view_collate([dataset[0], dataset[labelled]]), True)
        return ready["inputs"], ready["data_samples"]

    return batch


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", default="cpu", help="scale of the model")
    parser.add_argument("--data", type=Path, help="data set folder; default the scale's own")
    options = parser.parse_args()
    with mistakes_told():
        report(options.scale, prepared_data(options.scale, options.data), Console(width=120, highlight=False))


def report(scale: str, data: Path, console: Console) -> None:
    """Print the six findings' figures; the third is of the scale's own number of classes, all else of the data's.

    Raises:
        UserError: there is no such scale, or the data are faulty.
    """
    covered = anchors(scale, data)
    table = Table("ratios (mmdet: height / width)", "all", *covered[0].of_class, box=SIMPLE_HEAD)
    for entry in covered:
        cells = (entry.overall, *entry.of_class.values())
        table.add_row(entry.title, *(" / ".join(f"{100 * share:.1f}" for share in cell) for cell in cells))
    console.print("1. Labelled boxes with an anchor above IoU 0.5 / 0.7, %:", table)
    import torch

    torch.manual_seed(0)
    model = build(fitted(scale, data))[0]
    model.teacher.load_state_dict(model.student.state_dict())
    left = {momentum: teacher_left(model, momentum) for momentum in (0.001, 0.999)}
    for momentum, share in left.items():
        console.print(f"2. momentum {momentum}: one update leaves {share:.1%} of the way from teacher to student")
    for loss in ("SigmoidFocalLoss", "FocalLoss"):
        boxes, background = background_boxes(scale, loss)
        console.print(f"3. {loss}, all logits -4: {boxes} boxes above score 0.05, background score {background:.3f}")
    fusion, everything = fusion_parameters(model)
    console.print(f"4. MVViT holds {fusion:,} of the student's {everything:,} values ({fusion / everything:.0%})")
    batch = read_batch(scale, data)
    built, alike = token_variances(model, batch(model)[0]["sup"][: model.student.backbone.mvvit.num_views])
    console.print(
        f"5. variance between pooled tokens, of cells' 1: {built:.3f} as built, {alike:.1e} with equal queries"
    )
    for name in ("cls_pseudo_thr", "rpn_pseudo_thr"):
        told = ", ".join(f"{key:g}: {value:.6f}" for key, value in losses_at(scale, data, batch, name).items())
        console.print(f"6. loss at {name} behind an initial threshold of 0.5: {told}", soft_wrap=True)


if __name__ == "__main__":
    main()

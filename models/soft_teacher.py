"""Soft Teacher over groups of views."""

import copy
from collections.abc import Mapping, Set
from typing import Any

import torch
from mmdet.models.detectors import SoftTeacher
from mmdet.models.utils import filter_gt_instances
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox_project
from mmengine.structures import InstanceData
from torch import Tensor

from models.assignment import sample_views, samples_whole
from models.batched import batched, rois_of
from models.copies import Shared
from models.mvvit import MVViT
from models.precision import Precision, check_precision, computing_in


@MODELS.register_module()
class MultiViewSoftTeacher(SoftTeacher):
    """mmdet's Soft Teacher with seven differences.

    - The teacher starts as a copy of the student, buffers included, and stays in evaluation mode.
    - A batch without unlabelled groups is a supervised step (the burn-in, and supervised controls).
    - A mirrored group lists its views in mirrored order, so teacher and student views are matched by image id.
    - How many boxes the teacher gives, and how many each threshold keeps, is logged (boxes per view, not losses).
    - Student and teacher train in a precision of choice.
    - Their heads work on all views at once, with the same results, :mod:`models.batched`.
    - Where the library copies samples and proposals, the copies share their tensors, :mod:`models.copies`.

    Args:
        detector: config of student and teacher.
        precision: of the features in :meth:`loss`, :mod:`models.precision`. Weights are float32, and so is prediction: scores are
            those of the weights, whatever they were trained in.
        options: of the library's class.

    Raises:
        ValueError: there is no such precision.
    """

    def __init__(self, *, detector: Mapping[str, Any], precision: Precision = "float32", **options: Any) -> None:
        check_precision(precision)
        super().__init__(detector=batched(detector), **options)
        self.precision = precision

    def init_weights(self) -> None:
        """Initialise the student and copy it to the teacher, but for what is drawn apart."""
        self.student.init_weights()
        apart = self.drawn_apart()
        self.teacher.load_state_dict({**self.student.state_dict(), **_only(self.teacher.state_dict(), apart)})

    def drawn_apart(self) -> set[str]:
        """Names, in student and teacher, of what is never trained and drawn by each for itself: MVViT's with ``trained=False``.

        Weights that a run continues from do not reach it either, as they would not reach layers that are not made yet.
        """
        return {
            f"{place}.{name}"
            for place, module in self.student.named_modules()
            if isinstance(module, MVViT) and not module.trained
            for name in module.state_dict()
        }

    def train(self, mode: bool = True) -> "MultiViewSoftTeacher":
        """Training mode for the student alone: a teacher in training mode would drift in its running statistics."""
        super().train(mode)
        self.teacher.eval()
        return self

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, float]:
        """As the library has it; the figures to be logged come from the GPU together, where each by itself would wait for it."""
        figures = super().train_step(data, optim_wrapper)
        return dict(zip(figures, torch.stack(list(figures.values())).tolist(), strict=True))

    def loss(
        self, multi_batch_inputs: dict[str, Tensor], multi_batch_data_samples: dict[str, SampleList]
    ) -> dict[str, Tensor]:
        """Losses of the branches present: ``sup`` always, ``unsup_teacher`` and ``unsup_student`` together or not at all.

        Args:
            multi_batch_inputs: images (B*V, 3, H, W) of each branch, views of a group next to each other.
            multi_batch_data_samples: their samples, in the same order.
        """
        with computing_in(self.precision, self.student, self.teacher):
            return self._loss(
                multi_batch_inputs, {branch: Shared(samples) for branch, samples in multi_batch_data_samples.items()}
            )

    def _loss(
        self, multi_batch_inputs: dict[str, Tensor], multi_batch_data_samples: dict[str, SampleList]
    ) -> dict[str, Tensor]:
        losses = dict(self.loss_by_gt_instances(multi_batch_inputs["sup"], multi_batch_data_samples["sup"]))
        if "unsup_teacher" not in multi_batch_inputs:
            return losses
        student_samples = multi_batch_data_samples["unsup_student"]
        pseudo_samples, info = self.get_pseudo_instances(
            multi_batch_inputs["unsup_teacher"], multi_batch_data_samples["unsup_teacher"]
        )
        teacher_labels = info["teacher_labels"]
        order = view_order([s.img_id for s in pseudo_samples], [s.img_id for s in student_samples])
        pseudo_samples = [pseudo_samples[i] for i in order]
        index = torch.tensor(order, device=info["feat"][0].device)
        info = {
            "feat": [level[index] for level in info["feat"]],
            **{key: [info[key][i] for i in order] for key in ("img_shape", "homography_matrix", "metainfo")},
        }
        student_samples = self.project_pseudo_instances(pseudo_samples, student_samples)
        losses.update(self.loss_by_pseudo_instances(multi_batch_inputs["unsup_student"], student_samples, info))
        losses.update(self.pseudo_boxes(student_samples, teacher_labels))
        return losses

    def get_pseudo_instances(
        self, batch_inputs: Tensor, batch_data_samples: SampleList
    ) -> tuple[SampleList, dict[str, Any]]:
        """As the library has it, with the labels of all boxes that the teacher gave, before any threshold.

        Returns:
            The samples with their pseudo-boxes, and the library's information with ``teacher_labels`` (n,) in it.
        """
        head = self.teacher.roi_head
        predict = head.predict
        found: list[Any] = []

        def recorded(*inputs: Any, **options: Any) -> Any:
            found.append(predict(*inputs, **options))
            return found[-1]

        head.predict = recorded  # the library gives out what its thresholds have left, and no more
        try:
            samples, info = super().get_pseudo_instances(batch_inputs, batch_data_samples)
        finally:
            head.predict = predict
        return samples, {**info, "teacher_labels": torch.cat([results.labels for results in found[0]])}

    def rcnn_cls_loss_by_pseudo_instances(
        self, x: tuple[Tensor, ...], unsup_rpn_results_list: list[InstanceData], batch_data_samples: SampleList,
        batch_info: dict[str, Any],
    ) -> dict[str, Tensor]:  # fmt: skip
        """The library's function, but for how it is worked out.

        The library adds the boxes' weights up one by one, which on a GPU is a launch for each of a thousand boxes or more, and
        inverts matrices of 3 x 3 there, view by view.
        """
        head, teacher = self.student.roi_head, self.teacher.roi_head
        if not samples_whole(head.bbox_assigner, head.bbox_sampler):
            found: dict[str, Tensor] = super().rcnn_cls_loss_by_pseudo_instances(
                x, unsup_rpn_results_list, batch_data_samples, batch_info
            )
            return found
        samples = filter_gt_instances(copy.deepcopy(batch_data_samples), score_thr=self.semi_train_cfg.cls_pseudo_thr)
        proposals, truths = [one.bboxes for one in unsup_rpn_results_list], [one.gt_instances for one in samples]
        sampled = sample_views(head.bbox_assigner, head.bbox_sampler, proposals, truths)
        boxes = [one.priors for one in sampled]
        rois = rois_of(boxes)
        predicted = head._bbox_forward(x, rois)
        labels, weights, *regression = head.bbox_head.get_targets(sampled, self.student.train_cfg.rcnn)
        to_teacher = torch.stack([
            torch.from_numpy(seen["homography_matrix"]) @ torch.from_numpy(sample.homography_matrix).inverse()
            for seen, sample in zip(batch_info["metainfo"], batch_data_samples, strict=True)
        ]).to(rois.device)  # fmt: skip
        views = zip(boxes, to_teacher, batch_info["img_shape"], strict=True)
        projected = [InstanceData(bboxes=bbox_project(one, matrix, shape)) for one, matrix, shape in views]
        with torch.no_grad():
            results = teacher.predict_bbox(
                batch_info["feat"], batch_info["metainfo"], projected, rcnn_test_cfg=None, rescale=False
            )
            background = torch.cat([one.scores[:, -1] for one in results])
            weights = torch.where(labels == head.bbox_head.num_classes, background, weights)
        losses: dict[str, Tensor] = head.bbox_head.loss(
            predicted["cls_score"], predicted["bbox_pred"], rois, labels, weights, *regression
        )
        losses["loss_cls"] = losses["loss_cls"] * len(weights) / weights.sum().clamp(min=1.0)
        return losses

    def pseudo_boxes(self, samples: SampleList, teacher_labels: Tensor) -> dict[str, Tensor]:
        """What the teacher gave and what was kept of it, per view, to be logged; the model knows classes by their labels alone.

        Args:
            samples: with the pseudo-boxes that are above the initial threshold and not too small.
            teacher_labels: (n,) labels of all boxes that the teacher gave for them.

        Returns:
            Tensors of shape (). ``teacher_boxes_per_view`` and ``pseudo_boxes_per_view``, also with ``_<label>`` for each class;
            ``pseudo_boxes_for_cls_per_view``, ``..._for_rpn_...`` and ``..._for_reg_...``: those that a branch's own threshold
            keeps; ``pseudo_score_per_view`` and ``pseudo_uncertainty_per_view``: sums over the pseudo-boxes.
        """
        boxes = [sample.gt_instances for sample in samples]
        labels, scores, uncertainties = (
            torch.cat([one[field].flatten() for one in boxes])  # the library gives uncertainties of no boxes as (0, 4)
            for field in ("labels", "scores", "reg_uncs")
        )
        thresholds = self.semi_train_cfg
        figures = {
            "pseudo_boxes_for_cls": scores > thresholds.cls_pseudo_thr,
            "pseudo_boxes_for_rpn": scores > thresholds.rpn_pseudo_thr,
            "pseudo_boxes_for_reg": uncertainties < thresholds.reg_pseudo_thr,
            "pseudo_score": scores,
            "pseudo_uncertainty": uncertainties,
        }
        sums = {f"{name}_per_view": values.sum() for name, values in figures.items()}
        classes = torch.arange(self.student.roi_head.bbox_head.num_classes, device=labels.device)
        for name, of in (("teacher_boxes", teacher_labels), ("pseudo_boxes", labels)):
            counts = (of[:, None] == classes).sum(dim=0)  # bincount would wait for the GPU
            sums[f"{name}_per_view"] = counts.sum()
            sums |= {f"{name}_per_view_{label}": count for label, count in enumerate(counts)}
        return {name: total / len(samples) for name, total in sums.items()}


def _only(state: Mapping[str, Tensor], names: Set[str]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name in names}


def view_order(teacher_ids: list[int], student_ids: list[int]) -> list[int]:
    """Positions in ``teacher_ids`` of each of ``student_ids``.

    Raises:
        ValueError: the two branches do not hold the same images.
    """
    if sorted(teacher_ids) != sorted(student_ids):
        raise ValueError(f"Teacher and student see different images: {teacher_ids} and {student_ids}.")
    positions: dict[int, list[int]] = {}
    for position, image_id in enumerate(teacher_ids):  # a batch may hold a group twice
        positions.setdefault(image_id, []).append(position)
    return [positions[image_id].pop(0) for image_id in student_ids]

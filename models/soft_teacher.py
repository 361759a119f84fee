"""Soft Teacher over groups of views."""

import copy
from collections.abc import Mapping, Sequence, Set
from typing import Any

import torch
from mmdet.models.detectors import SoftTeacher
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmengine.structures import InstanceData
from torch import Tensor

from models.assignment import sample_views, samples_whole
from models.batched import batched, rois_of
from models.copies import Shared
from models.mvvit import MVViT
from models.precision import Precision, check_precision, computing_in
from models.preprocessor import stacked
from models.ragged import joined, parted, projected, sent


@MODELS.register_module()
class MultiViewSoftTeacher(SoftTeacher):
    """mmdet's Soft Teacher with these differences.

    - The teacher starts as a copy of the student, buffers included, and stays in evaluation mode.
    - A batch without unlabelled groups is a supervised step (the burn-in, and supervised controls).
    - A mirrored group lists its views in mirrored order, so teacher and student views are matched by image id.
    - How many boxes the teacher gives, and how many each threshold keeps, is logged (boxes per view, not losses).
    - Student and teacher train in a precision of choice.
    - Their heads, and what is done with pseudo-boxes, work on all views at once, with the same results, :mod:`models.batched`.
    - Where the library copies samples and proposals, the copies share their tensors, :mod:`models.copies`.

    Args:
        detector: config of student and teacher.
        data_preprocessor: of the branches' images, :mod:`models.preprocessor`.
        precision: of the features in :meth:`loss`, :mod:`models.precision`. Weights are float32, and so is prediction: scores are
            those of the weights, whatever they were trained in.
        options: of the library's class.

    Raises:
        ValueError: there is no such precision.
    """

    def __init__(
        self, *, detector: Mapping[str, Any], data_preprocessor: Mapping[str, Any], precision: Precision = "float32",
        **options: Any,
    ) -> None:  # fmt: skip
        check_precision(precision)
        super().__init__(detector=batched(detector), data_preprocessor=stacked(data_preprocessor), **options)
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
        index = sent(torch.tensor(order), info["feat"][0].device)
        info = {
            "feat": [level[index] for level in info["feat"]],
            **{key: [info[key][i] for i in order] for key in ("img_shape", "homography_matrix", "metainfo")},
        }
        student_samples = self.project_pseudo_instances(pseudo_samples, student_samples)
        losses.update(self.loss_by_pseudo_instances(multi_batch_inputs["unsup_student"], student_samples, info))
        losses.update(self.pseudo_boxes(student_samples, teacher_labels))
        return losses

    @torch.no_grad()
    def get_pseudo_instances(
        self, batch_inputs: Tensor, batch_data_samples: SampleList
    ) -> tuple[SampleList, dict[str, Any]]:
        """As the library has it, with the labels of all boxes that the teacher gave, before any threshold.

        Returns:
            The samples with their pseudo-boxes, px of the stored image, and the library's information with ``teacher_labels`` (n,).
        """
        teacher, samples = self.teacher, batch_data_samples
        x = teacher.extract_feat(batch_inputs)
        proposals = teacher.rpn_head.predict(x, samples, rescale=False)
        given, counts = joined(teacher.roi_head.predict(x, proposals, samples, rescale=False))
        _hold(samples, parted(given, counts, given.scores > self.semi_train_cfg.pseudo_label_initial_score_thr))
        uncertainties = torch.cat(self.compute_uncertainty_with_aug(x, samples))
        kept, counts = _boxes_of(samples)
        to_view = torch.stack([torch.from_numpy(sample.homography_matrix) for sample in samples])
        to_stored = [matrix.inverse() for matrix in to_view]
        kept.bboxes = projected(kept.bboxes, counts, to_stored, [sample.ori_shape for sample in samples])
        kept.reg_uncs = uncertainties
        _hold(samples, parted(kept, counts))
        return samples, {
            "feat": x,
            "img_shape": [sample.img_shape for sample in samples],
            "homography_matrix": list(sent(to_view, batch_inputs.device)),
            "metainfo": [sample.metainfo for sample in samples],
            "teacher_labels": given.labels,
        }

    def compute_uncertainty_with_aug(self, x: tuple[Tensor, ...], batch_data_samples: SampleList) -> list[Tensor]:
        """As the library has it: how far the teacher's boxes (n,) of each view spread from jittered ones, over their size."""
        boxes, counts = _boxes_of(batch_data_samples)
        if not sum(counts):
            return [boxes.bboxes.new_zeros(0) for _ in counts]
        times = self.semi_train_cfg.jitter_times
        # View by view, so that the random numbers are the library's.
        drawn = [torch.randn(times, count, 4, device=boxes.bboxes.device) for count in counts]
        size = (boxes.bboxes[:, 2:] - boxes.bboxes[:, :2]).clamp(min=1).repeat(1, 2)
        jittered = boxes.bboxes + torch.cat(drawn, dim=1) * (size * self.semi_train_cfg.jitter_scale)
        proposals = [InstanceData(bboxes=one.flatten(0, 1)) for one in jittered.split(counts, dim=1)]
        metas = [sample.metainfo for sample in batch_data_samples]
        results = self.teacher.roi_head.predict_bbox(x, metas, proposals, rcnn_test_cfg=None)
        found = torch.cat([one.bboxes.view(times, -1, one.bboxes.shape[1]) for one in results if len(one)], dim=1)
        if found.shape[2] > 4:  # boxes of each class
            rows = torch.arange(len(boxes), device=found.device)
            found = found.unflatten(2, (-1, 4))[:, rows, boxes.labels]
        mean = found.mean(dim=0)
        size = (mean[:, 2:] - mean[:, :2]).clamp(min=1).repeat(1, 2)
        return list((found.std(dim=0) / size).mean(dim=1).split(counts))

    def project_pseudo_instances(
        self, batch_pseudo_instances: SampleList, batch_data_samples: SampleList
    ) -> SampleList:
        """As the library has it: the samples with the boxes of others, px of the view as it is fed, without those too small."""
        samples = batch_data_samples
        boxes, counts = _boxes_of(batch_pseudo_instances)
        matrices = [torch.from_numpy(sample.homography_matrix) for sample in samples]
        boxes.bboxes = projected(boxes.bboxes, counts, matrices, [sample.img_shape for sample in samples])
        width, height = self.semi_train_cfg.get("min_pseudo_bbox_wh", (1e-2, 1e-2))
        size = boxes.bboxes[:, 2:] - boxes.bboxes[:, :2]
        _hold(samples, parted(boxes, counts, (size[:, 0] > width) & (size[:, 1] > height)))
        return samples

    def rpn_loss_by_pseudo_instances(
        self, x: tuple[Tensor, ...], batch_data_samples: SampleList
    ) -> tuple[dict[str, Any], list[InstanceData]]:
        """As the library has it: the RPN's losses, in which all classes are one, and its proposals."""
        boxes, counts = _boxes_of(batch_data_samples)
        boxes.labels = torch.zeros_like(boxes.labels)
        samples = copy.deepcopy(batch_data_samples)
        _hold(samples, parted(boxes, counts, boxes.scores > self.semi_train_cfg.rpn_pseudo_thr))
        cfg = self.student.train_cfg.get("rpn_proposal", self.student.test_cfg.rpn)
        losses, proposals = self.student.rpn_head.loss_and_predict(x, samples, proposal_cfg=cfg)
        return {name if "rpn" in name else f"rpn_{name}": loss for name, loss in losses.items()}, proposals

    def rcnn_reg_loss_by_pseudo_instances(
        self, x: tuple[Tensor, ...], unsup_rpn_results_list: list[InstanceData], batch_data_samples: SampleList
    ) -> dict[str, Tensor]:
        """As the library has it: the loss of the boxes that the teacher is certain of."""
        boxes, counts = _boxes_of(batch_data_samples)
        samples = copy.deepcopy(batch_data_samples)
        _hold(samples, parted(boxes, counts, boxes.reg_uncs < self.semi_train_cfg.reg_pseudo_thr))
        losses = self.student.roi_head.loss(x, copy.deepcopy(unsup_rpn_results_list), samples)
        return {"loss_bbox": losses["loss_bbox"]}

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
        pseudo, counts = _boxes_of(batch_data_samples)
        truths = parted(pseudo, counts, pseudo.scores > self.semi_train_cfg.cls_pseudo_thr)
        proposals = [one.bboxes for one in unsup_rpn_results_list]
        sampled = sample_views(head.bbox_assigner, head.bbox_sampler, proposals, truths)
        boxes = [one.priors for one in sampled]
        rois = rois_of(boxes)
        predicted = head._bbox_forward(x, rois)
        labels, weights, *regression = head.bbox_head.get_targets(sampled, self.student.train_cfg.rcnn)
        to_teacher = [
            torch.from_numpy(seen["homography_matrix"]) @ torch.from_numpy(sample.homography_matrix).inverse()
            for seen, sample in zip(batch_info["metainfo"], batch_data_samples, strict=True)
        ]
        counts = [len(one) for one in boxes]
        there = projected(torch.cat(boxes), counts, to_teacher, batch_info["img_shape"]).split(counts)
        with torch.no_grad():
            results = teacher.predict_bbox(
                batch_info["feat"],
                batch_info["metainfo"],
                [InstanceData(bboxes=one) for one in there],
                rcnn_test_cfg=None,
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
            torch.cat([one[field] for one in boxes]) for field in ("labels", "scores", "reg_uncs")
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


def _boxes_of(samples: SampleList) -> tuple[InstanceData, list[int]]:
    """The boxes of all samples, and how many each has."""
    return joined([sample.gt_instances for sample in samples])


def _hold(samples: SampleList, boxes: Sequence[InstanceData]) -> None:
    """Give each sample its boxes."""
    for sample, theirs in zip(samples, boxes, strict=True):
        sample.gt_instances = theirs


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

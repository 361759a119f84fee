"""mmdet's RPN and box head over all views of a batch at once, where the library goes from view to view.

A step has some dozens of views, and on a GPU each of the many small operations of a view is launched by itself: the processor is
what such a step waits for. Here anchors, decoding, samples and targets are worked out together, with the library's own coders and
NMS, and the results are the library's bit for bit. Views of different sizes, and options that this project does not use, are left
to the library's functions.

Shape legend: N views, A anchors of all levels, C classes.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import torch
from mmdet.models.dense_heads import RPNHead
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.roi_heads.bbox_heads import Shared2FCBBoxHead
from mmdet.models.task_modules.prior_generators import anchor_inside_flags
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmengine.structures import InstanceData
from torch import Tensor

from models.assignment import sample_views, samples_whole
from models.copies import Shared
from models.ragged import rows_of_views, sent, view_numbers
from models.suppression import suppress, suppresses_whole


def batched(detector: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a two-stage detector with our heads in place of the library's that they stand for."""
    changed: dict[str, Any] = deepcopy(dict(detector))
    parts = {
        BatchedRPNHead: changed["rpn_head"],
        BatchedRoIHead: changed["roi_head"],
        BatchedBBoxHead: changed["roi_head"]["bbox_head"],
    }
    for ours, part in parts.items():
        if part["type"] == ours.__mro__[1].__name__:
            part["type"] = ours.__name__
    return changed


def _of_one_size(metas: Sequence[Mapping[str, Any]], key: str) -> bool:
    return len({tuple(meta[key][:2]) for meta in metas}) == 1


@MODELS.register_module()
class BatchedRPNHead(RPNHead):
    """The library's head, but for how anchors, proposals and targets are worked out."""

    _grid: tuple[Any, list[Tensor]] = (None, [])  # what the last anchors are of, and they
    _flags: tuple[Any, list[Tensor]] = (None, [])  # the same of what lies in the padded image

    def _anchors(self, sizes: Sequence[Sequence[int]], device: Any) -> list[Tensor]:
        """Anchors (A, 4) of each level, px, for maps of these heights and widths; made anew where the sizes change."""
        key = (tuple(tuple(size) for size in sizes), torch.device(device))
        if self._grid[0] != key:
            with torch.inference_mode(False):  # what is kept has to serve in training too
                self._grid = (key, self.prior_generator.grid_priors(sizes, device=device))
        return self._grid[1]

    def get_anchors(
        self, featmap_sizes: list[tuple[int, int]], batch_img_metas: list[dict[str, Any]], device: Any = "cuda"
    ) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
        """As the library has it; which anchors lie inside is asked once for views of one size."""
        if not _of_one_size(batch_img_metas, "pad_shape"):
            return super().get_anchors(featmap_sizes, batch_img_metas, device)
        anchors, shape = self._anchors(featmap_sizes, device), batch_img_metas[0]["pad_shape"]
        key = (self._grid[0], tuple(shape[:2]))
        if self._flags[0] != key:
            self._flags = (key, self.prior_generator.valid_flags(featmap_sizes, shape, device))
        return [anchors] * len(batch_img_metas), [self._flags[1]] * len(batch_img_metas)

    def predict_by_feat(
        self, cls_scores: list[Tensor], bbox_preds: list[Tensor], score_factors: Any = None,
        batch_img_metas: list[dict[str, Any]] | None = None, cfg: Any = None, rescale: bool = False, with_nms: bool = True,
    ) -> list[InstanceData]:  # fmt: skip
        """Proposals of each view; arguments and results are the library's."""
        assert batch_img_metas is not None
        if not self.use_sigmoid_cls or not _of_one_size(batch_img_metas, "img_shape"):
            return super().predict_by_feat(
                cls_scores, bbox_preds, score_factors, batch_img_metas, cfg, rescale, with_nms
            )
        cfg = self.test_cfg if cfg is None else cfg
        anchors = self._anchors([level.shape[-2:] for level in cls_scores], cls_scores[0].device)
        best = [_best(*level, cfg.get("nms_pre", -1)) for level in zip(cls_scores, bbox_preds, anchors, strict=True)]
        scores, deltas, priors = (torch.cat(parts, dim=1) for parts in zip(*best, strict=True))
        levels = torch.cat([scores.new_full(part.shape[1:], i, dtype=torch.long) for i, (part, *_) in enumerate(best)])
        boxes = self.bbox_coder.decode(
            priors.flatten(0, 1), deltas.flatten(0, 1), max_shape=batch_img_metas[0]["img_shape"]
        ).unflatten(0, scores.shape)
        counts, rows = [scores.shape[1]] * len(scores), None
        if cfg.get("min_bbox_size", -1) >= 0:
            large = (boxes[..., 2:] - boxes[..., :2] > cfg.min_bbox_size).all(dim=-1)
            counts = large.sum(dim=1).tolist()
            rows = large.flatten().nonzero().squeeze(1) if min(counts) < scores.shape[1] else None
        if rescale or not with_nms or not all(counts) or not suppresses_whole(cfg.nms) or cfg.max_per_img <= 0:
            found = [InstanceData(bboxes=boxes[i], scores=scores[i], level_ids=levels) for i in range(len(scores))]
            views = zip(found, batch_img_metas, strict=True)
            return Shared(self._bbox_post_process(one, cfg, rescale, with_nms, meta) for one, meta in views)
        levels = levels.repeat(len(scores))
        boxes, scores = boxes.flatten(0, 1), scores.flatten()
        if rows is not None:
            boxes, scores, levels = boxes[rows], scores[rows], levels[rows]
        labels = torch.zeros_like(levels)
        return Shared(_kept(boxes, scores, labels, levels, counts, cfg=cfg.nms, most=cfg.max_per_img))

    def get_targets(
        self, anchor_list: list[list[Tensor]], valid_flag_list: list[list[Tensor]], batch_gt_instances: list[InstanceData],
        batch_img_metas: list[dict[str, Any]], batch_gt_instances_ignore: Any = None, unmap_outputs: bool = True,
        return_sampling_results: bool = False,
    ) -> tuple[Any, ...]:  # fmt: skip
        """Targets of all anchors, level by level; arguments and results are the library's."""
        count, levels = len(batch_img_metas), [len(level) for level in anchor_list[0]]
        anchors, valid = torch.cat(anchor_list[0]), torch.cat(valid_flag_list[0])
        same = all(flags is valid_flag_list[0] for flags in valid_flag_list)  # as `get_anchors` gives them
        if (
            not same or self.reg_decoded_bbox or return_sampling_results or not _of_one_size(batch_img_metas, "img_shape")
            or not samples_whole(self.assigner, self.sampler)
            or not anchor_inside_flags(anchors, valid, batch_img_metas[0]["img_shape"][:2], self.train_cfg["allowed_border"]).all()
        ):  # fmt: skip
            return super().get_targets(
                anchor_list, valid_flag_list, batch_gt_instances, batch_img_metas, batch_gt_instances_ignore,
                unmap_outputs, return_sampling_results,
            )  # fmt: skip
        sampled = sample_views(self.assigner, self.sampler, [anchors] * count, batch_gt_instances)
        positive = torch.cat([one.rows[: one.positives] for one in sampled])
        negative = torch.cat([one.rows[one.positives :] for one in sampled])
        label_weights = anchors.new_zeros(count * len(anchors))
        label_weights[negative] = 1.0
        filled = _fill(self, sampled, positive, label_weights, self.train_cfg["pos_weight"])
        self._raw_positive_infos.update(sampling_results=sampled)
        by_level = [list(values.unflatten(0, (count, -1)).split(levels, dim=1)) for values in filled]
        return (*by_level, sum(one.avg_factor for one in sampled))


def _best(logits: Tensor, deltas: Tensor, priors: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Scores (N, n), deltas (N, n, 4) and anchors (N, n, 4) of a level's best anchors, sorted if there are more than ``most``."""
    scores = torch.stack(_by_view(torch.sigmoid, list(logits.detach().permute(0, 2, 3, 1).flatten(1))))
    deltas = deltas.detach().permute(0, 2, 3, 1).reshape(*scores.shape, 4)
    if not 0 < most < scores.shape[1]:
        return scores, deltas, priors.expand(len(scores), -1, -1)
    ranked, order = scores.sort(dim=1, descending=True)
    order = order[:, :most]
    return ranked[:, :most], deltas.gather(1, order[..., None].expand(-1, -1, 4)), priors[order]


def rois_of(boxes: Sequence[Tensor]) -> Tensor:
    """RoIs (n, 5) of the boxes (n, 4) of each view, px: the number of the view before its box."""
    whole = torch.cat(list(boxes))
    views = view_numbers([len(one) for one in boxes], whole.device)
    return torch.cat([views[:, None].to(whole), whole], dim=1)


@MODELS.register_module()
class BatchedRoIHead(StandardRoIHead):
    """The library's head, but for how samples are drawn and RoIs put together."""

    def loss(
        self, x: tuple[Tensor, ...], rpn_results_list: list[InstanceData], batch_data_samples: SampleList
    ) -> dict[str, Tensor]:
        """Losses of the boxes; arguments and results are the library's."""
        if self.with_mask or not samples_whole(self.bbox_assigner, self.bbox_sampler):
            losses: dict[str, Tensor] = super().loss(x, rpn_results_list, batch_data_samples)
            return losses
        proposals = [one.bboxes for one in rpn_results_list]
        sampled = sample_views(
            self.bbox_assigner, self.bbox_sampler, proposals, [sample.gt_instances for sample in batch_data_samples]
        )
        losses = self.bbox_loss(x, sampled)["loss_bbox"]
        return losses

    def bbox_loss(self, x: tuple[Tensor, ...], sampling_results: list[Any]) -> dict[str, Any]:
        """As the library has it."""
        rois = rois_of([one.priors for one in sampling_results])
        found: dict[str, Any] = self._bbox_forward(x, rois)
        targets = self.bbox_head.loss_and_target(
            cls_score=found["cls_score"], bbox_pred=found["bbox_pred"], rois=rois, sampling_results=sampling_results,
            rcnn_train_cfg=self.train_cfg,
        )  # fmt: skip
        return {**found, "loss_bbox": targets["loss_bbox"]}

    def predict_bbox(
        self, x: tuple[Tensor, ...], batch_img_metas: list[dict[str, Any]], rpn_results_list: list[InstanceData],
        rcnn_test_cfg: Any, rescale: bool = False,
    ) -> list[InstanceData]:  # fmt: skip
        """Boxes of each view; arguments and results are the library's."""
        counts = [len(one) for one in rpn_results_list]
        if not sum(counts) or not isinstance(self.bbox_head, BatchedBBoxHead) or not self.bbox_head.with_reg:
            return super().predict_bbox(x, batch_img_metas, rpn_results_list, rcnn_test_cfg, rescale)
        rois = rois_of([one.bboxes for one in rpn_results_list])
        found = self._bbox_forward(x, rois)
        rois, logits, deltas = (values.split(counts) for values in (rois, found["cls_score"], found["bbox_pred"]))
        return self.bbox_head.predict_by_feat(rois, logits, deltas, batch_img_metas, rcnn_test_cfg, rescale)


@MODELS.register_module()
class BatchedBBoxHead(Shared2FCBBoxHead):
    """The library's head, but for how predictions and targets are worked out."""

    def predict_by_feat(
        self, rois: Sequence[Tensor], cls_scores: Sequence[Tensor], bbox_preds: Sequence[Tensor],
        batch_img_metas: list[dict[str, Any]], rcnn_test_cfg: Any = None, rescale: bool = False,
    ) -> list[InstanceData]:  # fmt: skip
        """Boxes of each view; arguments and results are the library's."""
        counts = [len(one) for one in rois]
        if (
            not sum(counts) or not self.with_reg or not _of_one_size(batch_img_metas, "img_shape")
            or not (rcnn_test_cfg is None or suppresses_whole(rcnn_test_cfg.nms))
        ):  # fmt: skip
            return super().predict_by_feat(rois, cls_scores, bbox_preds, batch_img_metas, rcnn_test_cfg, rescale)
        each = 1 if self.reg_class_agnostic else self.num_classes
        activate = self.loss_cls.get_activation if self.custom_cls_channels else partial(torch.softmax, dim=-1)
        scores = _by_view(activate, cls_scores)
        boxes = self.bbox_coder.decode(
            torch.cat(list(rois))[:, 1:].repeat_interleave(each, dim=0), torch.cat(list(bbox_preds)).view(-1, 4),
            max_shape=batch_img_metas[0]["img_shape"],
        )  # fmt: skip
        boxes = boxes.view(sum(counts), each, 4)
        if rescale:
            factors = np.array(
                [[1 / factor for factor in meta["scale_factor"]] for meta in batch_img_metas], np.float32
            )
            boxes = boxes * sent(factors, boxes.device).repeat(1, 2)[view_numbers(counts, boxes.device)][:, None]
        if rcnn_test_cfg is None:
            views = zip(boxes.flatten(1).split(counts), scores, strict=True)
            return [InstanceData(bboxes=one, scores=theirs) if len(one) else _nothing(theirs) for one, theirs in views]
        likely = torch.cat(scores)[:, :-1]
        rows, labels = (likely > rcnn_test_cfg.score_thr).nonzero().unbind(dim=1)
        above = rows_of_views(rows, counts)
        return _kept(
            boxes[rows, labels if each > 1 else 0], likely[rows, labels], labels, labels, above, cfg=rcnn_test_cfg.nms,
            most=rcnn_test_cfg.max_per_img,
        )  # fmt: skip

    def get_targets(self, sampling_results: list[Any], rcnn_train_cfg: Any, concat: bool = True) -> tuple[Tensor, ...]:
        """Targets of all sampled boxes; arguments and results are the library's."""
        if not concat or self.reg_decoded_bbox:
            targets: tuple[Tensor, ...] = super().get_targets(sampling_results, rcnn_train_cfg, concat)
            return targets
        priors = sampling_results[0].pos_priors
        rows = []  # of the positive ones, which come first in each view
        total = 0
        for one in sampling_results:
            rows.append(np.arange(total, total + len(one.pos_priors)))
            total += len(one.pos_priors) + len(one.neg_priors)
        positive = sent(np.concatenate(rows), priors.device)
        return _fill(self, sampling_results, positive, priors.new_ones(total), rcnn_train_cfg.pos_weight)


def _fill(
    head: Any, sampled: Sequence[Any], positive: Tensor, label_weights: Tensor, given: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Labels (n,), their weights (n,), regression targets (n, 4) and theirs (n, 4).

    Args:
        head: whose background label and coder are taken.
        sampled: what was sampled of each view.
        positive: rows of the positive samples of all views, in their order.
        label_weights: those of the other rows; changed in place.
        given: the weight of a positive sample's label, 1 where it is not above 0.
    """
    labels = label_weights.new_full(label_weights.shape, head.num_classes, dtype=torch.long)
    targets, weights = label_weights.new_zeros(len(labels), 4), label_weights.new_zeros(len(labels), 4)
    if len(positive):
        targets[positive] = head.bbox_coder.encode(
            torch.cat([one.pos_priors for one in sampled]), torch.cat([one.pos_gt_bboxes for one in sampled])
        )
        weights[positive] = 1.0
        labels[positive] = torch.cat([one.pos_gt_labels for one in sampled])
        label_weights[positive] = 1.0 if given <= 0 else given
    return labels, label_weights, targets, weights


def _by_view(function: Callable[[Tensor], Tensor], views: Sequence[Tensor]) -> list[Tensor]:
    """What a function of each number or row makes of each view.

    On a CPU the last bit of a sigmoid depends on where in its tensor a number lies, so that it goes view by view; on a GPU not.
    """
    if not views[0].is_cuda:
        return [function(view) for view in views]
    return list(function(torch.cat(list(views))).split([len(view) for view in views]))


def _nothing(scores: Tensor) -> InstanceData:
    """What the library gives for a view without proposals; ``scores`` are those of none."""
    return InstanceData(bboxes=scores.new_zeros(0, 4), scores=scores, labels=scores.new_zeros(0, dtype=torch.long))


def _kept(
    boxes: Tensor, scores: Tensor, labels: Tensor, kinds: Tensor, counts: Sequence[int], *, cfg: Any, most: int
) -> list[InstanceData]:
    """What NMS leaves of the boxes of each view, :func:`models.suppression.suppress`."""
    rows, sizes = suppress(boxes, scores, kinds, counts, cfg=cfg, most=most)
    views = zip(*(values[rows].split(sizes) for values in (boxes, scores, labels)), strict=True)
    return [InstanceData(bboxes=one, scores=theirs, labels=named) for one, theirs, named in views]

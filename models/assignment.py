"""Boxes assigned to anchors and proposals without going from box to box.

mmdet's assigner gives each box its best anchors by a loop, asks the GPU in each turn whether the box has any, and picks rows by
masks that the GPU has to count first. This one works with whole tensors and asks nothing; what it assigns is the same.
"""

import torch
from mmdet.models.task_modules import AssignResult, MaxIoUAssigner
from mmdet.registry import TASK_UTILS
from torch import Tensor


@TASK_UTILS.register_module()
class WholeMaxIoUAssigner(MaxIoUAssigner):
    """The library's assigner, but for how it is worked out; options that this project does not use are left to the library."""

    def assign_wrt_overlaps(self, overlaps: Tensor, gt_labels: Tensor) -> AssignResult:
        """Assign by IoU.

        Args:
            overlaps: (boxes, anchors) IoUs, -1 for anchors that are to be ignored.
            gt_labels: (boxes,) classes.

        Returns:
            Of each anchor its box, counted from 1, 0 for background and -1 for neither; its greatest IoU; and its label, or -1.
        """
        boxes, anchors = overlaps.shape
        if not (boxes and anchors and self.gt_max_assign_all and isinstance(self.neg_iou_thr, float)):
            return super().assign_wrt_overlaps(overlaps, gt_labels)
        best, which = overlaps.max(dim=0)
        background = (best >= 0) & (best < self.neg_iou_thr)
        assigned = torch.where(best >= self.pos_iou_thr, which + 1, background.long() - 1)
        if self.match_low_quality:
            # Of the boxes whose best anchors include this one, the last counts, as in a loop that overwrites.
            highest = overlaps.max(dim=1, keepdim=True).values
            mine = (overlaps == highest) & (highest >= self.min_pos_iou)
            numbers = torch.arange(1, boxes + 1, device=overlaps.device)
            last = (mine * numbers[:, None]).amax(dim=0)
            assigned = torch.where(last > 0, last, assigned)
        labels = torch.where(assigned > 0, gt_labels[(assigned - 1).clamp(min=0)], -1)
        return AssignResult(num_gts=boxes, gt_inds=assigned, max_overlaps=best, labels=labels)

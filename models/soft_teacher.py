"""Soft Teacher over groups of views."""

import torch
from mmdet.models.detectors import SoftTeacher
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor


@MODELS.register_module()
class MultiViewSoftTeacher(SoftTeacher):
    """mmdet's Soft Teacher with four differences.

    - The teacher starts as a copy of the student, buffers included, and stays in evaluation mode.
    - A batch without unlabelled groups is a supervised step (the burn-in, and supervised controls).
    - A mirrored group lists its views in mirrored order, so teacher and student views are matched by image id.
    - How many pseudo-boxes the teacher keeps is logged, in all and of each class (boxes per view, not losses).
    """

    def init_weights(self) -> None:
        """Initialise the student and copy it to the teacher."""
        self.student.init_weights()
        self.teacher.load_state_dict(self.student.state_dict())

    def train(self, mode: bool = True) -> "MultiViewSoftTeacher":
        """Training mode for the student alone: a teacher in training mode would drift in its running statistics."""
        super().train(mode)
        self.teacher.eval()
        return self

    def loss(
        self, multi_batch_inputs: dict[str, Tensor], multi_batch_data_samples: dict[str, SampleList]
    ) -> dict[str, Tensor]:
        """Losses of the branches present: ``sup`` always, ``unsup_teacher`` and ``unsup_student`` together or not at all.

        Args:
            multi_batch_inputs: images (B*V, 3, H, W) of each branch, views of a group next to each other.
            multi_batch_data_samples: their samples, in the same order.
        """
        losses = dict(self.loss_by_gt_instances(multi_batch_inputs["sup"], multi_batch_data_samples["sup"]))
        if "unsup_teacher" not in multi_batch_inputs:
            return losses
        student_samples = multi_batch_data_samples["unsup_student"]
        pseudo_samples, info = self.get_pseudo_instances(
            multi_batch_inputs["unsup_teacher"], multi_batch_data_samples["unsup_teacher"]
        )
        order = view_order([s.img_id for s in pseudo_samples], [s.img_id for s in student_samples])
        pseudo_samples = [pseudo_samples[i] for i in order]
        index = torch.tensor(order, device=info["feat"][0].device)
        info = {
            "feat": [level[index] for level in info["feat"]],
            **{key: [info[key][i] for i in order] for key in ("img_shape", "homography_matrix", "metainfo")},
        }
        student_samples = self.project_pseudo_instances(pseudo_samples, student_samples)
        losses.update(self.loss_by_pseudo_instances(multi_batch_inputs["unsup_student"], student_samples, info))
        losses.update(self.pseudo_boxes(student_samples))
        return losses

    def pseudo_boxes(self, samples: SampleList) -> dict[str, Tensor]:
        """Pseudo-boxes per view above the initial threshold, to be logged; the model knows classes by their labels alone.

        Returns:
            ``pseudo_boxes_per_view``, and ``pseudo_boxes_per_view_<label>`` for each class, as tensors of shape ().
        """
        labels = torch.cat([sample.gt_instances.labels for sample in samples])
        classes = torch.arange(self.student.roi_head.bbox_head.num_classes, device=labels.device)
        kept = (labels[:, None] == classes).sum(dim=0)  # bincount would wait for the GPU
        of_class = {f"pseudo_boxes_per_view_{label}": count / len(samples) for label, count in enumerate(kept)}
        return {"pseudo_boxes_per_view": kept.sum() / len(samples), **of_class}


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

"""Focal classification for the RoI head, with training, prediction and background score in agreement."""

import torch
from mmdet.models.losses import FocalLoss
from mmdet.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class SigmoidFocalLoss(FocalLoss):
    """mmdet's sigmoid focal loss behind the box head's custom-activation seam.

    With the plain ``FocalLoss`` a box head trains C+1 sigmoids but predicts with a softmax, and Soft Teacher reads the last
    column of the scores as the background. Here C logits are trained as C independent sigmoids, prediction applies the same
    sigmoids, and a background column is appended, so that ``scores[:, -1]`` is the background for every reader.
    """

    custom_cls_channels = True
    custom_activation = True
    custom_accuracy = True

    def get_cls_channels(self, num_classes: int) -> int:
        """Number of logits the head needs: one per class, none for the background."""
        return num_classes

    def get_activation(self, cls_score: Tensor) -> Tensor:
        """Scores (N, C+1) of logits (N, C): class probabilities p, then the background prod(1 - p).

        The background is the probability that no class is present, the classes being modelled as independent.
        """
        # log(1 - sigmoid(x)) = logsigmoid(-x), summed in float32: products of many factors underflow in half precision.
        background = torch.nn.functional.logsigmoid(-cls_score.float()).sum(dim=1, keepdim=True).exp()
        return torch.cat([cls_score.sigmoid(), background.to(cls_score.dtype)], dim=1)

    def get_accuracy(self, cls_score: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Top-1 accuracy in percent over the samples of a class (label C is background)."""
        positive = labels < cls_score.size(1)
        right = positive & (cls_score.argmax(dim=1) == labels)
        # Rows picked out would wait for the GPU.
        return {"acc_classes": 100 * right.sum() / positive.sum().clamp(min=1)}

"""Any mmdet backbone, with the views of each group exchanging information at every level."""

from typing import Any

from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor


@MODELS.register_module()
class MultiViewBackbone(BaseModule):
    """Runs ``backbone`` on every view as an image of its own, then fuses the views of a group with ``mvvit``.

    Args:
        backbone: config of an mmdet backbone that returns one feature map per level.
        mvvit: config of the fusion, :class:`models.mvvit.MVViT`.
    """

    def __init__(
        self, *, backbone: dict[str, Any], mvvit: dict[str, Any], init_cfg: dict[str, Any] | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.backbone = MODELS.build(backbone)
        self.mvvit = MODELS.build(mvvit)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images (B*V, 3, H, W), the V views of a group next to each other, to L maps (B*V, C_l, H_l, W_l).

        Raises:
            ValueError: the number of images is not a multiple of the number of views.
        """
        views = self.mvvit.num_views
        if len(images) % views:
            raise ValueError(
                f"A batch of {len(images)} images cannot be cut into groups of {views} views: "
                f"feed whole groups, or set model.detector.backbone.mvvit.num_views to the data's number of views."
            )
        return tuple(self.mvvit(self.backbone(images)))

"""The multi-view detector as mmdet components; importing this package registers them.

The operator bridge is installed first: mmdet's detectors do not import without it where mmcv has no compiled operators.
"""

from models import operators

operators.install()

from models.anchors import WidthHeightAnchorGenerator  # noqa: E402
from models.backbone import MultiViewBackbone  # noqa: E402
from models.losses import SigmoidFocalLoss  # noqa: E402
from models.mvvit import MVViT  # noqa: E402
from models.soft_teacher import MultiViewSoftTeacher  # noqa: E402

__all__ = ["MVViT", "MultiViewBackbone", "MultiViewSoftTeacher", "SigmoidFocalLoss", "WidthHeightAnchorGenerator"]

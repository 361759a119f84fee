"""Transforms of groups: mmdet's own transforms, applied to all the views of a group.

A group is ``{"group": name, "views": [mmdet results dict per view]}`` until :class:`PackGroup` ends the pipeline.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform, Compose, LoadImageFromFile
from mmdet.datasets.transforms import Resize
from mmdet.datasets.transforms.augment_wrappers import level_to_mag
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import autocast_box_type
from numpy.typing import NDArray

from experiments.data import colours
from experiments.data.cache import Decoded, ViewCache
from experiments.errors import UserError
from experiments.paths import view_cache

_META_KEYS = (
    "img_id",
    "img_path",
    "ori_shape",
    "img_shape",
    "scale_factor",
    "flip",
    "flip_direction",
    "homography_matrix",
)


@TRANSFORMS.register_module()
class EachView(BaseTransform):
    """Apply mmdet transforms to each view on its own.

    Raises:
        UserError: an image file cannot be decoded.
    """

    def __init__(self, *, transforms: Sequence[dict[str, Any]]) -> None:
        self.transforms = Compose(list(transforms))

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return the group with transformed views."""
        return {**results, "views": [self._apply(view) for view in results["views"]]}

    def _apply(self, view: dict[str, Any]) -> dict[str, Any]:
        try:
            done: dict[str, Any] = self.transforms(view)
            done.pop("instances", None)  # they are in `gt_bboxes` by now; branches would copy them
        except (AssertionError, OSError) as error:
            # mmcv's loader asserts that a file could be decoded.
            if "img" in view:
                raise
            raise UserError(f"{view['img_path']} is not a readable image: restore the file.") from error
        return done


@TRANSFORMS.register_module()
class LoadView(Resize):
    """Load a view at the size that the model is fed, and move its boxes, which must have been loaded before, along.

    What comes out is as of mmdet's ``LoadImageFromFile``, ``LoadAnnotations`` and ``Resize``; a view that this machine has decoded
    before is taken from :mod:`experiments.data.cache`.

    Args:
        scale: width and height, px.
        data: the data set folder.
    """

    def __init__(self, *, scale: tuple[int, int], data: str) -> None:
        super().__init__(scale=tuple(scale), keep_ratio=False)
        self.load = LoadImageFromFile()
        self.cache = ViewCache(
            view_cache(),
            data=Path(data),
            size=(scale[1], scale[0]),
            recipe=f"1, cv2 {cv2.__version__}, mmcv {mmcv.__version__}",  # the number: of what this class does
        )

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return the view with its image, and boxes in px of that."""
        view = self.cache.fetch(results["img_path"], lambda: self._decode(results["img_path"]))
        (height, width), fed = view.stored, view.pixels.shape[:2]
        results |= {"img": view.pixels, "ori_shape": view.stored, "img_shape": fed}
        results["scale_factor"] = (fed[1] / width, fed[0] / height)
        if fed != view.stored:  # else boxes, which lie inside of the image, stay where they are
            self._move_boxes(results)
        return results

    @autocast_box_type()
    def _move_boxes(self, results: dict[str, Any]) -> None:
        self._resize_bboxes(results)
        self._record_homography_matrix(results)

    def _decode(self, path: str) -> Decoded:
        loaded = self.load.transform({"img_path": path, "scale": self.scale})
        self._resize_img(loaded)
        return Decoded(loaded["img"], loaded["ori_shape"])


@TRANSFORMS.register_module()
class FlipGroup(BaseTransform):
    """Mirror a whole group left to right, or leave it: every view is mirrored and the order of the views too.

    The mirror image of an object seen at angle a is the mirrored object seen at -a, so view v of V becomes view -v mod V:
    the first stays first, the others change places.

    Args:
        prob: probability in [0, 1] of mirroring.
    """

    def __init__(self, *, prob: float) -> None:
        self.prob = prob
        self.flip = TRANSFORMS.build({"type": "mmdet.RandomFlip", "prob": 1.0, "direction": "horizontal"})

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return the group, mirrored or as it was."""
        if np.random.rand() >= self.prob:
            return results
        views = [self._mirror(view) for view in results["views"]]
        return {**results, "views": [views[-i % len(views)] for i in range(len(views))]}

    def _mirror(self, view: dict[str, Any]) -> dict[str, Any]:
        image = view["img"]
        flipped: dict[str, Any] = self.flip(view)
        # mmdet's is a view with a negative stride, which is slow wherever it is read.
        flipped["img"] = cv2.flip(image, 1)
        return flipped


@TRANSFORMS.register_module()
class ColorAugmentation(BaseTransform):
    """The plan's colour augmentation: six of mmdet's colour transforms in turn, drawn for every view on its own.

    What is drawn and what becomes of the pixels is as in mmdet; :mod:`experiments.data.colours` works it out faster.

    Each setting is a dict with ``prob`` in [0, 1]; brightness, contrast and sharpness also take ``magnitude`` = (low, high),
    the range a factor is drawn from (1 leaves the image as it is; mmdet rounds the draw to one decimal).
    """

    def __init__(
        self,
        *,
        autocontrast: dict[str, Any],
        equalize: dict[str, Any],
        brightness: dict[str, Any],
        contrast: dict[str, Any],
        sharpness: dict[str, Any],
        posterize: dict[str, Any],
    ) -> None:
        settings: dict[str, tuple[dict[str, Any], Callable[[NDArray[np.uint8], float], NDArray[np.uint8]]]] = {
            "AutoContrast": (autocontrast, colours.autocontrast),
            "Equalize": (equalize, colours.equalize),
            "Brightness": (brightness, colours.brightness),
            "Contrast": (contrast, colours.contrast),
            "Sharpness": (sharpness, colours.sharpness),
            "Posterize": (posterize, colours.posterize),
        }
        self.steps = [(_colour(name, **setting), change) for name, (setting, change) in settings.items()]

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return the group with recoloured views; boxes do not change."""
        return {**results, "views": [{**view, "img": self._recolour(view["img"])} for view in results["views"]]}

    def _recolour(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        for drawn, change in self.steps:
            if np.random.rand() <= drawn.prob:
                image = change(image, level_to_mag(drawn.level, drawn.min_mag, drawn.max_mag))
        return image


def _colour(name: str, *, prob: float, magnitude: tuple[float, float] | None = None) -> Any:
    """mmdet's transform, which checks the setting and holds what to draw from."""
    bounds = {} if magnitude is None else {"min_mag": float(magnitude[0]), "max_mag": float(magnitude[1])}
    return TRANSFORMS.build({"type": f"mmdet.{name}", "prob": prob, **bounds})


@TRANSFORMS.register_module()
class PackGroup(BaseTransform):
    """End of a pipeline: ``{"inputs": [V image tensors], "data_samples": [V samples]}``, made by mmdet's PackDetInputs."""

    def __init__(self) -> None:
        self.pack = TRANSFORMS.build({"type": "mmdet.PackDetInputs", "meta_keys": _META_KEYS})

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack every view."""
        packed = [self.pack({**view, "img": _planar(view["img"])}) for view in results["views"]]
        return {key: [view[key] for view in packed] for key in ("inputs", "data_samples")}


def _planar(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image (H, W, 3) whose memory is that of the tensor (3, H, W) it becomes: OpenCV gets there in half of torch's time."""
    return np.stack(cv2.split(image)).transpose(1, 2, 0)

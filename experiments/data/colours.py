"""Colour changes of an image, by tables of its 256 levels: pixel for pixel those of mmcv, in a fraction of the time. Torch-free.

mmcv works most of them out for every pixel, in float or with numpy's histogram; but what becomes of a pixel depends on its level
alone, given the image's histogram. Images are (H, W, 3), uint8, BGR, and are not changed.
"""

import math
from functools import lru_cache
from typing import Any

import cv2
import mmcv
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_LEVELS = np.arange(256, dtype=np.uint8)
_MOST_PIXELS = 2**24  # OpenCV counts a histogram in float32, which is exact up to here


def autocontrast(image: Image, _magnitude: float = 0.0) -> Image:
    """Stretch each channel to 0 .. 255, as ``mmcv.auto_contrast`` does."""
    # Axis by axis: numpy is slow at both at once.
    lowest, highest = image.min(axis=0).min(axis=0), image.max(axis=0).max(axis=0)
    return _map(image, *(_stretched(int(low), int(high)) for low, high in zip(lowest, highest, strict=True)))


def equalize(image: Image, _magnitude: float = 0.0) -> Image:
    """Make each channel's histogram flat, as ``mmcv.imequalize`` does."""
    return _map(image, *(_flattened(counts) for counts in _histograms(image)))


def brightness(image: Image, factor: float) -> Image:
    """Scale all levels, as ``mmcv.adjust_brightness`` does."""
    return _map(image, _brightened(factor))


def contrast(image: Image, factor: float) -> Image:
    """Scale the distance to the mean grey, as ``mmcv.adjust_contrast`` does."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return _map(image, _contrasted(factor, round(cv2.sumElems(grey)[0] / grey.size)))


def sharpness(image: Image, factor: float) -> Image:
    """Scale the distance to the blurred image: ``mmcv.adjust_sharpness``."""
    return np.asarray(mmcv.adjust_sharpness(image, factor), np.uint8)


def posterize(image: Image, bits: float) -> Image:
    """Keep the highest bits of each level, as ``mmcv.posterize`` does; parts of a bit count as one."""
    return _map(image, _posterized(math.ceil(bits)))


def _map(image: Image, *tables: Image) -> Image:
    """Look levels up, in one table (256,) for all channels or in one for each."""
    table = tables[0] if len(tables) == 1 else np.stack(tables, axis=-1)[None]
    return np.asarray(cv2.LUT(image, table), np.uint8)


def _histograms(image: Image) -> list[NDArray[np.int64]]:
    """How many pixels have each level (256,), for each channel."""
    assert image.dtype == np.uint8 and image.shape[0] * image.shape[1] <= _MOST_PIXELS
    counts: list[Any] = [cv2.calcHist([image], [channel], None, [256], [0, 256]) for channel in range(3)]
    return [one.ravel().astype(np.int64) for one in counts]


def _flattened(counts: NDArray[np.int64]) -> Image:
    step = (counts.sum() - counts[np.flatnonzero(counts)[-1]]) // 255
    if not step:
        return _LEVELS
    table = (np.cumsum(counts) + step // 2) // step
    return np.minimum(np.concatenate([[0], table[:-1]]), 255).astype(np.uint8)


# Factors are rounded to one decimal before they come here, so that there are few tables.


@lru_cache(maxsize=4096)
def _stretched(low: int, high: int) -> Image:
    if low >= high:
        return _LEVELS
    scale = 255.0 / (high - low)
    return np.clip(np.arange(256) * scale + -low * scale, 0, 255).astype(np.uint8)


@lru_cache(maxsize=1024)
def _brightened(factor: float) -> Image:
    return np.asarray(mmcv.adjust_brightness(_LEVELS, factor), np.uint8).ravel()


@lru_cache(maxsize=8192)
def _contrasted(factor: float, mean: int) -> Image:
    levels = _LEVELS.astype(np.float32)
    blended = cv2.addWeighted(levels, factor, np.full_like(levels, mean), 1 - factor, 0)
    return np.clip(blended, 0, 255).astype(np.uint8).ravel()


@lru_cache(maxsize=16)
def _posterized(bits: int) -> Image:
    return np.asarray(mmcv.posterize(_LEVELS, bits), np.uint8)

"""Images of one split that are copies of images of another one: the same file, or nearly the same picture.

The picture is compared by a perceptual hash: the signs of the lowest 16 x 16 frequencies of the discrete cosine transform of the
grey image at 64 x 64 px, without the mean, each against their median (pHash: Zauner, "Implementation and Benchmarking of
Perceptual Image Hash Functions", 2010, section 3.2.1, there with 8 x 8 frequencies of 32 x 32 px). Torch-free.
"""

import hashlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.data.files import read_file

SIDE = 64  # px of the image that is transformed
LOWEST = 16  # frequencies in each direction
BITS = LOWEST**2 - 1
# Two pictures are one if at most this many bits differ. Measured on synthetic drill bits:
# - nearest pictures of two specimens: 56 bits (tiny, 96 images), 34 (cpu, 1,792), 30 (the 5,256 images of paper at 180 x 64 px);
# - farthest of 150 copies at these sizes: JPEG quality 30 22 bits, 50 18; scaled by 0.75 to 1.5 16; 30 grey levels brighter 24, a
#   fifth darker 4, a fifth brighter, which saturates, 30; scaled by 0.9, a tenth brighter and quality 70 together 22.
# With 8 x 8 frequencies, specimens differ in 2 of 63 bits only, and copies in up to 10.
THRESHOLD = 24
# Below this spread of grey levels there is no picture to compare.
_FLAT = 1.0
_BLOCK = 1024  # images compared with all others at once: 40 MB for 10,000


@dataclass(frozen=True)
class ImageHash:
    """Of one image: the SHA-256 of its file in hexadecimal, and (255,) its hash as -1 and 1, or 0 where it shows nothing."""

    file: str
    picture: NDArray[np.float32]


@dataclass(frozen=True)
class Copy:
    """Image ``copy`` shows what image ``original`` of an earlier split does, numbers as given; ``bits`` that differ, 0 to 255.

    ``same_file``: the files are equal byte by byte.
    """

    original: int
    copy: int
    bits: int
    same_file: bool


def hash_image(path: Path) -> ImageHash | None:
    """Read an image once and hash it; ``None`` if it cannot be decoded."""
    try:
        data = read_file(path)
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
            warnings.simplefilter("ignore")
            image.draft("L", (SIDE, SIDE))  # large JPEG files are decoded at a part of their size
            grey = np.asarray(image.convert("L"), dtype=np.float32)
    except Exception:  # Pillow raises errors of many kinds on corrupt files
        return None
    return ImageHash(hashlib.sha256(data).hexdigest(), hash_picture(grey))


def hash_picture(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """The (255,) hash of (height, width) grey levels from 0 to 255."""
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    if small.std() < _FLAT:
        return np.zeros(BITS, np.float32)
    lowest = cv2.dct(small)[:LOWEST, :LOWEST].ravel()[1:]
    return np.where(lowest > np.median(lowest), 1, -1).astype(np.float32)


def find_copies(hashes: Sequence[ImageHash], *, splits: Sequence[int], specimens: Sequence[str]) -> list[Copy]:
    """Of each image the nearest one of an earlier split, where that is a copy.

    Shots of one specimen look alike and are not compared: that a specimen is in two splits is a fault of its own.

    Args:
        hashes: of N images.
        splits: the number of each one's split; the lower is the earlier.
        specimens: what each one shows.
    """
    if not hashes:
        return []
    pictures = np.stack([found.picture for found in hashes])
    files = np.unique([found.file for found in hashes], return_inverse=True)[1]
    kinds = np.unique(specimens, return_inverse=True)[1]
    numbers = np.asarray(splits)
    copies = []
    for start in range(0, len(hashes), _BLOCK):
        block = slice(start, start + _BLOCK)
        bits = (BITS - pictures[block] @ pictures.T) / 2
        same = files[block, None] == files
        bits[same] = -1  # before all that only look alike
        bits[(numbers[block, None] <= numbers) | (kinds[block, None] == kinds)] = BITS
        for i, j in enumerate(bits.argmin(axis=1)):
            if bits[i, j] <= THRESHOLD:
                copies.append(Copy(int(j), start + i, max(int(bits[i, j]), 0), bool(same[i, j])))
    return copies

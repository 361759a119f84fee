"""Copies of images across splits: found in every disguise, and never seen in synthetic bits of different specimens."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.data.similar import BITS, Copy, ImageHash, find_copies, hash_image, hash_picture
from experiments.data.splits import specimen_of


def hashed(path: Path) -> ImageHash:
    found = hash_image(path)
    assert found is not None
    return found


def made(content: str, *flipped: int) -> ImageHash:
    """A hash of all ones, some bits flipped."""
    picture = np.ones(BITS, np.float32)
    picture[list(flipped)] = -1
    return ImageHash(content, picture)


def test_the_hash_holds_the_signs_of_low_frequencies() -> None:
    rows = np.arange(64) + 0.5
    wave = 100 + 50 * np.cos(np.pi * rows / 64 * 3)[:, None] * np.ones(
        (1, 64)
    )  # frequency 3 from top to bottom, 0 across
    found = hash_picture(wave.astype(np.float32))
    assert found.shape == (255,)
    assert found[3 * 16 - 1] == 1  # the mean, number 0, is left out
    assert hash_picture((200 - wave).astype(np.float32))[3 * 16 - 1] == -1


def test_a_flat_image_shows_nothing_that_could_be_compared(tmp_path: Path) -> None:
    for name, grey in (("a.png", 90), ("b.png", 91)):
        Image.new("RGB", (40, 80), (grey, grey, grey)).save(tmp_path / name)
    shutil.copy(tmp_path / "a.png", tmp_path / "c.png")
    hashes = [hashed(tmp_path / name) for name in ("a.png", "b.png", "c.png")]
    assert not hashes[0].picture.any()
    assert [
        (c.original, c.copy, c.same_file) for c in find_copies(hashes, splits=[0, 1, 1], specimens=["A", "B", "C"])
    ] == [(0, 2, True)]


def test_the_nearest_image_of_an_earlier_split_and_another_specimen_is_told() -> None:
    hashes = [made("a", 0, 1, 2), made("b", 0), made("c"), made("d"), made("e", *range(25)), made("a", *range(9))]
    copies = find_copies(hashes, splits=[0, 0, 1, 0, 1, 2], specimens=["A", "B", "C", "C", "E", "F"])
    assert copies == [
        Copy(1, 2, bits=1, same_file=False),  # not image 3, which is of the same specimen
        Copy(0, 4, bits=22, same_file=False),  # 25 flipped bits, of which 3 are flipped there too
        Copy(0, 5, bits=0, same_file=True),  # the same file counts before all that only looks alike
    ]


@pytest.mark.parametrize(("bits", "found"), [(24, 1), (25, 0)])
def test_a_copy_differs_in_24_bits_at_most(bits: int, found: int) -> None:
    assert len(find_copies([made("a"), made("b", *range(bits))], splits=[0, 1], specimens=["A", "B"])) == found


def test_more_images_than_are_compared_at_once_keep_their_numbers() -> None:
    generator = np.random.default_rng(0)
    hashes = [ImageHash(str(i), generator.choice(np.array([-1, 1], np.float32), BITS)) for i in range(1500)]
    hashes.append(ImageHash("copy", hashes[1200].picture))
    specimens = [str(i) for i in range(1501)]
    assert find_copies(hashes, splits=[0] * 1500 + [1], specimens=specimens) == [Copy(1200, 1500, 0, False)]


def test_no_images_have_no_copies() -> None:
    assert find_copies([], splits=[], specimens=[]) == []


def test_different_synthetic_specimens_are_no_copies(tiny_data: Path) -> None:
    paths = sorted((tiny_data / "images").iterdir())
    specimens = [specimen_of(path.name) for path in paths]
    numbers = {name: number for number, name in enumerate(sorted(set(specimens)))}
    assert find_copies([hashed(p) for p in paths], splits=[numbers[s] for s in specimens], specimens=specimens) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: image.resize((round(image.width * 0.9), round(image.height * 0.9))),
        lambda image: image.resize((image.width * 2, image.height * 2)),
        lambda image: image.point(lambda value: min(value + 25, 255)),
        lambda image: image.point(lambda value: round(value * 0.8)),
        lambda image: image.convert("L"),
    ],
    ids=["encoded again", "smaller", "larger", "brighter", "darker", "grey"],
)
def test_changed_copies_are_found(
    change: Callable[[Image.Image], Image.Image], tiny_data: Path, tmp_path: Path
) -> None:
    originals = sorted((tiny_data / "images").iterdir())[::7]
    paths = []
    for path in originals:
        with Image.open(path) as image:
            change(image).save(tmp_path / path.name, quality=70)
        paths.append(tmp_path / path.name)
    count = len(originals)
    copies = find_copies(
        [hashed(path) for path in (*originals, *paths)],
        splits=[0] * count + [1] * count,
        specimens=[path.name for path in originals] + [f"copy {path.name}" for path in paths],
    )
    assert [(copy.original, copy.copy, copy.same_file) for copy in copies] == [
        (i, count + i, False) for i in range(count)
    ]


def test_what_cannot_be_decoded_has_no_hash(tiny_data: Path, tmp_path: Path) -> None:
    data = next((tiny_data / "images").iterdir()).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    assert hash_image(tmp_path / "cut.jpg") is None
    assert hash_image(tmp_path / "none.jpg") is None
    (tmp_path / "whole.jpg").write_bytes(data)
    assert hashed(tmp_path / "whole.jpg").file == hashlib.sha256(data).hexdigest()

"""Decoded views that processes share: the same pixels as without, and never those of another image, a half or a damaged file."""

import os
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from experiments.data import cache
from experiments.data.cache import Decoded, ViewCache
from experiments.paths import view_cache

SIZE = (4, 3)


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Image files are old enough to be trusted, and each test hears its own warnings."""
    monkeypatch.setattr(cache, "_SETTLED", -1.0)
    cache._tell.cache_clear()
    yield
    cache._tell.cache_clear()


class Images:
    """Three image files of one byte, which stands for all of their pixels; ``decoded`` lists what was decoded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data"
        self.folder.mkdir()
        self.decoded: list[str] = []
        for name in "abc":
            self.path(name).write_bytes(name.encode())

    def path(self, name: str) -> Path:
        return self.folder / name

    def fetch(self, views: ViewCache, name: str) -> Decoded:
        def decode() -> Decoded:
            self.decoded.append(name)
            return Decoded(np.full((*SIZE, 3), self.path(name).read_bytes()[0], np.uint8), (40, 30))

        return views.fetch(str(self.path(name)), decode)


@pytest.fixture
def images(tmp_path: Path) -> Images:
    return Images(tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "views"


def opened(root: Path | None, images: Images, *, size: tuple[int, int] = SIZE, recipe: str = "") -> ViewCache:
    return ViewCache(root, data=images.folder, size=size, recipe=recipe)


def entries(root: Path) -> list[Path]:
    return [path for path in root.glob("*/*") if path.is_file()]


def test_an_image_is_decoded_once_for_all_processes(images: Images, root: Path) -> None:
    first = images.fetch(opened(root, images), "a")
    again = images.fetch(opened(root, images), "a")
    assert images.decoded == ["a"]
    assert again.pixels.tolist() == first.pixels.tolist() == [[[97] * 3] * 3] * 4
    assert (again.stored, again.pixels.dtype) == ((40, 30), np.uint8)
    assert len(entries(root)) == 1


def test_what_a_caller_does_to_its_pixels_stays_with_it(images: Images, root: Path) -> None:
    for _ in range(3):
        found = images.fetch(opened(root, images), "a").pixels
        assert (found == 97).all()
        found[:] = 0


def test_a_changed_image_is_decoded_anew_even_if_size_and_time_are_as_before(images: Images, root: Path) -> None:
    views, path = opened(root, images), images.path("a")
    images.fetch(views, "a")
    before = path.stat()
    path.write_bytes(b"z")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    for _ in range(2):
        assert (images.fetch(views, "a").pixels == ord("z")).all()
    assert images.decoded == ["a", "a"]
    assert len(entries(root)) == 1


def test_an_image_in_place_of_another_is_decoded_anew(images: Images, root: Path) -> None:
    views = opened(root, images)
    images.fetch(views, "a")
    os.replace(images.path("b"), images.path("a"))
    assert (images.fetch(views, "a").pixels == ord("b")).all()


def test_an_image_written_just_now_is_not_kept(images: Images, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written to once more within the clock's tick, it would have the same stamp."""
    monkeypatch.setattr(cache, "_SETTLED", 2.0)
    images.fetch(opened(root, images), "a")
    assert entries(root) == []


def test_a_missing_image_is_missed(images: Images, root: Path) -> None:
    images.fetch(opened(root, images), "a")
    images.path("a").unlink()
    with pytest.raises(FileNotFoundError):
        images.fetch(opened(root, images), "a")


@pytest.mark.parametrize("damage", ["empty", "half", "cut off", "one pixel", "zeros", "stored size", "checksum"])
def test_a_damaged_entry_is_not_served_but_replaced(damage: str, images: Images, root: Path) -> None:
    images.fetch(opened(root, images), "a")
    (entry,) = entries(root)
    whole = entry.read_bytes()
    changed = bytearray(whole)
    if damage in ("one pixel", "stored size", "checksum"):
        changed[{"one pixel": -1, "stored size": 40, "checksum": 50}[damage]] ^= 1
    entry.write_bytes(
        {"empty": b"", "half": whole[: len(whole) // 2], "cut off": whole[:-9], "zeros": bytes(len(whole))}.get(
            damage, bytes(changed)
        )
    )
    found = images.fetch(opened(root, images), "a")
    assert ((found.pixels == 97).all(), found.stored) == (True, (40, 30))
    assert images.decoded == ["a", "a"]
    assert entry.read_bytes() == whole


def test_other_sizes_and_decoders_have_views_of_their_own(images: Images, root: Path) -> None:
    for recipe in ("cv2 4", "cv2 5"):
        images.fetch(opened(root, images, recipe=recipe), "a")
    assert images.decoded == ["a", "a"]
    opened(root, images, size=(8, 3))
    assert len(list(root.iterdir())) == 3


def refused(images: Images, root: Path, saying: str) -> None:
    """Fetching from here gives the right pixels, with one warning in all."""

    def fetch() -> None:
        for _ in range(2):
            views = opened(root, images)
            for name in "abc":
                assert (images.fetch(views, name).pixels == ord(name)).all()

    with pytest.warns(RuntimeWarning, match=saying) as told:
        fetch()
    assert len(told) == 1


def test_a_disk_without_room_costs_time_alone(images: Images, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "RESERVE", 2**62)
    refused(images, root, "No space left on device")
    assert images.decoded == list("abcabc")
    assert entries(root) == []


def test_a_disk_that_is_full_in_the_middle_of_a_file_leaves_nothing(
    images: Images, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", half)
    refused(images, root, "No space left on device")
    assert entries(root) == []


def test_a_folder_that_cannot_be_made_costs_time_alone(images: Images, root: Path) -> None:
    root.write_text("a file")
    refused(images, root, "VIEW_CACHE")


def test_views_take_no_more_than_the_limit(images: Images, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 100)  # a view is 36 bytes of pixels, and 52 in front
    refused(images, root, "those that are there take")
    assert len(entries(root)) == 2  # by the first, who counts pixels; the second finds 176 bytes and no room
    assert images.decoded == list("abcc")


def test_views_that_nobody_used_for_long_are_removed_and_nothing_else(images: Images, root: Path) -> None:
    images.fetch(opened(root, images, recipe="old"), "a")
    (old,) = root.iterdir()
    other = root / "views-of-the-sea"
    other.mkdir()
    for folder in (old, other):
        os.utime(folder, (0.0, time.time() - cache.KEPT - 60))
    images.fetch(opened(root, images), "a")
    assert not old.exists()
    assert other.exists()
    assert len(entries(root)) == 1


def test_a_folder_removed_under_a_process_is_made_again(images: Images, root: Path) -> None:
    views = opened(root, images)
    root.joinpath(next(root.iterdir())).rmdir()
    images.fetch(views, "a")
    assert len(entries(root)) == 1


def test_processes_that_begin_together_all_get_whole_views(images: Images, root: Path) -> None:
    def work(_: int) -> bool:
        views = opened(root, images)
        return all((images.fetch(views, name).pixels == ord(name)).all() for name in "abc" * 20)

    with ThreadPoolExecutor(8) as pool, warnings.catch_warnings(action="error"):
        assert all(pool.map(work, range(8)))
    assert len(entries(root)) == 3


def test_off_means_that_nothing_is_kept(images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        images.fetch(opened(None, images), "a")
    assert images.decoded == ["a", "a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_the_environment_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIEW_CACHE", "off")
    assert view_cache() is None
    monkeypatch.setenv("VIEW_CACHE", str(tmp_path))
    assert view_cache() == tmp_path
    monkeypatch.delenv("VIEW_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert view_cache() == tmp_path / "multiview-ablation-lab"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert view_cache() == Path("/home/someone/.cache/multiview-ablation-lab")

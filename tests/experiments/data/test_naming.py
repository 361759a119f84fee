"""Which images are one shot, of which specimen, and what they are called."""

import re
from pathlib import Path

import pytest

from experiments.data.naming import Naming, name_shots, read_naming, shot_name
from experiments.data.sources import SourceImage
from experiments.errors import UserError

BITS = read_naming(group_by=r"(?P<group>.+)_crop_(?P<view>\d+)", specimen_by=r"(?P<specimen>S\d+)_", views=2)


def images(*names: str) -> list[SourceImage]:
    return [SourceImage(Path(f"{name}.jpg"), 4, 8, ()) for name in names]


def shoot(
    *sides: list[SourceImage], naming: Naming = BITS, views: int = 2, drop: bool = False
) -> tuple[list[list[str]], list[str]]:
    """Written names of each side, and problems."""
    shots, problems, _ = name_shots(sides, naming, views=views, drop_incomplete=drop, label=lambda path: path.name)
    return [[shot.name for shot in side] for side in shots], problems


@pytest.mark.parametrize(
    ("specimen", "group", "name"),
    [
        ("S110", "S110_bright_4", "S110_bright_4"),
        ("S110", "bright_4", "S110_bright_4"),
        ("bit_07", "bit_07_dark_1", "bit-07_dark_1"),
        ("7", "shot 3 of 7/b", "7_shot-3-of-7-b"),
        ("S110", "S110", "S110"),
        ("S110_bright_4", "S110_bright_4", "S110-bright-4"),
        ("S11", "S110_bright_4", "S11_S110_bright_4"),
        ("Bohrer ä", "Bohrer ä_1", "Bohrer--_1"),
    ],
)
def test_names_begin_with_the_specimen(specimen: str, group: str, name: str) -> None:
    assert shot_name(specimen, group) == name


def test_files_of_the_drill_bits_are_understood() -> None:
    assert BITS.key("S110_bright_4_crop_1") == ("S110", "S110_bright_4", 1)
    assert BITS.key("S110_bright_4_crop_1_jpg.rf.0a1b2c") == ("S110", "S110_bright_4", 1)


def test_without_expressions_every_image_is_a_specimen() -> None:
    assert shoot(images("b_2", "a"), naming=Naming(None, None), views=1) == ([["a", "b-2"]], [])


@pytest.mark.parametrize("numbers", [(0, 1, 2), (1, 2, 3), (0, 45, 315), (9, 10, 100)])
def test_views_are_whatever_numbers_occur_in_their_order(numbers: tuple[int, ...]) -> None:
    names = [f"S{specimen}_1_crop_{number}" for specimen in (1, 2) for number in reversed(numbers)]
    shots, problems, _ = name_shots([images(*names)], BITS, views=3, drop_incomplete=False, label=str)
    assert problems == []
    assert [[view.path.stem for view in shot.views] for shot in shots[0]] == [
        [f"S{specimen}_1_crop_{number}" for number in numbers] for specimen in (1, 2)
    ]


def test_groups_that_lack_a_view_are_all_told_or_left_out() -> None:
    found = images("S1_1_crop_1", "S1_1_crop_2", "S2_1_crop_1", "S3_1_crop_2")
    _, problems = shoot(found)
    assert problems == [
        "group S2_1 (of S2_1_crop_1.jpg) lacks view 2: add the images, or leave out such groups (--drop-incomplete).",
        "group S3_1 (of S3_1_crop_2.jpg) lacks view 1: add the images, or leave out such groups (--drop-incomplete).",
    ]
    shots, problems, notes = name_shots([found], BITS, views=2, drop_incomplete=True, label=str)
    assert ([shot.name for shot in shots[0]], problems, notes) == (
        ["S1_1"],
        [],
        ["Groups that lack views, left out of these: 2."],
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("S1_1_crop_1", "logo"), r"logo\.jpg: --group-by '.*' does not match 'logo': correct the expression"),
        (("S1_1_crop_1", "T_1_crop_1"), r"T_1_crop_1\.jpg: --specimen-by '.*' does not match"),
        (
            ("S1_1_crop_1", "S1_1_crop_01"),
            r"S1_1_crop_1\.jpg and S1_1_crop_01\.jpg are both view 1 of group S1_1: remove",
        ),
        (
            ("S1_1_crop_1", "S1_1_crop_2", "S1_1_crop_3"),
            r"3 different views occur \(1, 2, 3\), not 2: correct --views or",
        ),
        (("S1_1_crop_1",), r"1 different views occur \(1\), not 2"),
        (
            ("S1_a b_crop_1", "S1_a b_crop_2", "S1_a-b_crop_1", "S1_a-b_crop_2"),
            r"S1_a b and S1_a-b would both be written as S1_a-b",
        ),
        (("S1_a_crop_1", "S1_a_crop_2", "S1_A_crop_1", "S1_A_crop_2"), r"S1_A and S1_a would both be written"),
    ],
)
def test_names_that_do_not_fit_are_problems(names: tuple[str, ...], message: str) -> None:
    _, problems = shoot(images(*names))
    assert len(problems) == 1
    assert re.search(message, problems[0])


def test_an_expression_that_fits_no_name_at_all_is_told_once() -> None:
    _, problems = shoot(images("a", "b", "c"))
    assert len(problems) == 1
    assert re.fullmatch(
        r"--group-by '.*' matches none of 3 names, for example 'a': correct the expression\.", problems[0]
    )


def test_specimens_that_would_not_be_told_apart_are_a_problem() -> None:
    naming = read_naming(group_by=r"(?P<group>.+)_crop_(?P<view>\d+)", specimen_by=r"(?P<specimen>\w.\d)", views=1)
    _, problems = shoot(images("a_1_x_crop_1", "a-1_y_crop_1"), naming=naming, views=1)
    assert problems == ["specimens a-1 and a_1 of a-1_x would not be told apart: rename one, or correct --specimen-by."]


def test_a_group_with_and_without_labels_is_a_problem() -> None:
    views = images("S1_1_crop_1", "S1_1_crop_2")
    assert shoot(views, views)[1] == ["group S1_1 has images with and without labels: leave it in one of the folders."]


@pytest.mark.parametrize(
    ("group_by", "specimen_by", "message"),
    [
        (None, None, r"Which of the 2 views .* --group-by"),
        ("(", None, r"--group-by '\(' is not a regular expression \(.*\): correct it"),
        (r"(?P<group>.+)_\d", None, r"--group-by '.*' has no part that is named view: write it as \(\?P<view>\.\.\.\)"),
        (r"(?P<group>.+)_(?P<view>\d)", "S", r"--specimen-by 'S' has no part that is named specimen"),
    ],
)
def test_expressions_are_checked(group_by: str | None, specimen_by: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_naming(group_by=group_by, specimen_by=specimen_by, views=2)


def test_views_must_be_numbers_and_groups_not_empty() -> None:
    naming = read_naming(group_by=r"(?P<group>.*)_(?P<view>\w+)$", specimen_by=None, views=2)
    with pytest.raises(ValueError, match="its view is 'left', not a whole number"):
        naming.key("S1_left")
    with pytest.raises(ValueError, match="finds no group in '_1'"):
        naming.key("_1")


def test_an_expression_that_takes_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.data.naming._MATCHING", 0.1)
    with pytest.raises(UserError, match=r"--group-by .* is still not decided on 'a{40}' after 0\.1 s: repeats within"):
        read_naming(group_by=r"(?P<group>(a+)+)=(?P<view>\d)", specimen_by=None, views=2).key("a" * 40)


def test_images_that_could_not_be_read_are_not_blamed_on_the_number_of_views() -> None:
    assert shoot([]) == ([[]], [])

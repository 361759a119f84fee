"""What arms are judged by: the plan's goals, or those of the data set's own file."""

from pathlib import Path

import pytest

from experiments.errors import UserError
from experiments.goals import PLAN, Goals, Multiples, beside, plan_goals, read_goals, write_template

CLASSES = ["Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear"]


@pytest.mark.parametrize(
    ("ap", "bound", "shown"),
    [(0.4, 0.1, "0.400"), (0.0019, 0.0021, "0.0019"), (0.002, 0.002, "0.002"), (0.00099999, 0.001, "0.001")],
)
def test_an_ap_shows_on_which_side_of_a_bound_it_lies(ap: float, bound: float, shown: str) -> None:
    assert beside(ap, bound) == shown


def test_the_plans_goals_apply_where_there_is_no_file(tmp_path: Path) -> None:
    assert read_goals(tmp_path, CLASSES) == PLAN
    assert PLAN.searched == ["Severe_Rust", "Chipped"]
    assert read_goals(tmp_path, ["Chipped", "Dent"]).searched == ["Chipped"]
    assert read_goals(tmp_path, ["Dent"]).searched == ["all"]


def test_the_file_names_hard_classes_multiples_and_the_floor(tmp_path: Path) -> None:
    (tmp_path / "targets.toml").write_text(
        'overall_floor = 0.9\n[hard."Hair crack"]\nconservative = 2\noptimistic = 4.5\n'
    )
    goals = read_goals(tmp_path, ["Dent", "Hair crack"])
    assert goals == Goals(hard={"Hair crack": Multiples(conservative=2.0, optimistic=4.5)}, overall_floor=0.9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hard = [", r"targets\.toml cannot be read .*: correct it"),
        ("[hard.Dint]\nconservative = 2\noptimistic = 3", r"no class 'Dint'; its classes are Dent, Crack"),
        ("[hard.Dent]\nconservative = 2", r"hard\.Dent\.optimistic: Field required"),
        ("[hard.Dent]\nconservative = 0\noptimistic = 3", r"hard\.Dent\.conservative: .*greater than 0"),
        ("[hard.Dent]\nconservative = 3\noptimistic = 2", r"hard\.Dent: .*optimistic must not be below conservative"),
        ("[hard.Dent]\nconservative = inf\noptimistic = 3", r"hard\.Dent\.conservative"),
        ("overall_floor = 95", r"overall_floor: .*less than or equal to 1"),
        (
            "floor = 0.9",
            r"floor is no key that is read, the keys there are hard, overall_floor, overall_least: correct",
        ),
        (
            "[hard.Dent]\nconservativ = 2\noptimistic = 3",
            r"hard\.Dent\.conservativ is no key that is read, did you mean conservative\?",
        ),
        ("overall_least = 10", r"overall_least: .*less than or equal to 1"),
        (
            "[hard.Dent]\nconservative = 2\noptimistic = 3\nbefore = 3.2",
            r"hard\.Dent\.before: .*less than or equal to 1",
        ),
    ],
)
def test_a_wrong_file_is_told_with_place_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "targets.toml").write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read_goals(tmp_path, ["Dent", "Crack"])
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("boxes", "hard"),
    [
        (dict.fromkeys(CLASSES, 9), ["Severe_Rust", "Chipped"]),
        ({"Dent": 50, 'Hair "fine" crack é': 3, "Stain": 7, "Hole": 8}, ['Hair "fine" crack é', "Stain"]),
        ({"Dent": 1}, ["Dent"]),
    ],
)
def test_the_template_reads_back(tmp_path: Path, boxes: dict[str, int], hard: list[str]) -> None:
    write_template(tmp_path, boxes)
    goals = read_goals(tmp_path, list(boxes))
    assert goals.searched == hard
    if "Chipped" in boxes:
        assert goals == PLAN == plan_goals(list(boxes))


def test_the_plans_own_figures_are_there_to_be_uncommented(tmp_path: Path) -> None:
    path = write_template(tmp_path, dict.fromkeys(CLASSES, 9))
    path.write_text(path.read_text().replace("#overall_least", "overall_least").replace("#before", "before"))
    goals = read_goals(tmp_path, CLASSES)
    assert goals.overall_least == 0.1
    assert {name: (aim.before, aim.conservative) for name, aim in goals.hard.items()} == {
        "Severe_Rust": (0.006, 5.0), "Chipped": (0.032, 2.5),
    }  # fmt: skip
    assert "before" not in write_template(tmp_path, {"Dent": 1}).read_text()

import pytest

from analysis.excerpt import store_study
from analysis.stored import nearest_study, pictures_of
from experiments.errors import UserError


@pytest.fixture
def out(tmp_path):
    return tmp_path / "docs" / "runs"


def test_own_runs_come_before_the_stored_ones(study, add_run, out, tmp_path):
    add_run("baseline", 0.5, 0.1, 0.3, 0.2, 0.4)
    store_study(study, out)
    assert nearest_study("focal", runs=study.parent, stored=out) == study
    assert nearest_study("focal", runs=tmp_path / "none", stored=out) == out / "focal"
    with pytest.raises(UserError, match=f"no study 'other' in {study.parent}; existing studies: focal"):
        nearest_study("other", runs=study.parent, stored=out)
    with pytest.raises(UserError, match=f"no study 'other' in {out}"):
        nearest_study("other", runs=tmp_path / "none", stored=out)


def test_pictures_of_a_run_at_any_depth(tmp_path):
    (tmp_path / "wandb" / "images").mkdir(parents=True)
    for name in ("wandb/images/b.png", "a.jpg", "log.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in pictures_of(tmp_path)] == ["a.jpg", "b.png"]

"""Curves and pictures of a completed run."""

from pathlib import Path

import pytest
from PIL import Image

from experiments.errors import UserError
from experiments.exhibits import exhibit_run
from experiments.exhibits_file import EXHIBITS_NAME, Exhibits, read_exhibits
from experiments.records import read_record
from experiments.train import train_run


def test_the_teachers_curves_and_pictures_are_put_beside_the_record(tiny_data: Path, tmp_path: Path) -> None:
    delta = {"model.detector.test_cfg.rcnn.score_thr": 0.0, "train_cfg.max_iters": 2}
    train_run(config="tiny", study="s", data=tiny_data, delta=delta, runs_root=tmp_path, progress=False)
    folder = tmp_path / "s" / "baseline-seed0"
    assert read_exhibits(folder) is None
    before = read_record(folder)
    exhibits = exhibit_run(folder, data=tiny_data)
    assert read_exhibits(folder) == exhibits
    assert read_record(folder) == before
    final = before.final("teacher")
    assert final is not None
    for name, curve in exhibits.precision.items():  # AP50 is the mean over the recalls
        assert len(curve) == 101
        assert sum(curve) / 101 == pytest.approx(final.scores[name].ap50, abs=1e-9)
    assert set(exhibits.precision) == {name for name, score in final.scores.items() if score.boxes and name != "all"}
    assert exhibits.pictures == ["views-1.jpg", "views-2.jpg"]
    with Image.open(folder / "views-1.jpg") as picture:
        assert picture.width > 400


def test_a_spoilt_file_is_named(tmp_path: Path) -> None:
    (tmp_path / EXHIBITS_NAME).write_text("{")
    with pytest.raises(UserError, match=r"exhibits\.json is not readable: delete it"):
        read_exhibits(tmp_path)
    assert Exhibits().precision == {}

"""What is checked is checked once in a process; what is refused: see test_train."""

import json
from pathlib import Path

import pytest

from experiments import checks
from experiments.errors import UserError
from experiments.train import train_run


def test_data_and_settings_are_checked_once_per_process(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    monkeypatch.setattr(checks, "_checked", set())
    monkeypatch.setattr(checks, "check_image", lambda view: checked.append(view.path.name))
    for gamma in (2.0, 3.0):
        delta = {"train_cfg.max_iters": 1, "model.detector.roi_head.bbox_head.loss_cls.gamma": gamma}
        train_run(
            config="tiny", study="s", arm=f"gamma-{gamma}", delta=delta, data=tiny_data, runs_root=tmp_path, progress=False
        )  # fmt: skip
    files = [tiny_data / "annotations" / f"{part}.json" for part in ("train_labeled", "train_unlabeled", "val")]
    assert sorted(checked) == sorted(
        image["file_name"] for file in files for image in json.loads(file.read_text())["images"]
    )


def test_a_split_that_the_data_cannot_give_is_refused(tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"The split is -1"):
        train_run(config="tiny", study="s", split=-1, data=tiny_data, runs_root=tmp_path, progress=False)
    assert not list(tmp_path.rglob("record.json"))

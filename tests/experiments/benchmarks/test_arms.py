"""Arms per hour and what each costs, by hand; and the shortened scale."""

import os
import shutil
import time
from pathlib import Path

import pytest

from experiments.benchmarks.arms import Round, _card_watched, train_round, write_config
from experiments.config import load_config
from experiments.errors import UserError
from experiments.runs import config_digest


def test_a_rounds_figures() -> None:
    # Two workers, 60 s, three arms of 20 s training and 5 s harness each: 120 s of workers' time are 40 s an arm.
    one = Round(2, 60.0, ({"total": 20.0, "harness": 5.0},) * 3, (100.0,) * 3, processor=90.0)
    assert one.per_hour == pytest.approx(180)
    assert one.cores == pytest.approx(1.5)
    assert (one.training, one.harness, one.start_up) == pytest.approx((20, 5, 15))


def test_a_scale_is_shortened_in_its_budget_alone(tmp_path: Path) -> None:
    write_config(tmp_path, scale="tiny", iterations=3)
    short, own = load_config(str(tmp_path / "tiny.py")), load_config("tiny")
    assert (short.train_cfg.max_iters, short.train_cfg.val_interval, dict(short.burn_in)) == (3, 3, {})
    assert short.model == own.model
    assert short.train_dataloader == own.train_dataloader
    assert config_digest(tmp_path / "tiny.py")


def test_how_busy_the_card_is_comes_from_the_drivers_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 40\necho '[N/A]'\necho ' 90'\ntouch there\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with _card_watched() as busy:
        while not (tmp_path / "there").exists():
            time.sleep(0.01)
    assert busy == [40, 90]
    monkeypatch.setattr("shutil.which", lambda name: None)
    with _card_watched() as busy:
        pass
    assert busy == []


def test_data_that_a_study_refuses_are_a_users_mistake(tmp_path: Path, tiny_data: Path) -> None:
    data = Path(shutil.copytree(tiny_data, tmp_path / "data"))
    (data / "annotations" / "val.json").unlink()
    write_config(tmp_path, scale="tiny", iterations=3)
    with pytest.raises(UserError, match=rf"^{data}/annotations/val\.json does not exist: [^\n]*$"):
        train_round(scale="tiny", workers=1, seeds=1, configs=tmp_path, data=data, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()

"""Checkpoints: the newest whole one is gone on from, and none is run."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.logging import HistoryBuffer

from experiments.burn_in import load_weights
from experiments.checkpoints import checkpoints, last_whole, read_checkpoint
from experiments.errors import UserError
from experiments.records import Record, read_record
from experiments.train import train_run
from models import MultiViewSoftTeacher


class Code:
    """What a pickle runs when it is read: it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def run(data: Path, runs: Path, **options: Any) -> Record:
    return train_run(**{"config": "tiny", "study": "s", "data": data, "runs_root": runs, "progress": False, **options})


@pytest.fixture(scope="module")
def runs(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with the burn-in of seed 0."""
    folder = tmp_path_factory.mktemp("runs")
    run(tiny_data, folder, arm="first", delta={"train_cfg.max_iters": 1})
    return folder


def interrupted(data: Path, runs: Path, arm: str, at: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run that was stopped when it had this many iterations, with a checkpoint at each."""
    whole, calls = MultiViewSoftTeacher.loss, [0]

    def loss(self: Any, *inputs: Any) -> Any:
        calls[0] += 1
        if calls[0] > at:
            raise KeyboardInterrupt
        return whole(self, *inputs)

    with monkeypatch.context() as patch:
        patch.setattr(MultiViewSoftTeacher, "loss", loss)
        with pytest.raises(KeyboardInterrupt):
            run(data, runs, arm=arm)
    return runs / "s" / f"{arm}-seed0"


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, lambda path: path.write_bytes(b""), lambda path: os.truncate(path, 5)])
def test_the_newest_whole_checkpoint_is_found(damage: Callable[[Path], object], tmp_path: Path) -> None:
    assert last_whole(tmp_path) == (None, [])
    for iteration in (9, 10, 100):
        torch.save({"state_dict": {"x": torch.arange(1000)}}, tmp_path / f"iter_{iteration}.pth")
    (tmp_path / ".iter_200.pth").touch()  # one that was being written
    (tmp_path / "iter_last.pth").touch()
    assert [path.name for path in checkpoints(tmp_path)] == ["iter_9.pth", "iter_10.pth", "iter_100.pth"]
    assert last_whole(tmp_path) == (tmp_path / "iter_100.pth", [])
    damage(tmp_path / "iter_100.pth")
    assert last_whole(tmp_path) == (tmp_path / "iter_10.pth", ["iter_100.pth"])
    damage(tmp_path / "iter_10.pth")
    damage(tmp_path / "iter_9.pth")
    assert last_whole(tmp_path) == (None, ["iter_100.pth", "iter_10.pth", "iter_9.pth"])


def test_a_damaged_checkpoint_is_told_of_and_the_one_before_is_used(
    tiny_data: Path, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = interrupted(tiny_data, runs, "damaged", 3, monkeypatch)
    assert [path.name for path in checkpoints(folder)] == ["iter_2.pth", "iter_3.pth"]
    flip(folder / "iter_3.pth")
    record = run(tiny_data, runs, arm="damaged")
    assert (record.status, record.resumed_from, record.damaged_checkpoints) == ("completed", [2], ["iter_3.pth"])
    assert read_record(folder).damaged_checkpoints == ["iter_3.pth"]
    said = "damaged (seed 0): the checkpoint iter_3.pth is damaged; the one before, iter_2.pth, is used.\n"
    assert capsys.readouterr().out == said


def test_without_a_whole_checkpoint_a_run_begins_anew(
    tiny_data: Path, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = interrupted(tiny_data, runs, "lost", 1, monkeypatch)
    cut(folder / "iter_1.pth")
    record = run(tiny_data, runs, arm="lost")
    assert (record.status, record.resumed_from, record.damaged_checkpoints) == ("completed", [], ["iter_1.pth"])
    assert "iter_1.pth is damaged; the run begins anew." in capsys.readouterr().out


def test_a_record_cut_short_is_named_and_deleting_it_begins_the_run_anew(
    tiny_data: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = interrupted(tiny_data, runs, "cut", 2, monkeypatch)
    cut(folder / "record.json")
    with pytest.raises(
        UserError, match=r"cut-seed0/record\.json is not a readable record .*; delete it and give the same command"
    ):
        run(tiny_data, runs, arm="cut")
    (folder / "record.json").unlink()
    record = run(tiny_data, runs, arm="cut")
    assert (record.status, record.resumed_from) == ("completed", [])  # its first scores were lost with the record


def test_a_checkpoint_is_read_with_its_figures_and_without_the_rest(tmp_path: Path) -> None:
    figures = HistoryBuffer([1.5, 2.5], [1, 1])
    content = {"meta": {"iter": 2, "config": "raise SystemExit"}, "message_hub": {"log_scalars": {"loss": figures}}}
    torch.save(content, tmp_path / "iter_2.pth")
    read = read_checkpoint(tmp_path / "iter_2.pth")
    assert read["meta"] == {"iter": 2}  # mmengine would run the config
    assert read["message_hub"]["log_scalars"]["loss"].data[0].tolist() == [1.5, 2.5]
    assert read["message_hub"]["log_scalars"]["loss"].mean(1) == 2.5


class Attribute:
    """Asks for an attribute of a class that checkpoints do hold."""

    def __reduce__(self) -> Any:
        return getattr, (HistoryBuffer, "__init__")


def test_a_checkpoint_reaches_no_attributes_but_the_figures_own(tmp_path: Path) -> None:
    torch.save({"meta": {}, "x": Attribute()}, tmp_path / "iter_2.pth")
    with pytest.raises(UserError, match=r"iter_2\.pth in .* could run code.*__init__"):
        read_checkpoint(tmp_path / "iter_2.pth")


def test_a_runs_own_checkpoint_with_code_is_refused_named_and_not_run(
    tiny_data: Path, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = interrupted(tiny_data, runs, "code", 2, monkeypatch)
    torch.save({"meta": Code(tmp_path / "made")}, folder / "iter_3.pth")
    with pytest.raises(UserError, match=r"iter_3\.pth in .*code-seed0 holds more than weights.*mkdir.*remove it"):
        run(tiny_data, runs, arm="code")
    assert not (tmp_path / "made").exists()
    assert read_record(folder).status == "failed"
    (folder / "iter_3.pth").unlink()
    assert run(tiny_data, runs, arm="code").resumed_from == [2]


def test_burn_in_weights_with_code_are_refused_named_and_not_run(tiny_data: Path, runs: Path, tmp_path: Path) -> None:
    (weights,) = runs.glob("burn-in/*/weights.pth")
    kept = weights.read_bytes()
    torch.save({"x": Code(tmp_path / "made")}, weights)
    try:
        with pytest.raises(UserError, match=r"weights\.pth holds more than weights and could run code"):
            run(tiny_data, runs, arm="burnt")
        weights.write_bytes(kept[: len(kept) // 2])
        with pytest.raises(UserError, match=r"weights\.pth is not a file of weights .* remove its folder"):
            run(tiny_data, runs, arm="burnt")
    finally:
        weights.write_bytes(kept)
    assert not (tmp_path / "made").exists()


def test_load_from_and_pretrained_weights_with_code_are_refused_named_and_not_run(
    tiny_data: Path, tmp_path: Path
) -> None:
    torch.save({"state_dict": {"x": Code(tmp_path / "made")}}, tmp_path / "evil.pth")
    config = tmp_path / "own.py"
    base = Path(__file__).parents[2] / "experiments" / "configs" / "tiny.py"
    pretrained = f'model = dict(detector=dict(init_cfg=dict(type="Pretrained", checkpoint="{tmp_path}/evil.pth")))'
    for number, line in enumerate((f'load_from = "{tmp_path}/evil.pth"', pretrained)):
        config.write_text(f'_base_ = ["{base}"]\nburn_in = dict(_delete_=True)\n{line}\n')
        with pytest.raises(UserError, match=r"holds more than weights and could run code"):
            run(tiny_data, tmp_path / f"runs-{number}", config=str(config))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04 cut"])
def test_a_file_that_holds_no_weights_is_named(content: bytes, build_model: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"w\.pth "):
        load_weights(build_model(), tmp_path / "w.pth")

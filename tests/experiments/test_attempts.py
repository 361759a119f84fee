"""What comes of a run: told to an observer, pruned, stopped, failed; and what it costs beside training."""

import errno
import gc
import multiprocessing
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from experiments import train
from experiments.errors import Pruned, UserError
from experiments.records import Record, read_record
from experiments.train import train_run


def run(data: Path, runs: Path, **options: Any) -> Record:
    return train_run(**{"config": "tiny", "study": "s", "data": data, "runs_root": runs, "progress": False, **options})


@pytest.fixture(scope="module")
def runs(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with the burn-in of seed 0."""
    folder = tmp_path_factory.mktemp("runs")
    run(tiny_data, folder, arm="first", delta={"train_cfg.max_iters": 1})
    return folder


class Recorder:
    """An observer that remembers, and raises what it is given at a validation or a report."""

    def __init__(self, at_validation: Exception | None = None, at_report: Exception | None = None) -> None:
        self.phases: list[tuple[str, int, int]] = []
        self.validations: list[tuple[str, int, int]] = []
        self.at_validation, self.at_report = at_validation, at_report

    def progress(self, *, phase: str, iteration: int, iterations: int, rate: float | None) -> None:
        assert rate is None or rate > 0
        self.phases.append((phase, iteration, iterations))
        if phase == "training" and self.at_report is not None:
            raise self.at_report

    def validated(self, record: Record, iteration: int) -> None:
        self.validations.append((record.kind, iteration, len(record.validations)))
        if self.at_validation is not None:
            raise self.at_validation


TWO_VALIDATIONS = {"train_cfg.max_iters": 4, "train_cfg.val_interval": 2}


def test_an_observer_is_told_of_every_phase_and_every_validation_of_the_arm(tiny_data: Path, tmp_path: Path) -> None:
    observer = Recorder()
    record = run(tiny_data, tmp_path, observer=observer, delta=TWO_VALIDATIONS)
    assert record.status == "completed"
    phases = [phase for phase, *_ in observer.phases]
    changes = [phase for i, phase in enumerate(phases) if i == 0 or phase != phases[i - 1]]
    assert changes == ["burn-in", "validating", "training", "validating", "training", "validating"]
    assert observer.phases[0] == ("burn-in", 0, 4)
    assert observer.validations == [("arm", 2, 2), ("arm", 4, 4)]


def test_a_pruned_run_keeps_its_reason_and_no_weights(tiny_data: Path, runs: Path) -> None:
    record = run(tiny_data, runs, arm="pruned", observer=Recorder(Pruned("below the median")), delta=TWO_VALIDATIONS)
    assert (record.status, record.reason) == ("pruned", "below the median")
    assert [v.iteration for v in record.validations] == [2, 2]
    folder = runs / "s" / "pruned-seed0"
    assert read_record(folder) == record
    assert not list(folder.glob("*.pth"))
    # Asked for without that observer, it is trained whole.
    again = run(tiny_data, runs, arm="pruned", delta=TWO_VALIDATIONS)
    assert (again.status, again.reason, again.resumed_from) == ("completed", None, [])


@pytest.mark.parametrize("where", ["at_validation", "at_report"])
def test_an_observers_trouble_is_not_the_runs(where: str, tiny_data: Path, runs: Path) -> None:
    delta = {"train_cfg.max_iters": 4, "train_cfg.val_interval": 3}
    with pytest.raises(ConnectionError, match="ledger"):
        run(
            tiny_data, runs, arm=where, observer=Recorder(**{where: ConnectionError("the ledger is gone")}), delta=delta
        )
    assert read_record(runs / "s" / f"{where}-seed0").status == "running"
    record = run(tiny_data, runs, arm=where, delta=delta)
    assert record.status == "completed"
    assert record.resumed_from == ([3] if where == "at_validation" else [])


def test_an_interrupt_leaves_a_run_that_can_be_continued(
    tiny_data: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models import MultiViewSoftTeacher

    folder = runs / "s" / "interrupted-seed0"
    loss = MultiViewSoftTeacher.loss

    def interrupted(self: Any, *inputs: Any) -> Any:
        if (folder / "iter_2.pth").exists():
            raise KeyboardInterrupt
        return loss(self, *inputs)

    with monkeypatch.context() as patch:
        patch.setattr(MultiViewSoftTeacher, "loss", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(tiny_data, runs, arm="interrupted")
    stopped = read_record(folder)
    assert stopped.status == "running"
    record = run(tiny_data, runs, arm="interrupted")
    assert (record.status, record.resumed_from) == ("completed", [2])
    assert record.seconds["harness"] > stopped.seconds["harness"] > 0
    assert record.seconds["training"] > stopped.seconds["training"] > 0


def test_a_validation_that_was_stopped_is_made_up_for(
    tiny_data: Path, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.data.metric import GroupCocoMetric

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(GroupCocoMetric, "compute_metrics", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(tiny_data, runs, arm="unvalidated", delta=TWO_VALIDATIONS)
    record = run(tiny_data, runs, arm="unvalidated", delta=TWO_VALIDATIONS, progress=True)
    assert (record.status, record.resumed_from) == ("completed", [2])
    assert [v.iteration for v in record.validations] == [2, 2, 4, 4]
    assert "unvalidated (seed 0): iteration 4 of 4" in capsys.readouterr().out


def test_a_users_error_that_only_training_finds_reaches_the_caller(
    tiny_data: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from experiments.data.dataset import MultiViewDataset

    def broken(self: Any, index: int) -> Any:
        raise UserError("image.jpg is cut off: restore the file.")

    monkeypatch.setattr(MultiViewDataset, "prepare_data", broken)
    monkeypatch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 100.0)
    for workers in (0, 1):  # errors of data loading processes arrive wrapped in their traceback
        delta = {"train_dataloader.num_workers": workers}
        with pytest.raises(UserError, match=r"^image\.jpg is cut off: restore the file\.$"):
            run(tiny_data, runs, arm=f"broken-{workers}", delta=delta)
        record = read_record(runs / "s" / f"broken-{workers}-seed0")
        assert (record.status, record.reason) == ("failed", "image.jpg is cut off: restore the file.")
        assert multiprocessing.active_children() == []
        assert record.seconds["harness"] < 5  # nor were they waited for until their timeout


def test_data_loading_processes_end_with_the_run_and_not_by_their_timeout(
    tiny_data: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left to the garbage collector, each of them would hold it up for torch's timeout, here a hundred seconds instead of five."""
    monkeypatch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 100.0)
    delta = {
        f"{part}_dataloader.{key}": value
        for part in ("train", "val")
        for key, value in {"num_workers": 1, "persistent_workers": True}.items()
    }
    record = run(tiny_data, runs, arm="workers", delta=delta)
    assert record.status == "completed"
    assert multiprocessing.active_children() == []
    assert record.seconds["harness"] < 50


def test_seconds_add_up_to_the_call(tiny_data: Path, runs: Path) -> None:
    started = time.perf_counter()
    record = run(tiny_data, runs, arm="timed")
    wall = time.perf_counter() - started
    seconds = record.seconds
    assert seconds["total"] == pytest.approx(seconds["training"] + seconds["validation"])
    assert seconds["total"] + seconds["harness"] == pytest.approx(wall, abs=0.5)
    assert seconds["harness"] > 0


def test_neither_burn_in_nor_waiting_counts_as_harness(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = train._hold

    def slow(*inputs: Any, **options: Any) -> Any:
        time.sleep(2)
        return hold(*inputs, **options)

    monkeypatch.setattr(train, "_hold", slow)
    started = time.perf_counter()
    record = run(tiny_data, tmp_path)
    wall = time.perf_counter() - started
    (burn_in,) = (read_record(path.parent) for path in tmp_path.glob("burn-in/*/record.json"))
    told = sum(one.seconds[part] for one in (record, burn_in) for part in ("total", "harness"))
    assert told + 2 * 2 < wall  # each waited once


def test_a_process_that_trains_many_runs_does_not_grow(tiny_data: Path, runs: Path) -> None:
    from mmengine.logging import MessageHub

    sizes, files = [], []
    for number in range(6):
        delta = {
            "optim_wrapper.optimizer.lr": 1e-4 * (1 + number),
            "train_cfg.max_iters": 1,
            "train_cfg.val_interval": 1,
        }
        run(tiny_data, runs, arm=f"arm-{number}", delta=delta)
        gc.collect()
        sizes.append(resident_mb())
        files.append(len(os.listdir("/proc/self/fd")))
    assert sizes[-1] - sizes[1] < 30, sizes
    assert files[-1] == files[1]
    assert not [name for name in MessageHub._instance_dict if name.startswith("s-arm-")]


def resident_mb() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("file", ["record.json", "iter_2.pth", "weights.pth"])
def test_a_full_disk_fails_a_run_in_one_sentence_and_leaves_nothing_half_written(
    file: str, tiny_data: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write of the file fails from the second iteration on."""
    replace, arm = os.replace, f"full-{file}"
    folder = runs / "s" / f"{arm}-seed0"

    def limited(source: Any, target: Any) -> None:
        if Path(target).name == file and (file != "record.json" or (folder / "iter_2.pth").exists()):
            full()
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", limited)
        with pytest.raises(UserError, match=rf"The disk is full while writing \S+/{re.escape(file)}; free space"):
            run(tiny_data, runs, arm=arm)
    record = read_record(folder)
    assert record.status == ("running" if file == "record.json" else "failed")
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == [".lock"]
    again = run(tiny_data, runs, arm=arm)
    assert (again.status, again.reason) == ("completed", None)
    assert len(again.resumed_from) == 1

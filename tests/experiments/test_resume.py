"""A run that was killed, wherever it was, ends bit for bit as one that was not; and what makes two runs the same or different."""

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

import models  # noqa: F401  (installs the operators before mmdet is imported)
from experiments.config import import_components, load_config
from experiments.data.sampler import Draw, MixedGroupSampler
from experiments.records import Record, read_record
from experiments.train import train_run

ROOT = Path(__file__).parents[2]
# Checkpoints at 2, 4 and 6, validations at 3 and 6.
BUDGET = {
    "train_cfg.max_iters": 6, "train_cfg.val_interval": 3, "default_hooks.checkpoint.interval": 2,
    "model.semi_train_cfg.pseudo_label_initial_score_thr": 0.0, "model.semi_train_cfg.cls_pseudo_thr": 0.0,
    "model.semi_train_cfg.rpn_pseudo_thr": 0.0,
}  # fmt: skip

# On a GPU, whose kernels add up in no fixed order: how far the weights of two runs may lie apart, as a share of their norm. On an
# H200 runs of one seed, killed or not, lay 3.9e-6 to 5.1e-6 apart (bfloat16: 1.9e-4). What a resumed run forgets shows as more, on
# a CPU: other random numbers as 6.8e-5, a schedule begun anew as 7.9e-5, an optimiser without its past as 3.4e-4, another
# batch as 0.1.
TOLERANCE = 2e-5
REDUCED_TOLERANCE = 1e-3

# Trains the same run in one forked process after the other: the first is left alone, the others kill themselves at a place and are
# followed by one that resumes. Prints how each ended.
SCRIPT = """
import json, os, signal, sys, threading, traceback
from pathlib import Path

# Everything that is imported once, without a tensor made before the forks.
import experiments.train
from experiments.config import import_components, load_config
import_components(load_config("tiny"))
import mmengine.runner.runner
from experiments.data.metric import GroupCocoMetric
from experiments.hooks.record import RecordHook
from experiments.hooks.watchdog import WatchdogHook
from experiments.train import train_run
from models import MultiViewSoftTeacher

data, runs, wanted = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def plant(place, number):
    if place is None:
        return
    if place == "writing":  # half of a checkpoint is on the disk
        write = mmengine.runner.runner.save_checkpoint
        def save(checkpoint, path, **options):
            write(checkpoint, path, **options)
            if f"iter_{number}." in path:
                os.truncate(path, os.path.getsize(path) // 2)
                kill()
        mmengine.runner.runner.save_checkpoint = save
        return
    if place == "hanging":  # in the middle of a step, and the watchdog has slept until then
        os.environ["HANG_MINUTES"], hangs = "0.02", threading.Event()
        tick, place = WatchdogHook.tick, "step"
        WatchdogHook.tick = lambda self: hangs.is_set() and tick(self)
        def die():
            hangs.set()
            threading.Event().wait()
    else:
        die = kill
    owner, name = {
        "step": (MultiViewSoftTeacher, "loss"),
        "validating": (GroupCocoMetric, "compute_metrics"),
        "validated": (RecordHook, "after_val"),
    }[place]
    whole, calls = getattr(owner, name), [0]
    def counted(self, *inputs, **options):
        calls[0] += 1
        return die() if calls[0] == number else whole(self, *inputs, **options)
    setattr(owner, name, counted)

def process(folder, delta, place=None, number=0):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            plant(place, number)
            train_run(config="tiny", study="s", data=Path(data), runs_root=Path(runs), folder=Path(folder), delta=delta,
                      progress=False)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

for name, delta, places in wanted:
    folder = Path(runs) / "all" / name
    print(json.dumps([process(folder, delta, *place) for place in [*places, [None, 0]]]), flush=True)
"""


def essence(record: Record) -> dict[str, Any]:
    """A record without times and memory, and without what tells that it was stopped."""
    left_out = {"seconds", "peak_memory_mb", "resumed_from", "delta", "identity"}
    content = record.model_dump(mode="json", exclude=left_out)
    content["gates"] = [gate for gate in content["gates"] if gate["name"] not in ("memory", "out_of_memory")]
    for window in content["history"]:
        window["figures"].pop("memory_allocated_mb")
    return content


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "weights.pth", weights_only=True)
    return state


def apart(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    """How far weights lie apart, as a share of the first ones' norm."""
    pairs = [(first[name].double(), second[name].double()) for name in first]
    return (
        float(sum((one - other).square().sum() for one, other in pairs) / sum(one.square().sum() for one, _ in pairs))
        ** 0.5
    )


def same(first: Path, second: Path, *, tolerance: float = TOLERANCE) -> bool:
    """Whether two runs ended with the same weights and with records that differ in times alone; on a GPU, with nearly the same."""
    states = weights(first), weights(second)
    assert states[0].keys() == states[1].keys()
    if torch.cuda.is_available():
        validated = [[(v.iteration, v.model) for v in read_record(folder).validations] for folder in (first, second)]
        return apart(*states) < tolerance and validated[0] == validated[1]
    equal = all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    return equal and essence(read_record(first)) == essence(read_record(second))


def test_how_far_weights_lie_apart_is_a_share_of_their_norm() -> None:
    first = {"a": torch.tensor([3.0, 0.0]), "b": torch.tensor([4.0])}
    assert apart(first, first) == 0
    assert apart(first, {"a": torch.tensor([3.0, 0.3]), "b": torch.tensor([4.4])}) == pytest.approx(0.1)


STEP = random.randrange(1, 7)
PLACES: dict[str, list[tuple[str, int]]] = {
    "between-checkpoints": [("step", 4)],  # goes on from 2, and validates at 3 again
    "while-validating": [("validating", 1)],
    "while-validating-at-the-end": [("validating", 4)],  # the student's scores; the teacher's are lost with them
    "while-a-checkpoint-is-written": [("writing", 4)],
    "again-and-again": [("step", 5), ("step", 1), ("validated", 1)],
    "hanging": [("hanging", 4)],
    "at-random": [("step", STEP)],
}
REDUCED = BUDGET | {"model.precision": "bfloat16"}
LOADING = BUDGET | {"train_dataloader.num_workers": 2, "train_dataloader.persistent_workers": True}


def train(wanted: list[Any], data: Path, folder: Path, log: str) -> str:
    """Train some of the runs, one after the other, and hold how their processes ended; what they said."""
    with (folder / log).open("w+") as said:  # not a pipe: a process that outlived its run would hold it up
        command = [sys.executable, "-c", SCRIPT, str(data), str(folder), json.dumps(wanted)]
        # mmengine asks for cards as it is imported; asked through NVML, CUDA does not begin, which no fork would survive.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
        done = subprocess.run(command, stdout=said, stderr=said, cwd=ROOT, env=environment, check=False)
        said.seek(0)
        text = said.read()
    assert done.returncode == 0, text
    codes = [json.loads(line) for line in text.splitlines() if line.startswith("[")]
    ends = [[1 if place == "hanging" else -signal.SIGKILL for place, _ in at] for *_, at in wanted]
    assert codes == [[*killed, 0] for killed in ends], text
    return text


@pytest.fixture(scope="module")
def runs(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of a run that was left alone, ``whole``, and of the same run killed at each of the places."""
    print(f"the random step is {STEP}")
    folder = tmp_path_factory.mktemp("resumed")
    # First, since these train the burn-ins that the others go on from.
    train([("whole", BUDGET, []), ("reduced", REDUCED, [])], tiny_data, folder, "said")
    wanted: list[Any] = [(name, BUDGET, at) for name, at in PLACES.items()]
    wanted += [("loaded", LOADING, []), ("loaded-and-killed", LOADING, [("step", 5)])]
    wanted += [("reduced-and-killed", REDUCED, [("step", 4), ("validating", 4)])]
    parts = max(1, len(os.sched_getaffinity(0)) // 2)  # that train side by side; each imports for itself
    with ThreadPoolExecutor(parts) as pool:
        said = list(pool.map(lambda part: train(wanted[part::parts], tiny_data, folder, f"said-{part}"), range(parts)))
    hung = "baseline (seed 0): nothing has moved for 0.02 min (HANG_MINUTES), since iteration 3; it hangs in threading."
    assert any(hung in text for text in said)
    return folder / "all"


def test_the_run_that_was_left_alone_is_whole(runs: Path) -> None:
    record = read_record(runs / "whole")
    assert (record.status, record.resumed_from) == ("completed", [])
    validated = [(v.iteration, v.model) for v in record.validations]
    assert validated == [(3, "teacher"), (3, "student"), (6, "teacher"), (6, "student")]
    assert any(value.is_floating_point() for value in weights(runs / "whole").values())


@pytest.mark.parametrize("place", PLACES)
def test_a_killed_run_ends_bit_for_bit_as_one_that_was_not(place: str, runs: Path) -> None:
    assert same(runs / "whole", runs / place)
    assert not list((runs / place).glob("*iter_*"))


def test_killed_runs_went_on_from_their_last_whole_checkpoints(runs: Path) -> None:
    resumed = {name: read_record(runs / name).resumed_from for name in PLACES}
    del resumed["at-random"]
    assert resumed == {
        "between-checkpoints": [2],
        "while-validating": [2],
        "while-validating-at-the-end": [6],
        "while-a-checkpoint-is-written": [2],
        "again-and-again": [4, 4, 6],
        "hanging": [2],
    }


@pytest.mark.parametrize("run", ["loaded", "loaded-and-killed"])
def test_the_number_of_loading_processes_does_not_change_what_they_load(run: str, runs: Path) -> None:
    assert same(runs / "whole", runs / run)


def test_a_killed_run_in_bfloat16_ends_bit_for_bit_as_one_that_was_not(runs: Path) -> None:
    assert same(runs / "reduced", runs / "reduced-and-killed", tolerance=REDUCED_TOLERANCE)
    assert read_record(runs / "reduced-and-killed").resumed_from == [2, 6]
    first, other = weights(runs / "whole"), weights(runs / "reduced")
    name = "student.backbone.backbone.conv1.weight"
    assert not torch.equal(first[name], other[name])  # it is on
    assert {name: value.dtype for name, value in first.items()} == {name: value.dtype for name, value in other.items()}


def test_no_process_outlives_a_run_that_was_killed(runs: Path) -> None:
    """The loading processes of a killed run, above all: they would keep its lock."""
    commands = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            commands[path.parent.name] = path.read_bytes()
    assert [number for number, command in commands.items() if str(runs.parent).encode() in command] == []


class _Begun(KeyboardInterrupt):
    """A run has come to its first step."""


def begin(data: Path, runs: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """How a run of this seed begins: weights, order of the groups, pixels of the first one as augmented, labelled groups."""
    found: dict[str, Any] = {}

    def stop(loop: Any, _: Any) -> None:
        dataset, sampler = loop.dataloader.dataset, loop.dataloader.sampler
        again = MixedGroupSampler(dataset, batch_size=1, source_ratio=[1, 0], seed=sampler.seed)
        draws = list(itertools.islice(iter(again), 16))
        found["initialisation"] = loop.runner.model.student.backbone.backbone.conv1.weight.sum().item()
        found["order"] = [draw.item for draw in draws]
        found["augmentation"] = dataset[draws[0]._replace(item=0)]["inputs"]["sup"][0].sum().item()
        found["split"] = [group.name for group in dataset.datasets[0].groups]
        raise _Begun

    monkeypatch.setattr("mmengine.runner.IterBasedTrainLoop.run_iter", stop)
    with pytest.raises(_Begun):
        train_run(config="tiny", study="s", data=data, runs_root=runs, seed=seed, progress=False)
    return found


def test_seeds_differ_in_initialisation_order_augmentation_and_split_and_repeat_themselves(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, again, other = (begin(tiny_data, tmp_path, seed, monkeypatch) for seed in (0, 0, 1))
    assert first == again
    assert first.keys() == {"initialisation", "order", "augmentation", "split"}
    for part in first:
        assert first[part] != other[part], part


def test_every_draw_is_augmented_in_its_own_way(tiny_data: Path) -> None:
    config = load_config("tiny")
    import_components(config)
    init_default_scope("mmdet")
    config.train_dataloader.dataset.data_root = str(tiny_data)
    dataset = DATASETS.build(config.train_dataloader.dataset)

    def pixels(*, index: int = 0, seed: int = 0, source: int = 0, number: int = 0) -> list[int]:
        branches = dataset[Draw(index, seed, source, number)]["inputs"]
        return [int(view.sum()) for views in branches.values() if views is not None for view in views]

    assert pixels() == pixels()
    pixels(number=5)  # what was loaded before does not count
    assert pixels(number=1) == pixels(number=1) != pixels() != pixels(seed=1)
    unlabelled = len(dataset.datasets[0])
    assert pixels(index=unlabelled, source=1) == pixels(index=unlabelled, source=1) != pixels(index=unlabelled)

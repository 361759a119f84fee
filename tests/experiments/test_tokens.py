"""Out of memory: the next lower K, and what is trained so far is kept."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments import attempts
from experiments.attempts import Job
from experiments.errors import UserError
from experiments.records import Record, read_record
from experiments.tokens import NUM_TOKENS, fewer_tokens, fit_checkpoint
from experiments.train import train_run
from models import MVViT

Build = Callable[..., Any]
LEVEL = "backbone.mvvit.levels.0"


def test_the_steps_are_the_plans() -> None:
    steps = {4096: 2048, 2049: 2048, 2048: 1536, 1600: 1536, 1536: 1024, 1025: 1024, 1024: None, 256: None}
    assert {tokens: fewer_tokens(tokens) for tokens in steps} == steps


def checkpoint_of(model: Any, tag: float) -> dict[str, Any]:
    """A checkpoint like mmengine's after one step: each number of the optimiser's state is its row, plus ``tag``."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for parameter in model.student.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for parameter in model.student.parameters():
        rows = torch.arange(parameter.numel(), dtype=torch.float32).reshape(parameter.shape)
        optimizer.state[parameter]["exp_avg"].copy_(rows + tag)
    return {"state_dict": dict(model.state_dict()), "optimizer": optimizer.state_dict()}


def test_evenly_spaced_queries_are_kept_and_what_the_optimiser_keeps_of_them(build_model: Build) -> None:
    """At tiny, K = 2048 is 51 tokens of 288 cells, and 1536 is 38: 51 rows, of which 38 are kept."""
    old, new = (build_model(delta={NUM_TOKENS: tokens}) for tokens in (2048, 1536))
    assert [old.student.backbone.mvvit.tokens_per_level[0], new.student.backbone.mvvit.tokens_per_level[0]] == [51, 38]
    checkpoint = checkpoint_of(old, tag=0.5)
    for model, start in (("student", 0.0), ("teacher", 100.0)):
        queries = (torch.arange(51.0) + start)[:, None].expand(51, 32)
        checkpoint["state_dict"][f"{model}.{LEVEL}.queries"] = queries.clone()
    assert fit_checkpoint(checkpoint, new) == []
    new.load_state_dict(checkpoint["state_dict"])
    optimizer = torch.optim.AdamW(new.parameters(), lr=1e-3)
    optimizer.load_state_dict(checkpoint["optimizer"])
    kept = [round(50 * i / 37) for i in range(38)]  # by hand: first and last row, and 36 evenly between them
    assert new.student.get_parameter(f"{LEVEL}.queries")[:, 0].tolist() == kept
    assert new.teacher.get_parameter(f"{LEVEL}.queries")[:, 0].tolist() == [row + 100 for row in kept]
    averages = optimizer.state[new.student.get_parameter(f"{LEVEL}.queries")]["exp_avg"]
    assert averages[:, 0].tolist() == [32 * row + 0.5 for row in kept]
    for name, parameter in new.student.named_parameters():  # every other state is still its own parameter's
        entry = optimizer.state[parameter]
        assert entry["exp_avg"].shape == parameter.shape
        if not name.endswith("queries"):
            assert entry["exp_avg"].flatten()[-1] == parameter.numel() - 0.5
        assert entry["step"] == 1
    assert not any(parameter in optimizer.state for parameter in new.teacher.parameters())


def test_a_level_that_begins_to_pool_starts_to_learn_it(build_model: Build) -> None:
    """At tiny, the second level has 72 cells: K = 4096 is 102 tokens and does not pool there, 2048 is 51 and does."""
    old, new = (build_model(delta={NUM_TOKENS: tokens}) for tokens in (4096, 2048))
    checkpoint = checkpoint_of(old, tag=0.5)
    fresh = fit_checkpoint(checkpoint, new)
    assert len(fresh) == 17  # queries, and weight and bias of four layers in pool and unpool
    begins = tuple(f"backbone.mvvit.levels.1.{name}" for name in ("queries", "pool.", "unpool."))
    assert all(name.startswith(begins) for name in fresh)
    assert new.load_state_dict(checkpoint["state_dict"], strict=False).unexpected_keys == []
    optimizer = torch.optim.AdamW(new.parameters(), lr=1e-3)
    optimizer.load_state_dict(checkpoint["optimizer"])
    for name, parameter in new.student.named_parameters():
        assert (parameter in optimizer.state) == (name not in fresh)
        if name not in fresh and not name.endswith("queries"):
            assert optimizer.state[parameter]["exp_avg"].flatten()[-1] == parameter.numel() - 0.5


def test_several_parameter_groups_cannot_follow_a_level_that_begins_to_pool(build_model: Build) -> None:
    old, new = (build_model(delta={NUM_TOKENS: tokens}) for tokens in (4096, 2048))
    checkpoint = checkpoint_of(old, tag=0.5)
    checkpoint["optimizer"]["param_groups"] = 2 * checkpoint["optimizer"]["param_groups"]
    with pytest.raises(UserError, match=r"num_tokens lower from the start"):
        fit_checkpoint(checkpoint, new)


def test_a_checkpoint_that_fits_stays_as_it_is(build_model: Build) -> None:
    model = build_model()
    checkpoint = checkpoint_of(model, tag=0.5)
    before = {key: dict(value) for key, value in checkpoint.items()}
    assert fit_checkpoint(checkpoint, model) == []
    assert checkpoint == before


@dataclass
class Seen:
    """MVViT of the student at a training step: its parameters, and how many earlier models' were still in memory."""

    parameters: dict[str, torch.Tensor]
    left_over: int


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Seen]]:
    """Let GPU memory run out at more than ``limit`` tokens, once a path exists; returns what is seen from then on."""

    def limit(tokens: int, after: Path) -> list[Seen]:
        seen: list[Seen] = []
        models_seen: list[weakref.ref[Any]] = []
        forward = MVViT.forward

        def short_of_memory(self: Any, maps: Any) -> Any:
            if after.exists() and self.training:
                parameters = {name: value.detach().clone() for name, value in self.named_parameters()}
                seen.append(Seen(parameters, sum(other() not in (None, self) for other in models_seen)))
                models_seen.append(weakref.ref(self))
                if self.tokens_per_level[0] > tokens:
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 PiB.")
            return forward(self, maps)

        monkeypatch.setattr(MVViT, "forward", short_of_memory)
        return seen

    return limit


def run(data: Path, runs: Path, tokens: int) -> Record:
    return train_run(
        config="tiny", study="s", data=data, runs_root=runs, progress=False, delta={NUM_TOKENS: tokens}
    )  # fmt: skip


def test_a_run_that_is_out_of_memory_goes_on_with_fewer_tokens(
    tiny_data: Path, tmp_path: Path, memory: Callable[..., list[Seen]]
) -> None:
    last = tmp_path / "s" / "baseline-seed0" / "iter_2.pth"
    seen = memory(38, after=last)  # the third iteration runs out at K = 2048 and not at 1536
    record = run(tiny_data, tmp_path, 2048)
    assert (record.status, record.reason) == ("completed", None)
    assert (record.num_tokens, record.tokens_reduced_from) == (1536, 2048)
    assert record.tokens_per_level == [38, 38, 18]
    assert record.delta == {NUM_TOKENS: 2048}
    assert record.resumed_from == [2]
    assert [v.iteration for v in record.validations] == [4, 4]
    assert read_record(last.parent) == record
    # The student sees labelled and unlabelled views in each of iterations 3 and 4, after a first attempt at 3.
    assert [step.left_over for step in seen] == [0] * (1 + 2 * 2)
    before, after = (step.parameters for step in seen[:2])
    assert torch.equal(after["levels.0.queries"], before["levels.0.queries"][[round(50 * i / 37) for i in range(38)]])
    assert torch.equal(after["levels.0.pool.query.weight"], before["levels.0.pool.query.weight"])
    assert torch.load(last.parent / "weights.pth")["student.backbone.mvvit.levels.0.queries"].shape == (38, 32)


def test_a_stopped_run_remembers_what_it_was_reduced_to(
    tiny_data: Path, tmp_path: Path, memory: Callable[..., list[Seen]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "s" / "baseline-seed0"
    seen = memory(38, after=folder / "iter_2.pth")

    def stop(job: Job) -> Any:
        if job.record.num_tokens == 1536:
            raise KeyboardInterrupt
        return settings(job)

    settings = attempts._settings
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "_settings", stop)
        with pytest.raises(KeyboardInterrupt):
            run(tiny_data, tmp_path, 2048)
    stopped = read_record(folder)
    assert (stopped.status, stopped.num_tokens) == ("running", 1536)
    seen.clear()
    record = run(tiny_data, tmp_path, 2048)
    assert (record.status, record.num_tokens, record.tokens_reduced_from) == ("completed", 1536, 2048)
    assert all(len(step.parameters["levels.0.queries"]) == 38 for step in seen)


def test_below_the_lowest_step_it_fails_and_says_so(
    tiny_data: Path, tmp_path: Path, memory: Callable[..., list[Seen]]
) -> None:
    memory(25, after=tmp_path / "s" / "baseline-seed0")
    record = run(tiny_data, tmp_path, 1536)
    assert record.status == "failed"
    assert (record.num_tokens, record.tokens_reduced_from) == (1024, 1536)
    assert (record.reason or "").startswith("GPU memory ran out with K=1024")
    assert "Tried to allocate" in "".join(record.log_tail)


def test_bands_have_no_k_and_a_run_that_is_out_of_memory_fails_with_what_helps(
    tiny_data: Path, tmp_path: Path, memory: Callable[..., list[Seen]]
) -> None:
    folder = tmp_path / "s" / "baseline-seed0"
    memory(200, after=folder / "iter_2.pth")
    record = train_run(
        config="tiny", study="s", data=tiny_data, runs_root=tmp_path, progress=False,
        delta={"model.detector.backbone.mvvit.spatial": "banded"},
    )  # fmt: skip
    assert record.status == "failed"
    assert (record.num_tokens, record.tokens_reduced_from, record.tokens_per_level) == (None, None, [288, 72, 18])
    assert (record.reason or "").startswith("GPU memory ran out with all tokens in bands of rows; use a GPU with more")
    assert "mvvit.with_checkpoint=true" in (record.reason or "")

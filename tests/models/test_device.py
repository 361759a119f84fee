"""A step on a GPU that is only pretended: nothing of the host meets what lies there, and the host seldom waits."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from experiments.benchmarks.step import build, make_batch
from tests.models.conftest import needs_cuda
from tests.models.pretended_gpu import PretendedGpu, put


def step(groups: int = 2, precision: str = "float32", found: tuple[int, ...] = (2,)) -> PretendedGpu:
    """The losses of a step of so many groups, half of them labelled; the teacher finds so many boxes in the views in turn."""
    settings, model = build("fused", "tiny", {"model.precision": precision, "train_dataloader.batch_size": groups})

    def find(features: Any, proposals: Any, samples: Any, **options: Any) -> list[Any]:
        device = features[0].device
        counts = [found[view % len(found)] for view in range(len(samples))]
        return [
            InstanceData(
                bboxes=torch.full((count, 4), 8.0, device=device).cumsum(dim=1), scores=torch.full((count,), 0.9, device=device),
                labels=torch.arange(count, device=device),
            )
            for count in counts
        ]  # fmt: skip

    model.teacher.roi_head.predict = find
    put(model, "gpu")
    with PretendedGpu() as gpu:
        batch = model.data_preprocessor(make_batch(settings), True)
        losses = model.loss(batch["inputs"], batch["data_samples"])
    assert losses["unsup_loss_cls"]._side == "gpu"
    return gpu


@needs_cuda
def test_a_step_on_a_gpu_has_the_losses_of_one_on_a_cpu() -> None:
    losses = []
    for device in ("cpu", "cuda"):
        settings, model = build("fused", "tiny", {})
        model.to(device)
        batch = model.data_preprocessor(make_batch(settings), True)
        torch.manual_seed(1)
        found = model.loss(batch["inputs"], batch["data_samples"])
        losses.append({name: float(sum(value) if isinstance(value, list) else value) for name, value in found.items()})
    assert losses[1] == pytest.approx(losses[0], rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("found", [(2,), (1, 0, 2), (0,)], ids=str)
def test_nothing_of_the_host_meets_what_lies_on_the_gpu(precision: str, found: tuple[int, ...]) -> None:
    assert step(precision=precision, found=found).mixes == Counter()


def test_more_views_have_the_host_wait_for_their_nms_alone() -> None:
    few, more = step(2).waits, step(4).waits
    assert more.keys() == few.keys()
    assert {call.split(":")[0] for call in more if more[call] != few[call]} == {"nms"}
    assert sum(few.values()) - sum(few[call] for call in few if call.startswith("nms")) < 100


def test_what_is_not_sent_to_the_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def left(values: Any, device: torch.device) -> Tensor:
        return torch.as_tensor(values)

    for module in ("ragged", "suppression", "assignment"):
        monkeypatch.setattr(f"models.{module}.sent", left)
    mixes = step().mixes
    assert {call.split(":")[0] for call in mixes} >= {"searchsorted", "matmul", "__getitem__"}
    assert any("models/assignment.py" in call for call in mixes)


@pytest.mark.parametrize(
    ("work", "waits"),
    [
        (lambda x: (x > 0).sum().item(), 1), (lambda x: x[x > 0], 1), (lambda x: x.nonzero(), 1), (lambda x: bool(x.any()), 1),
        (lambda x: torch.ones(2).to(x.device), 1), (lambda x: torch.ones(2).to(x.device, non_blocking=True), 0),
        (lambda x: x.cpu().sum().item(), 1), (lambda x: x.new_tensor([1.0]), 1), (lambda x: len(x) + x.shape[0], 0),
        (lambda x: x.to(torch.float64), 0),
    ],
)  # fmt: skip
def test_what_waits(work: Callable[[Tensor], Any], waits: int) -> None:
    x = torch.randn(5)
    put(x, "gpu")
    with PretendedGpu() as gpu:
        work(x)
    assert (sum(gpu.waits.values()), sum(gpu.mixes.values())) == (waits, 0)


@pytest.mark.parametrize(
    ("work", "refused"),
    [
        (lambda x: x + torch.ones(5), 1), (lambda x: x + torch.tensor(1.0), 0), (lambda x: x + torch.ones(5, device=x.device), 0),
        (lambda x: x.new_ones(5) + x, 0), (lambda x: torch.cat([x, torch.ones(1)]), 1), (lambda x: x[torch.arange(2)], 1),
        (lambda x: x.cpu() + torch.ones(5), 0), (lambda x: x.unsqueeze(0).T @ torch.ones(1, 2), 1),
    ],
)  # fmt: skip
def test_what_is_refused(work: Callable[[Tensor], Any], refused: int) -> None:
    x = torch.randn(5)
    put(x, "gpu")
    with PretendedGpu() as gpu:
        work(x)
    assert sum(gpu.mixes.values()) == refused

"""How a batch comes from a data loading process: one block, and the same in all."""

import io
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch.utils.data import DataLoader

from experiments.data.loading import Batch


def tensors(value: Any) -> list[torch.Tensor]:
    """All tensors of nested dicts and lists."""
    if isinstance(value, torch.Tensor):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [tensor for one in inner for tensor in tensors(one)]


def a_batch() -> Batch:
    image = torch.arange(24, dtype=torch.uint8).reshape(2, 3, 4)
    return Batch(
        images=[image, image.permute(2, 0, 1)], boxes={"sup": [torch.tensor([[1.5, 2.5, 3.5, 4.5]]), torch.zeros(0, 4)]},
        labels=torch.tensor([3, 1]), one=torch.tensor(7.0), yes=torch.tensor([True, False, True]), name="bit 1",
    )  # fmt: skip


def test_a_batch_is_handed_over_as_one_tensor_and_arrives_as_it_was() -> None:
    unpack, (skeleton, block) = a_batch().__reduce__()
    # 24 + 24 bytes of pixels, 16 and 0 of boxes, 16 of labels, 4 and 3 of the rest, each rounded up to a multiple of 16.
    assert (block.dtype, block.numel()) == (torch.uint8, 32 + 32 + 16 + 0 + 16 + 16 + 16)
    arrived = unpack(skeleton, block)
    assert type(arrived) is dict
    assert arrived.keys() == a_batch().keys()
    assert arrived["name"] == "bit 1"
    pairs = list(zip(tensors(a_batch()), tensors(arrived), strict=True))
    assert len(pairs) == 7
    for sent, got in pairs:
        assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
        assert torch.equal(got, sent)
        assert got.untyped_storage().data_ptr() == block.untyped_storage().data_ptr()


def test_tensors_that_need_gradients_go_their_own_way() -> None:
    _, (_, block) = Batch(weight=torch.ones(3, requires_grad=True)).__reduce__()
    assert block.numel() == 0


def test_a_data_loading_process_opens_one_file_for_a_batch() -> None:
    shared = []

    class Counting(ForkingPickler):
        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                shared.append(value)
            return NotImplemented

    Counting(io.BytesIO(), 2).dump(a_batch())
    assert len(shared) == 1
    shared.clear()
    Counting(io.BytesIO(), 2).dump(dict(a_batch()))
    assert len(shared) == 7


def collate(numbers: list[int]) -> Batch:
    return Batch(images=[torch.full((2, 2), number) for number in numbers])


def test_it_comes_through_a_data_loader() -> None:
    here, there = (
        list(DataLoader(range(4), batch_size=2, collate_fn=collate, num_workers=workers)) for workers in (0, 1)
    )
    assert [type(batch) for batch in here + there] == [Batch, Batch, dict, dict]
    for first, second in zip(here, there, strict=True):
        assert [one.tolist() for one in first["images"]] == [one.tolist() for one in second["images"]]
        assert len({one.untyped_storage().data_ptr() for one in second["images"]}) == 1

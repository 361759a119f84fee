"""What several packages' tests share: a tiny data set, made once, and the model at scale tiny."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

# One thread each, also in the processes that tests start: toy models gain nothing from more, and busy machines lose a lot.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# W&B, which is a process of its own, has its own tests.
os.environ["TRACK"] = "jsonl"
# The user's cache of decoded views is none of the tests' business; those of the cache have their own.
os.environ["VIEW_CACHE"] = "off"

from experiments.config import import_components, load_config
from experiments.data.synthesis import make_dataset


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic data set of 12 groups of 8 views of 48x96 px."""
    folder = tmp_path_factory.mktemp("data") / "tiny"
    make_dataset("tiny", folder, workers=1, progress=False)
    return folder


@pytest.fixture
def build_model() -> Callable[..., Any]:
    """Build the model of a config with a delta, seeded, student and teacher alike."""

    def build(config: str = "tiny", delta: Mapping[str, Any] | None = None) -> Any:
        loaded = load_config(config, delta)
        import_components(loaded)
        import torch
        from mmdet.registry import MODELS
        from mmengine.registry import init_default_scope

        init_default_scope("mmdet")
        torch.manual_seed(0)
        model = MODELS.build(loaded.model)
        model.teacher.load_state_dict(model.student.state_dict())
        return model

    return build


@pytest.fixture
def tiny_batch(tiny_data: Path) -> Callable[..., Any]:
    """A preprocessed training batch of the tiny set: ``(inputs, data_samples)`` by branch."""

    def load(model: Any, *, labelled: bool = True, unlabelled: bool = True) -> Any:
        import numpy as np
        from mmdet.registry import DATASETS

        from experiments.data.dataset import multi_view_collate

        np.random.seed(0)
        config = load_config("tiny").train_dataloader.dataset
        config.data_root = str(tiny_data)
        dataset = DATASETS.build(config)
        groups = ([dataset[0]] if labelled else []) + ([dataset[4]] if unlabelled else [])
        batch = model.data_preprocessor(multi_view_collate(groups), True)
        return batch["inputs"], batch["data_samples"]

    return load


@pytest.fixture
def teach() -> Callable[[Any, list[float]], None]:
    """Let a model's teacher find one 10 x 20 px box per score in every view, and be certain of its place."""

    def patch(model: Any, scores: list[float]) -> None:
        import torch
        from mmengine.structures import InstanceData

        def predict(x: Any, proposals: Any, samples: list[Any], rescale: bool = False) -> list[Any]:
            boxes = torch.tensor([[4.0 + 8 * i, 10.0 + i, 14.0 + 8 * i, 30.0 + i] for i in range(len(scores))])
            labels = torch.arange(len(scores)) % 5
            return [InstanceData(bboxes=boxes.clone(), scores=torch.tensor(scores), labels=labels) for _ in samples]

        model.teacher.roi_head.predict = predict
        model.compute_uncertainty_with_aug = lambda x, samples: [torch.zeros(len(s.gt_instances)) for s in samples]

    return patch

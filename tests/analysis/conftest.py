"""Hand-made studies: run folders with records, written as a training run writes them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from experiments.records import Data, Record, Score, Validation, write_record

CLASSES = ["Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear"]
FACTORS = ["focal", "anchors", "pseudo_labels", "augmentation", "fusion", "pooling"]
AddRun = Callable[..., Path]


def _validation(aps: Mapping[str, float | None], *, model: str, iteration: int = 400, split: str = "val") -> Validation:
    known = [ap for ap in aps.values() if ap is not None]
    scores = {name: Score(ap=ap, ap50=None if ap is None else ap * 2, boxes=9) for name, ap in aps.items()}
    mean = sum(known) / len(known)
    scores["all"] = Score(ap=mean, ap50=mean * 2, boxes=45)
    return Validation.model_validate(
        {
            "iteration": iteration,
            "model": model,
            "split": split,
            "scores": {k: v.model_dump() for k, v in scores.items()},
        }
    )


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The folder of an empty study named ``focal``."""
    folder = tmp_path / "runs" / "focal"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def add_run(study: Path) -> AddRun:
    """Write one run: ``aps`` are the teacher's APs in the order of ``classes``; the student has half."""

    def add(arm: str, *aps: float | None, seed: int = 0, classes: list[str] = CLASSES, **changes: Any) -> Path:
        folder = study / changes.pop("folder", f"{arm}-{seed}")
        folder.mkdir()
        teacher = dict(zip(classes, aps, strict=True)) if aps else {}
        student = {name: None if ap is None else ap / 2 for name, ap in teacher.items()}
        validations = []
        if aps:
            worse = {name: 0.0009 for name in classes}
            validations = [
                _validation(teacher, model="teacher"),
                _validation(student, model="student"),
                _validation(worse, model="teacher", iteration=200),
                _validation(worse, model="teacher", iteration=400, split="test"),
            ]
        levels = {factor: "on" if factor in arm.split("+") else "off" for factor in FACTORS}
        record = Record.model_validate(
            {
                "identity": folder.name,
                "study": study.name,
                "arm": arm,
                "kind": "arm",
                "levels": levels,
                "config": "experiments/configs/cpu.py",
                "seed": seed,
                "iterations": 400,
                "delta": {},
                "data": Data(name="bits", fingerprint="f00d", classes=classes).model_dump(),
                "versions": {},
                "device": "cpu",
                "validations": [validation.model_dump() for validation in validations],
                "status": "completed",
                **changes,
            }
        )
        return write_record(record, folder).parent

    return add

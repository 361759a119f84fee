"""Hand-made studies: ``study.json`` and run folders with records, as a study command and training runs write them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from experiments.records import Record, Score, Validation, write_record
from experiments.search_file import Candidate, SearchResult, write_search
from experiments.studies import Search, Study, StudyRun, arm_folder, read_study, write_study

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


def _record(*aps: float | None, identity: str, classes: list[str], **changes: Any) -> Record:
    """A record as another study's run left it: its study, arm and levels are not those of the study under test."""
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
    return Record.model_validate(
        {
            "identity": identity,
            "study": "elsewhere",
            "arm": "another-name",
            "kind": "arm",
            "levels": {"focal": "on"},
            "config": "experiments/configs/cpu.py",
            "seed": 0,
            "iterations": 400,
            "delta": {},
            "data": {"name": "bits", "fingerprint": "f00d", "classes": classes},
            "versions": {},
            "device": "cpu",
            "validations": [validation.model_dump() for validation in validations],
            "status": "completed",
            **changes,
        }
    )


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The folder of a study named ``focal`` that lists no run yet."""
    folder = tmp_path / "runs" / "focal"
    write_study(
        Study(study="focal", scale="cpu", data=None, data_fingerprint="f00d", hard_classes=["Severe_Rust", "Chipped"]),
        folder,
    )
    return folder


@pytest.fixture
def add_run(study: Path) -> AddRun:
    """List one run in the study and write its record; returns its folder.

    ``aps`` are the teacher's APs in the order of ``classes``; the student has half. ``recorded=False`` leaves the run
    waiting. Further keywords are fields of the record.
    """

    def add(
        arm: str,
        *aps: float | None,
        seed: int = 0,
        split: int = 0,
        identity: str | None = None,
        sampled: bool = False,
        levels: Mapping[str, str] | None = None,
        recorded: bool = True,
        classes: list[str] = CLASSES,
        **changes: Any,
    ) -> Path:
        identity = identity or f"{arm}-{seed}"
        if levels is None:
            levels = {} if sampled else {name: "on" if name in arm.split("+") else "off" for name in FACTORS}
        entry = StudyRun.model_validate(
            {"arm": arm, "levels": levels, "seed": seed, "split": split, "identity": identity, "sampled": sampled}
        )
        listed = read_study(study)
        assert listed is not None
        write_study(listed.model_copy(update={"runs": [*listed.runs, entry]}), study)
        folder = arm_folder(study.parent, identity)
        if recorded:
            folder.mkdir(parents=True, exist_ok=True)
            write_record(_record(*aps, identity=identity, classes=classes, **{"seed": seed, **changes}), folder)
        return folder

    return add


@pytest.fixture
def add_burn_in(study: Path) -> AddRun:
    """Write one burn-in beside the studies, its identity being its folder's name; arguments as of ``add_run``."""

    def add(name: str, *aps: float | None, classes: list[str] = CLASSES, **changes: Any) -> Path:
        folder = study.parent / "burn-in" / name
        folder.mkdir(parents=True)
        write_record(_record(*aps, identity=name, classes=classes, **{"kind": "burn_in", **changes}), folder)
        return folder

    return add


@pytest.fixture
def make_search(study: Path) -> Callable[..., None]:
    """Make the study a sampled one, judged as the candidates say; none given: not judged yet."""

    def make(*candidates: Candidate, classes: tuple[str, ...] = ("Severe_Rust", "Chipped")) -> None:
        listed = read_study(study)
        assert listed is not None
        search = Search(space=["roi_gamma"], objective="pareto", trials=3)
        write_study(listed.model_copy(update={"search": search}), study)
        if candidates:
            write_search(
                SearchResult(objective="pareto", classes=list(classes), candidates=list(candidates)),
                study,
            )

    return make

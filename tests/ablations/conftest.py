"""What the study engine's tests share: stand-ins for training, data and the report, hand-made records and ledger entries."""

import io
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from ablations.commands import app
from ablations.ledger import Ledger
from ablations.trials import Entry
from experiments.address import default_url
from experiments.data.defects import CLASSES
from experiments.errors import Pruned
from experiments.records import Record, write_record
from experiments.runs import completed_record, read_dataset, run_identity
from experiments.studies import StudyRun, arm_folder

Aps = float | dict[str, float]
"""One AP for every class and ``all``, or by name (0.25 where a name is missing)."""


@dataclass
class Laboratory:
    """Stand-ins for training, data making and the report; identities, folders, the ledger and its workers are real.

    ``outcomes`` maps (arm, seed) to how training ends, a status or an exception; completed unless given. ``calls`` are the
    last command's arguments of train_run. ``scores`` maps (arm, seed) to what the teacher reaches.
    """

    root: Path
    data: Path
    outcomes: dict[tuple[str, int], str | BaseException] = field(default_factory=dict)
    scores: dict[tuple[str, int], Aps] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)
    reported: list[Path] = field(default_factory=list)

    def run(self, *options: str) -> Result:
        return self.command("run", *options)

    def command(self, *words: str) -> Result:
        self.calls.clear()
        return CliRunner().invoke(app, [*words])

    @property
    def trained(self) -> list[tuple[str, int]]:
        return [(call["arm"], call["seed"]) for call in self.calls]

    def study(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.root / name / "study.json").read_text())
        return content

    def jobs(self, study: str) -> list[tuple[str, str]]:
        return [(entry.arm, entry.state) for entry in self.entries(study)]

    def entries(self, study: str) -> list[Entry]:
        return Ledger(name=study, url=default_url(self.root / study)).entries()

    def train_run(
        self, *, config: str, study: str, arm: str, levels: dict[str, str], delta: dict[str, object], seed: int, split: int,
        data: Path, runs_root: Path, folder: Path, sampled: bool, progress: bool, observer: Any,
        **watching: Any,
    ) -> Record:  # fmt: skip
        fingerprint = read_dataset(data)["fingerprint"]
        identity = run_identity(config=config, delta=delta, seed=seed, split=split, data_fingerprint=fingerprint)
        done = completed_record(folder, identity)
        if done is not None:
            return done
        self.calls.append({
            "config": config, "arm": arm, "delta": delta, "seed": seed, "split": split, "data": data, "sampled": sampled,
        })  # fmt: skip
        self.watching = watching
        assert folder == arm_folder(runs_root, identity)
        outcome = self.outcomes.get((arm, seed), "completed")
        if isinstance(outcome, BaseException):
            raise outcome
        aps = self.scores.get((arm, seed), 0.25)
        record = make_record(
            identity, aps, study=study, arm=arm, levels=levels, config=config, seed=seed, split=split, delta=delta,
            data={"name": "tiny", "fingerprint": fingerprint, "classes": list(CLASSES)}, status=outcome,
            reason="Out of memory [step 3].\nTraceback" if outcome == "failed" else None,
        )  # fmt: skip
        try:
            observer.validated(record.model_copy(update={"iterations": 2}), 1)  # half-way
        except Pruned as pruned:
            record.status, record.reason = "pruned", str(pruned)
        folder.mkdir(parents=True, exist_ok=True)
        write_record(record, folder)
        return record

    def report_study(self, folder: Path, *, console: Console, model: str = "teacher") -> list[Path]:
        self.reported.append(folder)
        console.print("the report")
        return []


def make_record(identity: str, aps: Aps = 0.25, **changes: Any) -> Record:
    """A completed run of one iteration whose teacher reached ``aps`` on val."""
    by_name = aps if isinstance(aps, dict) else dict.fromkeys((*CLASSES, "all"), aps)
    scores = {name: {"ap": (ap := by_name.get(name, 0.25)), "ap50": ap, "boxes": 9} for name in (*CLASSES, "all")}
    content = {
        "identity": identity,
        "study": "s",
        "arm": "baseline",
        "kind": "arm",
        "config": "cpu",
        "seed": 0,
        "iterations": 1,
        "delta": {},
        "data": {"name": "tiny", "fingerprint": "data-1", "classes": list(CLASSES)},
        "versions": {},
        "device": "cpu",
        "validations": [{"iteration": 1, "model": "teacher", "split": "val", "scores": scores}],
        "status": "completed",
    }
    return Record.model_validate(content | changes)


def make_entry(
    arm: str,
    state: str,
    *records: Record,
    seeds: tuple[int, ...] = (0,),
    delta: dict[str, Any] | None = None,
    **changes: Any,
) -> Entry:
    """A job as the ledger tells it, of one run per seed, with the records of those that completed."""
    content: dict[str, Any] = {
        "number": 0,
        "runs": tuple(
            StudyRun(arm=arm, delta=delta or {}, seed=seed, split=seed, identity=f"{arm}-{seed}") for seed in seeds
        ),
        "params": {},
        "values": None,
        "constraint": None,
        "progress": {},
        "reason": None,
        "seconds": None,
        "deaths": 0,
        "records": {record.identity: record.model_dump(mode="json") for record in records},
    }
    return Entry(**{**content, "state": state, **changes})


def make_data(folder: Path, fingerprint: str, *, truth: bool = True) -> None:
    """A data set of one group a split, of 8 views of 1 px, without boxes."""
    pixel = io.BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "JPEG")
    for name in ("annotations", "images"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    groups = {"train_labeled": "A_1", "train_unlabeled": "B_1", "val": "C_1"}
    for split, group in (groups | ({"train_unlabeled_truth": "B_1"} if truth else {})).items():
        names = [f"{group}_crop_{view}.jpg" for view in range(1, 9)]
        images = [
            {"id": i, "file_name": name, "width": 1, "height": 1, "base_img_id": group} for i, name in enumerate(names)
        ]
        content = {"images": images, "annotations": [], "categories": []}
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(content))
        for name in names:
            (folder / "images" / name).write_bytes(pixel.getvalue())
    description = {
        "name": folder.name,
        "fingerprint": fingerprint,
        "classes": list(CLASSES),
        "views": 8,
        "image_size": [240, 96],
    }
    (folder / "dataset.json").write_text(json.dumps(description))


@pytest.fixture
def laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    stand_ins = Laboratory(root=tmp_path / "runs", data=tmp_path / "data" / "cpu")
    for name, function in (("experiments.train", "train_run"), ("analysis.table", "report_study")):
        module = ModuleType(name)
        setattr(module, function, getattr(stand_ins, function))
        monkeypatch.setitem(sys.modules, name, module)

    def make_dataset(preset: str, folder: Path, *, progress: bool) -> None:
        if not folder.exists():
            make_data(folder, "made")

    monkeypatch.setattr("experiments.prepare.make_dataset", make_dataset)
    monkeypatch.setenv("RUNS", str(stand_ins.root))
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.delenv("STORAGE", raising=False)
    make_data(stand_ins.data, "data-1")
    return stand_ins

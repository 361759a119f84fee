"""What is checked is checked once in a process; what is refused: see test_train."""

import json
from pathlib import Path

import pytest

from experiments import checks
from experiments.config import load_config
from experiments.errors import UserError
from experiments.train import train_run


def test_data_and_settings_are_checked_once_per_process(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    monkeypatch.setattr(checks, "_checked", set())
    monkeypatch.setattr(checks, "check_image", lambda view: checked.append(view.path.name))
    for gamma in (2.0, 3.0):
        delta = {"train_cfg.max_iters": 1, "model.detector.roi_head.bbox_head.loss_cls.gamma": gamma}
        train_run(
            config="tiny", study="s", arm=f"gamma-{gamma}", delta=delta, data=tiny_data, runs_root=tmp_path, progress=False
        )  # fmt: skip
    files = [tiny_data / "annotations" / f"{part}.json" for part in ("train_labeled", "train_unlabeled", "val")]
    assert sorted(checked) == sorted(
        image["file_name"] for file in files for image in json.loads(file.read_text())["images"]
    )


def test_a_split_that_the_data_cannot_give_is_refused(tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"The split is -1"):
        train_run(config="tiny", study="s", split=-1, data=tiny_data, runs_root=tmp_path, progress=False)
    assert not list(tmp_path.rglob("record.json"))


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        (
            "bfloat16",
            r"model.precision is bfloat16, which this GPU \(Old One\) does not have: set model.precision=float32.",
        ),
        ("half", "model.precision is 'half': choose float32 or bfloat16."),
        ("float32", None),
    ],
)
def test_a_precision_that_there_is_not_is_refused_in_one_sentence(
    precision: str, message: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_config("tiny", {"model.precision": precision})
    monkeypatch.setattr(checks, "_checked", set())
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: including_emulation)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "Old One")
    if message is None:
        checks.check_buildable(settings)
    else:
        with pytest.raises(UserError, match=f"^{message}$"):
            checks.check_buildable(settings)

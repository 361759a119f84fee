"""A made study with everything that a report shows, every figure of it invented."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.records import Score, Validation
from experiments.studies import StudyRequest, read_study, write_study

CLASSES = ["Broken", "Chipped", "Scratched", "Severe_Rust", "Tip_Wear"]
COMMAND = "python -m ablations run --design alone --factors focal,anchors --scale cpu --seeds 2 --study focal"
VERSIONS = {"python": "3.11.7", "torch": "2.13.0", "onedl-mmdetection": "3.5.1"}


def validations(last: dict[str, float]) -> list[dict[str, Any]]:
    """Teachers and students at iterations 100 to 400, on the way to what is given; the student is a fifth lower."""
    found = []
    for step in range(1, 5):
        for model, share in (("teacher", 1.0), ("student", 0.8)):
            aps = {name: ap * share * (0.4 + 0.15 * step) for name, ap in last.items()}
            scores = {name: Score(ap=ap, ap50=min(1.0, 2 * ap), boxes=9) for name, ap in aps.items()}
            scores["all"] = Score(ap=sum(aps.values()) / len(aps), ap50=None, boxes=45)
            plain = {"iteration": 100 * step, "model": model, "split": "val", "scores": scores}
            found.append(Validation.model_validate(plain).model_dump())
    return found


def gate(name: str, milestone: int, verdict: str, says: str, subject: str | None = None) -> dict[str, Any]:
    return {"name": name, "subject": subject, "milestone": milestone, "verdict": verdict, "says": says}


def history(start: float, end: float) -> list[dict[str, Any]]:
    """Kept ratios over ten windows of 40 iterations; Chipped's is half, and unknown in the first window."""
    windows = []
    for step in range(10):
        ratio = start + (end - start) * step / 9
        figures = {
            "kept_ratio": ratio,
            "kept_ratio/Severe_Rust": 0.8 * ratio,
            "kept_ratio/Chipped": ratio / 2 if step else None,
        }
        windows.append({"iteration": 40 * (step + 1), "figures": figures})
    return windows


@pytest.fixture
def made(study: Path, add_run: Callable[..., Path]) -> Path:
    """The folder of a study with arms baseline, focal and anchors, two seeds each, of which one failed and one waits."""
    finals = {"baseline": (0.020, 0.050, 0.30), "focal": (0.110, 0.070, 0.29), "anchors": (0.030, 0.055, 0.31)}
    for arm, (rust, chipped, other) in finals.items():
        for seed in (0, 1):
            if (arm, seed) == ("anchors", 1):
                add_run(
                    arm, seed=seed, status="failed", reason="the loss was NaN at iteration 212", log_tail=["loss: nan"]
                )
                continue
            shift = 0.004 * seed
            last = dict(zip(CLASSES, (other, chipped + shift, other / 2, rust + shift, other - 0.1), strict=True))
            ratio = last["Severe_Rust"] / 0.02
            add_run(
                arm, seed=seed, versions=VERSIONS, device="cpu (2 threads)", num_tokens=1024, peak_memory_mb=1234.5,
                seconds={"total": 200.0 + seed}, validations=validations(last),
                history=history(0.10, {"baseline": 0.14, "focal": 0.30}.get(arm, 0.18)),
                delta={} if arm == "baseline" else {"train_cfg.max_iters": 400},
                gates=[
                    gate("finite_loss", 0, "passed", "The loss was finite throughout."),
                    gate("stability", 100, "failed" if arm == "focal" and seed else "passed", "The loss's CV was 3.4 %."),
                    gate("class_ap", 200, "passed" if ratio > 2 else "failed", f"AP {ratio:.1f} times.", "Severe_Rust"),
                    gate("class_ap", 200, "failed", "AP not above the baseline's.", "Chipped"),
                    gate("overall_ap", 200, "passed", "Overall AP was not down by more than 5 %."),
                    gate("falling_loss", 1000, "not_reached", "The run ended before iteration 1,000."),
                ],
                alarms=[] if arm != "focal" else [{
                    "kind": "loss_ratio", "iteration": 120, "last": 240, "figures": {},
                    "says": "the unsupervised loss is 12 times the supervised one: lower its weight.",
                }],
            )  # fmt: skip
    add_run("fusion", recorded=False)
    listed = read_study(study)
    assert listed is not None
    request = StudyRequest(design="alone", factors=["focal", "anchors"], seeds=[0, 1], command=COMMAND)
    write_study(listed.model_copy(update={"requests": [request]}), study)
    return study

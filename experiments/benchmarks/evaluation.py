"""What validating takes: one validation of a real run against its training, and the two implementations of COCO's scores.

python -m experiments.benchmarks --only evaluation
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np

from experiments.benchmarks.children import children, on_gpu
from experiments.benchmarks.figures import Findings, quotient
from experiments.prepare import prepared_data

CLASSES = ("a", "b", "c", "d", "e")


def made_views(count: int, boxes: int, *, seed: int = 0, levels: int | None = None) -> list[dict[str, Any]]:
    """Views as :func:`experiments.data.metric.precision_of` takes them: half of the detections near true boxes, half anywhere.

    Args:
        count: how many views.
        boxes: detections of each.
        levels: scores are multiples of one over this, so that some are equal; ``None`` for scores that all differ.
    """
    random = np.random.default_rng(seed)
    views = []
    for number in range(count):
        truth = _boxes(random, int(random.integers(0, 4)))
        labels = random.integers(0, len(CLASSES), len(truth))
        found, found_labels = _boxes(random, boxes), random.integers(0, len(CLASSES), boxes)
        if len(truth):
            near = random.integers(0, len(truth), (boxes + 1) // 2)
            found[: len(near)] = truth[near] + random.normal(0, 2, (len(near), 4))
            found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
            found_labels[: len(near)] = labels[near]
        scores = random.random(boxes)
        views.append({
            "image_id": 7 * number + 3, "truth_boxes": truth, "truth_labels": labels, "boxes": found, "labels": found_labels,
            "scores": scores if levels is None else np.round(scores * levels) / levels,
        })  # fmt: skip
    return views


def _boxes(random: np.random.Generator, count: int) -> np.ndarray:
    corners = 200 * random.random((count, 2))
    return np.hstack([corners, corners + 8 + 60 * random.random((count, 2))])


def run_metric(reference: bool, count: int, boxes: int) -> float:
    """Seconds that scoring takes, in this process."""
    from experiments.data.metric import average_precision

    views = made_views(count, boxes)
    started = time.perf_counter()
    average_precision(views, CLASSES, reference=reference)
    return time.perf_counter() - started


def run_validation(scale: str, folder: Path, iterations: int) -> tuple[dict[str, float], int]:
    """Train so few iterations with one validation; seconds of both, and how many iterations lie between two validations."""
    from experiments.config import load_config
    from experiments.train import train_run

    with TemporaryDirectory() as runs, patch("experiments.train.chosen_trackers", return_value=()):
        record = train_run(
            config=scale, study="evaluation", data=folder, runs_root=Path(runs), progress=False,
            delta={"burn_in": {}, "train_cfg.max_iters": iterations, "train_cfg.val_interval": iterations},
        )  # fmt: skip
    if record.status != "completed":
        raise RuntimeError(f"The run for the validation {record.status}: {record.reason}")
    return record.seconds, load_config(scale).train_cfg.val_interval


def measure(*, quick: bool) -> Findings:
    """Measure at `cpu`, or at `gpu` on a GPU."""
    scale = "tiny" if quick else "gpu" if on_gpu() else "cpu"
    iterations = 3 if quick else 30 if on_gpu() else 10
    count, boxes, rounds = (40, 10, 2) if quick else (640, 100, 3)  # the plan's 80 validation groups, at most 100 boxes
    folder = prepared_data(scale, None)
    findings = Findings("evaluation")
    metric: dict[bool, list[float]] = {True: [], False: []}
    with children("evaluation") as made:
        child = made["evaluation"]
        child.call(run_metric, False, 8, 2)  # imports
        child.call(run_metric, True, 8, 2)
        for _ in range(rounds):
            for reference, values in metric.items():
                values.append(child.call(run_metric, reference, count, boxes))
        seconds, interval = child.call(run_validation, scale, folder, iterations)
    plain = findings.add(f"pycocotools, {count} views of {boxes} boxes", "s", *metric[True])
    fast = findings.add("faster-coco-eval, the same", "s", *metric[False])
    findings.ratio("pycocotools / faster-coco-eval, time", quotient(plain, fast))
    pace = seconds["training"] / iterations
    findings.add(f"{scale}: one validation of teacher and student", "s", seconds["validation"])
    findings.add(f"{scale}: training iteration", "s", pace)
    findings.add(f"{scale}: training between two validations ({interval} iterations)", "s", pace * interval)
    findings.ratio(f"{scale}: validation / training between two", seconds["validation"] / (pace * interval))
    findings.notes.append(
        "The validated model is nearly untrained, so that there are few boxes to suppress and to score."
    )
    return findings

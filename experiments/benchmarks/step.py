"""One training step: loss, backward, optimiser and teacher, of a labelled and an unlabelled group.

    python -m experiments.benchmarks --only step

Three cases take turns, each in a process of its own: the model; the same in float32 with the plain form of MVViT
(:mod:`experiments.benchmarks.reference`); and mmdet's own Soft Teacher, which sees the same images one by one. Images are noise,
weights fresh, and the teacher, whose prediction runs as ever, is made to find two boxes in each view, as a trained one does.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from experiments.benchmarks.children import OutOfMemory, Sample, children, on_gpu, sample
from experiments.benchmarks.figures import Figure, Findings, quotient
from experiments.benchmarks.here import is_here

CASES = ("fused", "plain", "no views")
BRANCHES = ("sup", "unsup_teacher", "unsup_student")
BOXES = 2  # per view
PAPER = {"model.detector.backbone.mvvit.num_tokens": 2048}  # what the goals are stated for


def run_step(case: str, scale: str, repetitions: int, changes: dict[str, Any] | None = None) -> Sample:
    """Train so many steps in this process; the first call builds and warms up.

    Args:
        case: one of ``CASES``.
        scale: name of the config.
        changes: dotted config paths -> values.
    """
    step = _built(case, scale, tuple((changes or {}).items()))
    return sample(step, repetitions=repetitions)


@cache
def _built(case: str, scale: str, changes: tuple[tuple[str, Any], ...]) -> Callable[[], None]:
    step = build_step(case, scale, dict(changes))
    for _ in range(12 if on_gpu() else 2):
        step()
    return step


def build_step(case: str, scale: str, changes: dict[str, Any]) -> Callable[[], None]:
    """A function that trains one step on the same batch each time it is called."""
    settings, model = build(case, scale, changes)
    batch = make_batch(settings)
    return trainer(settings, model, lambda: batch)


def build(case: str, scale: str, changes: dict[str, Any]) -> tuple[Any, Any]:
    """The config and the model in training mode, on the GPU if there is one."""
    from experiments.config import import_components, load_config

    settings = load_config(scale, changes)
    import_components(settings)
    import torch
    from mmdet.registry import MODELS
    from mmengine.registry import init_default_scope

    from experiments.benchmarks.reference import ReferenceMVViT

    init_default_scope("mmdet")
    torch.manual_seed(0)
    settings.image_size = settings.model.detector.backbone.mvvit.image_size  # configs keep it nowhere else
    precision = settings.model.precision
    if case == "plain":
        settings.model.precision = "float32"
    if case == "no views":
        settings.model.type = "SoftTeacher"
        settings.model.detector.backbone = settings.model.detector.backbone.backbone
        del settings.model.precision
    model = MODELS.build(settings.model)
    if case == "no views":
        _reduce(model, precision)
    model.teacher.load_state_dict(model.student.state_dict())
    if case == "plain":
        for one in (model.student, model.teacher):
            one.backbone.mvvit = ReferenceMVViT(one.backbone.mvvit)
    model.to("cuda" if torch.cuda.is_available() else "cpu").train()
    _teach(model.teacher.roi_head)
    return settings, model


def _reduce(model: Any, precision: Any) -> None:
    """Have mmdet's own Soft Teacher train in the precision of ours."""
    from models.precision import computing_in

    loss = model.loss

    def reduced(*inputs: Any, **options: Any) -> Any:
        with computing_in(precision, model.student, model.teacher):
            return loss(*inputs, **options)

    model.loss = reduced


def trainer(settings: Any, model: Any, batch: Callable[[], Any]) -> Callable[[], None]:
    """A function that takes the next batch and trains one step on it, as the training loop does."""
    from mmengine.optim import build_optim_wrapper

    from experiments.hooks.mean_teacher import MultiViewMeanTeacherHook

    optimiser = build_optim_wrapper(model, settings.optim_wrapper)
    momentum = next(one.momentum for one in settings.custom_hooks if one.type == "MultiViewMeanTeacherHook")
    teacher = MultiViewMeanTeacherHook(momentum=momentum)

    def step() -> None:
        model.train_step(batch(), optimiser)
        teacher.momentum_update(model, momentum)

    return step


def make_batch(settings: Any) -> dict[str, Any]:
    """Half labelled and half unlabelled groups of noise, ``BOXES`` boxes a view, as the data loader gives them."""
    import numpy as np
    import torch
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    views, (height, width) = settings.train_dataloader.dataset.labelled.num_views, settings.image_size
    images = views * settings.train_dataloader.batch_size // 2
    generator = torch.Generator().manual_seed(0)
    batch: dict[str, Any] = {"inputs": {}, "data_samples": {}}
    for branch in BRANCHES:
        batch["inputs"][branch] = [
            torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8) for _ in range(images)
        ]
        batch["data_samples"][branch] = [
            DetDataSample(
                metainfo={
                    "img_id": number, "img_shape": (height, width), "ori_shape": (height, width),
                    "scale_factor": (1.0, 1.0), "flip": False, "flip_direction": None,
                    "homography_matrix": np.eye(3, dtype=np.float32),
                },
                gt_instances=InstanceData(bboxes=_boxes(height, width), labels=torch.arange(BOXES)),
            )
            for number in range(images)
        ]  # fmt: skip
    return batch


def _boxes(height: int, width: int) -> Any:
    """``BOXES`` boxes (BOXES, 4) xyxy px, tall ones of a tenth of the image."""
    import torch

    corners = torch.tensor([[0.2 + 0.4 * i, 0.3 + 0.2 * i] * 2 for i in range(BOXES)])
    sides = torch.tensor([0.0, 0.0, 0.25, 0.25])
    return (corners + sides) * torch.tensor([width, height, width, height])


def _teach(head: Any) -> None:
    """Let a teacher's head predict as ever, and then say that it found ``BOXES`` boxes in each view."""
    import torch
    from mmengine.structures import InstanceData

    predict = head.predict

    def taught(features: Any, proposals: Any, samples: Any, **options: Any) -> Any:
        found = predict(features, proposals, samples, **options)
        if head.test_cfg is None:  # the same boxes jittered, for their uncertainty
            return found
        device = features[0].device
        return [
            InstanceData(
                bboxes=_boxes(*sample.img_shape).to(device), labels=torch.arange(BOXES, device=device),
                scores=torch.full((BOXES,), 0.9, device=device),
            )
            for sample in samples
        ]  # fmt: skip

    head.predict = taught


def measure(*, quick: bool) -> Findings:
    """Measure the three cases: at scale `paper` with K=2048 on a GPU, at `cpu` without one."""
    scale = "tiny" if quick else "paper" if on_gpu() else "cpu"
    changes = PAPER if scale == "paper" else {}
    rounds, each = (2, 1) if quick else (4, 5) if on_gpu() else (4, 2)
    findings = Findings("step")
    taken: dict[str, list[Sample]] = {case: [] for case in CASES}
    with children(*CASES) as made:
        for turn in range(rounds):
            for case in CASES:
                if turn and not taken[case]:
                    continue  # it did not fit
                try:
                    taken[case].append(made[case].call(run_step, case, scale, each, changes))
                except OutOfMemory as error:
                    findings.notes.append(f"{scale}: {case} does not fit: {error}.")
    seconds: dict[str, Figure] = {}
    processor: dict[str, Figure] = {}
    peaks: dict[str, Figure] = {}
    whole: dict[str, Figure] = {}
    for case, samples in taken.items():
        if samples:
            seconds[case] = findings.add(f"{scale}: {case}", "s", *(s for one in samples for s in one.seconds))
            values = [s for one in samples for s in one.processor_seconds]
            processor[case] = findings.add(f"{scale}: {case}, processor", "s", *values)
            peaks[case] = findings.add(f"{scale}: {case}, peak above weights and batch", "MiB", *_max(samples, 0))
            whole[case] = findings.add(f"{scale}: {case}, peak in all", "MiB", *_max(samples, 1))
    here = is_here("H200")
    goal: dict[str, Any] = {"where": "H200, paper, K=2048", "here": here and scale == "paper"}
    fused, plain, single = CASES
    findings.ratio(f"{scale}: plain / fused, time", quotient(seconds.get(plain), seconds.get(fused)), goal=5, **goal)
    findings.ratio(
        f"{scale}: fused / plain, memory",
        quotient(whole.get(fused), whole.get(plain)),
        goal=1 / 4,
        sense="at most",
        **goal,
    )
    findings.ratio(
        f"{scale}: peak in all", whole[fused].median / 1024 if fused in whole else None, goal=12, sense="at most",
        unit="GiB", **goal,
    )  # fmt: skip
    findings.ratio(
        f"{scale}: fused / no views, time", quotient(seconds.get(fused), seconds.get(single)), goal=1.3, sense="at most",
        **goal,
    )  # fmt: skip
    for other in (plain, single):
        ratio = quotient(processor.get(other), processor.get(fused))
        findings.ratio(f"{scale}: {other} / fused, processor time", ratio)
    return findings


def _max(samples: list[Sample], held: int) -> list[float]:
    """The highest peak of some samples, with what was held before or without."""
    return [max(one.peak_mb + held * one.held_mb for one in samples)]

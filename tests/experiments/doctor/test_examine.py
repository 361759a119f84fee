"""What the doctor says of the shipped configs, and of planted faults: exactly the fault, beyond what is truly so."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from experiments.doctor.examine import Report, examine
from experiments.doctor.findings import Finding
from experiments.errors import UserError
from experiments.paths import CONFIGS

_HOOK = "custom_hooks.0"
_SEMI = "model.semi_train_cfg"
_ANCHORS = "model.detector.rpn_head.anchor_generator"
_LOADER = "train_dataloader"
# What is truly so of every shipped config on data without fault.
TRUE = [("dead thresholds", "note"), ("tokens per defect", "note"), ("teacher scores", "note")]


@pytest.fixture(autouse=True)
def _no_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))


def told(report: Report) -> list[tuple[str, str]]:
    return [(finding.check, finding.level) for finding in report.findings]


def beyond_the_baseline(config: str, delta: Mapping[str, Any], data: Path) -> list[Finding]:
    known = Counter(TRUE)
    found = []
    for finding in examine(config, delta, data=data).findings:
        if known[finding.check, finding.level] > 0:
            known[finding.check, finding.level] -= 1
        else:
            found.append(finding)
    return found


@pytest.mark.parametrize("config", ["cpu", "gpu"])
def test_shipped_configs_are_told_what_is_truly_so_and_nothing_else(config: str, plain_data: Path) -> None:
    report = examine(config, {}, data=plain_data)
    assert told(report) == TRUE
    assert report.skipped == ()
    assert report.passed == (
        "classes in the splits", "unlabelled groups", "smallest pseudo-box", "groups in a batch", "EMA momentum",
        "mean teacher hook", "thresholds", "learning rate", "batch", "schedule", "checkpoints", "parameters in the optimiser",
        "first forward pass", "score function", "view fusion", "anchor coverage", "anchor convention",
    )  # fmt: skip


def test_the_paper_config_is_told_what_is_truly_so_and_nothing_else(make_data: Callable[..., Path]) -> None:
    report = examine("paper", {}, data=make_data(size=(256, 720), box=(40, 80)))
    assert told(report) == TRUE
    assert "paper has no burn-in" in report.findings[-1].says


def test_the_tiny_scale_on_its_own_data_is_told_that_it_is_too_small_to_learn(tiny_data: Path) -> None:
    assert told(examine("tiny", {}, data=tiny_data)) == [
        ("classes in the splits", "warning"),
        ("smallest pseudo-box", "warning"),
        ("EMA momentum", "warning"),
        ("tokens per defect", "warning"),
        ("anchor coverage", "warning"),
        ("classes in the splits", "note"),
        ("dead thresholds", "note"),
        ("teacher scores", "note"),
    ]


FAULTS: dict[str, tuple[dict[str, Any], tuple[str, str], str]] = {
    "shares that are swapped": ({f"{_HOOK}.swapped": True}, ("EMA momentum", "error"), "The teacher is a copy of the student"),
    "view fusion that is not trained": (
        {"model.detector.backbone.mvvit.trained": False}, ("view fusion", "error"), "MVViT is never trained",
    ),
    "pooling queries all alike": (
        {"model.detector.backbone.mvvit.pooling_start": "alike"}, ("view fusion", "error"), "start all alike",
    ),
    "a precision that there is not": ({"model.precision": "half"}, ("build", "error"), "model.precision is 'half'"),
    "a momentum that is the teacher's share": (
        {f"{_HOOK}.momentum": 0.999}, ("EMA momentum", "error"), "custom_hooks.0.momentum is 0.999",
    ),
    "a momentum that makes the teacher a copy": (
        {f"{_HOOK}.momentum": 0.3}, ("EMA momentum", "warning"), "nearly a copy of the student",
    ),
    "a momentum with which the teacher stays where it is": (
        {f"{_HOOK}.momentum": 1e-5}, ("EMA momentum", "warning"), "hardly moves in this run",
    ),
    "no mean teacher hook": ({"custom_hooks": []}, ("EMA momentum", "error"), "No hook moves the teacher"),
    "the library's mean teacher hook": (
        {f"{_HOOK}.type": "MeanTeacherHook"}, ("mean teacher hook", "warning"), "leaves BatchNorm statistics out",
    ),
    "a threshold that keeps nothing": (
        {f"{_SEMI}.cls_pseudo_thr": 1.2}, ("thresholds", "error"), "cls_pseudo_thr is 1.2: it keeps nothing",
    ),
    "a threshold that keeps everything": (
        {f"{_SEMI}.rpn_pseudo_thr": 0.0}, ("thresholds", "error"), "rpn_pseudo_thr is 0: it keeps everything",
    ),
    "a regression threshold that keeps nothing": (
        {f"{_SEMI}.reg_pseudo_thr": 0.0}, ("thresholds", "error"), "no pseudo-box trains the box regression",
    ),
    "sigmoids that are read as a softmax": (
        {"model.detector.roi_head.bbox_head.loss_cls.type": "FocalLoss"}, ("score function", "error"),
        "trains sigmoids but predicts with a softmax",
    ),
    "a learning rate ten times too high": (
        {"optim_wrapper.optimizer.lr": 2e-3}, ("learning rate", "warning"), "10 times too high for 2 groups per batch",
    ),
    "a learning rate a hundred times too high": (
        {"optim_wrapper.optimizer.lr": 2e-2}, ("learning rate", "warning"), "100 times too high for 2 groups per batch",
    ),
    "a batch of eight at the learning rate of two": (
        {f"{_LOADER}.batch_size": 8, f"{_LOADER}.sampler.batch_size": 8}, ("learning rate", "warning"),
        "2 times too low for 8 groups per batch",
    ),
    "a learning rate of nothing": (
        {"optim_wrapper.optimizer.lr": 0.0}, ("learning rate", "error"), "nothing is learnt",
    ),
    "a loader and a sampler with different batches": (
        {f"{_LOADER}.batch_size": 3}, ("batch", "error"), "batches of 3 groups, the sampler orders them for batches of 2",
    ),
    "a batch without unlabelled groups": (
        {f"{_LOADER}.sampler.source_ratio": [1, 0]}, ("batch", "warning"), "supervised only",
    ),
    "a batch without labelled groups": (
        {f"{_LOADER}.sampler.source_ratio": [0, 1]}, ("batch", "error"), "No labelled group is in a batch",
    ),
    "a warm-up as long as the run": (
        {"param_scheduler.0.end": 160}, ("schedule", "warning"), "The warm-up lasts 160 iterations, the run 160",
    ),
    "a run longer than its schedule": (
        {"train_cfg.max_iters": 320}, ("schedule", "warning"), "does not end with the run, at iteration 320",
    ),
    "checkpoints that a run never reaches": (
        {"default_hooks.checkpoint.interval": 500}, ("checkpoints", "warning"), "No checkpoint is written",
    ),
    "a run of no iterations": (
        {"train_cfg.max_iters": 0, "default_hooks.checkpoint.interval": 1}, ("schedule", "error"), "train_cfg.max_iters is 0",
    ),
    "fusion and backbone of different widths": (
        {"model.detector.backbone.mvvit.in_channels": [32, 64, 64]}, ("first forward pass", "error"),
        "The model cannot process a group of views",
    ),
    "an anchor ratio of nothing": (
        {f"{_ANCHORS}.ratios": [0, 1, 2]}, ("anchor coverage", "error"), "Anchor ratios must be above 0",
    ),
    "heads that do not divide the width": (
        {"model.detector.backbone.mvvit.num_heads": 5}, ("build", "error"), "num_heads=5 does not divide",
    ),
    "anchors much larger than the boxes": (
        {f"{_ANCHORS}.scales": [30, 40]}, ("anchor coverage", "error"), "No box of any class has an anchor above IoU 0.5.",
    ),
    "anchors larger than the boxes of a class": (
        {f"{_ANCHORS}.scales": [4]}, ("anchor coverage", "warning"), "Of Dent, less than 90%",
    ),
    "a pseudo-box minimum above the boxes": (
        {f"{_SEMI}.min_pseudo_bbox_wh": [20, 3]}, ("smallest pseudo-box", "warning"), "too small to ever be pseudo-boxes",
    ),
    "so few tokens that defects get none": (
        {"model.detector.backbone.mvvit.num_tokens": 256}, ("tokens per defect", "warning"), "less than one pooled token",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_exactly_the_planted_fault_of_the_settings_is_named(fault: str, plain_data: Path) -> None:
    delta, which, words = FAULTS[fault]
    found = beyond_the_baseline("cpu", delta, plain_data)
    assert [(finding.check, finding.level) for finding in found] == [which]
    assert words in found[0].says
    assert found[0].evidence and found[0].remedy


def test_the_smallest_pseudo_box_advised_is_one_that_helps(make_data: Callable[..., Path]) -> None:
    """Boxes of 3 x 3 px, which is not above 3."""
    path, data = f"{_SEMI}.min_pseudo_bbox_wh", make_data(box=(3, 3))
    checks = [one for one in examine("cpu", {path: [3, 3]}, data=data).findings if one.check == "smallest pseudo-box"]
    assert [one.remedy for one in checks] == [f"Set {path} to [2, 2] or less."]
    again = examine("cpu", {path: [2, 2]}, data=data).findings
    assert not [one for one in again if one.check == "smallest pseudo-box"]


@pytest.mark.parametrize(("steps", "remedy"), [(10, "Train longer (train_cfg.max_iters)."), (100, "to about 0.023.")])
def test_no_momentum_is_advised_that_would_not_help(steps: int, remedy: str, plain_data: Path) -> None:
    # 0.95 ^ 10 = 60 % would stay; 1 - 0.1 ^ (1 / 100) = 0.0228 leaves a tenth.
    found = examine("cpu", {"train_cfg.max_iters": steps, f"{_HOOK}.momentum": 1e-5}, data=plain_data).findings
    (momentum,) = (finding for finding in found if finding.check == "EMA momentum")
    assert momentum.remedy.endswith(remedy)


def test_in_bands_the_tokens_of_a_defect_are_its_cells(plain_data: Path) -> None:
    spatial, size = "model.detector.backbone.mvvit.spatial", "model.detector.backbone.mvvit.image_size"
    # A box of 16 x 32 of 96 x 240 px has 512 / 16 = 32 cells of P2; on views of 40 x 16 px 0.9.
    assert told(examine("cpu", {spatial: "banded"}, data=plain_data)) == [one for one in TRUE if "tokens" not in one[0]]
    found = examine("cpu", {spatial: "banded", size: [40, 16]}, data=plain_data).findings
    (tokens,) = (finding for finding in found if finding.check == "tokens per defect")
    assert tokens.says == "The median defect of Dent, Crack gets less than one token."
    assert "image_size" in tokens.remedy and "num_tokens" not in tokens.remedy


def test_tall_boxes_with_wide_anchors_are_named_with_the_reading_that_helps(make_data: Callable[..., Path]) -> None:
    found = beyond_the_baseline("cpu", {}, make_data(box=(12, 42)))
    assert [(finding.check, finding.level) for finding in found] == [("anchor convention", "warning")]
    assert (
        "The boxes are tall (median width/height 0.29), but 3 of the 5 anchor ratios make wide anchors" in found[0].says
    )
    assert f"{_ANCHORS}.ratios to [0.5, 1, 2, 2.86, 5]" in found[0].remedy


def test_anchors_of_ratios_of_width_over_height_are_read_as_such(make_data: Callable[..., Path]) -> None:
    delta = {f"{_ANCHORS}.type": "WidthHeightAnchorGenerator"}
    data = make_data(box=(12, 42))
    assert beyond_the_baseline("cpu", delta, data) == []
    configured = examine("cpu", delta, data=data).coverage[0]
    assert configured.ratios == pytest.approx((5, 1 / 0.35, 2, 1, 0.5))
    (found,) = beyond_the_baseline("cpu", delta, make_data(box=(42, 12)))
    assert f"{_ANCHORS}.ratios to [0.2, 0.35, 0.5, 1, 2] and its type to AnchorGenerator" in found.remedy


def test_wide_boxes_with_tall_anchors_are_named_too(make_data: Callable[..., Path]) -> None:
    data = make_data(box=(42, 12))
    assert beyond_the_baseline("cpu", {}, data) == []
    found = beyond_the_baseline("cpu", {f"{_ANCHORS}.ratios": [0.5, 1, 2, 2.86, 5]}, data)
    assert [(finding.check, finding.level) for finding in found] == [("anchor convention", "warning")]
    assert (
        "The boxes are wide (median width/height 3.50), but 3 of the 5 anchor ratios make tall anchors" in found[0].says
    )


def test_corrected_ratios_are_not_complained_of(make_data: Callable[..., Path]) -> None:
    delta = {f"{_ANCHORS}.ratios": [0.5, 1.0, 2.0, 2.86, 5.0]}
    assert beyond_the_baseline("cpu", delta, make_data(box=(12, 42))) == []


@pytest.mark.parametrize(
    ("faulty", "which", "words"),
    [
        ({"unlabelled": 0}, ("data", "error"), "train_unlabeled.json lists no images: this split is empty"),
        ({"labelled": 0}, ("data", "error"), "train_labeled.json lists no images: this split is empty"),
        ({"unlabelled": 1}, ("unlabelled groups", "note"), "few unlabelled groups"),
        ({"labelled": 1}, ("classes in the splits", "warning"), "Dent, Crack: fewer than 10 labelled boxes"),
        (
            {"lacking": {"train_labeled": ["Crack"]}},
            ("classes in the splits", "error"),
            "Crack: no labelled boxes and cannot be learnt",
        ),
        (
            {"lacking": {"val": ["Dent"]}},
            ("classes in the splits", "warning"),
            "Dent: no validation boxes and cannot be judged",
        ),
    ],
)
def test_exactly_the_planted_fault_of_the_data_is_named(
    faulty: dict[str, Any], which: tuple[str, str], words: str, make_data: Callable[..., Path]
) -> None:
    found = beyond_the_baseline("cpu", {}, make_data(**faulty))
    assert [(finding.check, finding.level) for finding in found] == [which]
    assert words in found[0].says


def test_goals_for_a_class_that_is_not_there_are_named(make_data: Callable[..., Path]) -> None:
    data = make_data()
    (data / "targets.toml").write_text("[hard.Dentt]\nconservative = 2\noptimistic = 3\n")
    (found,) = beyond_the_baseline("cpu", {}, data)
    assert (found.check, found.level) == ("data", "error")
    assert "targets.toml: the data set has no class 'Dentt'; its classes are Dent, Crack" in found.says


def test_a_batch_larger_than_the_data_set_is_named(plain_data: Path) -> None:
    delta = {
        f"{_LOADER}.batch_size": 16, f"{_LOADER}.sampler.batch_size": 16, "optim_wrapper.optimizer.lr": 6e-4,
    }  # fmt: skip
    found = beyond_the_baseline("cpu", delta, plain_data)
    assert [(finding.check, finding.level) for finding in found] == [("groups in a batch", "warning")]
    assert found[0].evidence == "16 groups per batch, 12 in the data set."


def test_parameters_that_the_optimiser_leaves_out_are_named_and_counted(plain_data: Path, tmp_path: Path) -> None:
    config = tmp_path / "own.py"
    config.write_text(
        f"_base_ = [{str(CONFIGS / 'cpu.py')!r}]\n"
        "optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'backbone.mvvit.levels.0.out': dict(lr_mult=0.0)}))\n"
    )
    found = beyond_the_baseline(str(config), {}, plain_data)
    assert [(finding.check, finding.level) for finding in found] == [("parameters in the optimiser", "error")]
    assert (
        "4 parameter tensors of the student are not trained" in found[0].says
    )  # out and out_norm, weight and bias of each
    assert "2,208 values" in found[0].evidence  # 64 * 32 + 32 and 64 + 64


def test_parameters_created_in_the_first_forward_pass_are_named(plain_data: Path) -> None:
    from mmdet.registry import MODELS
    from torch import Tensor, nn

    from models.backbone import MultiViewBackbone

    class LateBackbone(MultiViewBackbone):
        def forward(self, images: Tensor) -> tuple[Tensor, ...]:
            if not hasattr(self, "late"):
                self.late = nn.Linear(2, 3)
            return super().forward(images)

    MODELS.register_module(module=LateBackbone)
    try:
        found = beyond_the_baseline("cpu", {"model.detector.backbone.type": "LateBackbone"}, plain_data)
    finally:
        MODELS.module_dict.pop("LateBackbone")
    assert [(finding.check, finding.level) for finding in found] == [("first forward pass", "error")]
    assert "backbone.late.bias, backbone.late.weight" in found[0].evidence


@pytest.mark.parametrize(
    "delta", [{f"{_ANCHORS}.scales": [30, 40]}, {f"{_ANCHORS}.scales": [4], f"{_ANCHORS}.ratios": [0.2]}]
)
def test_the_remedy_for_anchors_cures_what_it_is_for(delta: dict[str, Any], plain_data: Path) -> None:
    (found,) = beyond_the_baseline("cpu", delta, plain_data)
    remedy = {path: json.loads(values) for path, values in re.findall(r"(model\S+) to (\[[^]]+\])", found.remedy)}
    assert set(remedy) <= {f"{_ANCHORS}.scales", f"{_ANCHORS}.ratios"}
    assert remedy and beyond_the_baseline("cpu", delta | remedy, plain_data) == []


def test_boxes_that_lie_between_anchors_want_larger_views(make_data: Callable[..., Path]) -> None:
    """Of 6 px: half a stride of 4 px away leaves 4 * 4 of 2 * 36 - 16 px, an IoU of 0.29."""
    tiny, large = make_data(box=(6, 6)), make_data(box=(6, 6), size=(192, 480))
    remedies = [
        next(one.remedy for one in examine("cpu", {}, data=data).findings if one.check == "anchor coverage")
        for data in (tiny, large)
    ]
    assert (
        "take larger images, or leave them out of what is concluded: 100% of their boxes are smaller than 12 px"
        in remedies[0]
    )
    assert (
        "set model.detector.backbone.mvvit.image_size (height, width) to [480, 192]" in remedies[1]
    )  # 3 px as they are fed: 4 times would be needed


def test_the_tokens_advised_give_each_class_one(plain_data: Path) -> None:
    path = "model.detector.backbone.mvvit.num_tokens"
    (few,) = beyond_the_baseline("cpu", {path: 256}, plain_data)
    advised = re.search(r"(\d+) are enough for one", few.remedy)
    assert advised and 256 < int(advised[1]) < 1024
    assert told(examine("cpu", {path: int(advised[1])}, data=plain_data)) == TRUE
    # This map has 1,440 cells of 11,520: 8 of K are one of its tokens.
    told_of = [one.says for one in examine("cpu", {path: int(advised[1]) - 8}, data=plain_data).findings]
    assert any("less than one pooled token" in says for says in told_of)


def test_where_every_cell_is_a_token_more_of_them_are_not_advised(make_data: Callable[..., Path]) -> None:
    data = make_data(box=(6, 6))
    few, all_cells = (
        next(one.remedy for one in examine("cpu", delta, data=data).findings if one.check == "tokens per defect")
        for delta in ({}, {"model.detector.backbone.mvvit.num_tokens": 100_000})
    )
    assert few.startswith("Set model.detector.backbone.mvvit.num_tokens higher")
    assert all_cells.startswith("Feed larger views (model.detector.backbone.mvvit.image_size: height, width)")


def test_what_cannot_be_built_or_read_is_one_finding_and_the_rest_is_not_checked(
    make_data: Callable[..., Path],
) -> None:
    report = examine(
        "cpu", {"model.detector.backbone.mvvit.num_heads": 5}, data=make_data(unlabelled=0)
    )  # fmt: skip
    assert told(report) == [("data", "error"), ("build", "error"), ("dead thresholds", "note")]
    assert report.coverage == ()
    assert {"anchor coverage", "score function", "tokens per defect", "teacher scores"} < set(report.skipped)


def test_a_config_that_lacks_what_a_check_reads_is_told_so(plain_data: Path, tmp_path: Path) -> None:
    config = tmp_path / "own.py"
    config.write_text(
        f"_base_ = [{str(CONFIGS / 'cpu.py')!r}]\n"
        "model = dict(detector=dict(rpn_head=dict(anchor_generator=dict(_delete_=True, type='AnchorGenerator', ratios=[0.5, 1, 2], "
        "octave_base_scale=4, scales_per_octave=2, strides=[4, 8, 16]))))\n"
    )
    found = beyond_the_baseline(str(config), {}, plain_data)
    assert [(finding.check, finding.level) for finding in found] == [
        ("anchor coverage", "warning"), ("anchor convention", "warning"),
    ]  # fmt: skip
    assert "octave_base_scale, scales_per_octave are not known to the doctor" in found[0].says


def test_an_unknown_setting_is_refused(plain_data: Path) -> None:
    with pytest.raises(UserError, match=r"There is no setting 'model\.semi'"):
        examine("cpu", {"model.semi": 1}, data=plain_data)

"""Checks of the model and the optimiser as they are built."""

import math
from collections.abc import Sequence

from experiments.doctor.boxes import median_shares
from experiments.doctor.case import Case, Check
from experiments.doctor.findings import Finding
from experiments.tokens import cells_per_level, tokens_of

PLAN_TOKENS = 60  # "about 60 tokens per defect", as the plan says
_HEAD = "model.detector.roi_head.bbox_head.loss_cls"


def parameter_findings(case: Case) -> list[Finding]:
    """Parameters of the student that the optimiser does not change. Frozen ones are meant to stay and do not count."""
    assert case.model is not None and case.optimizer is not None
    if all(group["lr"] == 0 for group in case.optimizer.param_groups):  # the learning rate's fault, told there
        return []
    moved = {id(p) for group in case.optimizer.param_groups if group["lr"] > 0 for p in group["params"]}
    left = {name: p for name, p in case.model.student.named_parameters() if p.requires_grad and id(p) not in moved}
    if not left:
        return []
    number = sum(parameter.numel() for parameter in left.values())
    return [Finding(
        "parameters in the optimiser", "error",
        f"{_count(len(left), 'parameter tensor')} of the student {'is' if len(left) == 1 else 'are'} not trained.",
        f"{number:,} values are in no parameter group with a learning rate above 0: {_some(list(left))}.",
        "Let optim_wrapper cover them (constructor, paramwise_cfg), or freeze them where they are defined.",
    )]  # fmt: skip


def forward_findings(case: Case) -> list[Finding]:
    """Feature extraction that fails on a group of views, or creates parameters when it first runs.

    Parameters that come late are in no optimiser, and the teacher gets others than the student.
    """
    assert case.model is not None
    import torch

    student, shape = case.model.student, (case.description["views"], 3, *case.size)
    before = set(student.state_dict())
    student.eval()  # running statistics stay as they are
    try:
        with torch.no_grad():
            student.extract_feat(torch.zeros(shape))
    except Exception as error:  # the libraries raise every kind for parts that do not fit each other
        return [Finding(
            "first forward pass", "error", f"The model cannot process a group of views: {error}",
            f"Extracting features of a batch of shape {shape} raised {type(error).__name__}.",
            "Make backbone, mvvit and neck fit each other (in_channels, strides, out_indices).",
        )]  # fmt: skip
    finally:
        student.train()
    made = sorted(set(student.state_dict()) - before)
    if not made:
        return []
    return [Finding(
        "first forward pass", "error",
        f"{_count(len(made), 'parameter')} {'is' if len(made) == 1 else 'are'} created in the first forward pass.",
        f"In the student's state after one batch, not before: {_some(made)}. The optimiser is built before, and the teacher draws "
        f"its own.", "Create them in the constructor.",
    )]  # fmt: skip


def score_findings(case: Case) -> list[Finding]:
    """A box head that trains sigmoids and predicts with a softmax."""
    assert case.model is not None
    head = case.model.student.roi_head.bbox_head
    if head.custom_activation or not getattr(head.loss_cls, "use_sigmoid", False):
        return []
    return [Finding(
        "score function", "error", "The box head trains sigmoids but predicts with a softmax.",
        f"loss_cls is {type(head.loss_cls).__name__} with use_sigmoid and no activation of its own; the head has "
        f"{head.fc_cls.out_features} outputs for {head.num_classes} classes. Soft Teacher reads the last score as the background, "
        f"which nothing trains to be one.", f"Set {_HEAD}.type to SigmoidFocalLoss.",
    )]  # fmt: skip


def fusion_findings(case: Case) -> list[Finding]:
    """Faults of MVViT that its settings ask for."""
    fusion, path = case.settings.model.detector.backbone.mvvit, "model.detector.backbone.mvvit"
    findings = []
    if not fusion.get("trained", True):
        findings.append(Finding(
            "view fusion", "error", "MVViT is never trained, and starts apart in teacher and student.",
            f"{path}.trained is false.", f"Set {path}.trained to true.",
        ))  # fmt: skip
    if fusion.get("pooling_start", "places") != "places" and fusion.get("spatial") != "banded":
        findings.append(Finding(
            "view fusion", "error", "MVViT's pooling queries start all alike: every pooled token is the mean of the map.",
            f"{path}.pooling_start is {fusion.pooling_start}.", f"Set {path}.pooling_start to places.",
        ))  # fmt: skip
    return findings


def token_findings(case: Case) -> list[Finding]:
    """How many tokens a defect gets at each level, beside the plan's figure."""
    assert case.model is not None
    fusion = case.model.student.backbone.mvvit
    banded = case.settings.model.detector.backbone.mvvit.get("spatial") == "banded"
    strides = list(case.settings.model.detector.backbone.mvvit.strides)
    cells = cells_per_level(case.settings)
    assert case.groups is not None
    medians = {
        name: [share * tokens for tokens in fusion.tokens_per_level]
        for name, share in median_shares(case.groups["labelled"], case.classes).items()
    }
    starved = [name for name, tokens in medians.items() if max(tokens) < 1]
    below = [name for name, tokens in medians.items() if max(tokens) < PLAN_TOKENS / 2]
    if not below:
        return []
    evidence = _token_table(fusion.tokens_per_level, cells, strides, medians)
    remedy = "Set model.detector.backbone.mvvit.num_tokens higher, where memory allows"
    if list(fusion.tokens_per_level) == list(cells):  # every cell is a token
        remedy = "Feed larger views (model.detector.backbone.mvvit.image_size: height, width), where memory allows"
    if starved:
        # The first level has the most tokens. They grow with K, which is quoted at a reference size, until each cell is one.
        needed = math.ceil(max(fusion.tokens_per_level) / min(max(medians[name]) for name in starved))
        reference = case.settings.model.detector.backbone.mvvit.get("reference_tokens") or max(cells)
        if tokens_of(case.settings) is not None and needed <= max(cells):
            remedy += f" ({math.ceil(needed * reference / max(cells))} are enough for one)"
        token = "token" if banded else "pooled token"
        return [Finding(
            "tokens per defect", "warning", f"The median defect of {', '.join(starved)} gets less than one {token}.",
            evidence, f"{remedy}.",
        )]  # fmt: skip
    return [Finding(
        "tokens per defect", "note",
        f"The plan's about {PLAN_TOKENS} tokens per defect are not what the median defect of {', '.join(below)} gets.",
        evidence, f"{remedy}, or let the figure go.",
    )]  # fmt: skip


def _token_table(
    tokens: Sequence[int], cells: Sequence[int], strides: Sequence[int], medians: dict[str, list[float]]
) -> str:
    """Lines for a fixed-width font: cells, tokens and share kept of each level, and tokens of a median defect per class."""
    width = max(len(name) for name in (*medians, "tokens per view")) + 2

    def line(title: str, values: Sequence[str]) -> str:
        return f"{title:{width}}" + "".join(f"{value:>11}" for value in values)

    rows = [
        line("level (stride)", [f"{stride} px" for stride in strides]),
        line("cells per view", [f"{cell}" for cell in cells]),
        line("tokens per view", [f"{token}" for token in tokens]),
        line("share kept", [f"{token / cell:.1%}" for token, cell in zip(tokens, cells, strict=True)]),
        "tokens of a median labelled defect (tokens times its share of the view):",
    ]
    return "\n".join([*rows, *(line(name, [f"{value:.1f}" for value in values]) for name, values in medians.items())])


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


CHECKS = (
    Check("parameters in the optimiser", ("model",), parameter_findings),
    Check("first forward pass", ("model",), forward_findings),
    Check("score function", ("model",), score_findings),
    Check("view fusion", (), fusion_findings),
    Check("tokens per defect", ("data", "model"), token_findings),
)

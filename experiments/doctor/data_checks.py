"""Checks of the groups and boxes that a run would use. Torch-free."""

import numpy as np

from experiments.doctor.case import Case, Check
from experiments.doctor.findings import Finding, Level

FEW_BOXES = 10  # of a class: too few to learn from, or to conclude from
_LEAST_UNLABELLED = 0.25  # of the labelled groups
_MOST_TOO_SMALL = 0.1  # share of a class's boxes


def class_findings(case: Case) -> list[Finding]:
    """Classes with no boxes, or a handful, among the labelled or the validation groups."""
    grave: dict[str, tuple[Level, Level, str, str]] = {
        "labelled": (
            "error", "warning", "cannot be learnt", "Label groups that show it, or import own data with more of --labelled",
        ),
        "validation": (
            "warning", "note", "cannot be judged",
            "Import own data with more of --val or another --seed, so that validation shows it",
        ),
    }  # fmt: skip
    findings = []
    for part, (none, few, harm, remedy) in grave.items():
        counts = np.bincount(case.boxes(part).labels, minlength=len(case.classes))
        named = dict(zip(case.classes, counts, strict=True))
        evidence = f"{part} boxes: {', '.join(f'{name} {count}' for name, count in named.items())}."
        for level, says, names in (
            (none, f"no {part} boxes and {harm}", [name for name, count in named.items() if count == 0]),
            (few, f"fewer than {FEW_BOXES} {part} boxes and {harm} reliably", [n for n, c in named.items() if 0 < c < FEW_BOXES]),
        ):  # fmt: skip
            if names:
                findings.append(Finding(
                    "classes in the splits", level, f"{', '.join(names)}: {says}.", evidence,
                    f"{remedy}, or leave the class out of what is concluded.",
                ))  # fmt: skip
    return findings


def unlabelled_findings(case: Case) -> list[Finding]:
    """Few unlabelled groups beside the labelled ones: there is little for the teacher to teach."""
    assert case.groups is not None
    labelled, unlabelled = len(case.groups["labelled"]), len(case.groups["unlabelled"])
    if unlabelled >= _LEAST_UNLABELLED * labelled:
        return []
    return [Finding(
        "unlabelled groups", "note", "There are few unlabelled groups: semi-supervised training can gain little.",
        f"{unlabelled} unlabelled beside {labelled} labelled groups.", "Import with --unlabelled FOLDER, or less of --labelled.",
    )]  # fmt: skip


def smallest_box_findings(case: Case) -> list[Finding]:
    """Classes with boxes so small that Soft Teacher would not take the like of them as pseudo-boxes."""
    boxes, least = case.boxes("labelled"), tuple(case.settings.model.semi_train_cfg.min_pseudo_bbox_wh)
    small = np.any(boxes.sides <= least, axis=1)  # it keeps those wider and higher than these
    shares = {
        name: float(small[boxes.labels == label].mean())
        for label, name in enumerate(case.classes)
        if np.any(boxes.labels == label)
    }
    hit = {name: share for name, share in shares.items() if share > _MOST_TOO_SMALL}
    if not hit:
        return []
    evidence = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    # Of each class, half of the bound at most is no wider than the width, and half no higher than the height.
    narrowest = [
        np.quantile(boxes.sides[boxes.labels == case.classes.index(name)], _MOST_TOO_SMALL / 2, axis=0, method="lower")
        for name in hit
    ]
    lower = [max(0, int(side)) for side in np.minimum(np.ceil(np.min(narrowest, axis=0)) - 1, least)]
    return [Finding(
        "smallest pseudo-box", "warning",
        f"More than {_MOST_TOO_SMALL:.0%} of the boxes of {', '.join(hit)} are too small to ever be pseudo-boxes.",
        f"Labelled boxes not above {least[0]} x {least[1]} px (min_pseudo_bbox_wh, width x height, in views of {case.size[1]} x "
        f"{case.size[0]} px): {evidence}.",
        f"Set model.semi_train_cfg.min_pseudo_bbox_wh to {lower} or less.",
    )]  # fmt: skip


def batch_repeat_findings(case: Case) -> list[Finding]:
    """A batch of more groups than there are."""
    assert case.groups is not None
    sampler = case.settings.train_dataloader.sampler
    groups = len(case.groups["labelled"]) + len(case.groups["unlabelled"])
    if sampler.batch_size <= groups:
        return []
    return [Finding(
        "groups in a batch", "warning", "A batch holds groups more than once: it is larger than the data set.",
        f"{sampler.batch_size} groups per batch, {groups} in the data set.",
        "Set train_dataloader.batch_size and train_dataloader.sampler.batch_size lower.",
    )]  # fmt: skip


CHECKS = (
    Check("classes in the splits", ("data",), class_findings),
    Check("unlabelled groups", ("data",), unlabelled_findings),
    Check("smallest pseudo-box", ("data",), smallest_box_findings),
    Check("groups in a batch", ("data",), batch_repeat_findings),
)

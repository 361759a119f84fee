"""What a run's history holds of one window of iterations: figures by name, worked out of what each iteration logged.

- ``loss`` and ``loss/<component>``: means; ``loss_cv`` and ``loss_cv/<component>``: coefficients of variation over a longer,
  sliding stretch, see :func:`experiments.monitoring.stability.variation`; ``unsup_sup_ratio``: the unsupervised loss over the
  supervised one.
- ``boxes/<stage>``: boxes per view, ``teacher`` as it gave them, ``initial`` after the initial threshold, ``cls``, ``rpn`` and
  ``reg`` after that of a branch, ``truth`` what labelled groups hold; ``boxes/<stage>/<class>``: of the first two.
- ``kept_ratio`` and ``kept_ratio/<class>``: ``initial`` over ``teacher``; ``score`` and ``uncertainty``: means over kept boxes.
- ``memory_allocated_mb`` and ``memory_reserved_mb``: peaks so far, as the record has them.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean

from experiments.monitoring.stability import variation

Logged = Mapping[str, Sequence[float]]
"""What was logged, by name without ``train/``: one figure per iteration, or none."""

PSEUDO_BOXES = "pseudo_boxes_per_view"
TEACHER_BOXES = "teacher_boxes_per_view"
_STAGES = {
    "teacher": TEACHER_BOXES,
    "initial": PSEUDO_BOXES,
    **{branch: f"pseudo_boxes_for_{branch}_per_view" for branch in ("cls", "rpn", "reg")},
}


def figures_of(
    logged: Logged, *, window: int, stretch: int, classes: Sequence[str], truth: float
) -> dict[str, float | None]:
    """Figures of the last ``window`` iterations; those of pseudo-boxes only where there are any to be had.

    Args:
        logged: everything so far.
        window: iterations that means are over.
        stretch: iterations that variation is over.
        classes: names in label order.
        truth: boxes per view of the labelled groups.
    """

    def mean(name: str) -> float:
        return fmean(logged[name][-window:])

    figures: dict[str, float | None] = {}
    for name in loss_names(logged):
        suffix = "" if name == "loss" else f"/{name}"
        figures[f"loss{suffix}"] = mean(name)
        figures[f"loss_cv{suffix}"] = variation(logged[name][-stretch:])
    if PSEUDO_BOXES not in logged:
        return figures
    supervised, unsupervised = (branch_loss(logged, branch, window) for branch in ("sup", "unsup"))
    figures["unsup_sup_ratio"] = _share(unsupervised, supervised)
    figures |= {f"boxes/{stage}": mean(name) for stage, name in _STAGES.items()}
    figures["boxes/truth"] = truth
    figures["kept_ratio"] = _share(mean(PSEUDO_BOXES), mean(TEACHER_BOXES))
    for label, name in enumerate(classes):
        given, kept = (mean(f"{stage}_{label}") for stage in (TEACHER_BOXES, PSEUDO_BOXES))
        figures |= {f"boxes/teacher/{name}": given, f"boxes/initial/{name}": kept}
        figures[f"kept_ratio/{name}"] = _share(kept, given)
    for name in ("score", "uncertainty"):
        figures[name] = _share(mean(f"pseudo_{name}_per_view"), mean(PSEUDO_BOXES))
    return figures


def loss_names(logged: Logged) -> list[str]:
    """``loss``, the total, and the components that it is the sum of."""
    return [name for name in logged if "loss" in name]


def branch_loss(logged: Logged, branch: str, window: int) -> float:
    """Mean over the last ``window`` iterations of the sum of a branch's losses: ``sup`` or ``unsup``."""
    return sum(fmean(logged[name][-window:]) for name in loss_names(logged) if name.startswith(f"{branch}_"))


def kept_ratio(kept: Sequence[float], given: Sequence[float]) -> float | None:
    """Share of the teacher's boxes that are kept, over a stretch of iterations; ``None`` where it gave none."""
    return _share(sum(kept), sum(given))


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None

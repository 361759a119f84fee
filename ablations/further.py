"""Factors beside the plan's six: what may come after them, and what was wrong before.

No design, no ``all`` and no search space has them unless they are named. Each is another system from the start, so its settings
reach the burn-in too (:data:`experiments.runs.FROM_BURN_IN`): weights that were trained without them would hide them.

A fault of the plan's original system is right when off, and on as it was there.
"""

from ablations.factor import Factor, Setting

_MVVIT = "model.detector.backbone.mvvit"


def _precision(on: str, off: str, *, scales: tuple[str, ...]) -> Factor:
    """Scales differ in what they train in, and the baseline is the scale's own: each direction is a factor by itself."""
    return Factor(
        on,
        f"Training in {on}",
        f"For the scales {' and '.join(scales)}, which train in {off}: computes the features of student and teacher in {on} while "
        f"training. Losses, boxes and weights are float32 in either case, and so is validation.",
        (Setting("precision", ("model.precision",), off, on),),
        scales=scales,
    )


CANDIDATES: tuple[Factor, ...] = (
    Factor(
        "banded",
        "Attention in bands of rows",
        "Fuses all tokens of all views without pooling, each with those of the same few rows: rotated views of one bit share the "
        "vertical axis. K, and with it the factors pooling and fault_pooling, then do nothing.",
        (Setting("spatial", (f"{_MVVIT}.spatial",), "pooled", "banded"),),
    ),
    Factor(
        "tall_anchors",
        "Anchor ratios read as width/height",
        "Reads the anchor ratios r as the plan means them, so that anchors are 1/r as high as wide. The baseline reads them "
        "literally, since the six improvements are tested as stated. With the factor anchors, its ratios are read so too.",
        (
            Setting(
                "generator",
                ("model.detector.rpn_head.anchor_generator.type",),
                "AnchorGenerator",
                "WidthHeightAnchorGenerator",
            ),
        ),
    ),
    _precision("bfloat16", "float32", scales=("tiny", "cpu")),
    _precision("float32", "bfloat16", scales=("gpu", "paper")),
)

FAULTS: tuple[Factor, ...] = (
    Factor(
        "fault_ema",
        "The teacher is a copy of the student",
        "Hands the moving average the teacher's share for the student's, 0.999 for 0.001 at paper (gpu 0.998, tiny and cpu 0.99): "
        "after every step the teacher is the student.",
        (Setting("swapped", ("custom_hooks.0.swapped",), False, True),),
    ),
    Factor(
        "fault_softmax",
        "Sigmoids in training, softmax in testing",
        "Takes mmdet's plain FocalLoss in the box head: it trains C+1 sigmoids, one of them for the background, and predicts with "
        "a softmax over them. The teacher's pseudo-labels and background weights are such predictions too.",
        (
            Setting(
                "roi_loss",
                ("model.detector.roi_head.bbox_head.loss_cls.type",),
                "SigmoidFocalLoss",
                "FocalLoss",
            ),
        ),
    ),
    Factor(
        "fault_untrained",
        "MVViT is never trained",
        "Treats MVViT's parameters as layers made in the first forward pass: the optimiser does not know them, teacher and student "
        "draw their own, and weights that a run continues from do not reach them. The moving average does.",
        (Setting("trained", (f"{_MVVIT}.trained",), True, False),),
    ),
    Factor(
        "fault_pooling",
        "Pooling queries all alike",
        "Starts MVViT's pooling queries near zero, with usual query and key layers, instead of at places: every pooled token is "
        "the mean of the map, whatever K is.",
        (Setting("pooling_start", (f"{_MVVIT}.pooling_start",), "places", "alike"),),
    ),
)

FURTHER: tuple[Factor, ...] = (*CANDIDATES, *FAULTS)

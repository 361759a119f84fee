"""The one factor table: what each improvement sets, off and on, and where in the config.

Designs, search spaces, command lines and documents derive from ``FACTORS``; beside it only the base config
states values, the off ones. Off is a value, never an absence, so all 2^6 combinations exist. Factors that are none of the
plan's improvements stand in :mod:`ablations.further` and take part where they are named.

Source of every value: the improvement plan. Where the plan names none, the project's public notes (the colour
magnitudes when off) or this laboratory (brightness and contrast probability 0.8) fill the gap.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from ablations.factor import Choice, Factor, Level, Range, Setting, Value, plain
from ablations.further import FAULTS, FURTHER
from experiments.errors import UserError

BBOX_HEAD = "model.detector.roi_head.bbox_head"
RPN_HEAD = "model.detector.rpn_head"
MVVIT = "model.detector.backbone.mvvit"
COLOUR = (  # the same colour step stands in the labelled and in the unlabelled student's pipeline
    "train_dataloader.dataset.labelled.pipeline.2.sup.0",
    "train_dataloader.dataset.unlabelled.pipeline.1.unsup_student.1",
)


def _colour(name: str, off: Value, on: Value) -> Setting:
    """A setting of the colour step; ``autocontrast_prob`` is key ``prob`` of its ``autocontrast``."""
    return Setting(name, tuple(f"{prefix}.{name.replace('_', '.')}" for prefix in COLOUR), off, on)


_RATIOS_OFF = (0.2, 0.35, 0.5, 1.0, 2.0)
_RATIOS_ON = (0.2, 0.35, 0.45, 0.55, 0.65, 1.0, 2.0)

FACTORS: tuple[Factor, ...] = (
    Factor(
        "focal",
        "Stronger focal loss",
        "Weighs hard boxes more: higher gamma in both heads, more weight on the RoI classification.",
        (
            Setting("roi_gamma", (f"{BBOX_HEAD}.loss_cls.gamma",), 2.5, 3.5, Range(1.0, 5.0)),
            Setting("roi_loss_weight", (f"{BBOX_HEAD}.loss_cls.loss_weight",), 2.0, 2.5, Range(1.0, 4.0)),
            Setting("rpn_gamma", (f"{RPN_HEAD}.loss_cls.gamma",), 2.0, 2.5, Range(1.0, 4.0)),
        ),
    ),
    Factor(
        "anchors",
        "More anchor ratios",
        "Adds anchor shapes meant for the hard classes' narrow boxes. These are the plan's literal ratios; "
        "mmdet's AnchorGenerator reads them as height/width, the plan quotes its boxes as width/height: "
        "0.45 to 0.65 make wide anchors.",
        (
            Setting(
                "ratios",
                (f"{RPN_HEAD}.anchor_generator.ratios",),
                _RATIOS_OFF,
                _RATIOS_ON,
                Choice((_RATIOS_OFF, _RATIOS_ON)),
            ),
        ),
    ),
    Factor(
        "pseudo_labels",
        "Lower pseudo-label thresholds",
        "Lets more of the teacher's less certain boxes teach the student.",
        (
            Setting(
                "pseudo_label_initial_score_thr",
                ("model.semi_train_cfg.pseudo_label_initial_score_thr",),
                0.5,
                0.4,
                Range(0.2, 0.8),
            ),
            Setting("cls_pseudo_thr", ("model.semi_train_cfg.cls_pseudo_thr",), 0.4, 0.35, Range(0.2, 0.8)),
            Setting("rpn_pseudo_thr", ("model.semi_train_cfg.rpn_pseudo_thr",), 0.4, 0.35, Range(0.2, 0.8)),
        ),
    ),
    Factor(
        "augmentation",
        "Stronger colour augmentation",
        "Changes colour more often and further, in labelled images and in the student's unlabelled ones. A "
        "magnitude is the lowest and the highest enhancement factor, 1 being no change; posterize is absent "
        "at probability 0.",
        (
            _colour("autocontrast_prob", 0.5, 0.6),
            _colour("equalize_prob", 0.4, 0.5),
            _colour("brightness_prob", 0.8, 0.8),
            _colour("brightness_magnitude", (0.8, 1.25), (0.7, 1.4)),
            _colour("contrast_prob", 0.8, 0.8),
            _colour("contrast_magnitude", (0.8, 1.3), (0.7, 1.5)),
            _colour("sharpness_prob", 0.3, 0.5),
            _colour("sharpness_magnitude", (0.8, 1.5), (0.7, 2.0)),
            _colour("posterize_prob", 0.0, 0.3),
        ),
        strength=Range(0.0, 1.5),  # ours: from the baseline to half as far again as the plan goes
    ),
    Factor(
        "fusion",
        "Larger view fusion",
        "Gives the transformer in which the views of a group exchange information more heads and layers, and its MLP more width.",
        (
            Setting("num_heads", (f"{MVVIT}.num_heads",), 4, 8, Choice((2, 4, 8))),
            Setting("num_layers", (f"{MVVIT}.num_layers",), 1, 2, Range(1, 3)),
            Setting("mlp_ratio", (f"{MVVIT}.mlp_ratio",), 2.0, 3.0, Range(1.0, 4.0)),
        ),
    ),
    Factor(
        "pooling",
        "More tokens per view",
        "Keeps min(K, H*W) tokens of each view at each level. K is quoted at the plan's image size; at other "
        "scales the model keeps the same share of P2's tokens.",
        (Setting("num_tokens", (f"{MVVIT}.num_tokens",), 1024, 2048, Range(256, 4096)),),
    ),
)
FACTOR_NAMES: tuple[str, ...] = tuple(factor.name for factor in FACTORS)
FURTHER_NAMES: tuple[str, ...] = tuple(factor.name for factor in FURTHER)
GROUPS = {"all": FACTOR_NAMES, "faults": tuple(factor.name for factor in FAULTS)}
"""Names that stand for several factors: the plan's six, and the faults of its original system."""

_EVERY = {factor.name: factor for factor in (*FACTORS, *FURTHER)}


def select(names: Iterable[str]) -> tuple[Factor, ...]:
    """The named factors in table order, the plan's first, each once; names of ``GROUPS`` stand for theirs.

    Raises:
        UserError: a name is no factor's, or there is none.
    """
    chosen = {member for name in names for member in GROUPS.get(name, (name,))}
    for name in sorted(chosen):
        check_factor(name, also=GROUPS)
    if not chosen:
        raise UserError(f"No factor is named; name some of {', '.join(_EVERY)}, or {' or '.join(GROUPS)}.")
    return tuple(factor for name, factor in _EVERY.items() if name in chosen)


def delta(levels: Mapping[str, Level]) -> dict[str, Any]:
    """Dotted config path -> on value, of the factors whose level is ``on``.

    Factors that are off, or missing from ``levels``, contribute nothing: the base config states their values.
    Sequences are lists, so that a delta equals itself after a round trip through JSON.

    Raises:
        UserError: a name is no factor's.
    """
    for name in levels:
        check_factor(name)
    return {
        path: plain(setting.on)
        for name, factor in _EVERY.items()
        if levels.get(name) == "on"
        for setting in factor.settings
        if setting.on != setting.off
        for path in setting.paths
    }


def check_factor(name: str, *, also: Iterable[str] = ()) -> None:
    """Refuse a name that is no factor's; ``also`` names what is valid beside them, for the message.

    Raises:
        UserError: see above.
    """
    if name not in _EVERY:
        raise unknown("factor", name, (*_EVERY, *also))


def unknown(kind: str, name: str, valid: Iterable[str], *, where: str = "") -> UserError:
    """The error for a name that is none of ``valid`` there: it tells the nearest, or all where none is near."""
    names = list(valid)
    near = difflib.get_close_matches(name, names, n=3)
    advice = f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(names)}."
    return UserError(f"There is no {kind} {name!r}{where}: {advice}")

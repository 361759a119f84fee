"""What the arms on a data set are judged by: ``targets.toml`` in its folder, or else the improvement plan's. Torch-free."""

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from experiments.data.files import read_file
from experiments.errors import UserError

TARGETS_NAME = "targets.toml"
OVERALL = "all"
NEAR_ZERO = 0.001
"""AP below which a baseline counts as "at or near zero": a multiple of it means nothing."""


def beside(ap: float, bound: float) -> str:
    """An AP with three decimals, or as many more, up to six, as it takes to show on which side of a bound it lies."""
    texts = [(f"{ap:.{digits}f}", f"{bound:.{digits}f}") for digits in range(3, 7)]
    return next((text for text, other in texts if text != other), texts[0][0])


Multiple = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Multiples(_Strict):
    """Multiples of the measured baseline's AP that a hard class is to exceed.

    Attributes:
        conservative: the lesser aim.
        optimistic: the greater one.
        before: the class's AP before the improvements (a fraction) where it is known for this very data set, as for the plan's
            own: the multiples are then of it, and not of what is measured.
    """

    conservative: Multiple
    optimistic: Multiple
    before: Share | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.optimistic < self.conservative:
            raise ValueError("optimistic must not be below conservative")
        return self


class Goals(_Strict):
    """The hard classes and their targets.

    Attributes:
        hard: class name -> its multiples, in the order in which they are shown.
        overall_floor: the share of the baseline's overall mAP that must be kept.
        overall_least: an overall mAP not to fall below, where the plan gives one for this very data set.
    """

    hard: dict[str, Multiples] = Field(default_factory=dict)
    overall_floor: Share = 0.95
    overall_least: Share | None = None

    @property
    def searched(self) -> list[str]:
        """The classes that a search lifts: the hard ones, or ``all``, the mean over classes, where there are none."""
        return list(self.hard) or [OVERALL]


# Source: the improvement plan's table of its own data before the improvements; fractions.
_BEFORE = {"Severe_Rust": 0.006, "Chipped": 0.032, OVERALL: 0.1}
_PLANS_OWN = [
    "",
    "# If these are the plan's own photographs, take the # off this line and off those of the classes: its absolute figures",
    "# then count: that of the overall mAP beside its share of the baseline's, those of the classes in its place.",
    f"#overall_least = {_BEFORE[OVERALL]}",
]
# Source: the improvement plan; overall not down by more than 5 %.
PLAN = Goals(
    hard={
        "Severe_Rust": Multiples(conservative=5.0, optimistic=8.0),
        "Chipped": Multiples(conservative=2.5, optimistic=3.7),
    }
)


def at_whose_cost(risen: Sequence[str]) -> str:
    """What an overall mAP that has fallen says, given the hard classes whose AP has ``risen`` meanwhile."""
    if risen:
        return f"while {', '.join(risen)} rose: it may overfit to the hard classes"
    return "and no hard class rose instead"


def plan_goals(classes: Sequence[str]) -> Goals:
    """The plan's goals for those of its hard classes that are among ``classes``."""
    return PLAN.model_copy(update={"hard": {name: aim for name, aim in PLAN.hard.items() if name in classes}})


def read_goals(folder: Path, classes: Sequence[str]) -> Goals:
    """The goals of a data set folder: those of its ``targets.toml``, or the plan's where it has none.

    Args:
        folder: the data set folder.
        classes: its class names.

    Raises:
        UserError: ``targets.toml`` is not readable, or names a class that the data set has not.
    """
    path = folder / TARGETS_NAME
    try:
        goals = Goals.model_validate(tomllib.loads(read_file(path).decode()))
    except FileNotFoundError:
        return plan_goals(classes)
    except ValidationError as error:
        raise UserError(f"{path}: {_fault(error)}: correct it, or delete the file for the default.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise UserError(f"{path} cannot be read ({error}): correct it, or delete it for the default.") from None
    for name in goals.hard:
        if name not in classes:
            raise UserError(
                f"{path}: the data set has no class {name!r}; its classes are {', '.join(classes)}: correct it."
            )
    return goals


def _fault(error: ValidationError) -> str:
    """The first fault, an unknown key before others: where one is misspelt, another seems to be missing."""
    faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    *parents, key = (str(part) for part in faults[0]["loc"])
    if faults[0]["type"] != "extra_forbidden":
        return f"{'.'.join([*parents, key])}: {faults[0]['msg']}"
    keys = list((Multiples if parents else Goals).model_fields)
    near = difflib.get_close_matches(key, keys, n=1)
    advice = f"did you mean {near[0]}?" if near else f"the keys there are {', '.join(keys)}"
    return f"{'.'.join([*parents, key])} is no key that is read, {advice}"


def write_template(folder: Path, boxes: Mapping[str, int]) -> Path:
    """Write a ``targets.toml`` to be edited; ``boxes`` maps class names to numbers of boxes.

    Hard classes are the plan's, as far as the data set has them, or else the two classes with the fewest boxes.
    """
    hard = plan_goals(list(boxes)).hard
    plans_own = hard == PLAN.hard
    why = "The improvement plan's."
    if not hard:
        rarest = sorted(boxes, key=lambda name: boxes[name])[:2]
        hard = dict.fromkeys(rarest, Multiples(conservative=2.0, optimistic=3.0))
        why = "A guess, the classes with the fewest boxes: name those that your baseline misses."
    lines = [
        "# What arms trained on this data set are judged by. Read whenever a study is run or extended.",
        "",
        "# Share of the baseline's overall mAP that must be kept.",
        f"overall_floor = {PLAN.overall_floor}",
        *(_PLANS_OWN if plans_own else []),
        "",
        f"# Hard classes, and the multiples of the baseline's AP that they are to exceed. {why}",
    ]
    for name, aim in hard.items():
        lines += [f"[hard.{_quoted(name)}]", f"conservative = {aim.conservative}", f"optimistic = {aim.optimistic}"]
        if plans_own:
            lines.append(f"#before = {_BEFORE[name]}")
        lines.append("")
    path = folder / TARGETS_NAME
    path.write_text("\n".join(lines))
    return path


def _quoted(name: str) -> str:
    """A name as a TOML key: JSON's escapes are among TOML's."""
    return json.dumps(name, ensure_ascii=False)

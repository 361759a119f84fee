"""What a command line asks for, checked: a request."""

import math
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from ablations.arms import Arm, arm_with
from ablations.designs import arms_of
from ablations.factors import FACTOR_NAMES, GROUPS, select, unknown
from ablations.ledger import GRACE
from ablations.own_config import departures
from ablations.space import SPACES, describe_space
from experiments import paths
from experiments.address import hidden
from experiments.config import load_config
from experiments.errors import UserError
from experiments.runs import BURN_IN_STUDY, FROM_START, check_from_start, is_folder_name
from experiments.studies import ARMS_FOLDER, Search

SCALES = ("tiny", "cpu", "gpu", "paper")
DEFAULT_SCALE = "cpu"
DEFAULT_TRIALS = 20
SAMPLED = "optuna"
OBJECTIVES = ("pareto", "ratio")
_MOST_SEEDS = 1000
_MOST_TRIALS = 100_000
RESERVED = (BURN_IN_STUDY, ARMS_FOLDER)


@dataclass(frozen=True)
class Request:
    """Arms with seeds 0 to ``seeds`` - 1, and a search where settings are sampled.

    ``data`` is the data set folder, ``None`` for the scale's own; ``storage`` is the ledger's, ``None`` for a SQLite file
    in the study's folder; ``command`` is the line that repeats the request, without a password; ``departures`` say where the
    config has other values than the factor table's off.
    """

    study: str
    design: str
    factors: list[str]
    arms: list[Arm]
    scale: str
    seeds: int
    data: Path | None
    runs_root: Path
    command: str
    search: Search | None = None
    storage: str | None = None
    grace: float = GRACE
    departures: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self.runs_root / self.study


def request_of(
    *, design: str, factors: str, scale: str, seeds: int, control: bool, space: str, objective: str, trials: int,
    study: str | None, data: Path | None, runs_root: Path | None, storage: str | None, grace: float = GRACE,
    from_start: bool = False,
) -> Request:  # fmt: skip
    """Check the options of a command and put them together.

    Raises:
        UserError: an option is wrong; the sentence names it.
    """
    design, chosen = ",".join(names_in(design)), select(names_in(factors))
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    for factor in chosen:
        if factor.scales is not None and scale not in factor.scales:
            raise UserError(
                f"The factor {factor.name} would change nothing at scale {scale}, which has its values already: it is for "
                f"{' and '.join(factor.scales)}."
            )
    if seeds < 1:
        raise UserError(f"--seeds is {seeds}, but a study needs at least 1.")
    if seeds > _MOST_SEEDS:
        raise UserError(f"--seeds is {seeds}, but a study has at most {_MOST_SEEDS}.")
    if not math.isfinite(grace):
        raise UserError(f"--grace is {grace}: give a number of seconds.")
    names = [factor.name for factor in chosen]
    search = _search(space, objective, trials) if design == SAMPLED else None
    arms = [arm_with(())] if search else arms_of(design, chosen, control=control)
    if search and control:
        raise UserError("--control belongs to a design's arms, not to --design optuna: run it with another design.")
    if search and tuple(names) != FACTOR_NAMES:
        raise UserError(
            "--factors belongs to a design's arms, not to --design optuna: name what is sampled with --space."
        )
    if from_start and search:
        raise UserError("--from-start belongs to a design's arms, not to --design optuna: run it with another design.")
    asked = {FROM_START: True} if from_start else {}
    check_from_start(scale, load_config(scale, asked), asked)
    if from_start:
        arms = [replace(arm, from_start=True) for arm in arms]
        if not any(FROM_START in arm.delta for arm in arms):
            raise UserError(
                "--from-start would change none of these arms, whose burn-ins are what they are: leave it out."
            )
    switched = [factor for factor in chosen if any(arm.levels.get(factor.name) == "on" for arm in arms)]
    name = study or default_name(design, names, scale, search, from_start=from_start)
    if not is_folder_name(name):
        raise UserError(f"--study {name!r} is no folder name: use letters, digits and any of . _ + - inside.")
    if name in RESERVED:
        raise UserError(
            f"The study name {name} is taken by the runs that all studies share: choose another --study (make: STUDY=)."
        )
    options = {
        "--design": design,
        "--factors": None if search else ",".join(names),
        "--space": space if search else None,
        "--objective": objective if search else None,
        "--trials": str(trials) if search else None,
        "--scale": scale,
        "--seeds": str(seeds),
        "--study": name,
        "--data": str(data.resolve()) if data else None,
        "--runs-root": str(runs_root.resolve()) if runs_root else None,
        "--grace": f"{grace:g}" if grace != GRACE else None,
        "--storage": storage if storage and hidden(storage) == storage else None,  # else STORAGE has to hold it
    }
    words = [word for option, value in options.items() if value for word in (option, value)]
    flags = [flag for flag, given in {"--control": control, "--from-start": from_start}.items() if given]
    return Request(
        study=name, design=design, factors=names, arms=arms, scale=scale, seeds=seeds,
        data=data.resolve() if data else None, runs_root=(runs_root or paths.runs_root()).resolve(),
        command=shlex.join(["python", "-m", "ablations", "run", *words, *flags]),
        search=search, storage=storage, grace=grace, departures=tuple(departures(scale, switched)),
    )  # fmt: skip


def names_in(text: str) -> list[str]:
    """``"focal, anchors"`` -> ``["focal", "anchors"]``."""
    return [name.strip() for name in text.split(",") if name.strip()]


def cards_in(text: str) -> list[str]:
    """``"0,1"`` -> ``["0", "1"]``.

    Raises:
        UserError: a name is no card's.
    """
    names = names_in(text)
    for name in names:
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", name):
            raise UserError(f"--gpus {text!r} names no card {name!r}: give numbers, like 0,1 (make: GPUS=).")
    return names


def _search(space: str, objective: str, trials: int) -> Search:
    settings = list(SPACES[space]) if space in SPACES else names_in(space)
    describe_space(settings)  # refuses unknown names
    if objective not in OBJECTIVES:
        raise unknown("objective", objective, OBJECTIVES)
    if trials < 1:
        raise UserError(f"--trials is {trials}, but a search needs at least 1.")
    if trials > _MOST_TRIALS:
        raise UserError(f"--trials is {trials}, but a search has at most {_MOST_TRIALS}.")
    return Search.model_validate({"space": settings, "objective": objective, "trials": trials})


def default_name(
    design: str, names: list[str], scale: str, search: Search | None = None, *, from_start: bool = False
) -> str:
    """``ablation-<factor>`` for one factor alone, else ``<design>-<factors>``; ``study-<space>`` of a search.

    Scales but cpu are named too, and ``from-start``.
    """
    if search is not None:
        space = next((name for name, settings in SPACES.items() if list(settings) == search.space), "settings")
        study = f"study-{space}" + ("-ratio" if search.objective == "ratio" else "")
    elif design == "alone" and len(names) == 1:
        study = f"ablation-{names[0]}"
    else:
        words = "-".join(names)
        for group, members in GROUPS.items():
            words = words.replace("-".join(members), group)
        study = f"{design.replace(',', '+')}-{words}"
    study += "-from-start" * from_start
    return study if scale == DEFAULT_SCALE else f"{study}-{scale}"

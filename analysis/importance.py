"""Which sampled settings the score varies with, by Optuna, and the surface of the score over two of them.

Importance is not effect: it has no sign, speaks of the ranges and of the places that the sampler went to, and says nothing of
settings that were not varied. Sampled studies choose their points by the scores, so that nothing here has an interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from analysis.contrasts import Matrix
from analysis.refusals import Refusal
from experiments.errors import UserError
from experiments.studies import read_study

optuna.logging.set_verbosity(optuna.logging.ERROR)

WARNING = (
    "Importance is not effect: it tells how much the score varies with a setting over the sampled range, not in which direction, "
    "nor by how much, nor with what certainty."
)
FEWEST_SETTINGS = 20
"""Settings from which importances are given: PED-ANOVA looks at the best tenth of them."""


@dataclass(frozen=True)
class Importance:
    """Shares of importance, 1 in sum, largest first; ``figure`` is the class or ``ratio`` that the search maximised."""

    figure: str
    evaluator: str
    settings: int
    shares: dict[str, float]
    warning: str = WARNING


@dataclass(frozen=True)
class Contour:
    """A figure over two parameters: the settings, and a linear interpolation between them on a grid.

    ``points`` are settings x (first parameter, second parameter, figure). ``surface`` is indexed by second and first parameter, NaN
    outside of what the settings enclose; ``xs`` and ``ys`` are its coordinates.
    """

    figure: str
    parameters: tuple[str, str]
    points: Matrix
    xs: Matrix
    ys: Matrix
    surface: Matrix
    warning: str = WARNING

    @property
    def flat(self) -> bool:
        """Whether all settings have the same score: there is no surface to see."""
        return float(np.ptp(self.points[:, 2])) < 1e-9


def open_ledger(folder: Path, *, storage: str | None = None) -> optuna.Study:
    """Optuna's study of a sampled study's folder, to be read.

    Args:
        folder: of the study.
        storage: its address with the password; default: what ``study.json`` says, or the file beside it.

    Raises:
        UserError: there is no such study, or its storage cannot be read.
    """
    listed = read_study(folder)
    if listed is None or listed.search is None:
        raise UserError(f"{folder} is not the folder of a sampled study: name one that was run with --design optuna.")
    address = storage or listed.storage or f"sqlite:///{folder / 'study.db'}"
    if storage is None and listed.storage is None and not (folder / "study.db").exists():
        raise UserError(f"{folder} holds no study.db, the ledger that importances are read from: run the study there.")
    try:
        return optuna.load_study(study_name=listed.study, storage=address)
    except (KeyError, ImportError, RuntimeError, optuna.exceptions.StorageInternalError) as error:
        raise UserError(
            f"The ledger of study {listed.study} cannot be read ({type(error).__name__}): give its whole address with --storage."
        ) from None


def figures_of(ledger: optuna.Study) -> list[str]:
    """What the search maximised: classes, or ``ratio``."""
    return list(ledger.metric_names or [f"figure {place}" for place in range(len(ledger.directions))])


def importance_of(ledger: optuna.Study, figure: str, *, seed: int = 0) -> Importance | Refusal:
    """Importances for one figure, over the completed settings that have every parameter; of duplicates the first counts.

    Raises:
        ValueError: the search did not maximise ``figure``.
    """
    place = figures_of(ledger).index(figure)
    trials = complete_trials(ledger)
    if len(trials) < FEWEST_SETTINGS:
        return Refusal(figure, "importance", f"{len(trials)} settings are too few: it takes {FEWEST_SETTINGS}")
    values = [trial.values[place] for trial in trials]
    if max(values) - min(values) < 1e-9:
        return Refusal(figure, "importance", "all settings have the same score")
    copy = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=seed))
    for trial, value in zip(trials, values, strict=True):
        copy.add_trial(optuna.create_trial(params=trial.params, distributions=trial.distributions, value=value))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    shares = optuna.importance.get_param_importances(copy, evaluator=evaluator)
    name = f"PED-ANOVA, best tenth (optuna {optuna.__version__})"
    return Importance(figure, name, len(trials), dict(sorted(shares.items(), key=lambda item: -item[1])))


def contour_of(
    ledger: optuna.Study, figure: str, parameters: tuple[str, str], *, resolution: int = 50
) -> Contour | Refusal:
    """The surface of a figure over two parameters, such as thresholds; settings that lack one are left out.

    Raises:
        ValueError: the search did not maximise ``figure``.
    """
    from scipy.interpolate import LinearNDInterpolator  # type: ignore[import-untyped]
    from scipy.spatial import QhullError  # type: ignore[import-untyped]

    place = figures_of(ledger).index(figure)
    rows = [
        [*(trial.params[name] for name in parameters), trial.values[place]]
        for trial in complete_trials(ledger, needed=parameters)
        if all(isinstance(trial.params[name], int | float) for name in parameters)
    ]
    subject = f"contour of {' and '.join(parameters)}"
    if len(rows) < 4:
        return Refusal(figure, subject, f"{len(rows)} settings have both as numbers: it takes 4")
    points = np.array(rows, dtype=float)
    xs, ys = (np.linspace(points[:, axis].min(), points[:, axis].max(), resolution) for axis in (0, 1))
    try:
        surface = LinearNDInterpolator(points[:, :2], points[:, 2], rescale=True)(*np.meshgrid(xs, ys))
    except QhullError:
        return Refusal(figure, subject, "all settings lie on one line")
    return Contour(figure, parameters, points, xs, ys, surface)


def complete_trials(ledger: optuna.Study, *, needed: Sequence[str] | None = None) -> list[FrozenTrial]:
    """Completed trials that have the ``needed`` parameters, or else every parameter of the search; each setting once."""
    trials = [
        trial
        for trial in ledger.get_trials(states=(TrialState.COMPLETE,))
        if trial.values and trial.params and not trial.user_attrs.get("duplicate")
    ]
    names = set(needed) if needed is not None else {name for trial in trials for name in trial.params}
    kept: dict[tuple[tuple[str, object], ...], FrozenTrial] = {}
    for trial in trials:
        if names <= trial.params.keys():
            kept.setdefault(tuple(sorted(trial.params.items(), key=lambda item: item[0])), trial)
    return list(kept.values())

"""Linear models of AP with seeds as blocks, and estimates from them: every figure is a weighted sum of the runs' APs.

An interval is a t interval from the pooled residual variance. What a seed does to all arms alike cancels out of a comparison
of arms, a sum of weights 0 in every seed. In other sums (a mean AP, or an AP minus five times another) it does not: there
the variance between seeds, by the method of moments, is added, and the degrees of freedom are Satterthwaite's. Assumed are
errors of one variance, independent between runs; a factor's effect is taken to be the same in every seed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.contrasts import ROUNDING, Matrix, column, effects_up_to
from analysis.observations import Arm, Observations

LEVEL = 0.95
_TOLD = 1e-7
_NO_SPREAD = 1e-16  # variance of AP: below it all runs are alike but for rounding


@dataclass(frozen=True)
class Estimate:
    """A figure with its confidence interval (`LEVEL`), in units of AP.

    Attributes:
        value: the estimate.
        error: its standard error; ``None``, as all below, where there is no interval.
        degrees: of freedom of the t distribution.
        low, high: bounds of the interval.
        p: two-sided p-value of the figure being 0, not corrected for other tests.
        reason: why there is no interval.
    """

    value: float
    error: float | None = None
    degrees: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    reason: str | None = None

    @property
    def above(self) -> float | None:
        """The probability, given the data and no prior knowledge, that the true figure is above 0."""
        from scipy.special import stdtr  # type: ignore[import-untyped]

        return None if self.error is None else float(stdtr(self.degrees, self.value / self.error))


@dataclass(frozen=True)
class Fit:
    """A fitted model: ``inverse`` maps APs to coefficients (of ``columns`` alone, blocks left out).

    Attributes:
        columns: runs x coefficients.
        whole: ``columns`` and, beside them, the blocks' columns.
        inverse: pseudo-inverse of ``whole``, rows of ``columns``.
        values: APs.
        shares: runs x blocks, 1 where a run is of a block.
        variance: of the residuals; 0 where ``degrees`` is.
        between: sum of squares of the blocks beyond ``columns``, its degrees of freedom, and the factor with which the variance
            between blocks enters its expectation.
        note: where the variance is of another model, which.
    """

    columns: Matrix
    whole: Matrix
    inverse: Matrix
    values: Matrix
    shares: Matrix
    variance: float
    degrees: int
    between: tuple[float, int, float]
    note: str | None = None

    def weights(self, target: Matrix) -> Matrix | None:
        """Weights of runs with which a combination of coefficients is estimated; ``None`` where the runs cannot tell it."""
        full = np.concatenate([target, np.zeros(self.whole.shape[1] - len(target))])
        weights: Matrix = target @ self.inverse
        return weights if float(np.abs(weights @ self.whole - full).max()) < _TOLD else None

    def estimate(self, target: Matrix, *, level: float = LEVEL, less: float = 0.0) -> Estimate | None:
        """A combination of coefficients, over the mean block, minus ``less``; ``None`` where the runs cannot tell it."""
        weights = self.weights(target)
        if weights is None:
            return None
        value = rounded(float(weights @ self.values) - less)
        carried = float(np.square(weights @ self.shares).sum())  # how much of the variance between blocks it carries
        reason = self._why_no_interval(carried)
        if reason is not None:
            return Estimate(value, reason=reason)
        return _interval(value, *self._variance_of(weights, carried), level=level)

    def _why_no_interval(self, carried: float) -> str | None:
        if carried > ROUNDING and self.shares.shape[1] < 2:
            return "a single seed cannot tell how far seeds differ"
        if self.degrees == 0:
            return "no run is left to estimate the error from: train more seeds"
        if self.variance < _NO_SPREAD:
            return "the runs do not differ beyond what arms and seeds account for"
        return None

    def _variance_of(self, weights: Matrix, carried: float) -> tuple[float, float]:
        """Variance of a weighted sum of APs, and its degrees of freedom."""
        within = self.variance * float(np.square(weights).sum())
        squares, degrees, factor = self.between
        if carried < ROUNDING or degrees == 0 or squares / degrees <= self.variance:
            return within, float(self.degrees)
        share = carried * degrees / factor
        of_blocks = share * squares / degrees
        of_runs = within - share * self.variance
        total = of_blocks + of_runs
        return total, total**2 / (of_blocks**2 / degrees + of_runs**2 / self.degrees)


def reason_notes(estimates: Iterable[tuple[str, Estimate]], *, of: str = "") -> list[str]:
    """Why estimates have no interval, each reason once, in sentences.

    Args:
        estimates: of classes, each with its class's name; those that a reason concerns are named where it is not all.
        of: what the estimates are of, where they stand beside those of another kind.
    """
    classes: set[str] = set()
    found: dict[str, list[str]] = {}
    for name, estimate in estimates:
        classes.add(name)
        if estimate.reason:
            found.setdefault(estimate.reason, []).append(name)
    what = f" of {of}" if of else ""
    told = []
    for reason, names in found.items():
        concerned = "" if classes <= set(names) else f" ({', '.join(dict.fromkeys(names))})"
        told.append(f"No interval{what}{concerned}: {reason}.")
    return told


def rounded(value: float) -> float:
    """A figure of AP, 0 where sums of equal APs leave nothing but rounding errors."""
    return value if abs(value) > ROUNDING else 0.0


def over_seeds(values: Sequence[float]) -> Estimate | None:
    """The mean of the seeds' own figures with a t interval from their spread alone; ``None`` of fewer than two seeds.

    It asks less than the model, an effect may differ from seed to seed, and gives more of an answer only with many seeds: of two
    seeds the interval is 12.7 standard errors to either side.
    """
    if len(values) < 2:
        return None
    mean, variance = rounded(float(np.mean(values))), float(np.var(values, ddof=1)) / len(values)
    if variance < _NO_SPREAD:
        return Estimate(mean, reason="the seeds do not differ at all")
    return _interval(mean, variance, len(values) - 1, level=LEVEL)


def fit(columns: Matrix, blocks: Sequence[str], values: Matrix) -> Fit:
    """Least squares of APs on columns and blocks; these are coded so that a coefficient is that of the mean block."""
    import warnings

    from statsmodels.regression.linear_model import OLS  # type: ignore[import-untyped]
    from statsmodels.tools.sm_exceptions import SingularMatrixWarning  # type: ignore[import-untyped]

    names = list(dict.fromkeys(blocks))
    shares = np.array([[float(block == name) for name in names] for block in blocks])
    whole = np.column_stack([columns, shares[:, :-1] - shares[:, -1:]])
    # No residual degrees of freedom: the variance is not used. Less than full rank: what cannot be told is refused.
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularMatrixWarning)
        both, alone = OLS(values, whole).fit(), OLS(values, columns).fit()
    degrees = round(float(both.df_resid))
    residual = np.eye(len(values)) - columns @ np.linalg.pinv(columns)
    factor = float(np.trace(shares.T @ residual @ shares))
    between = (float(alone.ssr - both.ssr), round(float(alone.df_resid)) - degrees, factor)
    return Fit(
        columns=columns,
        whole=whole,
        inverse=np.asarray(both.model.pinv_wexog)[: columns.shape[1]],
        values=values,
        shares=shares,
        variance=float(both.ssr) / degrees if degrees else 0.0,
        degrees=degrees,
        between=between,
    )


def fit_arms(observations: Observations) -> Fit:
    """One coefficient per arm, in the order of ``observations.distinct``: the arm's mean AP over the mean seed.

    With a single run per arm the variance is that of the two-way model of the factors, if it leaves any, and ``note`` says so.
    """
    import dataclasses

    arms = observations.distinct
    columns = np.array([[float(arm == other) for other in arms] for arm in observations.arms])
    found = fit(columns, observations.blocks, observations.values)
    if found.degrees or not observations.factors:
        return found
    model = fit_effects(observations, effects_up_to(2, observations.factors))
    if not model.degrees:
        return found
    note = "the error is estimated from what main effects and two-way interactions leave over: one run per arm"
    return dataclasses.replace(found, variance=model.variance, degrees=model.degrees, note=note)


def fit_effects(observations: Observations, effects: Sequence[tuple[str, ...]]) -> Fit:
    """One coefficient per effect, in the -1/+1 coding: half the change from off to on of a main effect."""
    levels = observations.levels(observations.arms)
    columns = np.column_stack([column(levels, observations.factors, effect) for effect in effects])
    return fit(columns, observations.blocks, observations.values)


def arm_target(observations: Observations, weights: dict[Arm, float]) -> Matrix | None:
    """Weights of arms as a combination of the coefficients of `fit_arms`; ``None`` where an arm has no run."""
    arms = observations.distinct
    if any(arm not in arms for arm, weight in weights.items() if weight):
        return None
    return np.array([weights.get(arm, 0.0) for arm in arms])


def _interval(value: float, variance: float, degrees: float, *, level: float) -> Estimate:
    from scipy.special import stdtr, stdtrit

    error = variance**0.5
    half = float(stdtrit(degrees, (1 + level) / 2)) * error
    p = 2 * float(stdtr(degrees, -abs(value) / error))
    return Estimate(value, error, float(degrees), value - half, value + half, p)

"""The search space: which settings a sampled study draws, and what a draw writes to the config.

Everything derives from the factor table. A *setting* here is one of the table's that has a search range, or
``<factor>_strength`` of a factor that is sampled as one number; a *parameter* is what Optuna draws for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import BaseTrial

from ablations.factor import Choice, Level, Range, Setting, Value, plain
from ablations.factors import FACTOR_NAMES, FACTORS, unknown
from experiments.errors import UserError

INITIAL = "pseudo_label_initial_score_thr"
LATER = ("cls_pseudo_thr", "rpn_pseudo_thr")
"""Thresholds that Soft Teacher applies to what the initial one has left."""
_COLOUR_TOPS = {"prob": 1.0, "magnitude": 2.0}  # mmdet's colour transforms take values from 0 to these
_LOG_SPAN = 10  # whole numbers whose range spans this factor are sampled on a log scale


@dataclass(frozen=True)
class Parameter:
    """What Optuna draws: a setting's value, a later threshold's rise, or the strength of a factor's settings."""

    name: str
    kind: Literal["value", "rise", "strength"]
    factor: str
    search: Range | Choice
    settings: tuple[Setting, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The config paths that it may change."""
        return tuple(path for setting in self.settings for path in setting.paths)


def _parameters() -> dict[str, Parameter]:
    """Setting name -> parameter, in table order."""
    found: dict[str, Parameter] = {}
    for factor in FACTORS:
        for setting in factor.settings:
            if setting.name in LATER:
                name = f"{setting.name}_rise"
                found[setting.name] = Parameter(name, "rise", factor.name, Range(0.0, 1.0), (setting,))
            elif setting.search is not None:
                found[setting.name] = Parameter(setting.name, "value", factor.name, setting.search, (setting,))
        if factor.strength is not None:
            name = f"{factor.name}_strength"
            changed = tuple(setting for setting in factor.settings if setting.on != setting.off)
            found[name] = Parameter(name, "strength", factor.name, factor.strength, changed)
    return found


_PARAMETERS = _parameters()
_INITIAL = _PARAMETERS[INITIAL].settings[0]
SPACES: dict[str, tuple[str, ...]] = {
    "thresholds": (INITIAL, *LATER, "roi_gamma", "rpn_gamma"),
    "all": tuple(_PARAMETERS),
}
"""Named lists of settings."""


class Row(NamedTuple):
    """One parameter as it is printed; ``kind`` is real, integer or choice, ``off`` and ``on`` its values in baseline and plan."""

    name: str
    kind: str
    range: str
    off: Any
    on: Any
    paths: tuple[str, ...]


def suggest(trial: BaseTrial, settings: Sequence[str], *, width: int) -> dict[str, Any]:
    """Draw the parameters of the settings and return the delta that they stand for, as :func:`translate` does.

    Args:
        trial: draws every parameter from the same distribution in every trial, or gives the values it was queued with.
        settings: names as in ``SPACES``.
        width: MVViT's ``embed_dims``, which the number of heads must divide.

    Raises:
        UserError: there is no such setting, or none is named.
    """
    drawn = distributions(settings, width=width)
    return translate({name: _draw(trial, name, distribution) for name, distribution in drawn.items()})


def distributions(settings: Sequence[str], *, width: int) -> dict[str, BaseDistribution]:
    """Parameter name -> what it is drawn from; arguments and errors as in :func:`suggest`."""
    return {parameter.name: _distribution(parameter, width) for parameter in _chosen(settings)}


def translate(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as Optuna holds them -> delta: dotted config path -> value, equal to itself after a round trip through JSON.

    Soft Teacher drops the boxes whose score is at or below the initial threshold, and applies those of classification and
    RPN to what is left. At or below the initial threshold, where the plan wants them, these two change nothing; so they are
    sampled where they live, above it. What is drawn is ``<threshold>_rise``, the share of the way from the initial threshold
    (drawn, else the base config's) to the top of the threshold's range: it reaches from 0 to 1 in every trial, as importances
    and contour plots need it, wherever the initial threshold lies.

    A strength s sets each of its settings to off + s * (on - off), within what the library takes: probabilities up to 1 and
    magnitudes up to 2, which the sharpness of the plan has reached at s = 1.

    What the base config does already is left out, so that the delta of the baseline's parameters is the baseline's: values
    equal to the off ones, and a threshold that has no rise where the base's own is as dead.
    """
    by_name = {parameter.name: parameter for parameter in _PARAMETERS.values()}
    initial = float(params.get(INITIAL, _INITIAL.off))
    return {
        path: plain(value)
        for name, drawn in params.items()
        for setting in by_name[name].settings
        if (value := _value(by_name[name], setting, drawn, initial)) != setting.off
        for path in setting.paths
    }


def fixed_params(levels: Mapping[str, Level], settings: Sequence[str]) -> dict[str, Any]:
    """The parameters that stand for factors off (also those missing from ``levels``) and on: first points for the sampler.

    A later threshold at or below the initial one has the rise 0: it keeps the same boxes.

    Raises:
        UserError: there is no such factor or setting, or no setting is named.
    """
    for name in levels:
        if name not in FACTOR_NAMES:
            raise unknown("factor", name, FACTOR_NAMES)
    params: dict[str, Any] = {}
    for parameter in _chosen(settings):
        on = levels.get(parameter.factor) == "on"
        setting = parameter.settings[0]
        value = setting.on if on else setting.off
        if parameter.kind == "strength":
            params[parameter.name] = 1.0 if on else 0.0
        elif parameter.kind == "rise":
            initial = _number(_INITIAL.on if on and INITIAL in settings else _INITIAL.off)
            params[parameter.name] = max(0.0, _number(value) - initial) / (_top(setting) - initial)
        else:
            params[parameter.name] = _label(value)
    return params


def describe_space(settings: Sequence[str]) -> list[Row]:
    """One row per parameter, in the order of the settings; errors as in :func:`suggest`."""
    rows = []
    off, on = (fixed_params(dict.fromkeys(FACTOR_NAMES, level), settings) for level in ("off", "on"))
    for parameter in _chosen(settings):
        search = parameter.search
        if isinstance(search, Choice):
            kind, text = "choice", " | ".join(str(_label(option)) for option in search.options)
        else:
            kind = "integer" if isinstance(search.low, int) else "real"
            text = f"{search.low} to {search.high}{', log scale' if _is_log(search) else ''}"
        rows.append(Row(parameter.name, kind, text, off[parameter.name], on[parameter.name], parameter.paths))
    return rows


def _chosen(settings: Sequence[str]) -> list[Parameter]:
    for name in settings:
        if name not in _PARAMETERS:
            raise unknown("sampled setting", name, _PARAMETERS)
    if not settings:
        raise UserError(f"No setting is named to be sampled; name some of {', '.join(_PARAMETERS)}.")
    return [_PARAMETERS[name] for name in settings]


def _distribution(parameter: Parameter, width: int) -> BaseDistribution:
    search = parameter.search
    if isinstance(search, Choice):
        options = [_label(option) for option in search.options]
        if parameter.name == "num_heads":
            options = [heads for heads in options if width % int(heads) == 0]
        return CategoricalDistribution(options)
    if isinstance(search.low, int) and isinstance(search.high, int):
        return IntDistribution(search.low, search.high, log=_is_log(search))
    return FloatDistribution(search.low, search.high)


def _is_log(search: Range) -> bool:
    return isinstance(search.low, int) and search.high >= _LOG_SPAN * search.low


def _draw(trial: BaseTrial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(name, distribution.low, distribution.high)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, CategoricalDistribution)
    return trial.suggest_categorical(name, distribution.choices)


def _value(parameter: Parameter, setting: Setting, drawn: Any, initial: float) -> Value:
    """What the setting becomes; ``drawn`` is the parameter's value as Optuna holds it."""
    if parameter.kind == "rise":
        dead = drawn == 0 and _number(setting.off) <= initial
        return setting.off if dead else _between(initial, _top(setting), drawn)
    if parameter.kind == "strength":
        return _strengthened(setting, drawn)
    if isinstance(parameter.search, Choice):
        return {_label(option): option for option in parameter.search.options}[drawn]
    return int(drawn) if isinstance(parameter.search.low, int) else float(drawn)


def _strengthened(setting: Setting, strength: float) -> Value:
    top = _COLOUR_TOPS[setting.name.rsplit("_", 1)[1]]
    if isinstance(setting.off, tuple):
        assert isinstance(setting.on, tuple)
        pairs = zip(setting.off, setting.on, strict=True)
        return tuple(min(top, max(0.0, _between(off, on, strength))) for off, on in pairs)
    return min(top, max(0.0, _between(_number(setting.off), _number(setting.on), strength)))


def _between(start: float, end: float, share: float) -> float:
    """``start`` at share 0 and ``end`` at share 1, both without rounding error; beyond ``end`` above 1."""
    return end if share == 1 else start + share * (end - start)


def _label(value: Value) -> int | float | str:
    """A choice as Optuna takes it: of a set, the name ``0.2, 0.35, ...``."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


def _top(setting: Setting) -> float:
    assert isinstance(setting.search, Range)
    return float(setting.search.high)


def _number(value: Value) -> float:
    assert isinstance(value, int | float)
    return value

"""Factors, designs and sampled settings."""

import inspect
from collections.abc import Sequence

from ablations.designs import DESIGNS
from ablations.factor import Factor, Setting
from ablations.factors import FACTORS
from ablations.further import FURTHER
from ablations.listing import sampled_as, search_text, value_text
from ablations.space import SPACES
from tools.documents.markdown import code, page, table


def factor_page() -> str:
    """The page."""
    parts = ["## Factors", *_factors(FACTORS)]
    parts += [
        "## Further factors",
        "They take part where they are named; `faults` names all `fault_`.",
        *_factors(FURTHER),
    ]
    designs = ((code(name), _question(function.__doc__ or "")) for name, function in DESIGNS.items())
    spaces = ((code(name), ", ".join(code(setting) for setting in settings)) for name, settings in SPACES.items())
    parts += [
        "## Designs", "`--design`, several joined by commas; n is the number of factors named with `--factors`.",
        table(("design", "question and arms"), designs),
        "## Sampled settings", "`--design optuna --space`, or names of settings joined by commas.",
        table(("space", "settings"), spaces),
    ]  # fmt: skip
    return page("Factors and designs", "`python -m ablations list` prints the factors too.", parts)


def _factors(factors: Sequence[Factor]) -> list[str]:
    parts = []
    for factor in factors:
        parts += [
            f"### `{factor.name}`: {factor.title[0].lower()}{factor.title[1:]}",
            factor.meaning,
            table(("setting", "off", "on", "sampled", "config path"), (_row(setting) for setting in factor.settings)),
        ]
        parts += filter(None, [sampled_as(factor)])
    return parts


def _row(setting: Setting) -> tuple[str, ...]:
    paths = "<br>".join(code(path) for path in setting.paths)
    return code(setting.name), value_text(setting.off), value_text(setting.on), search_text(setting), paths


def _question(doc: str) -> str:
    return " ".join(inspect.cleandoc(doc).split("\n\n")[0].split())

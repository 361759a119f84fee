"""Factors over a config that a user has changed: off is then the config's own value, and no more the factor table's."""

from collections.abc import Sequence

from ablations.factor import Factor, plain
from ablations.listing import value_text
from experiments.config import load_config, value_at


def departures(scale: str, factors: Sequence[Factor]) -> list[str]:
    """A sentence for each setting that the scale's config has at another value than the table's off; on sets the table's anyway.

    Raises:
        UserError: the config is missing, cannot be read, or lacks a setting.
    """
    config = load_config(scale)
    told = []
    for factor in factors:
        for setting in factor.settings:
            own, off, on = plain(value_at(config, setting.paths[0])), plain(setting.off), plain(setting.on)
            if own == off or on == off:
                continue
            step = "changes nothing" if own == on else f"goes from there to {value_text(on)}, the table's value"
            told.append(
                f"{factor.name}: {setting.name} is {value_text(own)} in this config, and not {value_text(off)} as in the factor "
                f"table: on {step}."
            )
    return told

"""The factor table as it is printed, and as JSON."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from ablations.factor import Choice, Factor, Range, Setting, plain
from ablations.factors import FACTORS
from ablations.further import FURTHER


def factors_as_plain(factors: Sequence[Factor] = FACTORS) -> list[dict[str, Any]]:
    """Factors with their settings, values, search ranges and config paths."""
    return [
        {
            "name": factor.name,
            "title": factor.title,
            "meaning": factor.meaning,
            "settings": [_setting(setting) for setting in factor.settings],
        }
        for factor in factors
    ]


def print_factors(console: Console) -> None:
    """The plan's factors and the further ones: values as a table, then each one's meaning and config paths."""
    _print_part(FACTORS, console, Table("factor", "setting", "off", "on", "search"))
    console.print("\nFurther factors, which take part where they are named:", style="bold")
    _print_part(FURTHER, console, Table("factor", "setting", "off", "on"))


def _print_part(factors: Sequence[Factor], console: Console, table: Table) -> None:
    for factor in factors:
        for row, setting in enumerate(factor.settings):
            cells = [setting.name, value_text(plain(setting.off)), value_text(plain(setting.on)), search_text(setting)]
            table.add_row(
                factor.name if row == 0 else "",
                *cells[: len(table.columns) - 1],
                end_section=setting is factor.settings[-1],
            )
    for column in table.columns:
        column.no_wrap = column.header not in ("off", "on")
        column.overflow = "fold"  # a name that is too long goes on in the next line
    console.print(table)
    for factor in factors:  # paths are too long for a column and there to be copied: one a line, never wrapped
        meaning = " ".join(filter(None, (factor.meaning, sampled_as(factor))))
        console.print(f"\n[bold]{factor.name}[/bold] ({factor.title}): {meaning}", highlight=False)
        for path in (path for setting in factor.settings for path in setting.paths):
            console.print(f"  {path}", highlight=False, soft_wrap=True)


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        "name": setting.name,
        "paths": list(setting.paths),
        "off": plain(setting.off),
        "on": plain(setting.on),
        "search": _search(setting.search),
    }


def _search(search: Range | Choice | None) -> dict[str, Any] | None:
    """``{"low", "high"}`` of a range, ``{"options"}`` of a choice, ``None`` where nothing is sampled."""
    if isinstance(search, Range):
        return {"low": search.low, "high": search.high}
    return {"options": [plain(option) for option in search.options]} if search else None


def sampled_as(factor: Factor) -> str:
    """How a sampled study draws a factor as a whole; empty where it draws its settings one by one."""
    if factor.strength is None:
        return ""
    low, high = factor.strength.low, factor.strength.high
    return f"Sampled as one number, {factor.name}_strength, from {low:g} (off is 0) to {high:g} (on is 1)."


def search_text(setting: Setting) -> str:
    """What a setting is sampled from; ``off|on`` where that is its two values, ``-`` where it is not sampled."""
    search = setting.search
    if isinstance(search, Range):
        return f"{search.low}-{search.high}"
    if search is None or search.options == (setting.off, setting.on):
        return "off|on" if search else "-"
    return "|".join(str(option) for option in search.options)


def value_text(value: object) -> str:
    """A value as it is read: the items of a list, joined by commas."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

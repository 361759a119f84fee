"""What the doctor says: findings, and how a terminal shows them."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = get_args(Level)  # the most serious first
_STYLES: dict[Level, str] = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}


@dataclass(frozen=True)
class Finding:
    """One thing that would go wrong in a run, or is worth knowing before it.

    Attributes:
        check: name of the check, as in ``anchor convention``.
        level: ``error`` stops or ruins the run, ``warning`` harms it, ``note`` changes nothing by itself.
        says: what is wrong, in one sentence.
        evidence: the figures it rests on; may have several lines, laid out for a fixed-width font.
        remedy: what to do about it, in one sentence.
    """

    check: str
    level: Level
    says: str
    evidence: str
    remedy: str


def by_level(findings: Sequence[Finding]) -> list[Finding]:
    """The findings, the most serious first; those of a level keep their order."""
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))


def counts(findings: Sequence[Finding]) -> str:
    """``1 error, 2 warnings, 0 notes``."""
    numbers = {level: sum(finding.level == level for finding in findings) for level in LEVELS}
    return ", ".join(f"{number} {level}{'' if number == 1 else 's'}" for level, number in numbers.items())


def show(findings: Sequence[Finding], *, passed: Sequence[str], skipped: Sequence[str], console: Console) -> None:
    """Print one block per finding, the most serious first, then the checks that found nothing or did not run, then counts."""
    for finding in by_level(findings):
        head = (finding.level.upper(), _STYLES[finding.level])
        console.print(Text.assemble(head, f"  {finding.check}: ", (finding.says, "bold")))
        if "\n" in finding.evidence:  # a table: cut at the console's width it would lie
            console.print(Text(textwrap.indent(finding.evidence, "    "), style="dim"), soft_wrap=True)
        else:
            console.print(Padding(Text(finding.evidence, style="dim"), (0, 0, 0, 4), expand=False))
        console.print(Padding(Text(f"Remedy: {finding.remedy}"), (0, 0, 0, 4), expand=False))
        console.print()
    if passed:
        console.print(Text(f"Checked and fine: {', '.join(passed)}."))
    if skipped:
        console.print(Text(f"Not checked, for an error above: {', '.join(skipped)}."))
    console.print(Text(f"{counts(findings)}."))

"""Targets and variables of the Makefile."""

import re
from dataclasses import dataclass

from tools.documents.markdown import code, page, table
from tools.lock import ROOT


@dataclass(frozen=True)
class Target:
    """One target, or ``ablation-<factor>`` for those of all factors."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Variable:
    """A variable that a caller may set; ``default`` is empty where there is none."""

    name: str
    default: str
    meaning: str


def targets(makefile: str) -> list[Target]:
    """The targets with a ``## meaning`` behind them, in the file's order."""
    found = re.findall(r"^([a-z0-9-]+|\$\(ABLATIONS\)):.*?## (.+)$", makefile, re.MULTILINE)
    return [Target("ablation-<factor>" if name.startswith("$") else name, meaning) for name, meaning in found]


def variables(makefile: str) -> list[Variable]:
    """The variables that are set with ``?=``, each below a ``## meaning``, in the file's order."""
    found = re.findall(r"^## (.+)\n([A-Z_]+) \?=[ ]*(.*)$", makefile, re.MULTILINE)
    return [Variable(name, default, meaning) for meaning, name, default in found]


def make_page() -> str:
    """The page."""
    makefile = (ROOT / "Makefile").read_text()
    factors = re.search(r"^FACTORS := (.+)$", makefile, re.MULTILINE)
    further = re.search(r"^FURTHER := (.+)$", makefile, re.MULTILINE)
    assert factors is not None and further is not None
    return page(
        "Make targets and variables",
        "`make` or `make help` prints these. Targets set up `.venv` first where they need it. Variables are given behind the "
        f"target, `make noise SCALE=tiny SEEDS=3`, or in the environment. Factors of `ablation-<factor>`: {factors[1]}; "
        f"further ones: {further[1]}.",
        [
            "## Targets",
            table(("target", "what it does"), ((code(f"make {t.name}"), t.meaning) for t in targets(makefile))),
            "## Variables",
            table(
                ("variable", "default", "meaning"),
                ((code(v.name), code(v.default), v.meaning) for v in variables(makefile)),
            ),
        ],
    )

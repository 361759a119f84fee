"""Met, missed, or not measured here; and what is written and printed."""

import io
import json

import pytest
from rich.console import Console

from experiments.benchmarks.figures import Findings, Ratio, as_plain, print_findings, print_ratios, quotient


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (Ratio("r", 7.0, 7), "met"),
        (Ratio("r", 6.9, 7), "missed"),
        (Ratio("r", 0.1, 0.1, "at most"), "met"),
        (Ratio("r", 0.2, 0.1, "at most"), "missed"),
        (Ratio("r", None, 7), "not measured here"),
        (Ratio("r", 99.0, 7, where="H200", here=False), "not measured here"),
        (Ratio("r", 7.0), "no goal"),
    ],
)
def test_verdicts(ratio: Ratio, verdict: str) -> None:
    assert ratio.verdict == verdict


def test_a_ratio_is_of_medians() -> None:
    findings = Findings("p")
    above, below = findings.add("a", "s", 9.0, 1.0, 6.0), findings.add("b", "s", 2.0, 4.0)
    assert quotient(above, below) == 2.0
    assert quotient(None, below) is None
    assert quotient(above, findings.add("c", "s", 0.0)) is None


def test_findings_as_json_and_as_tables() -> None:
    findings = Findings("p", notes=["said"])
    findings.add("time", "s", 1.0, 3.0, 2.0)
    findings.ratio("faster", 8.0, goal=7, where="2 cores")
    findings.ratio("smaller", 0.5, goal=0.1, sense="at most")
    plain = json.loads(json.dumps(as_plain(findings)))
    assert plain["figures"] == [{"name": "time", "unit": "s", "values": [1.0, 3.0, 2.0], "median": 2.0}]
    assert [one["verdict"] for one in plain["ratios"]] == ["met", "missed"]
    file = io.StringIO()
    print_findings(findings, Console(file=file, width=120))
    shown = file.getvalue()
    for text in ("1 to 3", "at least 7 x", "at most 0.1 x", "met", "missed", "said"):
        assert text in shown


def test_no_frame_stands_around_nothing() -> None:
    file = io.StringIO()
    print_findings(Findings("p", notes=["said"]), Console(file=file, width=120))
    print_ratios([], Console(file=file, width=120))
    assert file.getvalue() == "said\n"

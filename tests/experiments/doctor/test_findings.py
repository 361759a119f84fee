"""What a terminal shows of findings."""

import io

from rich.console import Console

from experiments.doctor.findings import Finding, counts, show


def test_the_most_serious_comes_first_and_counts_come_last() -> None:
    findings = [
        Finding("b", "note", "Says b.", "Seen b.", "Mend b."),
        Finding("c", "error", "Says c.", "class   share\nDent      3 %", "Mend c."),
    ]
    console = Console(width=80, record=True, file=io.StringIO())
    show(findings, passed=["d", "e"], skipped=["f"], console=console)
    assert console.export_text() == (
        "ERROR  c: Says c.\n    class   share\n    Dent      3 %\n    Remedy: Mend c.\n\n"
        "NOTE  b: Says b.\n    Seen b.\n    Remedy: Mend b.\n\n"
        "Checked and fine: d, e.\nNot checked, for an error above: f.\n1 error, 0 warnings, 1 note.\n"
    )


def test_no_findings_are_counted_too() -> None:
    assert counts([]) == "0 errors, 0 warnings, 0 notes"

"""The audit: advisories as pip-audit tells them, licences as metadata name them."""

import json
import subprocess
from typing import Any

import pytest

from experiments.errors import UserError
from tools import audit as auditing
from tools.audit import Advisory, describe_advisories, describe_licences, read_advisories
from tools.licences import Licence, is_permissive, licence_name, reason_for

SOUND: dict[str, Any] = {"name": "alpha", "version": "1.0", "vulns": []}
FLAWED: dict[str, Any] = {
    "name": "beta", "version": "2.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.1"], "description": "..."}],
}  # fmt: skip
SKIPPED = {"name": "gamma", "skip_reason": "Dependency not found on PyPI and could not be audited: gamma (3.0)"}


def answer(*entries: dict[str, Any]) -> str:
    return json.dumps({"dependencies": list(entries), "fixes": []})


def test_advisories_are_read() -> None:
    assert read_advisories(answer(SOUND, FLAWED)) == ([Advisory("beta", "2.0", ("PYSEC-1", "CVE-1"), ("2.1",))], 2)


def test_what_the_service_does_not_know_is_no_clean_bill() -> None:
    with pytest.raises(UserError, match=r"knows nothing of 1 of 2 packages \(gamma\)"):
        read_advisories(answer(SOUND, SKIPPED))


def test_an_advisory_is_refused_unless_it_is_accepted_by_any_of_its_names() -> None:
    found = [Advisory("beta", "2.0", ("PYSEC-1", "CVE-1"), ("2.1",))]
    assert describe_advisories(found, 2, {}) == (
        ["Advisories: 1 of 2 packages.", "  beta 2.0: PYSEC-1, fixed in 2.1; NOT ACCEPTED"], ["PYSEC-1"],
    )  # fmt: skip
    lines, refused = describe_advisories(found, 2, {"CVE-1": "only on Windows", "CVE-9": "old"})
    assert refused == []
    assert lines[1:] == [
        "  beta 2.0: PYSEC-1, fixed in 2.1; only on Windows", "  CVE-9 is accepted, but meets nothing any more.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("entries", "status"), [([SOUND], 0), ([SOUND, FLAWED], 1), ([SOUND, SKIPPED], 2)], ids=["sound", "flawed", "skipped"]
)  # fmt: skip
def test_exit_status(entries: list[dict[str, Any]], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert auditing.audit(lambda: answer(*entries)) == status
    told = capsys.readouterr()
    assert "Licences: " in told.out
    assert "NOT ACCEPTED" not in told.out.split("Advisories")[0]  # every licence of the lock is accepted
    assert told.err.startswith("Error: ") == (status == 2)


def test_a_service_out_of_reach_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(words: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, 1, "", "Traceback\nConnectionError: no route\n")

    monkeypatch.setattr(auditing.subprocess, "run", run)
    monkeypatch.setattr(auditing.shutil, "which", lambda name, path=None: "uvx")
    with pytest.raises(UserError, match=r"cannot be reached \(ConnectionError: no route\): nothing is known"):
        auditing.ask()


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (("MIT", ["License :: OSI Approved :: BSD License"], "other"), "MIT"),
        ((None, ["License :: OSI Approved :: BSD License", "License :: OSI Approved"], None), "BSD License"),
        ((None, [], "Apache 2.0"), "Apache 2.0"),
        ((None, [], "Copyright 2025 Some\n\n      Apache License\n   Version 2.0"), "Apache License"),
        ((None, ["Programming Language :: Python"], None), "not named"),
    ],
)
def test_a_licence_is_named_by_what_says_it_best(fields: tuple[Any, Any, Any], name: str) -> None:
    assert licence_name(*fields) == name


@pytest.mark.parametrize(
    ("name", "permissive"),
    [
        ("MIT", True), ("BSD-3-Clause AND MIT", True), ("LicenseRef-Apache-2.0", True), ("PSF-2.0", True),
        ("MPL-2.0 AND MIT", False), ("LGPL-3.0-only", False), ("NVIDIA Proprietary Software", False), ("not named", False),
    ],
)  # fmt: skip
def test_a_condition_makes_a_licence_one_to_be_looked_at(name: str, permissive: bool) -> None:
    assert is_permissive(name) == permissive


def test_reasons_are_found_by_pattern() -> None:
    accepted = {"nvidia-*": "theirs"}
    assert (reason_for("nvidia-cublas", accepted), reason_for("alpha", accepted)) == ("theirs", None)
    licences = [
        Licence("alpha", "MIT", True), Licence("beta", "GPL-3.0-only", False), Licence("nvidia-x", "NVIDIA", False),
    ]  # fmt: skip
    lines, refused = describe_licences(licences, ["gone"], accepted)
    assert refused == ["beta"]
    assert lines == [
        "Licences: 3 packages, 1 of them permissive.", "     1 MIT", "       beta: GPL-3.0-only; NOT ACCEPTED",
        "       nvidia-x: NVIDIA; theirs", "  Not installed here, so not looked at: gone.",
    ]  # fmt: skip

"""``make audit``: known advisories and licences of everything in ``requirements.lock``.

    python -m tools.audit

Advisories are asked for by pip-audit, which uv fetches and runs apart from the environment; licences are read from the installed
packages' metadata. What is let pass, and why, stands in ``tools/accepted.toml``. Exit status: 0; 1 something is not accepted; 2 the
advisories could not be had, so that nothing is known of them.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.errors import UserError
from tools.licences import Licence, licences_of, reason_for
from tools.lock import LOCK, ROOT, read_lock

ACCEPTED = ROOT / "tools" / "accepted.toml"


@dataclass(frozen=True)
class Advisory:
    """A known weakness of a pinned release; ``fixed`` are the releases without it."""

    package: str
    version: str
    names: tuple[str, ...]
    fixed: tuple[str, ...]


def read_advisories(answer: str) -> tuple[list[Advisory], int]:
    """What pip-audit found, and how many packages it looked up.

    Args:
        answer: its JSON.

    Raises:
        UserError: the service told nothing of some packages. pip-audit leaves out what a service does not find, and ends well: a
            registry's mirror without advisories would pass as a clean bill.
    """
    content = json.loads(answer)["dependencies"]
    unknown = [entry["name"] for entry in content if "skip_reason" in entry]
    if unknown:
        raise UserError(
            f"The advisory service knows nothing of {len(unknown)} of {len(content)} packages ({', '.join(unknown[:3])}"
            f"{', …' if len(unknown) > 3 else ''}), as where a mirror without advisories answers for it: whether they have any is "
            f"not known. Give `make audit` where the registry itself can be reached."
        )
    found = [
        Advisory(entry["name"], entry["version"], (flaw["id"], *flaw.get("aliases", ())), tuple(flaw["fix_versions"]))
        for entry in content
        for flaw in entry["vulns"]
    ]
    return found, len(content)


def ask() -> str:
    """pip-audit's answer, as JSON.

    Raises:
        UserError: uv or the service cannot be reached.
    """
    uvx = shutil.which("uvx", path=str(Path(sys.executable).parent)) or shutil.which("uvx")
    if uvx is None:
        raise UserError("uvx, which fetches pip-audit, is not installed: `pip install uv`.")
    words = ["pip-audit", "--disable-pip", "--require-hashes", "-r", str(LOCK), "--format", "json"]
    with tempfile.TemporaryDirectory() as empty:  # no uv settings of a project
        done = subprocess.run([uvx, "--quiet", *words], cwd=empty, capture_output=True, text=True, check=False)
    if not done.stdout.strip():  # with advisories it exits with 1, and still tells them
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise UserError(
            f"The advisory service cannot be reached ({last[:200]}): nothing is known of the lock's advisories."
        )
    return done.stdout


def describe_licences(
    licences: list[Licence], missing: list[str], accepted: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Lines that tell how many packages are under which licence, and the names of those that are not accepted."""
    counts = Counter(licence.name for licence in licences if licence.permissive)
    held = [licence for licence in licences if not licence.permissive]
    lines = [f"Licences: {len(licences)} packages, {counts.total()} of them permissive."]
    lines += [f"  {count:4} {name}" for name, count in counts.most_common()]
    for one in held:
        lines.append(f"       {one.package}: {one.name}; {reason_for(one.package, accepted) or 'NOT ACCEPTED'}")
    if missing:
        lines.append(f"  Not installed here, so not looked at: {', '.join(missing)}.")
    return lines, [one.package for one in held if reason_for(one.package, accepted) is None]


def describe_advisories(
    found: list[Advisory], looked_up: int, accepted: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Lines that tell the advisories, and the names of those that are not accepted."""
    lines, refused = [f"Advisories: {len(found)} of {looked_up} packages."], []
    for one in found:
        reason = next((accepted[name] for name in one.names if name in accepted), None)
        if reason is None:
            refused.append(one.names[0])
        fixed = f"fixed in {', '.join(one.fixed)}" if one.fixed else "no fix yet"
        lines.append(f"  {one.package} {one.version}: {one.names[0]}, {fixed}; {reason or 'NOT ACCEPTED'}")
    known = {name for one in found for name in one.names}
    lines += [f"  {name} is accepted, but meets nothing any more." for name in accepted if name not in known]
    return lines, refused


def audit(asked: Callable[[], str] = ask) -> int:
    """Print both parts; the exit status."""
    accepted: dict[str, Any] = tomllib.loads(ACCEPTED.read_text())
    lines, refused = describe_licences(*licences_of(read_lock(LOCK.read_text())), accepted["licences"])
    print("\n".join(lines))
    try:
        found, looked_up = read_advisories(asked())
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    lines, more = describe_advisories(found, looked_up, accepted["advisories"])
    print("\n".join(lines))
    return 1 if refused or more else 0


if __name__ == "__main__":
    raise SystemExit(audit())

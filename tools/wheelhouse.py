"""``make wheelhouse``: the wheels that a machine without network needs beside the PyTorch that it has.

    python -m tools.wheelhouse --python 3.12 --out wheelhouse

x86-64 Linux with glibc 2.28 or later, as PyTorch itself asks for. The folder also gets a ``requirements.txt`` with the hash of each
wheel, so that one command installs exactly these, with neither an index nor a resolver.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename

from experiments.console import mistakes_told
from experiments.errors import UserError
from tools.lock import LOCK, ROOT, Pin, read_lock

_GLIBC = 28  # the minor version of glibc 2 that PyTorch's own wheels are built for
LIST_NAME = "requirements.txt"


def wanted_pins(text: str, python: str) -> list[Pin]:
    """The pins of a lock that hold for ``python``, without PyTorch and what comes with it."""
    return [pin for pin in read_lock(text) if pin.holds(python) and not pin.with_torch]


def collect(python: str, out: Path) -> list[Path]:
    """Fill ``out`` with the wheels for ``python``; what is there already and still wanted is not fetched again.

    Raises:
        UserError: it is no Python of this project, the registry cannot be reached, or a package has no wheel for it.
    """
    if not re.fullmatch(r"3\.(11|12)", python):
        raise UserError(f"PYTHON is {python!r}: the laboratory runs on 3.11 and 3.12.")
    if out.exists() and not (out / LIST_NAME).exists() and any(out.iterdir()):
        raise UserError(f"{out} holds something else than a wheelhouse: name another folder, or empty it.")
    out.mkdir(parents=True, exist_ok=True)
    (out / LIST_NAME).touch()
    pins = wanted_pins(LOCK.read_text(), python)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        (work / LIST_NAME).write_text(
            "\n".join(pin.line for pin in pins) + "\n"
        )  # pip would judge markers by its own Python
        (work / "fetched").mkdir()
        _pip(
            "download", "--require-hashes", "--find-links", str(out), "--dest", str(work / "fetched"),
            "--requirement", str(work / LIST_NAME), "--python-version", python, "--implementation", "cp",
            *(word for minor in range(_GLIBC, 4, -1) for word in ("--platform", f"manylinux_2_{minor}_x86_64")),
            "--platform", "manylinux2014_x86_64", "--platform", "linux_x86_64",
        )  # fmt: skip
        for source in [path for path in (work / "fetched").iterdir() if path.suffix != ".whl"]:
            _pip("wheel", "--wheel-dir", str(work / "fetched"), str(source))
            source.unlink()
        _pip("wheel", "--wheel-dir", str(work / "fetched"), str(_own_source(work / "source")))
        wheels = {path.name: path for path in sorted((work / "fetched").iterdir())}
        _refuse_foreign(wheels, python)
        _refuse_incomplete(wheels, pins)
        for path in out.glob("*.whl"):
            path.unlink()
        for name, path in wheels.items():
            shutil.move(path, out / name)
    found = [out / name for name in wheels]
    (out / LIST_NAME).write_text(requirements(found))
    return found


def requirements(wheels: Sequence[Path]) -> str:
    """A line for each wheel, with its hash."""
    lines = []
    for wheel in wheels:
        name, version, _, _ = parse_wheel_filename(wheel.name)
        lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}")
    return "\n".join(sorted(lines)) + "\n"


def install_command(python: str, out: Path) -> str:
    """What installs the wheels on the other machine, into an environment that sees its PyTorch."""
    return (
        f"python{python} -m pip install --no-index --no-deps --require-hashes --find-links {out.name} "
        f"-r {out.name}/{LIST_NAME}"
    )


def _own_source(folder: Path) -> Path:
    """A copy of what our own wheel is made of: building in place would leave folders behind."""
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    for package in sorted({name.split(".")[0] for name in packages}):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def _refuse_foreign(wheels: Collection[str], python: str) -> None:
    """Wheels that were built here count only where they hold no compiled code of this machine's Python."""
    foreign = [
        name
        for name in wheels
        if not any(
            tag.interpreter in (f"cp{python.replace('.', '')}", "py3", f"py{python.replace('.', '')}") or tag.abi == "abi3"
            for tag in parse_wheel_filename(name)[3]
        )
    ]  # fmt: skip
    if foreign:
        raise UserError(
            f"{', '.join(foreign)} holds code compiled for another Python than {python}: run this with Python {python} itself."
        )


def _refuse_incomplete(wheels: Collection[str], pins: Sequence[Pin]) -> None:
    there = {(name, str(version)) for name, version, _, _ in map(parse_wheel_filename, wheels)}
    lacking = [f"{pin.name} {pin.version}" for pin in pins if (pin.name, pin.version) not in there]
    if lacking:
        raise UserError(f"pip fetched no wheel of {', '.join(lacking)}: give the command again.")


def _pip(command: str, *words: str) -> None:
    """Run pip without resolving.

    Raises:
        UserError: it failed; the sentence holds its last lines.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, "--no-deps", "--quiet", "--disable-pip-version-check", *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = " ".join(line.strip() for line in done.stderr.splitlines() if line.startswith("ERROR"))
        raise UserError(f"pip {command} failed, the registry may be out of reach: {said or done.stderr.strip()}")


def main() -> None:
    """Collect, and tell the size and how to install."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=f"{sys.version_info.major}.{sys.version_info.minor}", help="3.11 or 3.12")
    parser.add_argument("--out", type=Path, default=ROOT / "wheelhouse", help="folder for the wheels")
    options = parser.parse_args()
    with mistakes_told():
        wheels = collect(options.python.removeprefix("python"), options.out)
    size = sum(wheel.stat().st_size for wheel in wheels) / 1e6
    print(f"{options.out.name}: {len(wheels)} wheels, {size:.0f} MB, without PyTorch and what comes with it.")
    print("Copy the folder to the other machine and give, beside it:")
    print(f"  {install_command(options.python.removeprefix('python'), options.out)}")


if __name__ == "__main__":
    main()

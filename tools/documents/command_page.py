"""Every command with its options: the typer applications, and the scripts with options of their own."""

import importlib
import importlib.util
import inspect
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin
from unittest import mock

import typer

from tools.documents.markdown import code, page, table
from tools.lock import ROOT

APPLICATIONS = ("experiments", "ablations", "analysis")
_WORDS = {str: "TEXT", int: "INTEGER", float: "NUMBER", Path: "PATH"}
_SCRIPTS = ("experiments", "analysis", "tests/faults", "tools")


def command_page() -> str:
    """The page."""
    parts = [part for package in APPLICATIONS for part in _application(package)]
    parts += ["## Scripts", *(part for path in scripts() for part in _script(path))]
    return page(
        "Commands",
        "Run from the repository's root, with `.venv/bin` on the path. A user's mistake is one sentence, below a line on usage "
        "where an option or its kind of value is wrong, and exit status 2. Every command takes `--help`.",
        parts,
    )


def commands(package: str) -> Iterator[tuple[str, Any]]:
    """``(words, command)`` of a package's application, subcommands in the order in which they were added."""
    app = importlib.import_module(f"{package}.commands").app
    yield from _walk(f"python -m {package}", typer.main.get_command(app))


def scripts() -> list[Path]:
    """The modules with options of their own."""
    found = (path for folder in _SCRIPTS for path in sorted((ROOT / folder).rglob("*.py")))
    return [path for path in found if path.name != "command_page.py" and "argparse.ArgumentParser(" in path.read_text()]


def _walk(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield words, command
        return
    for name, child in children.items():
        yield from _walk(f"{words} {name}", child)


def _application(package: str) -> Iterator[str]:
    yield f"## `python -m {package}`"
    for words, command in commands(package):
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        shown = " ".join(_argument(one) for one in arguments)
        yield f"### `{words}{' ' if shown else ''}{shown}`"
        yield _prose(inspect.cleandoc(command.help or ""))
        rows = [_parameter(one) for one in command.params if not getattr(one, "hidden", False)]
        if rows:
            yield table(("argument or option", "default", "meaning"), rows)


def _argument(one: Any) -> str:
    name = one.name.upper() + ("..." if one.nargs == -1 or one.multiple else "")
    return name if one.required else f"[{name}]"


def _parameter(one: Any) -> tuple[str, str, str]:
    if one.param_type_name == "argument":
        name = one.name.upper()
    else:
        metavar = "" if one.is_flag else f" {_kind(one.type_descriptor.annotation)}"
        name = ", ".join(one.opts) + metavar
    default = "required" if one.required else _default(one)
    meaning = (one.help or "").rstrip()
    if one.envvar:
        meaning += f" Environment variable: `{one.envvar}`."
    return code(name), default if default == "required" else code(default), meaning


def _kind(annotation: Any) -> str:
    """What is to be given: the choices, or a word for the type."""
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    if get_origin(annotation) is list:
        return _kind(get_args(annotation)[0])
    return _WORDS[annotation]


def _default(one: Any) -> str:
    if one.default is None or one.default is False or callable(one.default):
        return ""
    return str(one.default)


def _prose(text: str) -> str:
    return " ".join(text.split())


def _script(path: Path) -> Iterator[str]:
    relative = path.relative_to(ROOT)
    name = ".".join(relative.with_suffix("").parts)
    call = f"python {relative}" if relative.parts[0] == "tests" else f"python -m {name}"
    yield f"### `{call}`"
    yield f"```text\n{_help_of(_load(path, name), call)}\n```"


def _load(path: Path, name: str) -> ModuleType:
    if not name.startswith("tests."):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, {path.stem: module}):  # dataclasses look their module up
        spec.loader.exec_module(module)
    return module


def _help_of(module: ModuleType, call: str) -> str:
    """What ``--help`` prints, at a width that no terminal decides."""
    text = io.StringIO()
    fixed = mock.patch.dict(os.environ, COLUMNS="100", NO_COLOR="1")
    with mock.patch.object(sys, "argv", ["script", "--help"]), fixed, redirect_stdout(text), suppress(SystemExit):
        module.main()
    return re.sub(r"^usage: script", f"usage: {call}", text.getvalue()).strip()

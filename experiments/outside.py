"""A word to those who give a command outside of the environment that `make setup` makes. Needs the standard library alone."""

import sys

_OURS = ("ablations", "analysis", "experiments", "models")


def not_installed(error: ModuleNotFoundError) -> SystemExit:
    """Say what is missing, and what to do.

    Raises:
        ModuleNotFoundError: what is missing is a module of this repository.
    """
    if (error.name or "").partition(".")[0] in _OURS:
        raise error
    print(
        f"Error: this Python has no package {error.name}: give `source .venv/bin/activate` first, in the repository's folder "
        "(`make setup` makes .venv).",
        file=sys.stderr,
    )
    return SystemExit(2)

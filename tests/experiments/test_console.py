"""What all command lines have in common: plain sentences, and help as wide as the terminal."""

import pytest
import typer
from typer.testing import CliRunner

from ablations.commands import app as ablations
from analysis.commands import app as analysis
from experiments.commands import app as experiments
from experiments.console import command_line
from experiments.errors import UserError


@pytest.mark.parametrize(
    ("app", "words", "message"),
    [
        (ablations, ["rnu"], "No such command 'rnu'. Did you mean 'run'?"),
        (analysis, ["table", "--studdy", "x"], "No such option: --studdy (Possible options: --study)"),
        (experiments, ["data", "mkae"], "No such command 'mkae'. Did you mean 'make'?"),
        (experiments, ["train"], "Missing argument 'config'."),
    ],
)
def test_a_command_that_does_not_exist_is_told_in_a_plain_line(
    app: typer.Typer, words: list[str], message: str
) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == f"Error: {message}"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UserError("There is no bit: make one."), "Error: There is no bit: make one.\n"),
        (
            PermissionError(13, "Permission denied", "bits"),
            "Error: 'bits' cannot be used (Permission denied): name another file or folder, or mend this one.\n",
        ),
    ],
)
def test_a_users_mistake_is_told_without_a_traceback(error: Exception, told: str) -> None:
    app = command_line("Bits.")

    @app.command()
    def bit() -> None:
        raise error

    @app.command()
    def other() -> None: ...

    done = CliRunner().invoke(app, ["bit"])
    assert (done.exit_code, done.stderr) == (2, told)


def test_a_wide_terminal_has_whole_sentences_of_help() -> None:
    done = CliRunner().invoke(ablations, ["--help"], terminal_width=130)
    assert (
        "Show how a study stands: done, running with progress and rate, waiting, failed, estimated end.\n"
        in done.stdout
    )

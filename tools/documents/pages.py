"""Which reference pages there are."""

from collections.abc import Callable

from tools.documents.command_page import command_page
from tools.documents.environment_page import environment_page
from tools.documents.factor_page import factor_page
from tools.documents.make_page import make_page
from tools.documents.record_page import record_page
from tools.documents.setting_page import setting_page
from tools.lock import ROOT

FOLDER = ROOT / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "make.md": make_page,
    "commands.md": command_page,
    "settings.md": setting_page,
    "factors-and-designs.md": factor_page,
    "files.md": record_page,
    "environment.md": environment_page,
}

"""Where a study's ledger is: the address of its database, with and without the password. Torch-free."""

from pathlib import Path

import sqlalchemy
from sqlalchemy.exc import ArgumentError

from experiments.errors import UserError

LEDGER_NAME = "study.db"


def default_url(folder: Path) -> str:
    """The SQLite file in a study's folder."""
    return f"sqlite:///{folder / LEDGER_NAME}"


def unopened(ledger: str, url: str, error: BaseException) -> UserError:
    """That a ledger, named as in ``ledger``, cannot be opened at ``url``, and what to do."""
    said = str(error.__cause__ or error).strip().splitlines()[0]
    advice = "is the server running, and its address right?"
    if url.startswith("sqlite"):
        advice = (
            "is its address right? If the file is damaged, delete it and give the command that began the study again; "
            "what is trained stays."
        )
    return UserError(f"{ledger} cannot be opened ({said}): {advice}")


def hidden(url: str) -> str:
    """The address of a storage without its password: what may be written down.

    Raises:
        UserError: it is no address of a database.
    """
    address = _parsed(url)
    if any("password" in name for name in address.query):
        raise UserError(
            "The storage's address has a password behind its question mark: put it before the @, or into PGPASSWORD."
        )
    return address.render_as_string(hide_password=True)


def known_url(folder: Path, stored: str | None, given: str | None) -> str:
    """The address of a study's ledger: the given one, else what its ``study.json`` says, else the file in its folder.

    Raises:
        UserError: the address lacks its password, as what is written down does.
    """
    url = given or stored or default_url(folder)
    if ":***@" in url:
        raise UserError(
            f"The ledger of the study in {folder} is in {url}, whose password is written down nowhere: give the whole address "
            "with --storage, or in the environment variable STORAGE."
        )
    return url


def is_missing(url: str) -> bool:
    """Whether it is the address of a file that does not exist: opening it would make one.

    Raises:
        UserError: it is no address of a database.
    """
    address = _parsed(url)
    return address.get_backend_name() == "sqlite" and not Path(address.database or "").is_file()


def _parsed(url: str) -> sqlalchemy.URL:
    try:
        return sqlalchemy.make_url(url)
    except (ArgumentError, ValueError):
        raise UserError(
            "The storage's address is not understood: give one like postgresql://user@host/database, or none for a file."
        ) from None

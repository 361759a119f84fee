"""Addresses of storages, and waiting for one that is out of reach."""

from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError

from ablations.ledger import Ledger
from ablations.storage import patiently
from experiments.address import default_url, hidden, known_url
from experiments.errors import UserError


def test_a_password_is_never_shown() -> None:
    assert hidden("postgresql://me:secret@host/name") == "postgresql://me:***@host/name"
    with pytest.raises(UserError, match="address is not understood"):
        hidden("secret@host")
    with pytest.raises(UserError, match="put it before the @") as caught:
        hidden("postgresql://me@host/name?password=secret")
    assert "secret" not in str(caught.value)


def test_which_address_counts(tmp_path: Path) -> None:
    assert known_url(tmp_path, None, None) == default_url(tmp_path)
    assert known_url(tmp_path, "postgresql://me@host/name", None) == "postgresql://me@host/name"
    assert known_url(tmp_path, "postgresql://me:***@host/name", "postgresql://me:x@host/name").endswith(":x@host/name")
    for given in (None, "postgresql://me:***@host/name"):  # what is written down, or copied from there
        with pytest.raises(UserError, match="password is written down nowhere"):
            known_url(tmp_path, "postgresql://me:***@host/name", given)


@pytest.mark.parametrize(
    "url", ["sqlite:////no/such/folder/study.db", "postgresql://me:secret@127.0.0.1:1/name", "nonsense://x/y"]
)
def test_a_storage_that_cannot_be_opened_is_one_sentence_without_the_password(url: str) -> None:
    with pytest.raises(UserError, match="cannot be opened") as caught:
        Ledger(name="s", url=url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_told_apart_from_a_server(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("junk")
    with pytest.raises(UserError, match=r"file is not a database.*: is its address right.* delete it") as caught:
        Ledger(name="s", url=default_url(tmp_path))
    assert "server" not in str(caught.value)


def test_a_storage_without_its_driver_is_told_what_there_is() -> None:
    with pytest.raises(
        UserError,
        match=r"mysql://a:\*\*\*@c/d needs a database driver that is not installed .* give an address that begins with postgresql://",
    ):
        Ledger(name="s", url="mysql://a:secret@c/d")


def test_a_storage_out_of_reach_is_waited_for() -> None:
    calls = []

    def call(value: int) -> int:
        calls.append(value)
        if len(calls) < 2:
            raise StorageInternalError("gone")
        return value

    assert patiently(call, 7) == 7
    assert calls == [7, 7]


def test_patience_ends_with_a_sentence() -> None:
    def call() -> None:
        raise StorageInternalError("gone")

    with pytest.raises(UserError, match=r"did not answer for 0 s \(gone\)"):
        patiently(call, patience=0.1)

"""Where a ledger is kept: a SQLite file by default, PostgreSQL for many machines; opened, and waited for, with care."""

import time
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy.exc import SQLAlchemyError

from experiments.address import hidden, unopened
from experiments.errors import UserError

PATIENCE = 600.0  # seconds that a storage out of reach is waited for
_SERVER_TIMEOUTS = {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 60_000}  # s, s, ms
_WRITER_TIMEOUT = 120  # seconds that SQLite waits for another writer

optuna.logging.set_verbosity(optuna.logging.ERROR)

Result = TypeVar("Result")
STORAGE_ERRORS = (StorageInternalError, SQLAlchemyError)
"""What Optuna raises while a storage is out of reach."""


class StorageLost(UserError):
    """The storage was out of reach for too long."""


def open_storage(url: str, *, grace: float, on_stale: Callable[[optuna.Study, FrozenTrial], None]) -> RDBStorage:
    """Open a storage with heartbeats; ``on_stale`` is called with each trial whose worker was silent for ``grace`` seconds.

    Raises:
        UserError: it cannot be opened.
    """
    shown = hidden(url)
    file = shown.startswith("sqlite")
    options: dict[str, Any] = {"connect_args": {"timeout": _WRITER_TIMEOUT}} if file else {"pool_pre_ping": True}
    if shown.startswith("postgresql"):
        options["connect_args"] = _SERVER_TIMEOUTS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # heartbeats
            storage = RDBStorage(
                url, options, heartbeat_interval=beats(grace)[0], grace_period=beats(grace)[1],
                heartbeat_stale_trial_callback=on_stale,
            )  # fmt: skip
    except ImportError as error:
        raise UserError(
            f"The storage {shown} needs a database driver that is not installed ({error}): give an address "
            "that begins with postgresql:// or sqlite://."
        ) from None
    except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
        raise unopened(f"The storage {shown}", url, error) from None
    if file:
        _one_writer_at_a_time(storage.engine)
    return storage


def beats(grace: float) -> tuple[int, int]:
    """Seconds between heartbeats, and without one until a worker counts as dead; whole ones, as Optuna wants them."""
    return max(1, round(grace / 6)), max(1, round(grace))


def _one_writer_at_a_time(engine: sqlalchemy.Engine) -> None:
    """Let every transaction lock the file from its start.

    SQLite knows no row locks: two workers that read a waiting trial at the same moment would both claim it.
    """

    @sqlalchemy.event.listens_for(engine, "connect")
    def _no_implicit_begin(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @sqlalchemy.event.listens_for(engine, "begin")
    def _begin(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine.dispose()  # connections opened before know none of this


def patiently(call: Callable[..., Result], *arguments: Any, patience: float = PATIENCE) -> Result:
    """The result of ``call(*arguments)``, which is tried again while the storage is out of reach.

    Raises:
        StorageLost: it is so for longer than ``patience`` seconds.
    """
    end, pause = time.monotonic() + patience, 0.5
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return call(*arguments)
        except STORAGE_ERRORS as error:
            if time.monotonic() + pause > end:
                said = str(error.__cause__ or error).strip().splitlines()[0]
                raise StorageLost(
                    f"The study's storage did not answer for {patience:.0f} s ({said}): start it again, then give the same command."
                ) from None
        time.sleep(pause)
        pause = min(2 * pause, 15.0)

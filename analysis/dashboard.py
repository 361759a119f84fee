"""A study's report and Optuna's dashboard, served on this machine alone, to be read and not written, until told to stop."""

import ipaddress
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from experiments.address import known_url, unopened
from experiments.errors import UserError
from experiments.interrupts import stops_noted
from experiments.records import RECORD_NAME
from experiments.search_file import SEARCH_NAME
from experiments.studies import STUDY_NAME, arm_folder, read_study

LOOPBACK = "127.0.0.1"
_POLL = 0.2  # seconds between two looks whether to stop
App = Callable[[dict[str, Any], Callable[..., Any]], Sequence[bytes]]


def serve_study(folder: Path, *, storage: str | None, host: str, remote: bool, tell: Callable[[str], object]) -> None:
    """Serve both until Ctrl-C or SIGTERM, each on a free port.

    Args:
        folder: the study's.
        storage: address of its ledger, if not what its ``study.json`` says.
        host: address of the network interface to listen on.
        remote: allow one that other machines reach; nothing asks for a password there.
        tell: is given the addresses, once, when both are served.

    Raises:
        UserError: the host is not allowed, or the study has no ledger to show.
    """
    check_host(host, remote=remote)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Optuna's dashboard finds unusual in a study is no news on the console
        page = report_app(folder)  # takes its time, and may be interrupted
        with (
            stops_noted() as stopped,
            optuna_dashboard(folder, storage) as (optuna_app, path),
            serving(page, host) as report,
            serving(optuna_app, host) as optuna,
        ):
            lines = (
                f"Study {folder.name}, to be read {'by all who reach ' + host if remote else 'on this machine alone'}:",
                f"  report            http://{host}:{report}/",
                f"  Optuna dashboard  http://{host}:{optuna}{path}",
                "Ctrl-C stops both.",
            )
            tell("\n".join(lines))
            while not stopped():
                time.sleep(_POLL)
            tell("Stopped.")


def check_host(host: str, *, remote: bool) -> None:
    """Refuse addresses that other machines reach, unless ``remote``.

    Raises:
        UserError: it is such a one, or no address at all.
    """
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise UserError(f"--host {host!r} is no address: give one like {LOOPBACK}.") from None
    if not local and not remote:
        raise UserError(
            f"--host {host} would show the study to other machines, without a password: add --allow-remote if that is meant."
        )


def report_app(folder: Path) -> App:
    """Serve the study's report, written anew whenever a record has changed; in place of one, the reason why there is none."""
    from analysis.report.build import write_html
    from analysis.report.page import Page, render

    lock = threading.Lock()
    written: dict[str, Any] = {}

    def page() -> bytes:
        with lock:
            stamp = _changed(folder)
            if written.get("stamp") != stamp:
                try:
                    written["page"] = write_html(folder).read_bytes()
                except UserError as error:
                    written["page"] = render(Page(f"Study {folder.name}", (), (str(error),), ())).encode()
                written["stamp"] = stamp
            return bytes(written["page"])

    page()  # the first reader does not wait, and the file is there

    def app(environment: dict[str, Any], start: Callable[..., Any]) -> Sequence[bytes]:
        if environment["PATH_INFO"] != "/":
            return _say(start, "404 Not Found", "There is only the report, at /.")
        start("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")])
        return [page()]

    return app


@contextmanager
def optuna_dashboard(folder: Path, storage: str | None) -> Iterator[tuple[App, str]]:
    """Optuna's dashboard over the study's ledger, and the path of the study's page in it; closes the ledger at the end.

    Raises:
        UserError: the ledger is not there, or cannot be opened.
    """
    import optuna
    from optuna.storages import RDBStorage
    from optuna_dashboard import wsgi
    from sqlalchemy.exc import SQLAlchemyError

    listed = read_study(folder)
    url = known_url(folder, listed.storage if listed else None, storage)
    missing = UserError(
        f"The ledger of study {folder.name} does not hold it: train it with `python -m ablations run` first."
    )
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        raise missing
    try:
        options = {"connect_args": {"connect_timeout": 10}} if url.startswith("postgresql") else None
        ledger = RDBStorage(url, options, skip_table_creation=True)
        number = ledger.get_study_id_from_name(folder.name)
    except KeyError:
        raise missing from None
    except (SQLAlchemyError, ImportError, RuntimeError, optuna.exceptions.StorageInternalError) as error:
        raise unopened(f"The ledger of study {folder.name}", url, error) from None
    try:
        yield wsgi(ledger), f"/dashboard/studies/{number}"
    finally:
        ledger.remove_session()
        ledger.engine.dispose()


@contextmanager
def serving(app: App, host: str) -> Iterator[int]:
    """Serve an application, read-only, in threads of this process; gives the port.

    Raises:
        UserError: the host is no address of this machine.
    """
    try:
        server = make_server(host, 0, _read_only(app, host), server_class=_Server, handler_class=_Quiet)
    except OSError as error:
        raise UserError(
            f"--host {host}: nothing can listen there ({error.strerror}): give one like {LOOPBACK}."
        ) from None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False  # a browser may keep its connection open


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not told."""


def _read_only(app: App, host: str) -> App:
    """Answer requests that read, and, on loopback, those that name this machine: other web pages cannot use the server."""
    local = ipaddress.ip_address(host).is_loopback

    def guarded(environment: dict[str, Any], start: Callable[..., Any]) -> Sequence[bytes]:
        asked = str(environment.get("HTTP_HOST", "")).rsplit(":", 1)[0]
        if local and asked not in (host, "localhost"):
            return _say(start, "403 Forbidden", f"Ask for {host}.")
        if environment["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _say(start, "405 Method Not Allowed", "The study is shown, not changed.")
        return app(environment, start)

    return guarded


def _say(start: Callable[..., Any], status: str, text: str) -> Sequence[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{text}\n".encode()]


def _changed(folder: Path) -> float:
    """When the study or one of its records was last written; seconds of the file system's clock."""
    listed = read_study(folder)
    runs = [arm_folder(folder.parent, run.identity) / RECORD_NAME for run in listed.runs] if listed else []
    times = [path.stat().st_mtime for path in (folder / STUDY_NAME, folder / SEARCH_NAME, *runs) if path.exists()]
    return max(times, default=0.0)

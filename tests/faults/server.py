"""A PostgreSQL server of the tests' own, which can be stopped and started again."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def programs() -> Path | None:
    """Folder of the server's programs: on the path, or where Debian's package puts them."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


@dataclass(frozen=True)
class Server:
    """A server that listens on loopback; ``url`` is the address of its database."""

    bin: Path
    folder: Path
    port: int
    user: str | None

    @property
    def url(self) -> str:
        return f"postgresql://lab@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        self._control("-l", str(self.folder / "log"), "-o", options, "start", check=True)

    def stop(self, how: str = "immediate") -> None:
        """Stop it: ``immediate`` breaks off whatever it does, as a power cut would."""
        self._control("-m", how, "stop", check=False)

    def _control(self, *words: str, check: bool) -> None:
        # The server keeps what it inherits: never a pipe, whose end would be waited for.
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = [self.bin / "pg_ctl", "-D", self.folder / "data", "-w", *words]
        subprocess.run(command, user=self.user, check=check, cwd=self.folder, **quiet)


@contextmanager
def running_server() -> Iterator[Server]:
    """A new server with an empty database, started, and removed at the end.

    Raises:
        RuntimeError: its programs are not installed.
    """
    found = programs()
    if found is None:
        raise RuntimeError("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    folder = Path("/tmp") / f"ablation-lab-postgresql-{os.getpid()}"  # it runs as another user, who must reach it
    folder.mkdir()
    user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    if user:
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Server(found, folder, free.getsockname()[1], user)
    try:
        command = [found / "initdb", "-D", folder / "data", "-U", "lab", "--auth", "trust"]
        subprocess.run(command, user=user, check=True, capture_output=True, cwd=folder)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)

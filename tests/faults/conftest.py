"""A PostgreSQL server of the tests' own."""

from collections.abc import Iterator

import pytest

from tests.faults.server import Server, programs, running_server


@pytest.fixture
def server() -> Iterator[Server]:
    """A new database on a real server, which is started on loopback and stopped again."""
    if programs() is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    with running_server() as server:
        yield server


@pytest.fixture
def postgresql(server: Server) -> str:
    """Its address."""
    return server.url

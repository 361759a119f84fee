"""Short versions of what the script does for long: each a study of four tiny arms beside one that was left alone."""

from pathlib import Path

import pytest

from tests.faults.disturb_study import Harm, disturb, snapshot
from tests.faults.server import Server

SEED = 20


def check(folder: Path, harm: Harm, data: Path, *, studies: int = 1, server: Server | None = None) -> None:
    before = snapshot(data)
    outcomes = disturb(
        folder, harm, data=data, seed=SEED, factors="focal,anchors", studies=studies, server=server
    )  # fmt: skip
    for outcome in outcomes:
        assert outcome.right, outcome
        assert outcome.completed == outcome.wanted == 4, outcome
    assert snapshot(data) == before


@pytest.mark.timeout(900)
def test_killed_at_random_in_two_studies_that_share_their_arms(tiny_data: Path, tmp_path: Path) -> None:
    check(tmp_path, Harm(kills=5, pause=3), tiny_data, studies=2)


@pytest.mark.timeout(900)
def test_a_worker_that_hangs_is_replaced_and_spoils_nothing_when_it_wakes_up(tiny_data: Path, tmp_path: Path) -> None:
    check(tmp_path, Harm(stops=1, pause=6), tiny_data)


@pytest.mark.timeout(900)
def test_the_server_is_stopped_and_started_again(tiny_data: Path, tmp_path: Path, server: Server) -> None:
    check(tmp_path, Harm(kills=1, restarts=2, pause=4), tiny_data, server=server)

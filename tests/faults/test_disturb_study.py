"""Short versions of what the script does for long: studies of four tiny arms beside one that was left alone."""

from pathlib import Path

import pytest

from tests.faults.disturb_study import Harm, Plan, disturb, leave_alone, snapshot
from tests.faults.server import Server

SEED = 20


@pytest.fixture(scope="module")
def plan(tiny_data: Path) -> Plan:
    """Two factors in all combinations."""
    return Plan(tiny_data, factors="focal,anchors")


@pytest.fixture(scope="module")
def alone(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that nothing happened to."""
    folder = tmp_path_factory.mktemp("alone")
    leave_alone(plan, folder)
    return folder


def check(plan: Plan, folder: Path, harm: Harm, alone: Path, *, studies: int = 1, server: Server | None = None) -> None:
    before = snapshot(plan.data)
    for outcome in disturb(plan, folder, harm, alone=alone, seed=SEED, studies=studies, server=server):
        assert outcome.right, outcome
        assert outcome.completed == outcome.wanted == 4, outcome
        assert outcome.done.total() >= 1, outcome
    assert snapshot(plan.data) == before


@pytest.mark.timeout(900)
def test_killed_at_random_in_two_studies_that_share_their_arms(plan: Plan, alone: Path, tmp_path: Path) -> None:
    check(plan, tmp_path, Harm(kills=5, pause=3), alone, studies=2)


@pytest.mark.timeout(900)
def test_a_worker_that_hangs_is_replaced_and_spoils_nothing_when_it_wakes_up(
    plan: Plan, alone: Path, tmp_path: Path
) -> None:
    check(plan, tmp_path, Harm(stops=1, pause=6), alone)


@pytest.mark.timeout(900)
def test_the_server_is_stopped_and_started_again(plan: Plan, alone: Path, tmp_path: Path, server: Server) -> None:
    check(plan, tmp_path, Harm(kills=1, restarts=2, pause=4), alone, server=server)

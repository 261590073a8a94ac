"""One loop of kills for all promises that are judged by its history."""

import pytest
import trio

from bench.faults.kill_loop import KillRun, run_kills

KILLS = 20


@pytest.fixture(scope="session")
def kill_run(tmp_path_factory) -> KillRun:
    """Return the judged history of a gateway that was killed and started again."""
    return trio.run(run_kills, tmp_path_factory.mktemp("kills"), KILLS, 1)


@pytest.fixture
def defect(request) -> str:
    """Return the defect that the test's marker ``planted`` names."""
    return request.node.get_closest_marker("planted").args[1]


@pytest.fixture
def run_planted(tmp_path):
    """Return what kills a gateway with a planted defect a few times."""

    async def run(plant: str, *, kills: int = 2, seed: int = 3, after_requests: int = 0) -> KillRun:
        return await run_kills(tmp_path, kills, seed, plant=plant, patience_seconds=3.0, after_requests=after_requests)

    return run

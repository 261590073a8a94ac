"""The engines under the conformance suite: every test in this folder that takes ``engine`` runs against each."""

import pytest

from gateway.clock import TrioClock
from gateway.journal import MemoryEngine

WINDOW_SECONDS = 600.0


@pytest.fixture
async def clock():
    return TrioClock()


@pytest.fixture
def engine_factory(clock):
    return lambda: MemoryEngine(clock, idempotency_window_seconds=WINDOW_SECONDS)


@pytest.fixture(params=["memory"])
async def engine(request, engine_factory):
    assert request.param == "memory"
    engine = engine_factory()
    await engine.recover()
    yield engine
    await engine.aclose()

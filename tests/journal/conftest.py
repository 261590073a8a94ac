"""The engines under the conformance suite: every test in this folder that takes ``engine`` runs against each."""

from functools import partial

import pytest
import trio.testing

from gateway.clock import TrioClock
from gateway.journal import MemoryEngine
from gateway.journal.sqlite import SqliteEngine
from tests.support.handles import TwoHandles

WINDOW_SECONDS = 600.0


@pytest.fixture
def autojump_clock():
    """Jump only when nothing has moved for a moment: the journal's own threads are at work unseen by trio."""
    return trio.testing.MockClock(autojump_threshold=0.05)


@pytest.fixture
async def clock():
    return TrioClock()


@pytest.fixture(params=["memory", "two memory handles", "sqlite"])
def engine_factory(request, clock, tmp_path):
    """Return what makes an engine; a second SQLite one finds what the first one left."""
    if request.param == "two memory handles":
        return partial(TwoHandles, clock, idempotency_window_seconds=WINDOW_SECONDS)
    if request.param == "memory":
        return partial(MemoryEngine, clock, idempotency_window_seconds=WINDOW_SECONDS)
    return partial(SqliteEngine, tmp_path / "journal", clock, idempotency_window_seconds=WINDOW_SECONDS)


@pytest.fixture
async def engine(engine_factory):
    engine = engine_factory()
    await engine.recover()
    yield engine
    await engine.aclose()

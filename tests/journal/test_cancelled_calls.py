"""A call that is cancelled at any of its steps is done or undone: in memory, on disk, and both the same."""

import pytest
import trio

from gateway.journal import MemoryEngine
from gateway.journal.sqlite import SqliteEngine
from protocol.outcomes import Advice, Outcome
from tests.support.handles import TwoHandles
from tests.support.journal import (
    LATER_MS,
    START_MS,
    append_batch,
    get_answer,
    lease_nowait,
    make_chunk,
    make_record,
    make_settlement,
    mark_held,
    postpone,
    read_results,
    settle_held,
)

ENOUGH_STEPS = 400
ENGINES = {
    "memory": lambda clock, _folder: MemoryEngine(clock),
    "two memory handles": lambda clock, _folder: TwoHandles(clock),
    "sqlite": lambda clock, folder: SqliteEngine(folder, clock),
}


class StepCounter(trio.abc.Instrument):
    """Counts how often a task was run."""

    def __init__(self, task):
        self._task = task
        self.steps = 0

    def after_task_step(self, task):
        self.steps += task is self._task


async def prepare(engine):
    """Leave work in every place: ready, leased, scheduled, settled and read by one of two, expired; a suspect too."""
    batch = await append_batch(engine, "a", [make_chunk(at, at + 2) for at in range(0, 120, 2)])
    await append_batch(engine, "keyed", [make_chunk(0, 4, cancel_keys=[["k"]] * 4, expires_at_ms=(START_MS + 1,))])
    await engine.lease(10)
    await postpone(engine, batch, 1, [0, 1], LATER_MS)
    dead = make_settlement(batch, 0, [0, 1], outcome=Outcome.REJECTED)
    dead.advice, dead.destinations = Advice.DELETE_PENDING, ["00"]
    await settle_held(engine, [dead, make_settlement(batch, 2, [0, 2], first=4)])
    await engine.open_subscription("default", "first")
    await engine.open_subscription("default", "second")
    await engine.acknowledge_subscription("default", "first", 3)
    return batch


async def append(engine, _batch):
    reservation = await engine.reserve("default", "new", b"fingerprint of new")
    try:
        await engine.append(reservation, make_record("new", 2), [make_chunk(0, 2)], b"accepted")
    finally:
        await engine.release(reservation)


CALLS = {
    "append": append,
    "lease": lambda engine, _batch: engine.lease(20),
    "mark_started": lambda engine, batch: mark_held(engine, batch, 1, [1, 2]),
    "settle": lambda engine, batch: settle_held(
        engine, [make_settlement(batch, at, [0, 2], first=2 * at) for at in (3, 4)]
    ),
    "schedule": lambda engine, batch: postpone(engine, batch, 3, [0, 2], LATER_MS, attempts=1),
    "cancel": lambda engine, _batch: engine.cancel("default", "a", None, START_MS),
    "cancel_ids": lambda engine, _batch: engine.cancel_ids("default", "a", ["n40", "n118", "n0"], START_MS),
    "cancel_key": lambda engine, _batch: engine.cancel_key("default", "shop", "k", START_MS),
    "expire": lambda engine, _batch: engine.expire(START_MS + 2),
    "acknowledge": lambda engine, _batch: engine.acknowledge("default", 1),
    "open_subscription": lambda engine, _batch: engine.open_subscription("default", "third"),
    "acknowledge_subscription": lambda engine, _batch: engine.acknowledge_subscription("default", "second", 3),
    "close_subscription": lambda engine, _batch: engine.close_subscription("default", "second"),
    "release": lambda engine, _batch: engine.dead_tokens.release(START_MS + 10**9),
}


async def describe(engine):
    """Return what there is to know of an engine; leases all that is due."""
    statistics = engine.statistics()
    return {
        "counts": (statistics.owed_rows, statistics.owed_bytes, statistics.scheduled_rows, statistics.unread_rows),
        "batches": statistics.batches,
        "unread": statistics.unread,
        "results": await read_results(engine),
        "answers": [await get_answer(engine, batch_id) for batch_id in ("a", "keyed", "new")],
        "readers": [await engine.open_subscription("default", name) for name in ("first", "second", "third")],
        "dead tokens": (await engine.dead_tokens.read("default", 0, 100)).tokens,
        "due": [(ref.batch, ref.chunk, ref.start, ref.stop, ref.attempts) for ref in await lease_nowait(engine, 1000)],
    }


@pytest.fixture(params=["memory", "two memory handles", "sqlite"])
def open_engine(request, clock, tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.journal.sqlite.state.CACHE_BYTES", 0)  # chunks are read from the disk, which waits

    async def open_one(name):
        engine = ENGINES[request.param](clock, tmp_path / name)
        await engine.recover()
        return engine

    return open_one


async def run_cancelled(call, engine, batch, steps):
    """Call, cancel once the call has made so many steps; return whether it came to its end, and whether in time."""
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cancel_after, trio.lowlevel.current_task(), steps, scope, nursery.cancel_scope)
            await call(engine, batch)
            is_in_time = not scope.cancel_called
            nursery.cancel_scope.cancel()
            return True, is_in_time
    return False, False


async def cancel_after(task, steps, scope, watching):
    counter = StepCounter(task)
    trio.lowlevel.add_instrument(counter)
    try:
        while counter.steps < steps and not watching.cancel_called:
            await trio.lowlevel.cancel_shielded_checkpoint()
    finally:
        trio.lowlevel.remove_instrument(counter)
    if not watching.cancel_called:
        scope.cancel()


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_that_is_cancelled_at_any_step_is_done_or_undone(open_engine, name):
    call = CALLS[name]
    undone, done = await open_engine("undone"), await open_engine("done")
    await prepare(undone)
    await call(done, await prepare(done))
    expected = {False: await describe(undone), True: await describe(done)}
    await undone.aclose()
    await done.aclose()
    for steps in range(ENOUGH_STEPS):
        engine = await open_engine(f"{steps}")
        is_done, is_in_time = await run_cancelled(call, engine, await prepare(engine), steps)
        assert await describe(engine) == expected[is_done], f"cancelled after {steps} steps"
        await engine.aclose()
        if is_in_time:
            break
    assert is_in_time

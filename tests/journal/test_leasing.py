import trio
from trio.testing import wait_all_tasks_blocked

from protocol.chunks import decode_chunk
from tests.support.journal import (
    append_batch,
    lease_nowait,
    make_chunk,
    make_record,
    mark_held,
    postpone,
    settle_held,
    settle_ref,
)


async def test_rows_are_leased_once(engine):
    await append_batch(engine, "b", [make_chunk(0, 100), make_chunk(100, 150)])
    first = await engine.lease(100)
    second = await engine.lease(100)
    assert [(ref.chunk, ref.start, ref.stop) for ref in first + second] == [(0, 0, 100), (1, 0, 50)]
    assert await lease_nowait(engine, 100) == []


async def test_a_ref_tells_what_it_leases(engine):
    chunk = make_chunk(0, 3, lane="news/apns/sandbox", queue=2)
    number = await append_batch(engine, "b", [chunk], principal="alice")
    (ref,) = await engine.lease(10)
    assert (ref.batch, ref.chunk, ref.start, ref.stop) == (number, 0, 0, 3)
    assert (ref.lane, ref.queue, ref.principal) == ("news/apns/sandbox", 2, "alice")
    assert (ref.attempts, ref.uncertain_attempts, ref.stored_bytes) == (0, 0, len(chunk.stored))


async def test_the_oldest_work_is_leased_first(engine):
    for name in ("a", "b", "c"):
        await append_batch(engine, name, [make_chunk(0, 10), make_chunk(10, 20)])
    refs = await engine.lease(1000)
    assert [(ref.record.batch_id, ref.chunk) for ref in refs] == [
        (name, chunk) for name in ("a", "b", "c") for chunk in (0, 1)
    ]


async def test_a_lease_stays_within_its_bound_except_for_one_chunk(engine):
    await append_batch(engine, "b", [make_chunk(0, 60), make_chunk(60, 120), make_chunk(120, 180)])
    assert sum(ref.stop - ref.start for ref in await engine.lease(10)) == 60
    assert sum(ref.stop - ref.start for ref in await engine.lease(119)) == 60
    assert sum(ref.stop - ref.start for ref in await engine.lease(119)) == 60


async def test_a_lease_waits_for_an_append(engine, nursery):
    leased = []

    async def lease():
        leased.extend(await engine.lease(10))

    nursery.start_soon(lease)
    await wait_all_tasks_blocked()
    assert not leased
    await append_batch(engine, "b", [make_chunk(0, 1)])
    await wait_all_tasks_blocked()
    assert len(leased) == 1


async def test_two_waiting_leases_share_what_arrives_without_overlap(engine, nursery):
    leased = []

    async def lease():
        leased.append(await engine.lease(1))

    nursery.start_soon(lease)
    nursery.start_soon(lease)
    await wait_all_tasks_blocked()
    await append_batch(engine, "b", [make_chunk(0, 5), make_chunk(5, 10)])
    await wait_all_tasks_blocked()
    assert sorted(ref.chunk for refs in leased for ref in refs) == [0, 1]


async def test_a_cancelled_lease_takes_nothing(engine):
    await lease_nowait(engine, 10)
    await append_batch(engine, "b", [make_chunk(0, 5)])
    with trio.CancelScope() as scope:
        scope.cancel()
        await engine.lease(10)
    assert engine.statistics().leased_rows == 0
    assert len(await engine.lease(10)) == 1


async def test_leased_chunks_are_read_as_they_were_stored(engine):
    chunks = [make_chunk(0, 10), make_chunk(10, 12)]
    await append_batch(engine, "b", chunks)
    refs = await engine.lease(100)
    stored = await engine.read(refs)
    assert stored == [chunk.stored for chunk in chunks]
    assert decode_chunk(stored[1]).ids == ["n10", "n11"]


async def test_a_batch_is_known_until_nothing_of_it_is_owed_or_unread(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 1)])
    (ref,) = await engine.lease(1)
    assert (ref.batch, ref.record) == (number, make_record("b", 1))
    await settle_held(engine, [settle_ref(ref)])
    assert engine.statistics().batches == 1
    await engine.acknowledge("default", (await engine.feed("default", 0, 10)).cursor)
    assert engine.statistics().batches == 0


async def test_rows_marked_started_can_still_be_settled_and_given_back(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 2)])
    (ref,) = await engine.lease(10)
    await mark_held(engine, number, 0, [0, 2])
    await postpone(engine, number, 0, [1, 2], 0)
    (again,) = await engine.lease(10)
    assert (again.start, again.stop) == (1, 2)
    await settle_held(engine, [settle_ref(ref)])
    assert engine.statistics().owed_rows == 0

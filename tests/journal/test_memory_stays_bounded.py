"""What the memory engine must not keep: entries of rows that are settled, keys beyond their bound."""

from gateway.journal import MemoryEngine
from gateway.journal.store import BatchStore
from gateway.journal.waiting_rows import SWEEP_FROM, DueHeap, ReadyQueue
from tests.support.journal import START_MS, append_batch, get_answer, lease_nowait, make_chunk, make_record, settle_ref


def add_chunks(store, count):
    batch = store.add(
        store.take_number(), make_record("b", count), [make_chunk(position, position + 1) for position in range(count)]
    )
    return batch.open_chunks()


def test_ready_entries_of_settled_rows_are_swept_out():
    store, queue = BatchStore(), ReadyQueue()
    chunks = add_chunks(store, 1000)
    for chunk in chunks:
        queue.push(chunk, chunk.owed)
    for chunk in chunks[1:]:
        store.settle(chunk, chunk.owed)
        queue.leave_behind()
    assert len(queue) <= 2 * SWEEP_FROM
    assert queue.find_first().chunk is chunks[0]


def test_due_entries_of_finished_chunks_are_swept_out_and_the_rest_keeps_its_order():
    store = BatchStore()
    heap = DueHeap(lambda chunk: not chunk.is_finished)
    chunks = add_chunks(store, 1000)
    for number, chunk in enumerate(chunks):
        heap.push(START_MS - number, chunk)
    for chunk in chunks[:-3]:
        store.settle(chunk, chunk.owed)
        heap.leave_behind()
    assert len(heap) <= 2 * SWEEP_FROM
    assert list(heap.take_due(START_MS)) == chunks[:-4:-1]


def test_what_is_no_longer_live_never_comes_due():
    store = BatchStore()
    heap = DueHeap(lambda chunk: not chunk.is_finished)
    (chunk,) = add_chunks(store, 1)
    heap.push(START_MS, chunk)
    store.settle(chunk, chunk.owed)
    assert list(heap.take_due(START_MS)) == []


async def test_beyond_their_number_the_oldest_keys_of_finished_batches_are_forgotten(clock):
    engine = MemoryEngine(clock, idempotency_keys=2)
    await append_batch(engine, "owed", [make_chunk(0, 1)])
    for name in ("a", "b", "c"):
        await append_batch(engine, name, [])
    assert [await get_answer(engine, name) is not None for name in ("owed", "a", "b", "c")] == [True, False, True, True]


async def test_a_key_over_the_bound_goes_when_its_batch_is_read(clock):
    engine = MemoryEngine(clock, idempotency_keys=1)
    await append_batch(engine, "owed", [make_chunk(0, 1)])
    await append_batch(engine, "next", [])
    await engine.settle([settle_ref(ref) for ref in await lease_nowait(engine, 1)])
    await engine.acknowledge("default", (await engine.feed("default", 0, 1)).cursor)
    assert await get_answer(engine, "owed") is None

"""What an engine's queues must not keep: entries of rows that are settled."""

from gateway.journal.books.store import BatchStore
from gateway.journal.books.waiting_rows import SWEEP_FROM, DueHeap, ReadyQueue
from tests.support.journal import START_MS, make_chunk, make_record


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

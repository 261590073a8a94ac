"""A closed engine is freed by reference counts, whatever it still owed: nothing of it is left to the cycle collector.

That on disk, of which a process has one until its end, keeps a cycle of its own; its batches are taken apart too.
"""

from gateway.journal import MemoryEngine
from gateway.journal.books.store import BatchStore
from tests.support.journal import LATER_MS, append_batch, make_chunk, make_record
from tests.support.leftovers import expecting_no_leftovers


async def test_of_an_engine_that_owes_rows(clock):
    with expecting_no_leftovers():
        engine = MemoryEngine(clock)
        await append_batch(engine, "ready", [make_chunk(0, 100), make_chunk(100, 200, cancel_keys=[["a"]] * 100)])
        await append_batch(engine, "later", [make_chunk(0, 100, not_before_ms=LATER_MS - 1000)])
        refs = await engine.lease(100)
        assert engine.statistics().leased_rows == 100
        await engine.aclose()
        del engine, refs


def test_of_a_store_that_is_let_go_and_its_totals_stay():
    with expecting_no_leftovers():
        store = BatchStore()
        batch = store.add(store.take_number(), make_record("b", 200), [make_chunk(0, 100), make_chunk(100, 200)])
        store.let_go()
        assert (len(store), store.owed_rows, store.find_chunk(1, 0)) == (0, 200, None)
        del batch

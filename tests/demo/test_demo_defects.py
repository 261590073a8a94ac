"""Each planted defect does its harm once and leaves the rest alone; what it must turn red is in test_demo_runs."""

from bench.demo.defects import plant
from gateway.clock import TrioClock
from gateway.journal import Engine
from gateway.journal.memory import MemoryEngine
from protocol.chunks import decode_chunk
from tests.support.journal import append_batch, make_chunk, make_settlement, read_results

ROWS = 10


async def open_engine(defect: str) -> tuple[Engine, int]:
    """Return an engine with a defect and two chunks of ten rows in it, and their batch."""
    engine = plant(defect, MemoryEngine(TrioClock()))
    batch = await append_batch(engine, "b", [make_chunk(0, ROWS), make_chunk(ROWS, 2 * ROWS)])
    return engine, batch


async def test_drop_result_leaves_out_the_same_row_at_every_reading():
    engine, batch = await open_engine("drop-result")
    await engine.lease(100)
    await engine.settle([make_settlement(batch, 0, [0, 1]), make_settlement(batch, 0, [1, ROWS])])
    await engine.settle([make_settlement(batch, 1, [0, ROWS], first=ROWS)])
    for _ in range(2):
        positions = [position for _, position, _, _ in await read_results(engine)]
        assert positions == [0, *range(2, 2 * ROWS)]


async def test_send_twice_leases_one_row_once_more():
    engine, _ = await open_engine("send-twice")
    refs = await engine.lease(100)
    assert [(ref.chunk, ref.start, ref.stop) for ref in refs] == [(0, 0, ROWS), (0, 0, 1), (1, 0, ROWS)]
    await append_batch(engine, "c", [make_chunk(0, ROWS)])
    assert [(ref.chunk, ref.start, ref.stop) for ref in await engine.lease(100)] == [(0, 0, ROWS)]


async def test_change_byte_spoils_one_body_once():
    engine, _ = await open_engine("change-byte")
    refs = await engine.lease(100)
    spoilt, sound = (decode_chunk(stored) for stored in await engine.read(refs))
    assert (spoilt.bodies, sound.bodies) == ([b'{"apS":{}}'], [b'{"aps":{}}'])
    assert decode_chunk((await engine.read(refs))[0]).bodies == sound.bodies


async def test_what_a_defect_does_not_spoil_is_the_engines_own():
    engine, batch = await open_engine("change-byte")
    assert engine.batch(batch).batch_id == "b"
    assert engine.statistics().owed_rows == 2 * ROWS

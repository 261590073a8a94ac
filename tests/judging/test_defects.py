"""Each planted defect does its harm once and leaves the rest alone; what it must turn red is in test_demo_runs."""

import trio

from bench.judging.defects import DEFECTS, DEMO_DEFECTS, PROMISE_DEFECTS, plant_in_encryptor, plant_in_engine
from bench.judging.row_defects import LATE_SECONDS
from bench.simulators.webpush import DecryptionError, decrypt_push
from bench.simulators.webpush.subscriptions import Subscriptions
from bench.simulators.webpush.vapid_keys import derive_vapid_key
from gateway.clock import TrioClock
from gateway.delivery.providers.encryption import Encryptor
from gateway.journal import Answered, Engine
from gateway.journal.memory.engine import MemoryEngine
from protocol.chunks import decode_chunk
from protocol.providers.webpush import Recipient
from tests.support.journal import (
    append_batch,
    make_chunk,
    make_record,
    make_settlement,
    read_results,
    settle_held,
)

ROWS = 10


async def open_engine(defect: str) -> tuple[Engine, int]:
    """Return an engine with a defect and two chunks of ten rows in it, and their batch."""
    engine = plant_in_engine(defect, MemoryEngine(TrioClock()))
    batch = await append_batch(engine, "b", [make_chunk(0, ROWS), make_chunk(ROWS, 2 * ROWS)])
    return engine, batch


async def test_drop_result_leaves_out_the_same_row_at_every_reading():
    engine, batch = await open_engine("drop-result")
    await engine.lease(100)
    await settle_held(engine, [make_settlement(batch, 0, [0, 1]), make_settlement(batch, 0, [1, ROWS])])
    await settle_held(engine, [make_settlement(batch, 1, [0, ROWS], first=ROWS)])
    for _ in range(2):
        positions = [position for _, position, _, _ in await read_results(engine)]
        assert positions == [0, *range(2, 2 * ROWS)]


async def test_send_twice_leases_one_settled_row_once_more():
    engine, batch = await open_engine("send-twice")
    await engine.lease(100)
    await settle_held(engine, [make_settlement(batch, 0, [0, ROWS]), make_settlement(batch, 1, [0, ROWS], first=ROWS)])
    assert [position for _, position, _, _ in await read_results(engine)] == list(range(1, 2 * ROWS))
    assert [(ref.chunk, ref.start, ref.stop) for ref in await engine.lease(100)] == [(0, 0, 1)]
    await settle_held(engine, [make_settlement(batch, 0, [0, 1])])
    assert sorted(position for _, position, _, _ in await read_results(engine)) == list(range(2 * ROWS))


async def test_change_byte_spoils_one_body_once():
    engine, _ = await open_engine("change-byte")
    refs = await engine.lease(100)
    spoilt, sound = (decode_chunk(stored) for stored in await engine.read(refs))
    assert [spoilt.bodies[number] for number in spoilt.body_of_row] == [b'{"apS":{}}'] + [b'{"aps":{}}'] * (ROWS - 1)
    assert (sound.bodies, sound.body_of_row) == ([b'{"aps":{}}'], None)
    assert decode_chunk((await engine.read(refs))[0]).bodies == sound.bodies


async def test_change_byte_waits_for_a_body_that_has_a_letter():
    engine = plant_in_engine("change-byte", MemoryEngine(TrioClock()))
    await append_batch(engine, "b", [make_chunk(0, 2, bodies=[b"", b"42"]), make_chunk(2, 4, bodies=[b"", b"4x"])])
    refs = await engine.lease(100)
    empty, spoilt = (decode_chunk(stored) for stored in await engine.read(refs))
    assert empty.bodies == [b"", b"42"]
    assert [spoilt.bodies[number] for number in spoilt.body_of_row] == [b"", b"4X"]


async def test_answer_early_promises_what_is_not_there_yet(autojump_clock):
    engine = plant_in_engine("answer-early", MemoryEngine(TrioClock()))
    reservation = await engine.reserve("default", "b", b"f")
    await engine.append(reservation, make_record("b", 2), [make_chunk(0, 2)], b"answer")
    await engine.release(reservation)
    assert engine.statistics().owed_rows == 0
    await trio.sleep(2 * LATE_SECONDS)
    assert engine.statistics().owed_rows == 2
    assert await engine.reserve("default", "b", b"f") == Answered(b"answer")


async def test_flip_ciphertext_makes_one_message_unreadable_once():
    browsers = Subscriptions(bytes(32), [derive_vapid_key(bytes(32), "first")])
    receivers = [browsers.make("other", number) for number in range(3)]
    recipients = [Recipient(each.public_key, each.auth_secret, each.path.encode()) for each in receivers]

    async def count_unreadable() -> int:
        encrypted = await encryptor.encrypt([b"", b"hello", b"hello"], recipients)
        unreadable = 0
        for body, receiver in zip(encrypted.bodies, receivers, strict=True):
            try:
                decrypt_push(body, receiver.private_key, receiver.auth_secret)
            except DecryptionError:
                unreadable += 1
        return unreadable

    encryptor = plant_in_encryptor("flip-ciphertext", Encryptor(threads=1, ready_keys=0, padding="off"))
    assert [await count_unreadable() for _ in range(2)] == [1, 0]


async def test_a_defect_is_planted_in_its_own_part_alone():
    engine, encryptor = MemoryEngine(TrioClock()), Encryptor(threads=1, ready_keys=0, padding="off")
    for name in DEFECTS:
        planted = plant_in_engine(name, engine) is not engine, plant_in_encryptor(name, encryptor) is not encryptor
        assert sorted(planted) == [False, True]


async def test_what_a_defect_does_not_spoil_is_the_engines_own():
    engine, batch = await open_engine("change-byte")
    assert [(ref.batch, ref.record.batch_id) for ref in await engine.lease(100)] == [(batch, "b")] * 2
    assert engine.statistics().owed_rows == 2 * ROWS


def test_each_defect_is_for_the_demo_or_for_a_promise():
    assert {*DEMO_DEFECTS, *PROMISE_DEFECTS} == set(DEFECTS)

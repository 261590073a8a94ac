"""What idempotency keys take is bounded in bytes, and no key inside its window is given up for another."""

from math import inf

import pytest

from gateway.journal import KeysFullError, Reservation
from gateway.journal.books.key_index import KeyIndex
from gateway.journal.books.key_window import HeldKey, KeyWindow
from gateway.journal.memory import archive as memory_archive
from gateway.journal.sqlite import SqliteEngine, archive
from tests.journal.conftest import WINDOW_SECONDS
from tests.support.journal import (
    append_batch,
    get_answer,
    lease_nowait,
    make_chunk,
    make_record,
    settle_held,
    settle_ref,
)


@pytest.fixture
def key(engine_factory):
    """What a batch of a test counts for, whose name is one letter."""
    beside = archive.KEY_BYTES if engine_factory.func is SqliteEngine else memory_archive.KEY_BYTES
    return beside + 1 + len(b"accepted")


@pytest.fixture
async def small_engine(engine_factory, key):
    engine = engine_factory(idempotency_bytes=3 * key)
    await engine.recover()
    yield engine
    await engine.aclose()


async def settle_and_acknowledge(engine):
    await settle_held(engine, [settle_ref(ref) for ref in await lease_nowait(engine, 1000)])
    await engine.acknowledge("default", (await engine.feed("default", 0, 1000)).cursor)


async def test_at_the_bound_new_named_batches_are_refused_and_no_key_is_forgotten(small_engine):
    for name in "abc":
        await append_batch(small_engine, name, [])
    with pytest.raises(KeysFullError) as full:
        await append_batch(small_engine, "d", [])
    assert 0 < full.value.room_in_seconds <= WINDOW_SECONDS
    assert [await get_answer(small_engine, name) for name in "abc"] == [b"accepted"] * 3
    assert small_engine.statistics().keys.kept == 3


async def test_there_is_room_again_when_the_oldest_has_ended_its_window(small_engine, autojump_clock):
    await append_batch(small_engine, "a", [])
    autojump_clock.jump(WINDOW_SECONDS / 2)
    for name in "bc":
        await append_batch(small_engine, name, [])
    autojump_clock.jump(WINDOW_SECONDS / 2)
    await append_batch(small_engine, "d", [])
    assert await get_answer(small_engine, "b") == b"accepted"
    with pytest.raises(KeysFullError):
        await append_batch(small_engine, "a", [])


async def test_a_long_answer_counts_with_its_bytes_before_it_is_stored(small_engine, key):
    await append_batch(small_engine, "a", [])
    reservation = await small_engine.reserve("default", "b", b"f")
    with pytest.raises(KeysFullError):
        await small_engine.append(reservation, make_record("b", 1), [make_chunk(0, 1)], bytes(3 * key))
    assert small_engine.statistics().owed_rows == 0
    await small_engine.release(reservation)
    assert small_engine.statistics().keys.counted_bytes == key


async def test_what_a_released_reservation_held_is_given_back(small_engine, key):
    first, second = [await small_engine.reserve("default", name, b"f") for name in "ab"]
    await small_engine.append(first, make_record("a", 0), [], b"accepted")
    await small_engine.release(second)
    assert small_engine.statistics().keys.counted_bytes == key


async def test_a_batch_without_a_name_has_a_key_for_its_life_alone_and_is_never_refused_for_it(small_engine):
    for name in "abc":
        await append_batch(small_engine, name, [])
    reservation = await small_engine.reserve("default", "made", b"fingerprint of made", is_named=False)
    await small_engine.append(reservation, make_record("made", 1), [make_chunk(0, 1)], b"accepted")
    assert await get_answer(small_engine, "made") == b"accepted"
    assert (await small_engine.cancel("default", "made", [7], 0)).not_found == 1
    await settle_and_acknowledge(small_engine)
    again = await small_engine.reserve("default", "made", b"another", is_named=False)
    assert isinstance(again, Reservation)
    assert small_engine.statistics().keys.kept == 3


async def test_a_finished_batch_takes_a_hundred_bytes_of_memory(engine):
    for number in range(500):
        await append_batch(engine, f"campaign-81.part-{number}", [])
    keys = engine.statistics().keys
    assert keys.kept == 500
    assert engine.statistics().batches == 0
    # The rest is what 4,096 empty buckets and one block take, whatever the number of keys.
    assert keys.memory_bytes < 500 * 100 + 4096 * 140 + 28 * 1024


def test_names_that_meet_in_the_index_are_all_found_the_latest_first():
    index = KeyIndex(bytes)
    hashed = index.hash("default", "b")
    for number in (3, 1, 2):
        index.add(hashed, number)
    index.add(hashed + 4096, 4)
    assert index.find(hashed) == [3, 2, 1]
    index.remove(hashed, 2)
    assert index.find(hashed) == [3, 1]
    assert len(index) == 3
    index.remove(hashed, 3)
    index.remove(hashed, 1)
    assert index.find(hashed) == []
    assert index.find(hashed + 4096) == [4]


def test_the_index_tells_a_number_that_looks_like_a_hash_from_one():
    index = KeyIndex()
    index.add(5, 5 + (5 << 32))
    index.add(5, 5)
    assert index.find(5) == [5 + (5 << 32), 5]
    index.remove(5, 5)
    assert index.find(5) == [5 + (5 << 32)]


def test_a_key_takes_fifty_bytes_of_index():
    index, window = KeyIndex(), KeyWindow()
    for number in range(100_000):
        hashed = index.hash("default", f"b{number}")
        index.add(hashed, number)
        window.push(hashed, number, 1.5, 200)
    assert (index.size_bytes + window.size_bytes) / 100_000 < 56


def test_held_keys_come_out_as_they_went_in():
    window = KeyWindow()
    keys = [HeldKey(-number, number, number / 2, 100 + number) for number in range(3000)]
    for key in keys:
        window.push(*key)
    found = []
    while window.oldest_ends_at() < inf:
        assert window.oldest_ends_at() == keys[len(found)].held_until
        found.append(window.pop())
    assert found == keys
    window.push(*keys[1])
    assert window.pop() == keys[1]

"""Rows that wait for a moment: in order, without what was settled meanwhile, and in few bytes."""

import random
import tracemalloc

import pytest

from gateway.journal.books.schedule import Schedule
from gateway.journal.books.store import BatchStore
from gateway.journal.books.waiting_rows import SWEEP_FROM
from gateway.journal.books.work_queue import MOST_AT_ONCE, WorkQueue
from gateway.journal.sqlite.books import ChunkBooks
from tests.support.clocks import HandClock
from tests.support.journal import START_MS, make_chunk, make_record


def open_chunks(store, count, rows=100):
    batch = store.add(store.take_number(), make_record("b", count * rows), [make_chunk(0, rows)] * count)
    return batch.open_chunks()


def filled(store, *waiting):
    schedule = Schedule(store)
    for due_at_ms, chunk, rows in waiting:
        store.schedule(chunk, rows)
        schedule.push(due_at_ms, chunk.batch.number, chunk.number, rows)
    return schedule


def test_what_is_due_comes_out_earliest_first_and_what_is_not_stays():
    store = BatchStore()
    first, second = open_chunks(store, 2)
    schedule = filled(store, (3000, first, 0b111), (1000, second, 0b1), (2000, first, 0b11000), (9000, second, 0b10))
    assert schedule.next_due_at_ms == 1000
    assert list(schedule.take_due(3000, 10)) == [(second, 0b1), (first, 0b11000), (first, 0b111)]
    assert (len(schedule), schedule.next_due_at_ms) == (1, 9000)


def test_no_more_comes_out_at_once_than_is_asked_for():
    store = BatchStore()
    (chunk,) = open_chunks(store, 1)
    schedule = filled(store, *((1000 + row % 2, chunk, 1 << row) for row in range(0, 100, 2)))
    taken = [list(schedule.take_due(5000, 20)) for _ in range(4)]
    assert [len(part) for part in taken] == [20, 20, 10, 0]
    assert sum(rows for part in taken for _, rows in part) == int("01" * 50, 2)
    assert schedule.next_due_at_ms is None


def test_rows_that_were_settled_meanwhile_do_not_come_out():
    store = BatchStore()
    whole, part = open_chunks(store, 2)
    schedule = filled(store, (1000, whole, whole.rows), (1000, part, 0b111))
    store.settle(whole, whole.rows)
    store.settle(part, 0b010)
    assert list(schedule.take_due(1000, 10)) == [(part, 0b101)]


def test_entries_of_settled_rows_are_swept_out_long_before_their_moment():
    store = BatchStore()
    chunks = open_chunks(store, 1000, rows=1)
    schedule = filled(store, *((1000 * (1 + number), chunk, 1) for number, chunk in enumerate(chunks)))
    for chunk in chunks[:-1]:
        store.settle(chunk, 1)
        schedule.leave_behind()
    for _ in range(2000):  # as more ends elsewhere
        schedule.leave_behind()
    assert len(schedule) <= 2 * SWEEP_FROM
    assert list(schedule.take_due(2_000_000, 2000)) == [(chunks[-1], 1)]


async def test_retries_due_together_are_given_out_in_short_turns():
    store, clock = BatchStore(), HandClock(START_MS / 1000)
    work = WorkQueue(store, clock)
    for chunk in open_chunks(store, 30):
        store.lease(chunk, chunk.owed)
        store.unlease(chunk, chunk.owed)
        for row in range(0, 100, 2):
            work.put(chunk, 1 << row, START_MS + 1000)
    clock.now += 1.0
    leased = [await work.lease(10_000) for _ in range(3)]
    assert [len(refs) for refs in leased] == [MOST_AT_ONCE] * 3


@pytest.mark.parametrize("spread_seconds", [30, 900])
def test_a_retry_takes_forty_bytes_of_memory_at_most(spread_seconds):
    store, books, dice = BatchStore(), ChunkBooks(), random.Random(1)
    work = WorkQueue(store, HandClock(START_MS / 1000))
    chunks = [chunk for _ in range(2) for chunk in open_chunks(store, 100)]
    for chunk in chunks:
        store.lease(chunk, chunk.owed)
    tracemalloc.start()
    try:
        for key, chunk in enumerate(chunks):
            for row in range(100):
                due_at_ms = START_MS + 1000 * dice.randint(1, spread_seconds)
                chunk.note_attempts(1 << row, dice.choice((1, 1, 2)), 0)
                store.unlease(chunk, 1 << row)
                books.note_due(key, 1 << row, due_at_ms)
                work.put(chunk, 1 << row, due_at_ms)
            books.encode(key, chunk)
        size_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size_bytes / (100 * len(chunks)) <= 40.0

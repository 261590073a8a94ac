import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gateway.journal import Answered, Conflicting, Reservation
from tests.journal.conftest import WINDOW_SECONDS
from tests.support.journal import (
    append_batch,
    get_answer,
    make_chunk,
    make_record,
    settle_held,
    settle_ref,
)


async def settle_and_acknowledge(engine):
    await settle_held(engine, [settle_ref(ref) for ref in await engine.lease(1000)])
    await engine.acknowledge("default", (await engine.feed("default", 0, 1000)).cursor)


async def test_the_first_answer_is_given_again_byte_for_byte(engine):
    answer = b"\x00\xffany bytes\n"
    await append_batch(engine, "b", [make_chunk(0, 1)], answer=answer)
    assert await get_answer(engine, "b") == answer
    await settle_and_acknowledge(engine)
    assert await get_answer(engine, "b") == answer


async def test_another_request_under_the_same_key_conflicts(engine):
    await append_batch(engine, "b", [make_chunk(0, 1)])
    assert await engine.reserve("default", "b", b"another") == Conflicting()


async def test_principals_do_not_share_keys(engine):
    await append_batch(engine, "b", [make_chunk(0, 1)])
    assert isinstance(await engine.reserve("alice", "b", b"another"), Reservation)


async def test_a_batch_without_accepted_rows_takes_its_key(engine):
    await append_batch(engine, "b", [], answer=b"all rejected")
    assert await get_answer(engine, "b") == b"all rejected"
    assert engine.statistics().batches == 0


async def test_a_second_request_waits_for_the_first_and_gets_its_answer(engine, nursery):
    reservation = await engine.reserve("default", "b", b"same")
    states = []

    async def reserve(fingerprint):
        states.append(await engine.reserve("default", "b", fingerprint))

    nursery.start_soon(reserve, b"same")
    nursery.start_soon(reserve, b"same")
    await wait_all_tasks_blocked()
    assert not states
    await engine.append(reservation, make_record("b", 1), [make_chunk(0, 1)], b"first")
    await wait_all_tasks_blocked()
    assert states == [Answered(b"first"), Answered(b"first")]


async def test_a_released_key_goes_to_one_of_those_who_wait(engine, nursery):
    reservation = await engine.reserve("default", "b", b"bad")
    states = []

    async def reserve():
        states.append(await engine.reserve("default", "b", b"good"))

    nursery.start_soon(reserve)
    nursery.start_soon(reserve)
    await wait_all_tasks_blocked()
    await engine.release(reservation)
    await wait_all_tasks_blocked()
    assert [type(state) for state in states] == [Reservation]
    await engine.append(states[0], make_record("b", 0), [], b"second")
    await wait_all_tasks_blocked()
    assert states[1] == Answered(b"second")


async def test_a_waiter_that_is_cancelled_leaves_the_key_to_others(engine):
    reservation = await engine.reserve("default", "b", b"f")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.reserve, "default", "b", b"f")
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    await engine.release(reservation)
    assert isinstance(await engine.reserve("default", "b", b"f"), Reservation)


async def test_release_takes_effect_even_when_cancelled(engine):
    reservation = await engine.reserve("default", "b", b"f")
    with trio.CancelScope() as scope:
        scope.cancel()
        await engine.release(reservation)
    assert isinstance(await engine.reserve("default", "b", b"f"), Reservation)


async def test_releasing_a_used_or_older_reservation_changes_nothing(engine):
    first = await engine.reserve("default", "b", b"f")
    await engine.release(first)
    second = await engine.reserve("default", "b", b"f")
    await engine.release(first)
    await engine.append(second, make_record("b", 0), [], b"kept")
    await engine.release(second)
    assert await engine.reserve("default", "b", b"f") == Answered(b"kept")


async def test_appending_without_a_reservation_is_a_fault(engine):
    reservation = await engine.reserve("default", "b", b"f")
    await engine.release(reservation)
    with pytest.raises(ValueError, match="no reservation is held for batch b"):
        await engine.append(reservation, make_record("b", 1), [make_chunk(0, 1)], b"")
    assert engine.statistics().owed_rows == 0


async def test_a_cancelled_append_stores_nothing_and_keeps_the_reservation(engine):
    reservation = await engine.reserve("default", "b", b"f")
    with trio.CancelScope() as scope:
        scope.cancel()
        await engine.append(reservation, make_record("b", 1), [make_chunk(0, 1)], b"")
    assert engine.statistics().owed_rows == 0
    await engine.append(reservation, make_record("b", 1), [make_chunk(0, 1)], b"")
    assert engine.statistics().owed_rows == 1


async def test_a_key_is_free_again_after_the_window(engine, autojump_clock):
    await append_batch(engine, "b", [make_chunk(0, 1)])
    await settle_and_acknowledge(engine)
    autojump_clock.jump(WINDOW_SECONDS - 1)
    assert await get_answer(engine, "b") is not None
    autojump_clock.jump(1)
    assert await get_answer(engine, "b") is None


async def test_a_key_outlives_the_window_while_rows_are_owed_or_unread(engine, autojump_clock):
    await append_batch(engine, "b", [make_chunk(0, 1)])
    autojump_clock.jump(WINDOW_SECONDS * 2)
    assert await get_answer(engine, "b") is not None
    (ref,) = await engine.lease(1)
    await settle_held(engine, [settle_ref(ref)])
    assert await get_answer(engine, "b") is not None
    await engine.acknowledge("default", (await engine.feed("default", 0, 10)).cursor)
    assert await get_answer(engine, "b") is None

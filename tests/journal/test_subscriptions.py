"""Named readers: what they acknowledged is theirs to rely on, and what one of them still needs is kept."""

import pytest

from gateway.journal import CursorTooOldError
from gateway.journal.books.subscriptions import SUBSCRIPTION_LIMIT, Subscriptions
from tests.support.journal import (
    append_batch,
    make_chunk,
    make_settlement,
    settle_held,
)


async def settle(engine, batch_id, blocks=1, principal="default"):
    """Have one block of ten results a chunk."""
    chunks = [make_chunk(first * 10, first * 10 + 10) for first in range(blocks)]
    number = await append_batch(engine, batch_id, chunks, principal=principal)
    for chunk in range(blocks):
        await settle_held(engine, [make_settlement(number, chunk, [0, 10], first=chunk * 10)])


def unread(engine, principal="default"):
    return engine.statistics().unread_rows_by_principal[principal]


async def test_results_are_freed_when_the_last_named_reader_has_them(engine):
    await settle(engine, "b", 3)
    assert await engine.open_subscription("default", "a") == 0
    assert await engine.open_subscription("default", "b") == 0
    await engine.acknowledge_subscription("default", "a", 20)
    assert unread(engine) == 30
    await engine.acknowledge_subscription("default", "b", 10)
    assert unread(engine) == 20
    assert await engine.open_subscription("default", "a") == 20
    assert await engine.open_subscription("default", "b") == 10


async def test_an_acknowledgement_that_comes_late_changes_nothing(engine):
    await settle(engine, "b", 2)
    await engine.open_subscription("default", "a")
    await engine.acknowledge_subscription("default", "a", 20)
    await engine.acknowledge_subscription("default", "a", 10)
    assert await engine.open_subscription("default", "a") == 20


@pytest.mark.parametrize("engine_factory", ["sqlite"], indirect=True)
async def test_an_acknowledgement_that_changes_nothing_is_not_committed(engine):
    await settle(engine, "b", 2)
    await engine.open_subscription("default", "a")
    await engine.acknowledge_subscription("default", "a", 20)
    changes = []
    engine._state.writer.commit = changes.append
    engine._state.readers._commit = changes.append
    for cursor in (0, 10, 20):
        await engine.acknowledge_subscription("default", "a", cursor)
    assert not changes


async def test_readers_of_another_principal_count_for_themselves(engine):
    await settle(engine, "b")
    await settle(engine, "b", principal="alice")
    await engine.open_subscription("default", "a")
    await engine.open_subscription("alice", "a")
    await engine.acknowledge_subscription("alice", "a", 10)
    assert (unread(engine), unread(engine, "alice")) == (10, 0)


async def test_a_reader_that_is_closed_holds_nothing_back(engine):
    await settle(engine, "b", 2)
    for name in ("a", "b"):
        await engine.open_subscription("default", name)
    await engine.acknowledge_subscription("default", "a", 20)
    assert await engine.close_subscription("default", "b")
    assert unread(engine) == 0
    assert not await engine.close_subscription("default", "b")
    await engine.acknowledge_subscription("default", "b", 20)
    assert await engine.open_subscription("default", "b") == 0


async def test_the_last_reader_that_is_closed_frees_nothing(engine):
    await settle(engine, "b")
    await engine.open_subscription("default", "a")
    assert await engine.close_subscription("default", "a")
    assert unread(engine) == 10


async def test_nobody_acknowledges_what_is_not_there_yet(engine):
    await engine.open_subscription("default", "a")
    with pytest.raises(CursorTooOldError):
        await engine.acknowledge_subscription("default", "a", 5)
    assert await engine.open_subscription("default", "a") == 0


async def test_names_are_bounded_by_principal(engine):
    for number in range(SUBSCRIPTION_LIMIT):
        assert await engine.open_subscription("default", str(number)) == 0
    assert await engine.open_subscription("default", "one more") is None
    assert await engine.open_subscription("default", "0") == 0
    assert await engine.open_subscription("alice", "one more") == 0


async def test_readers_go_on_where_they_were_after_a_restart(engine_factory, request):
    if "memory" in request.node.callspec.id:
        pytest.skip("memory ends with its process")
    engine = engine_factory()
    await engine.recover()
    await engine.open_subscription("alice", "early")
    await settle(engine, "b", 3)
    for name in ("a", "b", "closed"):
        await engine.open_subscription("default", name)
    await engine.acknowledge_subscription("default", "a", 30)
    await engine.acknowledge_subscription("default", "b", 10)
    await engine.close_subscription("default", "closed")
    await engine.aclose()
    engine = engine_factory()
    await engine.recover()
    assert await engine.open_subscription("default", "a") == 30
    assert unread(engine) == 20
    await engine.acknowledge_subscription("default", "b", 20)
    assert unread(engine) == 10
    await engine.aclose()


def test_what_nobody_needs_is_what_all_have():
    subscriptions = Subscriptions()
    for name in ("a", "b"):
        subscriptions.put("p", name, 0)
    assert subscriptions.acknowledge("p", "a", 10) == 0
    assert subscriptions.acknowledge("p", "b", 7) == 7
    assert subscriptions.acknowledge("p", "b", 5) == 7
    assert subscriptions.drop("p", "b") == 10
    assert subscriptions.drop("p", "a") is None

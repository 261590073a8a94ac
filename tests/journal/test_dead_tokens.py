"""Suspected dead tokens: kept with their results, released late, and held while they are too many to be believed."""

import msgspec
import pytest

from gateway.journal import CursorTooOldError
from gateway.journal.books.dead_tokens import RELEASE_AFTER_MS, HeldDeadTokens
from gateway.journal.books.suspects import ALARM_INTERVAL_MS
from protocol.dead_tokens import DeadToken
from protocol.outcomes import Advice, Outcome
from protocol.reasons import Reason
from tests.support.journal import (
    START_MS,
    append_batch,
    make_chunk,
    make_dead,
    make_record,
    make_settlement,
    settle_held,
)

WEEK_MS = 7 * 86_400_000


def dead(batch, chunk, rows, *, first=0, at_ms=START_MS):
    """Return a settlement that calls rows dead, of a chunk whose row 0 is position ``first``."""
    block = make_settlement(batch, chunk, rows, first=first, outcome=Outcome.REJECTED, reason=Reason.DEAD_TOKEN)
    return msgspec.structs.replace(
        block,
        advice=Advice.DELETE_PENDING,
        provider_status=410,
        finished_at_ms=at_ms,
        destinations=[f"token of {given}" for given in block.ids],
    )


async def settle(engine, batch_id, rows, dead_rows, *, principal="default", app="shop", at_ms=START_MS):
    """Have a batch end, its first rows dead."""
    number = await append_batch(engine, batch_id, [make_chunk(0, rows)], principal=principal, app=app)
    blocks = [dead(number, 0, [0, dead_rows], at_ms=at_ms)] if dead_rows else []
    if dead_rows < rows:
        taken = make_settlement(number, 0, [dead_rows, rows])
        blocks.append(msgspec.structs.replace(taken, finished_at_ms=at_ms))
    await settle_held(engine, blocks)


async def read(engine, principal="default", cursor=0):
    return [(token.batch_id, token.index) for token in (await engine.dead_tokens.read(principal, cursor, 1000)).tokens]


async def test_a_suspect_is_released_a_minute_after_the_rejection_with_what_its_owner_needs(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 3)])
    block = dead(number, 0, [1, 3])
    await settle_held(engine, [msgspec.structs.replace(block, dead_since_ms=[START_MS - 5_000, None])])
    assert await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS - 1) == []
    assert await read(engine) == []
    await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS)
    page = await engine.dead_tokens.read("default", 0, 1000)
    assert page.tokens == [
        DeadToken(
            batch_id="b",
            index=index,
            id=f"n{index}",
            app="shop",
            provider="apns",
            destination=f"token of n{index}",
            dead_since=since,
        )
        for index, since in ((1, START_MS - 5_000), (2, START_MS))
    ]
    assert (await engine.dead_tokens.read("default", page.cursor, 1000)).tokens == []


async def arrive(engine, batch_id, dead_rows, *, rows=0):
    """Have a batch accepted of which the last rows were dead on arrival."""
    chunks = [make_chunk(0, rows)] if rows else []
    reservation = await engine.reserve("default", batch_id, b"fingerprint")
    return await engine.append(
        reservation, make_record(batch_id, rows), chunks, b"accepted", [make_dead(dead_rows, first=rows)]
    )


async def test_what_is_dead_on_arrival_is_released_like_any_other(engine):
    await arrive(engine, "b", 2, rows=3)
    await arrive(engine, "all", 1)
    await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS - 1)
    assert await read(engine) == []
    await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS)
    assert await read(engine) == [("b", 3), ("b", 4), ("all", 0)]
    page = await engine.dead_tokens.read("default", 0, 1)
    assert page.tokens[0] == DeadToken(
        batch_id="b",
        index=3,
        id="n3",
        app="shop",
        provider="webpush",
        destination="https://push.example/0",
        dead_since=START_MS - 5_000,
    )


async def test_what_is_dead_on_arrival_counts_against_being_believed(engine):
    await settle(engine, "b", 160, 0)
    await arrive(engine, "c", 39)
    assert await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS) == []
    assert len(await read(engine)) == 39
    await arrive(engine, "d", 2)
    (alarm,) = await engine.dead_tokens.release(START_MS + 2 * RELEASE_AFTER_MS)
    assert (alarm.held, alarm.recent_results, alarm.recent_dead) == (2, 201, 41)


async def test_results_do_not_keep_destinations(engine):
    await settle(engine, "b", 2, 1)
    entries = (await engine.feed("default", 0, 10)).entries
    assert [entry.settlement.destinations for entry in entries] == [None, None]


async def test_a_row_that_was_settled_before_gives_no_suspect(engine):
    number = await append_batch(engine, "b", [make_chunk(0, 3)])
    await settle_held(engine, [make_settlement(number, 0, [0, 2])])
    await settle_held(engine, [dead(number, 0, [0, 3])])
    await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS)
    assert await read(engine) == [("b", 2)]


async def test_each_principal_reads_its_own(engine):
    await settle(engine, "b", 5, 1)
    await settle(engine, "c", 5, 1, principal="alice")
    await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS)
    assert (await read(engine), await read(engine, "alice")) == ([("b", 0)], [("c", 0)])


async def test_pages_end_between_blocks_and_go_on_after_their_cursor(engine):
    for number in range(3):
        await settle(engine, f"b{number}", 20, 2)
    await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS)
    seen, cursor = [], 0
    while (page := await engine.dead_tokens.read("default", cursor, 3)).tokens:
        assert len(page.tokens) == 2
        seen += [token.batch_id for token in page.tokens]
        cursor = page.cursor
    assert seen == ["b0", "b0", "b1", "b1", "b2", "b2"]
    with pytest.raises(CursorTooOldError):
        await engine.dead_tokens.read("default", cursor + 1, 1)


async def test_more_dead_tokens_than_are_believable_are_held_and_somebody_is_told_once(engine):
    for number in range(4):
        await settle(engine, f"b{number}", 100, 50)
    (alarm,) = await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS)
    assert alarm == HeldDeadTokens(
        principal="default", app="shop", held=200, discarded=0, recent_results=400, recent_dead=200
    )
    assert await read(engine) == []
    await settle(engine, "more", 100, 50, at_ms=START_MS + RELEASE_AFTER_MS)
    assert await engine.dead_tokens.release(START_MS + 2 * RELEASE_AFTER_MS) == []
    assert await read(engine) == []


async def test_an_alarm_is_raised_again_while_it_lasts(engine):
    for at_ms in (START_MS, START_MS + ALARM_INTERVAL_MS):
        await settle(engine, str(at_ms), 300, 100, at_ms=at_ms)
        assert len(await engine.dead_tokens.release(at_ms + RELEASE_AFTER_MS)) == 1


async def test_a_share_that_is_usual_is_released(engine):
    for number in range(4):
        await settle(engine, f"b{number}", 100, 19)
    assert await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS) == []
    assert len(await read(engine)) == 76


async def test_an_app_out_of_the_ordinary_holds_up_no_other(engine):
    await settle(engine, "b", 300, 300)
    await settle(engine, "c", 300, 3, app="other")
    assert [held.app for held in await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS)] == ["shop"]
    assert await read(engine) == [("c", 0), ("c", 1), ("c", 2)]


async def test_held_suspects_stay_held_when_all_is_well_again_until_somebody_confirms_them(engine):
    await settle(engine, "b", 300, 300)
    await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS)
    later_ms = START_MS + 3_600_000
    await settle(engine, "c", 300, 3, at_ms=later_ms)
    await engine.dead_tokens.release(later_ms + RELEASE_AFTER_MS)
    assert await read(engine) == [("c", 0), ("c", 1), ("c", 2)]
    assert await engine.dead_tokens.confirm("alice", "shop", later_ms) == 0
    assert await engine.dead_tokens.confirm("default", "shop", later_ms) == 300
    assert await engine.dead_tokens.confirm("default", "shop", later_ms) == 0
    assert len(await read(engine)) == 303


async def test_suspects_are_kept_as_long_as_results_and_an_older_cursor_is_told(engine):
    await settle(engine, "b", 5, 1)
    await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS)
    later_ms = START_MS + WEEK_MS
    await settle(engine, "c", 5, 2, at_ms=later_ms)
    await engine.dead_tokens.release(later_ms + RELEASE_AFTER_MS)
    assert await read(engine) == [("c", 0), ("c", 1)]
    await settle(engine, "d", 5, 1, at_ms=later_ms + WEEK_MS)
    await engine.dead_tokens.release(later_ms + WEEK_MS + RELEASE_AFTER_MS)
    with pytest.raises(CursorTooOldError) as caught:
        await engine.dead_tokens.read("default", 1, 10)
    assert caught.value.oldest == 3


async def test_what_is_held_is_dropped_in_the_end(engine):
    await settle(engine, "b", 300, 300)
    await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS)
    await engine.dead_tokens.release(START_MS + WEEK_MS)
    assert await engine.dead_tokens.confirm("default", "shop", START_MS + WEEK_MS) == 0


async def test_everything_is_there_after_a_restart(engine_factory, request):
    if "memory" in request.node.callspec.id:
        pytest.skip("memory ends with its process")
    engine = engine_factory()
    await engine.recover()
    await settle(engine, "released", 10, 1)
    await settle(engine, "held", 300, 300, app="other")
    await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS)
    later_ms = START_MS + RELEASE_AFTER_MS
    await arrive(engine, "arrived", 1)
    await settle(engine, "waiting", 10, 1, at_ms=later_ms)
    await settle(engine, "many", 300, 300, app="third", at_ms=later_ms)
    await engine.aclose()
    engine = engine_factory()
    await engine.recover()
    assert await read(engine) == [("released", 0)]
    alarms = await engine.dead_tokens.release(later_ms + RELEASE_AFTER_MS)
    assert [(held.app, held.recent_results, held.recent_dead) for held in alarms] == [("third", 300, 300)]
    assert await read(engine) == [("released", 0), ("arrived", 0), ("waiting", 0)]
    assert await engine.dead_tokens.confirm("default", "other", later_ms) == 300
    await engine.aclose()


async def test_a_restart_does_not_make_the_extraordinary_believable_however_long_it_took(engine_factory, request):
    if "memory" in request.node.callspec.id:
        pytest.skip("memory ends with its process")
    engine = engine_factory()
    await engine.recover()
    for number in range(3):
        await settle(engine, f"b{number}", 100, 100)
    await engine.aclose()
    engine = engine_factory()
    await engine.recover()
    assert [held.held for held in await engine.dead_tokens.release(START_MS + 3_600_000)] == [300]
    assert await read(engine) == []
    await engine.aclose()


async def test_positions_go_on_after_a_restart_that_finds_the_feed_empty(engine_factory, request):
    if "memory" in request.node.callspec.id:
        pytest.skip("memory ends with its process")
    engine = engine_factory()
    await engine.recover()
    await settle(engine, "b", 5, 2)
    await engine.dead_tokens.release(START_MS + RELEASE_AFTER_MS)
    await engine.dead_tokens.release(START_MS + 2 * WEEK_MS)
    await engine.aclose()
    engine = engine_factory()
    await engine.recover()
    assert (await engine.dead_tokens.read("default", 2, 10)).cursor == 2
    await engine.aclose()

"""What the names of batches and their first answers cost, and what a caller hears when there is no room for more."""

import sqlite3
from contextlib import asynccontextmanager, closing
from functools import partial

import pytest

from gateway.journal.memory.engine import MemoryEngine
from gateway.journal.sqlite import SqliteEngine
from tests.support.door import make_send, open_door

ROOM_BYTES = 2000


@pytest.fixture(params=["memory", "sqlite"])
def open_small(request, tmp_path):
    """Return what opens a door whose engine keeps few names."""

    def make_engine(clock, **options):
        if request.param == "memory":
            return MemoryEngine(clock, **options)
        return SqliteEngine(tmp_path / "journal", clock, **options)

    @asynccontextmanager
    async def open_small(**options):
        async with open_door(make_engine=partial(make_engine, **options)) as opened:
            await opened.engine.recover()
            yield opened
            await opened.engine.aclose()

    return open_small


def bad_rows(count: int) -> dict[str, object]:
    return {"targets": [{"apns": {"token": "x"}}] * count}


async def test_without_room_a_new_name_is_refused_for_a_while_and_nothing_else(open_small):
    async with open_small(idempotency_bytes=ROOM_BYTES, idempotency_window_seconds=20.0) as opened:
        peer = await opened.greet()
        answers = []
        while (answer := await peer.ask(make_send(batch_id=f"b{len(answers)}")))["op"] == "accepted":
            answers.append(answer)
        assert 2 < len(answers) < 14
        assert answer["reason"] == "overloaded"
        assert "limit of 2000 bytes of batch ids" in answer["detail"]
        assert 1000 <= answer["retry_after_ms"] <= 22_000
        assert "credits" in answer
        for at, first in enumerate(answers):
            assert await peer.ask(make_send(batch_id=f"b{at}")) == first
        assert (await peer.ask(make_send(batch_id=None)))["op"] == "accepted"
        assert (await peer.ask({"op": "cancel", "batch_id": "b0"}))["cancelled"] == 1


async def test_a_caller_that_waits_for_hours_is_told_a_minute(open_small):
    async with open_small(idempotency_bytes=100) as opened:
        answer = await (await opened.greet()).ask(make_send())
        assert 1000 <= answer["retry_after_ms"] <= 2000
    async with open_small(idempotency_bytes=600) as opened:
        peer = await opened.greet()
        number = 0
        while (answer := await peer.ask(make_send(batch_id=f"b{number}")))["op"] == "accepted":
            number += 1
        assert 61_000 <= answer["retry_after_ms"] <= 62_000


async def test_ten_thousand_bad_rows_cost_what_one_does_and_are_told_again_in_full(open_small):
    async with open_small() as opened:
        peer = await opened.greet()
        first = await peer.ask(make_send(batch_id="b0", **bad_rows(10_000)))
        assert (first["accepted"], len(first["rejected"])) == (0, 10_000)
        for number in range(1, 10):
            await peer.ask(make_send(batch_id=f"b{number}", **bad_rows(10_000)))
        assert opened.engine.statistics().keys.counted_bytes < 10 * 600
        assert await peer.ask(make_send(batch_id="b0", **bad_rows(10_000))) == first


async def test_an_answer_that_cannot_be_read_any_more_is_no_new_batch(tmp_path):
    make_engine = partial(SqliteEngine, tmp_path / "journal")
    async with open_door(make_engine=make_engine) as opened:
        await opened.engine.recover()
        await (await opened.greet()).ask(make_send())
        await opened.engine.aclose()
    with closing(sqlite3.connect(tmp_path / "journal" / "journal.db")) as connection, connection:
        connection.execute("UPDATE batch SET answer = zeroblob(length(answer))")
    async with open_door(make_engine=make_engine) as opened:
        await opened.engine.recover()
        refusal = await (await opened.greet()).ask(make_send())
        assert (refusal["reason"], refusal["field"], refusal["batch_id"]) == ("journal_damaged", "batch_id", "b1")
        assert opened.engine.statistics().owed_rows == 1
        await opened.engine.aclose()

"""The caller against a real door, over memory where clocks jump and over sockets where they must be real."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from gateway.caller import (
    BatchRefusedError,
    ConnectError,
    ConnectionLostError,
    RefusedError,
    SocketCaller,
    open_caller,
    talk_over,
)
from gateway.config import ListenSettings
from protocol.results import expand
from tests.support.door import OpenDoor, RawPeer, open_door, settle_everything, unix
from tests.support.patience import HANG_SECONDS
from tests.support.sends import TOKEN

TARGET = {"apns": {"token": TOKEN}}


def make_batch(rows: int = 1, **fields: Any) -> dict[str, Any]:
    return {"app": "shop", "content": {"title": "Sale"}, "targets": [TARGET] * rows} | fields


@asynccontextmanager
async def connected(**limits: Any) -> AsyncIterator[tuple[SocketCaller, OpenDoor]]:
    async with open_door(**limits) as opened, talk_over(opened.connect().stream) as caller:
        yield caller, opened


@asynccontextmanager
async def scripted() -> AsyncIterator[tuple[SocketCaller, RawPeer]]:
    """Return a caller whose gateway is the test."""
    ours, gateway = await open_scripted()
    with trio.fail_after(HANG_SECONDS):
        async with talk_over(ours) as caller:
            yield caller, gateway
            await trio.aclose_forcefully(gateway.stream)


async def open_scripted() -> tuple[trio.abc.Stream, RawPeer]:
    """Return a stream to a gateway that is the test, and has said welcome."""
    ours, theirs = trio.testing.memory_stream_pair()
    gateway = RawPeer(theirs)
    credits_at_start = {"notifications": 10, "bytes": 10_000}
    limits = {"batch_notifications": 10, "batch_bytes": 1000, "frame_bytes": 1000}
    await gateway.say(
        {"op": "welcome", "version": 1, "limits": limits, "credits": credits_at_start, "features": [], "new": 1}
    )
    return ours, gateway


async def test_a_batch_is_answered_with_what_became_of_its_rows():
    async with connected() as (caller, opened):
        answer = await caller.send(make_batch(targets=[TARGET, {"apns": {"token": "zz"}}]))
        assert answer.accepted == 1
        assert [(row.index, row.reason) for row in answer.rejected] == [(1, "invalid_token")]
        assert opened.engine.statistics().owed_rows == 1


async def test_batches_are_pipelined_and_each_gets_its_own_answer():
    async with connected() as (caller, _), trio.open_nursery() as nursery:

        async def send(number: int) -> None:
            assert (await caller.send(make_batch(number, batch_id=f"b{number}"))).accepted == number

        for number in range(1, 40):
            nursery.start_soon(send, number)


async def test_a_caller_waits_for_credits_instead_of_being_refused():
    async with (
        connected(batch_notifications=10, connection_credit_notifications=10) as (caller, opened),
        trio.open_nursery() as nursery,
    ):
        for _ in range(30):
            nursery.start_soon(caller.send, make_batch(10))
    assert opened.engine.statistics().owed_rows == 300


async def test_a_refusal_is_raised_as_itself():
    async with open_door() as opened:
        with pytest.raises(BatchRefusedError, match="unknown_app at app") as refused:
            async with talk_over(opened.connect().stream) as caller:
                await caller.send(make_batch(app="other"))
    assert (refused.value.reason, refused.value.field, refused.value.retry_after_ms) == ("unknown_app", "app", None)


async def test_a_batch_over_the_limits_is_refused_before_it_waits_for_credits_for_ever():
    async with connected(batch_notifications=10) as (caller, _):
        with pytest.raises(BatchRefusedError, match="too_large"):
            await caller.send(make_batch(11))
        assert (await caller.send(make_batch(10))).accepted == 10


@pytest.mark.parametrize("batch_id", ["has space", "", "x" * 2000, 5])
async def test_a_batch_under_a_name_that_is_none_is_refused(batch_id: object):
    async with connected() as (caller, _):
        with trio.fail_after(HANG_SECONDS), pytest.raises(BatchRefusedError, match="malformed at batch_id"):
            await caller.send(make_batch(batch_id=batch_id))
        assert (await caller.send(make_batch(op="ping"))).accepted == 1


async def test_questions_that_the_gateway_could_not_read_are_refused_and_the_connection_goes_on():
    async with connected() as (caller, _):
        questions: list[tuple[Any, dict[str, Any]]] = [
            (caller.cancel, {"batch_id": "has space"}),
            (caller.cancel, {"batch_id": "b1", "indexes": [-1]}),
            (caller.cancel_key, {"app": "shop", "key": "x" * 1000}),
            (caller.subscribe, {"cursor": ""}),
            (caller.read_dead_tokens, {"cursor": "x" * 200}),
            (caller.unsubscribe, {"subscription": ""}),
            (caller.confirm_dead_tokens, {"app": ""}),
        ]
        for ask, arguments in questions:
            with trio.fail_after(HANG_SECONDS), pytest.raises(RefusedError, match="malformed at"):
                await ask(**arguments)
        assert (await caller.send(make_batch())).accepted == 1


async def test_an_answer_to_nothing_is_passed_over():
    async with scripted() as (caller, gateway), trio.open_nursery() as nursery:
        await gateway.say({"op": "pong"}, {"op": "cancelled", "cancelled": 1, "too_late": 0, "not_found": 0})
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(caller.ping)
        await trio.testing.wait_all_tasks_blocked()
        await gateway.say({"op": "pong"})


async def test_an_answer_to_a_batch_that_was_never_sent_is_passed_over():
    async with scripted() as (caller, gateway), trio.open_nursery() as nursery:
        await gateway.say({"op": "accepted", "batch_id": "a stranger's", "accepted": 1, "rejected": []})
        nursery.start_soon(caller.send, make_batch(1, batch_id="own"))
        await gateway.say({"op": "accepted", "batch_id": "own", "accepted": 1, "rejected": []})


async def test_credits_come_back_after_a_refusal_and_after_a_cancelled_send(autojump_clock: trio.testing.MockClock):
    async with scripted() as (caller, gateway):
        with trio.move_on_after(1):
            await caller.send(make_batch(10, batch_id="given-up"))
        await gateway.say({"op": "accepted", "batch_id": "given-up", "accepted": 10, "rejected": []})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller.send, make_batch(10, batch_id="next"))
            await gateway.say({"op": "accepted", "batch_id": "next", "accepted": 10, "rejected": []})


async def test_results_come_by_subscription_and_go_by_acknowledgement():
    async with connected() as (caller, opened):
        opened.nursery.start_soon(settle_everything, opened.engine)
        results = await caller.subscribe(subscription="backend")
        await caller.send(make_batch(250, batch_id="b1", labels=["x"]))
        seen = []
        async for page in results:
            seen += [result for block in page.blocks for result in expand(block)]
            results.acknowledge(page)
            if len(seen) == 250:
                break
        assert [result.index for result in seen] == list(range(250))
        assert {(result.batch_id, result.outcome, *result.labels) for result in seen} == {
            ("b1", "provider_accepted", "x")
        }
        await caller.ping()
        assert opened.engine.statistics().unread_rows == 0


async def test_the_last_acknowledgement_is_heard_before_the_connection_closes():
    async with open_door() as opened:
        opened.nursery.start_soon(settle_everything, opened.engine)
        async with talk_over(opened.connect().stream) as caller:
            results = await caller.subscribe(subscription="backend")
            await caller.send(make_batch())
            results.acknowledge(await anext(results))
        assert opened.engine.statistics().unread_rows == 0


async def test_a_subscription_that_is_refused_is_raised_and_another_may_follow():
    async with connected() as (caller, _):
        with pytest.raises(RefusedError, match="invalid_option at cursor"):
            await caller.subscribe(cursor="no cursor")
        await caller.subscribe()


async def test_results_that_are_gone_end_the_iteration_with_the_reason():
    async with connected() as (caller, _):
        results = await caller.subscribe(cursor="5")
        with pytest.raises(RefusedError, match="expired at cursor"):
            await anext(results)


async def test_what_is_not_sent_yet_can_be_cancelled():
    async with connected() as (caller, _):
        await caller.send(make_batch(10, batch_id="b1"))
        assert (await caller.cancel("b1", [0, 1])).cancelled == 2
        assert (await caller.cancel("b1", ids=["n2"])).not_found == 1
        assert (await caller.cancel("b1")).cancelled == 8
        assert (await caller.cancel("other")).not_found == 1
        assert (await caller.cancel_key("shop", "order-1")).not_found == 1


async def test_everybody_who_waits_hears_that_the_connection_is_lost():
    async with scripted() as (caller, gateway):
        results: list[str] = []

        async def expect_loss(wait: Any, *arguments: Any) -> None:
            with pytest.raises(ConnectionLostError):
                await wait(*arguments)
            results.append(wait.__name__)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_loss, caller.send, make_batch(10))
            nursery.start_soon(expect_loss, caller.send, make_batch(10))  # waits for credits
            nursery.start_soon(expect_loss, caller.ping)
            await trio.testing.wait_all_tasks_blocked()
            await trio.aclose_forcefully(gateway.stream)
        assert sorted(results) == ["ping", "send", "send"]
        await expect_loss(caller.send, make_batch())


async def test_who_still_waits_when_the_caller_is_closed_hears_of_it(autojump_clock: trio.testing.MockClock):
    ended: list[str] = []

    async def expect_loss(wait: Any, *arguments: Any) -> None:
        with pytest.raises(ConnectionLostError, match="this caller was closed"):
            await wait(*arguments)
        ended.append(wait.__name__)

    with trio.fail_after(HANG_SECONDS):
        stream, _ = await open_scripted()
        async with trio.open_nursery() as outer, talk_over(stream) as caller:
            outer.start_soon(expect_loss, caller.send, make_batch(10))
            outer.start_soon(expect_loss, caller.send, make_batch(10))  # waits for credits
            outer.start_soon(expect_loss, caller.subscribe)
            await trio.testing.wait_all_tasks_blocked()
        await expect_loss(caller.send, make_batch())
    assert sorted(ended) == ["send", "send", "send", "subscribe"]


async def test_a_lost_connection_names_the_gateways_last_words():
    async with scripted() as (caller, gateway):
        await gateway.say({"op": "error", "reason": "timeout", "detail": "a frame was not whole"})
        await trio.aclose_forcefully(gateway.stream)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ConnectionLostError, match="timeout: a frame was not whole"):
            await caller.send(make_batch())


async def test_a_drained_gateway_ends_results_plainly():
    async with connected() as (caller, opened):
        results = await caller.subscribe(subscription="backend")
        opened.door.begin_drain()
        with pytest.raises(BatchRefusedError, match="draining"):
            await caller.send(make_batch())
        assert caller.is_draining
        opened.door.end_when_idle()
        assert [page async for page in results] == []


async def test_a_gateways_ping_is_answered():
    async with scripted() as (_, gateway):
        assert (await gateway.get())["op"] == "hello"
        assert (await gateway.ask({"op": "ping"}))["op"] == "pong"


async def test_a_gateway_that_says_no_welcome_is_a_connect_error(autojump_clock: trio.testing.MockClock):
    ours, theirs = trio.testing.memory_stream_pair()
    with pytest.raises(ConnectError, match="no welcome"):
        async with talk_over(ours):
            pass
    await trio.aclose_forcefully(theirs)


async def test_addresses_that_do_not_answer_are_named(tmp_path: Path):
    with pytest.raises(ConnectError, match=r"none\.sock"):
        async with open_caller(f"unix:{tmp_path / 'none.sock'}"):
            pass
    with pytest.raises(ValueError, match="expected unix:/path or tcp:host:port"):
        async with open_caller("gateway:1234"):
            pass


async def test_over_a_unix_socket(tmp_path: Path):
    async with open_door(unix(tmp_path)) as opened, open_caller(opened.addresses[0]) as caller:
        assert (await caller.send(make_batch(10_000))).accepted == 10_000


async def test_over_tls_with_the_right_authority_only(tmp_path: Path):
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "door.pem")
    pem = str(tmp_path / "door.pem")
    listen = ListenSettings(socket=("tcp:localhost:0",), tls_certificate_file=pem, tls_key_file=pem)
    trusting, wary = ssl.create_default_context(), ssl.create_default_context()
    authority.configure_trust(trusting)
    async with open_door(listen) as opened:
        address = f"tcp:localhost:{opened.addresses[0].rpartition(':')[2]}"
        async with open_caller(address, tls=trusting) as caller:
            assert (await caller.send(make_batch(1000))).accepted == 1000
        with pytest.raises(ConnectError, match="certificate verify failed"):
            async with open_caller(address, tls=wary):
                pass

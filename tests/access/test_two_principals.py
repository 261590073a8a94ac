"""Two principals at one door: what is one's is not the other's to read, cancel, confirm or acknowledge."""

import trio
import trio.testing

from gateway.access import DEFAULT, Evidence, Principal
from gateway.delivery.lanes.dead_tokens import release_dead_tokens
from gateway.telemetry.listener import DeliveryListener
from protocol.outcomes import Advice, Outcome
from protocol.reasons import Reason
from tests.support.door import accepted_by, make_send, open_door, settle_everything

SUBSCRIBE = {"op": "subscribe"}


class InTurn:
    """Authenticates callers as principals in the order in which they say hello."""

    def __init__(self, *names: str) -> None:
        self._names = list(names)

    def authenticate(self, evidence: Evidence) -> Principal:
        name = self._names.pop(0)
        return Principal(name=name, stored_as=name)

    def is_reachable(self, stored_as: str) -> bool:
        return stored_as != DEFAULT.stored_as


def open_two_doors(**options):
    return open_door(authenticator=InTurn("shop", "news"), **options)


async def settle_all(opened):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(settle_everything, opened.engine)
        while opened.engine.statistics().owed_rows:
            await opened.engine.wait_change()
        nursery.cancel_scope.cancel()


async def test_the_same_batch_id_of_two_principals_is_two_batches():
    async with open_two_doors() as opened:
        shop, news = await opened.greet(), await opened.greet()
        first = await shop.ask(make_send(2))
        second = await news.ask(make_send(3))
        assert (first["accepted"], second["accepted"]) == (2, 3)
        assert opened.engine.statistics().owed_rows == 5
        again = await shop.ask(make_send(2))
        assert (again["accepted"], opened.engine.statistics().owed_rows) == (2, 5)


async def test_one_principal_can_not_cancel_what_is_the_others():
    async with open_two_doors() as opened:
        shop, news = await opened.greet(), await opened.greet()
        assert (await shop.ask(make_send(2, defaults={"cancel_keys": ["sale"]})))["accepted"] == 2
        for asked in (
            {"batch_id": "b1"},
            {"batch_id": "b1", "indexes": [0]},
            {"batch_id": "b1", "ids": ["n0"]},
            {"app": "shop", "cancel_key": "sale"},
        ):
            answer = await news.ask({"op": "cancel"} | asked)
            assert (answer["cancelled"], answer["too_late"]) == (0, 0), asked
        assert opened.engine.statistics().owed_rows == 2
        answer = await shop.ask({"op": "cancel", "app": "shop", "cancel_key": "sale"})
        assert answer["cancelled"] == 2


async def test_one_principal_reads_and_acknowledges_its_own_results_alone():
    async with open_two_doors() as opened:
        shop, news = await opened.greet(), await opened.greet()
        assert (await shop.ask(make_send(2)))["accepted"] == 2
        assert (await news.ask(make_send(3, batch_id="b2")))["accepted"] == 3
        await settle_all(opened)
        mine = await news.ask(SUBSCRIBE | {"subscription": "worker"})
        assert [block["batch_id"] for block in mine["blocks"]] == ["b2"]
        await news.say({"op": "ack", "cursor": mine["cursor"]})
        assert (await news.ask({"op": "ping"}))["op"] == "pong"
        assert opened.engine.statistics().unread_rows_by_principal == {"shop": 2, "news": 0}
        # The name is shop's to use for itself, from its own oldest result on.
        theirs = await shop.ask(SUBSCRIBE | {"subscription": "worker"})
        assert [block["batch_id"] for block in theirs["blocks"]] == ["b1"]


async def test_one_principal_can_not_end_the_others_subscription():
    async with open_two_doors() as opened:
        shop, news = await opened.greet(), await opened.greet()
        await shop.say(SUBSCRIBE | {"subscription": "worker"})
        assert (await shop.ask({"op": "ping"}))["op"] == "pong"
        refusal = await news.ask({"op": "unsubscribe", "subscription": "worker"})
        assert refusal["reason"] == "invalid_option"


async def test_the_backlog_of_one_principal_does_not_refuse_the_other(autojump_clock: trio.testing.MockClock):
    async with open_two_doors(unread_results=5, batch_notifications=5, admission_wait_seconds=1) as opened:
        shop, news = await opened.greet(), await opened.greet()
        assert (await shop.ask(make_send(5)))["accepted"] == 5
        await settle_all(opened)
        assert (await shop.ask(make_send(1, batch_id="b2")))["reason"] == "results_backlog"
        assert (await news.ask(make_send(5)))["accepted"] == 5


async def test_one_principal_neither_reads_nor_confirms_the_others_dead_tokens(autojump_clock: trio.testing.MockClock):
    async with open_two_doors() as opened:
        opened.nursery.start_soon(release_dead_tokens, opened.engine, opened.clock, DeliveryListener())
        shop, news = await opened.greet(), await opened.greet()
        assert (await shop.ask(make_send(1)))["accepted"] == 1
        (ref,) = await opened.engine.lease(1)
        block = accepted_by(
            "apns",
            ref,
            ids=["n0"],
            outcome=Outcome.REJECTED,
            reason=Reason.DEAD_TOKEN,
            advice=Advice.DELETE_PENDING,
            finished_at_ms=int(opened.clock.wall() * 1000),
            destinations=["00"],
        )
        await opened.engine.settle(ref.lease.id, [block])
        answer = await news.ask({"op": "confirm_dead_tokens", "app": "shop"})
        assert (answer["op"], answer["tokens"]) == ("confirmed", 0)
        await news.say(SUBSCRIBE | {"feed": "dead_tokens"})
        told = await shop.ask(SUBSCRIBE | {"feed": "dead_tokens"})
        assert [token["index"] for token in told["tokens"]] == [0]
        assert (await news.ask({"op": "ping"}))["op"] == "pong"

"""Trying again, from caller to the three providers and back: what each attempt says, and what survives a SIGKILL."""

import signal
from collections import Counter, defaultdict

import pytest
import trio

from bench.simulators.apns import ApnsAnswerEvent, ApnsScenario, ApnsSimulatorOptions, open_apns_simulator
from bench.simulators.fcm import FcmAnswerEvent, FcmScenario, FcmSimulatorOptions, open_fcm_simulator
from bench.simulators.webpush import (
    WebPushAnswerEvent,
    WebPushScenario,
    WebPushSimulatorOptions,
    open_webpush_simulator,
)
from gateway.caller import CallerError, open_caller
from protocol.results import Result, expand
from tests.support.clocks import LeapingClock
from tests.support.gateway import (
    Shop,
    alert_batch,
    device_tokens,
    fcm_sections,
    open_shop,
    start_gateway,
    webpush_sections,
)
from tests.support.patience import HANG_SECONDS

TWICE = {("provider_accepted", 2, 0)}
CONTENT = {"title": "Sale", "body": "20 % off today"}


def ends(results: list[Result]) -> set[tuple[str, int, int]]:
    return {(result.outcome, result.attempts, result.uncertain_attempts) for result in results}


async def test_apns_attempts_share_id_and_body(tmp_path):
    busy = ApnsAnswerEvent(every=1, times=20, status=503, reason="ServiceUnavailable")
    options = ApnsSimulatorOptions(scenario=ApnsScenario(events=(busy,)))
    async with open_apns_simulator(options) as simulator, open_shop(tmp_path, simulator) as shop:
        await shop.send(alert_batch(device_tokens(20), defaults={"collapse": "sale"}))
        results = await shop.read_results(20)
        attempts = defaultdict(set)
        for entry in simulator.ledger.entries:
            attempts[entry.destination].add((entry.apns_id, entry.body_sha256))
    assert ends(results) == TWICE
    assert len(simulator.ledger.entries) == 40
    assert {len(alike) for alike in attempts.values()} == {1}
    assert {result.provider_id for result in results} == {apns_id for ((apns_id, _),) in attempts.values()}


async def pass_time(shop: Shop, clock: LeapingClock, rows: int) -> None:
    """Let ten minutes go by once ``rows`` wait for their next attempt."""
    while shop.gateway.statistics().engine.scheduled_rows < rows:
        await shop.caller.ping()
    clock.leap(600.0)


async def test_each_fcm_attempt_has_the_time_that_is_left(tmp_path):
    clock = LeapingClock()
    busy = FcmAnswerEvent(every=1, times=10, status=503)
    options = FcmSimulatorOptions(scenario=FcmScenario(events=(busy,)))
    targets = [{"fcm": {"token": f"registration:{number}"}} for number in range(11)]
    batch = {"app": "shop", "content": CONTENT, "defaults": {"ttl": 10_000, "collapse": "sale"}}
    async with (
        open_fcm_simulator(options) as fcm,
        open_shop(tmp_path, None, clock=clock, **fcm_sections(fcm)) as shop,
    ):
        await shop.send(batch | {"targets": targets[:10]})
        await pass_time(shop, clock, 10)
        # What comes anew has the engine look at the clock again.
        await shop.send(batch | {"targets": targets[10:]})
        results = await shop.read_results(11)
        attempts = defaultdict(list)
        for entry in fcm.ledger.entries:
            attempts[entry.destination].append(entry)
    assert ends(results) == TWICE | {("provider_accepted", 1, 0)}
    again = [entries for entries in attempts.values() if len(entries) == 2]
    assert len(again) == 10
    for first, second in again:
        # The ttl stands in the body, and nothing else of it may change.
        assert first.body_sha256 != second.body_sha256
        assert first.message_sha256 == second.message_sha256


@pytest.mark.parametrize("service", ["mozilla", "wns", "other"])
async def test_each_web_push_attempt_has_the_time_that_is_left_and_the_same_topic(tmp_path, service):
    clock = LeapingClock()
    busy = WebPushAnswerEvent(every=1, times=10, status=503)
    options = WebPushSimulatorOptions(scenario=WebPushScenario(events=(busy,)))
    async with (
        open_webpush_simulator(options) as push,
        open_shop(tmp_path, None, clock=clock, **webpush_sections(push)) as shop,
    ):
        lines = [push.make_subscription(service, number) for number in range(11)]
        targets = [{"webpush": {**line["subscription"], "vapid_key": line["vapid_key"]}} for line in lines]
        batch = {"app": "shop", "payload_json": b"{}", "defaults": {"ttl": 10_000, "collapse": "sale"}}
        await shop.send(batch | {"targets": targets[:10]})
        await pass_time(shop, clock, 10)
        await shop.send(batch | {"targets": targets[10:]})
        results = await shop.read_results(11)
        attempts = defaultdict(list)
        for entry in push.ledger.entries:
            attempts[entry.destination].append(entry)
    assert ends(results) == TWICE | {("provider_accepted", 1, 0)}
    again = [entries for entries in attempts.values() if len(entries) == 2]
    assert len(again) == 10
    for first, second in again:
        assert first.ttl - second.ttl in range(599, 640)
        assert first.topic == second.topic
        assert first.body_sha256 == second.body_sha256
        assert second.decryption is None


@pytest.mark.long
async def test_the_count_of_attempts_survives_a_kill_between_two_of_them(tmp_path):
    busy = ApnsAnswerEvent(every=1, times=50, status=503, reason="ServiceUnavailable", retry_after="3")
    options = ApnsSimulatorOptions(scenario=ApnsScenario(events=(busy,)))
    address = f"unix:{tmp_path / 'gateway.sock'}"
    async with open_apns_simulator(options) as simulator, trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + HANG_SECONDS
        try:
            async with start_gateway(tmp_path, simulator) as child, open_caller(address) as caller:
                await caller.send(alert_batch(device_tokens(50)))
                while len(simulator.ledger.entries) < 50:
                    await caller.ping()
                await trio.sleep(0.5)  # what came of them is committed within milliseconds
                child.send_signal(signal.SIGKILL)
                await child.wait()
        except CallerError:
            pass  # the gateway went away under it, which is the point
        results: list[Result] = []
        async with start_gateway(tmp_path, simulator), open_caller(address) as caller:
            pages = await caller.subscribe()
            while len(results) < 50:
                results += (result for block in (await anext(pages)).blocks for result in expand(block))
        moments = defaultdict(list)
        for entry in simulator.ledger.entries:
            moments[entry.destination].append(entry.at)
    assert not nursery.cancel_scope.cancelled_caught
    # A row that fell due while the gateway was dead may have been sent just before it died: that counts as an attempt.
    assert ends(results) <= TWICE | {("provider_accepted", 3, 1)}
    assert Counter(result.index for result in results) == Counter(range(50))
    assert min(second - first for first, second in moments.values()) >= 3000, "the restart forgot the Retry-After"

"""From a caller's batch to browsers and back: four services with their habits, and one that has no HTTP/2."""

import hashlib
from collections import Counter

import pytest
import trio
from structlog.testing import capture_logs

from bench.simulators.server import GoawayEvent, Latency, SilenceEvent
from bench.simulators.webpush import (
    WebPushAnswerEvent,
    WebPushScenario,
    WebPushSimulatorOptions,
    open_webpush_simulator,
)
from tests.support.connects import recording_connects
from tests.support.gateway import open_shop, webpush_sections

SERVICES = ("mozilla", "fcm", "apple", "wns", "other")
PAYLOAD = b'{"hello": "browser"}'
MISMATCH = "subscription_key_mismatch"


def target_of(line, **more):
    return {"webpush": {**line["subscription"], "vapid_key": line["vapid_key"], **more}}


def push_batch(targets, **fields):
    return {"app": "shop", "payload_json": PAYLOAD, "targets": targets} | fields


def targets_of(simulator, count, services=SERVICES):
    return [
        target_of(simulator.make_subscription(services[number % len(services)], number // len(services)))
        for number in range(count)
    ]


def answering(*events, **scenario):
    return WebPushSimulatorOptions(scenario=WebPushScenario(events=events, **scenario))


async def test_every_browser_reads_its_message_whatever_its_service_and_key(tmp_path):
    async with open_webpush_simulator() as simulator, open_shop(tmp_path, None, **webpush_sections(simulator)) as shop:
        accepted = await shop.send(push_batch(targets_of(simulator, 500)))
        results = await shop.read_results(500)
        statistics = simulator.statistics()
    assert (accepted.accepted, accepted.rejected) == (500, [])
    assert sorted(result.index for result in results) == list(range(500))
    assert {(r.outcome, r.provider, r.provider_status, r.attempts, r.provider_id) for r in results} == {
        ("provider_accepted", "webpush", 201, 1, None)
    }
    entries = simulator.ledger.entries
    assert Counter(entry.service for entry in entries) == dict.fromkeys(SERVICES, 100)
    assert Counter(entry.vapid_key for entry in entries) == {"first": 250, "second": 250}
    assert {(entry.body_sha256, entry.decryption) for entry in entries} == {(hashlib.sha256(PAYLOAD).hexdigest(), None)}
    assert len({entry.destination for entry in entries}) == 500
    # One token a key and origin, for all that were sent.
    assert set(statistics.tokens.values()) == {1}
    assert len(statistics.tokens) == 10


async def test_the_time_that_is_left_the_urgency_and_the_topic_are_told(tmp_path):
    async with open_webpush_simulator() as simulator, open_shop(tmp_path, None, **webpush_sections(simulator)) as shop:
        wishes = {"ttl": 600, "webpush": {"urgency": "high", "topic": "sale"}}
        await shop.send(push_batch(targets_of(simulator, 10), defaults=wishes))
        await shop.read_results(10)
    told = {(entry.urgency, entry.topic, entry.content_type) for entry in simulator.ledger.entries}
    assert told == {("high", "sale", "application/octet-stream")}
    assert all(590 <= entry.ttl <= 600 for entry in simulator.ledger.entries)


async def test_one_try_is_told_to_each_service_in_the_way_that_it_takes(tmp_path):
    async with open_webpush_simulator() as simulator, open_shop(tmp_path, None, **webpush_sections(simulator)) as shop:
        await shop.send(push_batch(targets_of(simulator, 10), defaults={"ttl": 0}))
        results = await shop.read_results(10)
    assert {result.outcome for result in results} == {"provider_accepted"}
    assert {(entry.service, entry.ttl) for entry in simulator.ledger.entries} == {
        (service, 1 if service == "apple" else 0) for service in SERVICES
    }


async def test_locations_come_back_where_the_app_keeps_them(tmp_path):
    async with open_webpush_simulator() as simulator:
        sections = webpush_sections(simulator, keep_locations=True)
        async with open_shop(tmp_path, None, **sections) as shop:
            targets = targets_of(simulator, 50)
            await shop.send(push_batch(targets))
            results = await shop.read_results(50)
        paths = ["/" + target["webpush"]["endpoint"].split("/", maxsplit=3)[3] for target in targets]
        locations = {entry.destination: entry.location for entry in simulator.ledger.entries}
    assert {paths[result.index]: result.provider_id for result in results} == locations
    assert len(set(locations.values())) == 50


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ("mozilla", MISMATCH),
        ("fcm", MISMATCH),
        ("apple", MISMATCH),
        ("wns", "bad_credentials"),
        ("other", "bad_credentials"),
    ],
)
async def test_a_subscription_of_another_key_is_refused_alone_and_stops_no_other(tmp_path, service, reason):
    async with open_webpush_simulator() as simulator, open_shop(tmp_path, None, **webpush_sections(simulator)) as shop:
        targets = targets_of(simulator, 10, (service,))
        wrong = {"first": "second", "second": "first"}[targets[3]["webpush"]["vapid_key"]]
        targets[3]["webpush"]["vapid_key"] = wrong
        await shop.send(push_batch(targets))
        results = {result.index: result for result in await shop.read_results(10)}
    refused = results.pop(3)
    assert (refused.outcome, refused.reason) == ("rejected", reason)
    assert {result.outcome for result in results.values()} == {"provider_accepted"}


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_is_gone_is_dead(tmp_path, status):
    options = answering(WebPushAnswerEvent(every=2, status=status))
    async with (
        open_webpush_simulator(options) as simulator,
        open_shop(tmp_path, None, **webpush_sections(simulator)) as shop,
    ):
        await shop.send(push_batch(targets_of(simulator, 20)))
        results = await shop.read_results(20)
    assert Counter((result.outcome, result.reason) for result in results) == {
        ("provider_accepted", None): 10,
        ("rejected", "dead_token"): 10,
    }
    assert {result.advice for result in results if result.reason} == {"delete_pending"}


async def test_what_wns_drops_is_not_accepted_although_it_says_201(tmp_path):
    options = answering(WebPushAnswerEvent(at_request=2, status=201, reason="dropped"))
    async with (
        open_webpush_simulator(options) as simulator,
        open_shop(tmp_path, None, **webpush_sections(simulator)) as shop,
    ):
        await shop.send(push_batch(targets_of(simulator, 5, ("wns",)), defaults={"ttl": 0}))
        results = await shop.read_results(5)
    (dropped,) = [result for result in results if result.outcome != "provider_accepted"]
    assert (dropped.provider_status, dropped.provider_reason) == (201, "dropped")


async def test_no_redirect_is_followed(tmp_path):
    inside = WebPushAnswerEvent(every=1, status=301, headers={"location": "https://127.0.0.77:9/inside"})
    async with (
        open_webpush_simulator(answering(inside)) as simulator,
        open_shop(tmp_path, None, **webpush_sections(simulator)) as shop,
    ):
        with recording_connects() as connects:
            await shop.send(push_batch(targets_of(simulator, 5)))
            results = await shop.read_results(5)
    assert {(result.outcome, result.provider_status) for result in results} == {("rejected", 301)}
    assert "127.0.0.77" not in connects


async def test_an_origin_whose_address_is_not_allowed_is_never_connected_to(tmp_path):
    origins = len(SERVICES)
    async with open_webpush_simulator() as simulator:
        sections = webpush_sections(simulator)
        sections["webpush"]["allowed_networks"] = []
        async with open_shop(tmp_path, None, **sections) as shop:
            with recording_connects() as connects, capture_logs() as log:
                await shop.send(push_batch(targets_of(simulator, 2 * origins)))
                while len(failed := [entry for entry in log if entry["event"] == "session_failed"]) < origins:  # noqa: ASYNC110 - a log sets no event
                    await trio.sleep(0.01)
                await trio.sleep(3)  # in which each is tried again, and fails again
            failed = [entry for entry in log if entry["event"] == "session_failed"]
    assert len(failed) == origins, "told once when it begins to fail"
    assert connects == []
    assert all("may be connected to" in entry["error"] for entry in failed)
    assert simulator.ledger.entries == []


# The origin without HTTP/2


async def test_over_http_1_1_connections_are_kept_and_more_are_opened_while_all_are_busy(tmp_path):
    options = answering(latency=Latency(distribution="fixed", seconds=0.02))
    async with open_webpush_simulator(options) as simulator:
        async with open_shop(tmp_path, None, **webpush_sections(simulator)) as shop:
            await shop.send(push_batch(targets_of(simulator, 150, ("other",))))
            results = await shop.read_results(150)
        connections = simulator.statistics().connections
    assert {result.outcome for result in results} == {"provider_accepted"}
    assert 2 <= connections <= 4


async def test_over_http_1_1_a_connection_that_closes_costs_no_message(tmp_path):
    options = answering(GoawayEvent(at_connection_request=3))
    async with (
        open_webpush_simulator(options) as simulator,
        open_shop(tmp_path, None, **webpush_sections(simulator)) as shop,
    ):
        await shop.send(push_batch(targets_of(simulator, 7, ("other",))))
        results = await shop.read_results(7)
    assert {(result.outcome, result.attempts) for result in results} == {("provider_accepted", 1)}
    assert simulator.statistics().connections == 3


async def test_over_http_1_1_a_request_without_an_answer_is_unknown_to_who_asked_to_be_told(tmp_path):
    options = answering(SilenceEvent(at_request=2))
    async with open_webpush_simulator(options) as simulator:
        sections = webpush_sections(simulator)
        sections["webpush"]["stream_timeout_seconds"] = 0.5
        async with open_shop(tmp_path, None, **sections) as shop:
            await shop.send(push_batch(targets_of(simulator, 4, ("other",)), defaults={"on_unknown": "report"}))
            results = await shop.read_results(4)
    assert Counter((result.outcome, result.reason) for result in results) == {
        ("provider_accepted", None): 3,
        ("unknown", "timeout"): 1,
    }

"""From a caller's batch to FCM and back: tokens, names, topics, quota, every answer in our words."""

from collections import Counter

import pytest

from bench.simulators.fcm import (
    ExchangeEvent,
    FcmAnswerEvent,
    FcmScenario,
    FcmSimulatorOptions,
    open_fcm_simulator,
)
from bench.simulators.server import Latency, ResetEvent
from tests.support.gateway import fcm_sections, open_shop

CONTENT = {"title": "Sale", "body": "20 % off today"}


def registration_tokens(count, *, prefix="registration-token"):
    return [f"{prefix}-of-a-usual-length:{number}" for number in range(count)]


def message_batch(tokens, **fields):
    return {"app": "shop", "content": CONTENT, "targets": [{"fcm": {"token": token}} for token in tokens]} | fields


def answering(*events, exchanges=()):
    return FcmSimulatorOptions(scenario=FcmScenario(events=events, exchanges=exchanges))


async def test_every_message_arrives_once_with_one_exchange_for_all(tmp_path):
    tokens = registration_tokens(2000)
    async with open_fcm_simulator() as fcm, open_shop(tmp_path, None, **fcm_sections(fcm)) as shop:
        accepted = await shop.send(message_batch(tokens))
        results = await shop.read_results(2000)
        assert fcm.exchanges == 1
    assert accepted.accepted == 2000
    assert Counter(entry.destination for entry in fcm.ledger.entries) == Counter(tokens)
    assert {(result.outcome, result.provider, result.provider_status, result.provider_id) for result in results} == {
        ("provider_accepted", "fcm", 200, None)
    }


async def test_names_come_back_where_the_app_keeps_them(tmp_path):
    async with open_fcm_simulator() as fcm:
        async with open_shop(tmp_path, None, **fcm_sections(fcm, keep_message_names=True)) as shop:
            await shop.send(message_batch(registration_tokens(50)))
            results = await shop.read_results(50)
        names = {entry.destination: entry.message_id for entry in fcm.ledger.entries}
    tokens = registration_tokens(50)
    assert {tokens[result.index]: result.provider_id for result in results} == names
    assert len(set(names.values())) == 50


async def test_messages_that_are_only_checked_have_results_and_reach_nobody(tmp_path):
    async with open_fcm_simulator() as fcm:
        async with open_shop(tmp_path, None, **fcm_sections(fcm, keep_message_names=True)) as shop:
            await shop.send(message_batch(registration_tokens(20), defaults={"fcm": {"validate_only": True}}))
            results = await shop.read_results(20)
        assert {entry.validate_only for entry in fcm.ledger.entries} == {True}
    assert {result.outcome for result in results} == {"provider_accepted"}
    assert {result.provider_id.rpartition("/")[2] for result in results} == {"fake_message_id"}


async def test_a_token_that_fcm_refuses_is_replaced_once_and_nothing_is_lost(tmp_path):
    # A token that is refused within its first minute would hold the lane: let this one be older than it is.
    async with open_fcm_simulator() as fcm, open_shop(tmp_path, None, **fcm_sections(fcm)) as shop:
        await shop.send(message_batch(registration_tokens(10)))
        await shop.read_results(10)
        shop.gateway._credentials.fcm["shop"].source._taken_at -= 120.0
        fcm.revoke_tokens()
        await shop.send(message_batch(registration_tokens(300, prefix="second")))
        results = await shop.read_results(300)
        assert fcm.exchanges == 2
    assert {result.outcome for result in results} == {"provider_accepted"}
    # Those in flight with the old token are repeated once each, and none twice.
    assert {result.attempts for result in results} <= {1, 2}


async def test_topics_and_conditions_go_one_at_a_time(tmp_path):
    latency = Latency(distribution="fixed", seconds=0.02)
    options = FcmSimulatorOptions(scenario=FcmScenario(latency=latency), most_fan_outs=1, fan_out_seconds=0.01)
    targets = [{"fcm": {"topic": f"news-{number}"}} for number in range(10)]
    targets += [{"fcm": {"condition": f"'a{number}' in topics && 'b' in topics"}} for number in range(10)]
    async with open_fcm_simulator(options) as fcm, open_shop(tmp_path, None, **fcm_sections(fcm)) as shop:
        await shop.send({"app": "shop", "content": CONTENT, "targets": targets})
        results = await shop.read_results(20)
    assert {result.outcome for result in results} == {"provider_accepted"}
    assert len(fcm.ledger.entries) == 20


ANSWERS = [
    (FcmAnswerEvent(reason="UNREGISTERED", share=1.0), "rejected", "dead_token", "delete_pending"),
    (FcmAnswerEvent(reason="SENDER_ID_MISMATCH", share=1.0), "rejected", "wrong_app", "fix_target"),
    (
        FcmAnswerEvent(reason="INVALID_ARGUMENT", fields=("message.token",), share=1.0),
        "rejected",
        "invalid_token",
        "fix_target",
    ),
    (
        FcmAnswerEvent(reason="INVALID_ARGUMENT", apns_status=410, apns_reason="Unregistered", share=1.0),
        "rejected",
        "dead_token",
        "delete_pending",
    ),
    (FcmAnswerEvent(reason="QUOTA_EXCEEDED", quota="project", share=1.0), "failed", "rate_limited", "retry_later"),
    (FcmAnswerEvent(status=502, html=True, share=1.0), "failed", "provider_error", "retry_later"),
    (FcmAnswerEvent(reason="NOT_FOUND", share=1.0), "rejected", "bad_credentials", "fix_credentials"),
]


@pytest.mark.parametrize(("event", "outcome", "reason", "advice"), ANSWERS, ids=lambda value: str(value)[:40])
async def test_answers_come_back_in_our_words(tmp_path, event, outcome, reason, advice):
    async with open_fcm_simulator(answering(event)) as fcm, open_shop(tmp_path, None, **fcm_sections(fcm)) as shop:
        # One try each: what may go better next time would else be tried again.
        await shop.send(message_batch(registration_tokens(5)) | {"defaults": {"ttl": 0}})
        results = await shop.read_results(5)
    assert {(result.outcome, result.reason, result.advice) for result in results} == {(outcome, reason, advice)}


async def test_refused_streams_are_sent_again_and_count_for_nothing(tmp_path):
    refusing = ResetEvent(code="REFUSED_STREAM", every=10)
    async with open_fcm_simulator(answering(refusing)) as fcm, open_shop(tmp_path, None, **fcm_sections(fcm)) as shop:
        await shop.send(message_batch(registration_tokens(500)))
        results = await shop.read_results(500)
    assert {(result.outcome, result.attempts) for result in results} == {("provider_accepted", 1)}
    processed = Counter(entry.destination for entry in fcm.ledger.entries if entry.processed)
    assert set(processed.values()) == {1}
    assert len(processed) == 500


async def test_a_gateway_waits_for_its_first_token_and_sends_when_it_has_one(tmp_path):
    failing = ExchangeEvent(at_exchange=1, status=503)
    options = answering(exchanges=(failing,))
    async with open_fcm_simulator(options) as fcm, open_shop(tmp_path, None, **fcm_sections(fcm)) as shop:
        await shop.send(message_batch(registration_tokens(20)))
        results = await shop.read_results(20)
        assert fcm.exchanges == 2
    assert {result.outcome for result in results} == {"provider_accepted"}

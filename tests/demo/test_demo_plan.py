"""What the demo sends: to whom, what it says, and what the gateway must make of it."""

import hashlib
import json
from collections import Counter

import pytest

from bench.demo.caller import SENDERS
from bench.demo.plan import (
    BatchPlan,
    PlannedNotification,
    cut_last_act,
    plan_batches,
    plan_last_act,
    share_out,
    write_request,
)
from bench.demo.plan.batches import LEAST_BATCHES_OF_PART, MOST_FAN_OUT_TARGETS
from bench.judging.history import Kind, ProviderName
from bench.simulators.fcm import hash_message
from protocol.preparation import Rejection
from tests.support.demo_plans import app_facts, make_batches, make_subscriptions, notifications_of
from tests.support.fcm_requests import request_of
from tests.support.sends import prepare

COUNT = 12_000
SHARE = COUNT // 3


@pytest.fixture(scope="module")
def batches() -> list[BatchPlan]:
    return make_batches(COUNT)


@pytest.fixture(scope="module")
def notifications(batches: list[BatchPlan]) -> list[PlannedNotification]:
    return notifications_of(batches)


def own_payloads(notifications: list[PlannedNotification], provider: ProviderName, field: str) -> list[bytes]:
    return [
        each.body.fields[field] for each in notifications if each.provider is provider and field in each.body.fields
    ]


def test_the_same_seed_plans_the_same_for_the_same_subscriptions():
    few = make_batches(COUNT // 10)
    assert make_batches(COUNT // 10) == few
    assert make_batches(COUNT // 10, seed=2) != few


def test_every_provider_gets_a_third(notifications: list[PlannedNotification]):
    assert Counter(each.provider for each in notifications) == share_out(COUNT)
    assert set(share_out(COUNT).values()) == {SHARE}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 1000])
def test_shares_are_those_of_the_plan(count: int):
    planned = Counter(
        each.provider for each in notifications_of(list(plan_batches(count, 1, 7, make_subscriptions(count))))
    )
    assert {name: planned[name] for name in ProviderName} == share_out(count)


def test_destinations_and_ids_are_unique(notifications: list[PlannedNotification]):
    assert len({(each.provider, each.address.destination) for each in notifications}) == COUNT
    assert len({each.id for each in notifications}) == COUNT


@pytest.mark.parametrize("provider", ProviderName)
def test_one_in_a_hundred_is_dead_and_one_in_two_hundred_malformed(
    notifications: list[PlannedNotification], provider: ProviderName
):
    kinds = Counter(each.address.kind for each in notifications if each.provider is provider)
    assert kinds[Kind.MALFORMED] == SHARE // 200
    # Which subscriptions are dead is left to their paths.
    assert kinds[Kind.DEAD] == pytest.approx(SHARE // 100, rel=0.5 if provider is ProviderName.WEBPUSH else 0)


# --- batches ---


def test_every_batch_mixes_the_providers(batches: list[BatchPlan]):
    for batch in batches:
        shares = Counter(each.provider for each in batch.notifications)
        assert max(shares.values()) - min(shares[name] for name in ProviderName) <= 1


def test_one_batch_is_a_fan_out_of_one_content_to_a_third_of_all(batches: list[BatchPlan]):
    (fan_out,) = [batch for batch in batches if batch.content is not None]
    assert len(fan_out.notifications) == COUNT // 3
    assert not any(each.body.fields for each in fan_out.notifications)
    assert all(each.body.fields for batch in batches if batch is not fan_out for each in batch.notifications)


def test_no_fan_out_is_larger_than_a_batch_may_be():
    batches = plan_batches(31_000, 1, 500, make_subscriptions(31_000 // 3 + 1))
    assert max(len(batch.notifications) for batch in batches) == MOST_FAN_OUT_TARGETS


def test_batches_have_names_of_their_own(batches: list[BatchPlan]):
    assert len({batch.batch_id for batch in batches}) == len(batches)


# --- the last act ---


def make_last_act(sizes: list[int], batch_size: int = 500) -> list[list[BatchPlan]]:
    return list(plan_last_act(sizes, 1, batch_size, make_subscriptions(sum(sizes))))


@pytest.mark.parametrize(("count", "kills"), [(10_000, 3), (300, 3), (7, 2), (5, 0), (4, 3)])
def test_the_last_act_has_a_part_more_than_kills(count: int, kills: int):
    sizes = cut_last_act(count, kills)
    assert (len(sizes), sum(sizes)) == ((kills + 1, count) if kills else (0, 0))
    assert not sizes or max(sizes) - min(sizes) <= 1 <= min(sizes)


def test_each_part_of_the_last_act_has_more_batches_than_the_caller_has_senders():
    for part, size in zip(make_last_act([2_500, 75, 2_500]), [2_500, 75, 2_500], strict=True):
        assert len(part) >= LEAST_BATCHES_OF_PART > SENDERS
        assert sum(len(batch.notifications) for batch in part) == size


def test_no_batch_of_the_last_act_is_larger_than_asked():
    assert max(len(batch.notifications) for part in make_last_act([700], 50) for batch in part) == 50


def test_the_last_act_is_sent_under_names_and_to_destinations_of_its_own(batches: list[BatchPlan]):
    last = [batch for part in make_last_act([600, 600]) for batch in part]
    assert not {batch.batch_id for batch in batches} & {batch.batch_id for batch in last}
    assert all(batch.is_last_act for batch in last)
    assert not any(batch.is_last_act for batch in batches)
    own = {each.address.destination for each in notifications_of(last) if each.provider is not ProviderName.WEBPUSH}
    assert len(own) == 800
    assert not own & {each.address.destination for each in notifications_of(batches)}


def test_one_in_ten_of_the_last_act_is_to_be_reported_and_not_sent_again():
    (part,) = make_last_act([600])
    for name in ProviderName:
        asked = Counter(each.reports_unknown for each in notifications_of(part) if each.provider is name)
        assert asked == {True: 20, False: 180}
    for batch in part:
        for planned, written in zip(batch.notifications, write_request(batch)["notifications"], strict=True):
            assert written.get("on_unknown") == ("report" if planned.reports_unknown else None)


# --- what the gateway must make of it, by its own preparation ---


def prepare_batch(batch: BatchPlan) -> tuple[dict[int, object], dict[int, Rejection]]:
    prepared, rejections = prepare(app_facts(), **write_request(batch))
    return {row.index: row for row in prepared}, {rejection.index: rejection for rejection in rejections}


def test_what_is_malformed_is_refused_with_its_reason_and_nothing_else(batches: list[BatchPlan]):
    for batch in batches:
        _, rejections = prepare_batch(batch)
        refused = {index: rejection.reason.word for index, rejection in rejections.items()}
        planned = enumerate(each.address.refusal for each in batch.notifications)
        assert refused == {index: refusal for index, refusal in planned if refusal is not None}


def test_what_is_refused_has_every_reason_of_a_subscription(notifications: list[PlannedNotification]):
    refusals = {each.address.refusal for each in notifications if each.provider is ProviderName.WEBPUSH}
    assert refusals == {None, "invalid_token", "endpoint_not_allowed", "dead_token"}


def test_bodies_are_those_that_the_ledger_has_to_show(batches: list[BatchPlan]):
    """The fan-out's among them: what is written by hand is what portable content is rendered to."""
    for batch in batches:
        prepared, _ = prepare_batch(batch)
        for index, row in prepared.items():
            planned = batch.notifications[index]
            if planned.provider is ProviderName.FCM:
                arrives = hash_message(json.loads(request_of(row))["message"])
            else:
                arrives = hashlib.sha256(row.body).hexdigest()
            assert arrives == planned.body.sha256


# --- payloads ---


@pytest.mark.parametrize(
    ("provider", "most_bytes"), [(ProviderName.APNS, 4_000), (ProviderName.FCM, 4_000), (ProviderName.WEBPUSH, 3_993)]
)
def test_json_payloads_have_200_bytes_up_to_the_most(
    notifications: list[PlannedNotification], provider: ProviderName, most_bytes: int
):
    sizes = [len(payload) for payload in own_payloads(notifications, provider, "payload_json")]
    assert 200 <= min(sizes) < 210
    assert most_bytes - 100 < max(sizes) <= most_bytes


@pytest.mark.parametrize("provider", ProviderName)
def test_json_payloads_betray_a_gateway_that_encodes_them_anew(
    notifications: list[PlannedNotification], provider: ProviderName
):
    payload = own_payloads(notifications, provider, "payload_json")[0]
    spellings = (
        json.dumps(json.loads(payload), ensure_ascii=ensure_ascii, separators=separators).encode()
        for ensure_ascii in (True, False)
        for separators in ((",", ":"), (", ", ": "))
    )
    assert payload not in spellings


def test_only_web_push_has_bytes_that_are_no_json_and_none_at_all(notifications: list[PlannedNotification]):
    payloads = own_payloads(notifications, ProviderName.WEBPUSH, "payload_bytes")
    assert payloads.count(b"") > SHARE // 100
    assert len(payloads) - payloads.count(b"") > SHARE // 20
    assert not own_payloads(notifications, ProviderName.APNS, "payload_bytes")
    assert not own_payloads(notifications, ProviderName.FCM, "payload_bytes")


def test_fcm_is_addressed_in_three_ways(notifications: list[PlannedNotification]):
    fields = Counter(
        field
        for each in notifications
        if each.provider is ProviderName.FCM and each.address.refusal is None
        for field in each.address.to
    )
    assert fields["token"] > fields["fid"] > fields["topic"] > 0

"""What the demo sends, and the scenario it is sent into."""

import json
from collections import Counter

import pytest

from bench.demo.plan import DEAD_PREFIX, Kind, PlannedNotification, plan_batches, plan_notifications
from bench.demo.scenario import SCENARIO_FILE, scale_scenario
from bench.simulators.apns import ApnsAnswerEvent, ApnsScenario
from bench.simulators.server import GoawayEvent, StreamLimitEvent, parse_scenario
from protocol.providers.apns.addresses import read_device_token
from protocol.rejections import RowError

COUNT = 4_000


@pytest.fixture(scope="module")
def notifications() -> list[PlannedNotification]:
    return list(plan_notifications(COUNT, seed=1))


def test_the_same_seed_plans_the_same(notifications: list[PlannedNotification]):
    assert list(plan_notifications(COUNT, seed=1)) == notifications
    assert list(plan_notifications(COUNT, seed=2)) != notifications


def test_a_smaller_run_is_the_beginning_of_a_larger_one(notifications: list[PlannedNotification]):
    assert list(plan_notifications(100, seed=1)) == notifications[:100]


def test_destinations_and_ids_are_unique(notifications: list[PlannedNotification]):
    assert len({notification.token for notification in notifications}) == COUNT
    assert len({notification.id for notification in notifications}) == COUNT


def test_one_in_a_hundred_is_dead_and_one_in_two_hundred_malformed(notifications: list[PlannedNotification]):
    kinds = Counter(notification.kind for notification in notifications)
    assert (kinds[Kind.DEAD], kinds[Kind.MALFORMED]) == (COUNT // 100, COUNT // 200)


def test_the_scenario_knows_dead_destinations_by_their_first_digits(notifications: list[PlannedNotification]):
    assert all(
        notification.token.startswith(DEAD_PREFIX) == (notification.kind is Kind.DEAD)
        for notification in notifications
        if notification.kind is not Kind.MALFORMED
    )
    scenario = parse_scenario(SCENARIO_FILE.read_text(), ApnsScenario)
    answers = [event for event in scenario.events if isinstance(event, ApnsAnswerEvent)]
    assert [(event.destination_prefix, event.status) for event in answers] == [(DEAD_PREFIX, 410)]


def test_only_malformed_destinations_are_no_device_tokens(notifications: list[PlannedNotification]):
    for notification in notifications:
        if notification.kind is Kind.MALFORMED:
            with pytest.raises(RowError):
                read_device_token(notification.token)
        else:
            assert read_device_token(notification.token).hex() == notification.token


def test_payloads_are_alerts_of_200_to_4000_bytes(notifications: list[PlannedNotification]):
    sizes = [len(notification.payload) for notification in notifications]
    assert 200 <= min(sizes) < 210
    assert 3_900 < max(sizes) <= 4_000
    assert all("alert" in json.loads(notification.payload)["aps"] for notification in notifications)


def test_payloads_betray_a_gateway_that_encodes_them_anew(notifications: list[PlannedNotification]):
    payload = notifications[0].payload
    spellings = (
        json.dumps(json.loads(payload), ensure_ascii=ensure_ascii, separators=separators).encode()
        for ensure_ascii in (True, False)
        for separators in ((",", ":"), (", ", ": "))
    )
    assert payload not in spellings


def test_batches_hold_every_notification_in_order(notifications: list[PlannedNotification]):
    batches = list(plan_batches(COUNT, 1, batch_size=1_500))
    assert [len(batch.notifications) for batch in batches] == [1_500, 1_500, 1_000]
    assert [notification for batch in batches for notification in batch.notifications] == notifications
    assert len({batch.batch_id for batch in batches}) == 3


@pytest.mark.parametrize("count", [1, 2_000, 30_000])
def test_a_scaled_scenario_has_every_event_within_the_run(count: int):
    events = parse_scenario(scale_scenario(SCENARIO_FILE.read_text(), count), ApnsScenario).events
    positions = [event.at_request for event in events if event.at_request is not None]
    assert len(positions) == 4
    assert all(1 <= position <= count for position in positions)
    assert sum(isinstance(event, GoawayEvent) for event in events) == 2
    assert min(event.limit for event in events if isinstance(event, StreamLimitEvent)) < 100


def test_the_scenario_is_written_for_the_full_run():
    text = SCENARIO_FILE.read_text()
    assert scale_scenario(text, 30_000) == text

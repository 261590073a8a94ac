"""The scenarios that the demo is played in fit the plan, for any number of notifications."""

from collections.abc import Sequence

import pytest

from bench.demo.plan import DEAD_PREFIX, DEAD_SHARE, DEAD_TOKEN_PREFIX
from bench.demo.scenario import SCENARIOS, WRITTEN_FOR, read_scenario
from bench.judging.history import Kind, ProviderName
from bench.simulators.apns import ApnsScenario
from bench.simulators.fcm import FcmScenario
from bench.simulators.server import (
    AnswerEvent,
    GoawayEvent,
    ResetEvent,
    StreamLimitEvent,
    is_chosen_destination,
    parse_scenario,
)
from bench.simulators.server.events import Event
from bench.simulators.webpush import WebPushScenario
from tests.support.demo_plans import make_batches, notifications_of

KINDS = {ProviderName.APNS: ApnsScenario, ProviderName.FCM: FcmScenario, ProviderName.WEBPUSH: WebPushScenario}


def events_of(provider: ProviderName, notifications: int = WRITTEN_FOR) -> Sequence[Event]:
    return parse_scenario(read_scenario(provider, notifications), KINDS[provider]).events


def means_dead(event: Event, destination: str) -> bool:
    if event.destination_prefix is not None:
        return destination.startswith(event.destination_prefix)
    return event.destination_share is not None and is_chosen_destination(destination, event.destination_share)


@pytest.mark.parametrize("provider", ProviderName)
def test_the_scenario_calls_dead_what_the_plan_means_to_be(provider: ProviderName):
    answers = [event for event in events_of(provider) if isinstance(event, AnswerEvent)]
    for each in notifications_of(make_batches(3_000)):
        if each.provider is provider and each.address.kind is not Kind.MALFORMED:
            is_dead = any(means_dead(event, each.address.destination) for event in answers)
            assert is_dead == (each.address.kind is Kind.DEAD)


def test_dead_destinations_are_told_as_each_provider_tells_them():
    told = {
        provider: [
            (event.destination_prefix or event.destination_share, event.status)
            for event in events_of(provider)
            if isinstance(event, AnswerEvent)
        ]
        for provider in ProviderName
    }
    assert told == {
        ProviderName.APNS: [(DEAD_PREFIX, 410)],
        ProviderName.FCM: [(DEAD_TOKEN_PREFIX, 404)],
        ProviderName.WEBPUSH: [(DEAD_SHARE / 2, 410), (DEAD_SHARE, 404)],
    }


@pytest.mark.parametrize("provider", ProviderName)
@pytest.mark.parametrize("count", [1, 700, WRITTEN_FOR])
def test_a_scaled_scenario_has_every_event_within_the_run(provider: ProviderName, count: int):
    events = events_of(provider, count)
    positions = [event.at_request for event in events if event.at_request is not None]
    assert all(1 <= position <= count for position in positions)
    assert sum(isinstance(event, GoawayEvent) for event in events) == 2
    assert sum(isinstance(event, ResetEvent) for event in events) == 1
    assert len(positions) == (4 if provider is ProviderName.APNS else 2)


def test_the_stream_limit_of_apns_falls_to_a_trickle():
    limits = [event.limit for event in events_of(ProviderName.APNS) if isinstance(event, StreamLimitEvent)]
    assert min(limits) < 100 < limits[-1]


@pytest.mark.parametrize("provider", ProviderName)
def test_scenarios_are_written_for_the_full_run(provider: ProviderName):
    assert read_scenario(provider, WRITTEN_FOR) == (SCENARIOS / f"{provider}.toml").read_text()

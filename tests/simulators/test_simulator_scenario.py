"""Scenario files: what they can say, and that a wrong one is refused by name and place."""

import re

import pytest

from bench.simulators.server import (
    AnswerEvent,
    CutEvent,
    GoawayEvent,
    Latency,
    ResetEvent,
    Scenario,
    ScenarioError,
    is_chosen_destination,
    load_scenario,
    parse_scenario,
)

EVENT = "[[events]]\ndo = "


def test_scenario_is_read_whole():
    scenario = parse_scenario(
        """
        seed = 7
        [latency]
        distribution = "exponential"
        seconds = 0.02
        [[events]]
        at_request = 5
        do = "goaway"
        reason = "Shutdown"
        [[events]]
        destinations = ["ab01"]
        do = "answer"
        status = 410
        """,
        Scenario,
    )
    assert scenario.seed == 7
    assert scenario.latency == Latency(distribution="exponential", seconds=0.02)
    assert scenario.events == (
        GoawayEvent(at_request=5, reason="Shutdown"),
        AnswerEvent(destinations=("ab01",), status=410),
    )


def test_empty_scenario_is_a_healthy_server():
    assert parse_scenario("", Scenario) == Scenario()


@pytest.mark.parametrize(
    ("text", "place", "fault"),
    [
        ("sed = 1", "s.toml", "unknown field `sed`"),
        ("[latency]\nmean = 1", "s.toml, latency", "unknown field `mean`"),
        ('[latency]\ndistribution = "normal"', "s.toml, latency.distribution", "Invalid enum value 'normal'"),
        ('[latency]\nseconds = "fast"', "s.toml, latency.seconds", "Expected `float`"),
        ("[latency]\nseconds = -1.0", "s.toml, latency", "cannot be negative"),
        ('[latency]\ndistribution = "uniform"\nleast_seconds = 2', "s.toml, latency", "least_seconds (2.0) <= seconds"),
        (EVENT + '"explode"\nat_request = 1', "s.toml, events[0].do", "Invalid value 'explode'"),
        (EVENT + '"silence"', "s.toml, events[0]", "exactly one trigger"),
        (EVENT + '"silence"\nevery = 1\nshare = 0.5', "s.toml, events[0]", "got every, share"),
        (EVENT + '"silence"\nat_request = 0', "s.toml, events[0]", "at_request counts from 1; got 0"),
        (EVENT + '"silence"\nshare = 1.5', "s.toml, events[0]", "share must be between 0 and 1; got 1.5"),
        (EVENT + '"silence"\non_connect = true', "s.toml, events[0]", "no request"),
        (EVENT + '"goaway"\nat_sent_byte = 9', "s.toml, events[0]", "can only cut"),
        (EVENT + '"goaway"\nat_request = 1\ncode = "NOPE"', "s.toml, events[0]", "unknown HTTP/2 error code 'NOPE'"),
        (EVENT + '"reset"\nat_request = 1\ncode = "NOPE"', "s.toml, events[0]", "known are NO_ERROR"),
        (EVENT + '"answer"\nat_request = 1\nstatus = 99', "s.toml, events[0]", "status must be 200 to 599; got 99"),
        (EVENT + '"cut"\nevery = 1\norigin = "x"', "s.toml", "unknown origin 'x'; this simulator has a single one"),
        (EVENT + '"answer"\nat_request = 1', "s.toml, events[0]", "missing required field `status`"),
        ("seed = = 1\n", "s.toml", "line 1"),
    ],
)
def test_fault_is_named_with_its_place(text, place, fault):
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, Scenario, source="s.toml")
    assert str(caught.value).startswith(f"{place}: ")
    assert fault in str(caught.value)


def test_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ScenarioError, match=re.escape(str(tmp_path / "none.toml"))):
        load_scenario(tmp_path / "none.toml", Scenario)


@pytest.mark.parametrize("event", [CutEvent(at_sent_byte=1), CutEvent(on_connect=True), ResetEvent(every=1, code=99)])
def test_unusual_events_that_are_allowed(event):
    assert Scenario(events=(event,)).events == (event,)


def test_chosen_destinations_are_about_the_share_and_always_the_same():
    tokens = [f"{number:064x}" for number in range(5000)]
    chosen = [token for token in tokens if is_chosen_destination(token, 0.1)]
    assert 400 < len(chosen) < 600
    assert set(chosen) < {token for token in tokens if is_chosen_destination(token, 0.2)}
    assert not any(is_chosen_destination(token, 0) for token in tokens)
    assert all(is_chosen_destination(token, 1) for token in tokens)

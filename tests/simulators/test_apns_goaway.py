"""GOAWAY from the simulator: its forms, and that its last-stream-id is kept to."""

import orjson
import pytest
import trio

from bench.simulators.apns import (
    ApnsAnswerEvent,
    ApnsScenario,
    ApnsSimulator,
    ApnsSimulatorOptions,
    ApnsStreamLimit,
    open_apns_simulator,
)
from bench.simulators.server import GoawayEvent, Latency
from bench.simulators.server.connections.http2 import HIGHEST_STREAM_ID
from gateway.clock import TrioClock
from tests.support.apns_client import ApnsClient, open_apns_client, open_memory_client

WIDE = ApnsStreamLimit(first=100)


def options_with(*events, seconds: float = 0.0) -> ApnsSimulatorOptions:
    latency = Latency(distribution="fixed", seconds=seconds)
    return ApnsSimulatorOptions(
        clock=TrioClock(), scenario=ApnsScenario(stream_limit=WIDE, latency=latency, events=events)
    )


def processed(simulator: ApnsSimulator) -> dict[int, bool]:
    return {entry.stream: entry.processed for entry in simulator.ledger.entries}


async def send(client: ApnsClient, number: int) -> list[int]:
    streams = [client.request() for _ in range(number)]
    await client.flush()
    return streams


@pytest.mark.parametrize(
    ("event", "debug_data", "code"),
    [
        (GoawayEvent(at_request=1), b'{"reason":"Shutdown"}', 0),
        (GoawayEvent(at_request=1, reason="BadCertificate"), b'{"reason":"BadCertificate"}', 0),
        (GoawayEvent(at_request=1, reason=None), b"", 0),
        (GoawayEvent(at_request=1, debug_data="", code="ENHANCE_YOUR_CALM"), b"", 11),
        (GoawayEvent(at_request=1, debug_data="not json", code=99), b"not json", 99),
    ],
)
async def test_debug_data_and_code_are_the_scenarios(event, debug_data, code, autojump_clock):
    async with open_apns_simulator(options_with(event)) as simulator, open_memory_client(simulator) as client:
        assert (await client.push()).status == 200
        (goaway,) = client.goaways
        assert (goaway.debug_data, goaway.code, goaway.last_stream_id) == (debug_data, code, 1)


async def test_streams_above_last_stream_id_are_never_answered_nor_processed(autojump_clock):
    options = options_with(GoawayEvent(at_request=3))
    async with open_apns_simulator(options) as simulator, open_memory_client(simulator) as client:
        streams = await send(client, 6)
        await client.wait_until(lambda: client.is_closed)
        assert client.goaways[0].last_stream_id == streams[2]
        assert set(client.replies) == set(streams[:3])
    assert processed(simulator) == {stream: stream <= streams[2] for stream in streams}
    assert simulator.statistics().unprocessed == 3


async def test_newest_unanswered_streams_can_be_left_out(autojump_clock):
    options = options_with(GoawayEvent(at_request=5, unprocessed=2), seconds=1)
    async with open_apns_simulator(options) as simulator, open_memory_client(simulator) as client:
        streams = await send(client, 5)
        await client.wait_until(lambda: client.is_closed)
        assert client.goaways[0].last_stream_id == streams[2]
        assert set(client.replies) == set(streams[:3])
    assert processed(simulator) == {stream: stream <= streams[2] for stream in streams}


async def test_answered_stream_is_never_left_out(autojump_clock):
    quick = ApnsAnswerEvent(at_request=3, status=200, after_seconds=0)
    options = options_with(quick, GoawayEvent(at_request=4, unprocessed=4), seconds=1)
    async with open_apns_simulator(options) as simulator, open_memory_client(simulator) as client:
        streams = await send(client, 4)
        await client.wait_until(lambda: client.is_closed)
        assert client.goaways[0].last_stream_id == streams[2]
        assert set(client.replies) == set(streams[:3])
    assert processed(simulator) == {stream: stream <= streams[2] for stream in streams}


async def test_two_frames_with_falling_last_stream_id(autojump_clock):
    options = options_with(GoawayEvent(at_request=2, notice_requests=2))
    async with open_apns_simulator(options) as simulator, open_memory_client(simulator) as client:
        streams = await send(client, 6)
        await client.wait_until(lambda: client.is_closed)
        assert [goaway.last_stream_id for goaway in client.goaways] == [HIGHEST_STREAM_ID, streams[3]]
        assert set(client.replies) == set(streams[:4])
    assert processed(simulator) == {stream: stream <= streams[3] for stream in streams}


async def test_second_event_lowers_the_promise_of_the_first(autojump_clock):
    first = GoawayEvent(at_request=4, close="never")
    async with (
        open_apns_simulator(options_with(first, seconds=1)) as simulator,
        open_memory_client(simulator) as client,
    ):
        streams = await send(client, 4)
        await client.wait_until(lambda: len(client.goaways) == 1)
        simulator.goaway(unprocessed=3)
        await client.wait_until(lambda: client.is_closed)
        assert [goaway.last_stream_id for goaway in client.goaways] == [streams[3], streams[0]]
        assert set(client.replies) == {streams[0]}
    assert processed(simulator) == {stream: stream <= streams[0] for stream in streams}


async def test_drained_connection_closes_after_its_last_answer(autojump_clock):
    async with open_apns_simulator(options_with(seconds=3)) as simulator, open_memory_client(simulator) as client:
        (stream,) = await send(client, 1)
        await trio.sleep(1)
        simulator.goaway()
        assert (await client.wait_reply(stream)).status == 200
        await client.wait_until(lambda: client.is_closed)


async def test_connection_may_stay_open_for_ever(autojump_clock):
    options = options_with(GoawayEvent(at_request=1, close="never"))
    async with open_apns_simulator(options) as simulator, open_memory_client(simulator) as client:
        await client.push()
        late = (await send(client, 1))[0]
        await trio.sleep(3600)
        assert not client.is_closed
        assert late not in client.replies
    assert processed(simulator) == {1: True, late: False}


async def test_connection_may_close_with_answers_owing(autojump_clock):
    options = options_with(GoawayEvent(at_request=2, close="at_once"), seconds=1)
    async with open_apns_simulator(options) as simulator, open_memory_client(simulator) as client:
        streams = await send(client, 2)
        await client.wait_until(lambda: client.is_closed)
        assert client.goaways[0].last_stream_id == streams[1]
        assert not client.replies
    assert [(entry.status, entry.processed) for entry in simulator.ledger.entries] == [(None, True)] * 2


async def test_bad_certificate_is_said_right_after_the_handshake():
    event = GoawayEvent(on_connect=True, reason="BadCertificate", close="at_once", times=1)
    options = ApnsSimulatorOptions(scenario=ApnsScenario(events=(event,)))
    async with open_apns_simulator(options) as simulator:
        async with open_apns_client(simulator) as client:
            await client.wait_until(lambda: client.is_closed)
            assert orjson.loads(client.goaways[0].debug_data) == {"reason": "BadCertificate"}
        async with open_apns_client(simulator) as client:
            assert (await client.push()).status == 200


async def test_one_connection_of_several_can_be_chosen():
    async with (
        open_apns_simulator() as simulator,
        open_apns_client(simulator) as first,
        open_apns_client(simulator) as second,
    ):
        token = first.authorization
        await first.push()
        await second.push(authorization=token)
        simulator.goaway(connection=2)
        await second.wait_until(lambda: bool(second.goaways))
        assert (await first.push()).status == 200
        assert not first.goaways

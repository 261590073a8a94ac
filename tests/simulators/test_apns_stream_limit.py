"""SETTINGS_MAX_CONCURRENT_STREAMS at the simulator: one, open, fallen, risen, and what a violation costs."""

import orjson
import trio

from bench.simulators.apns import (
    ApnsAnswerEvent,
    ApnsScenario,
    ApnsSimulatorOptions,
    ApnsStreamLimit,
    open_apns_simulator,
)
from bench.simulators.server import Latency, Settings, SilenceEvent, StreamLimitEvent
from gateway.clock import TrioClock
from tests.support.apns_client import ApnsClient, client_tls, open_apns_client, open_memory_client

REJECTED = "/3/device/bad"


async def wait_limits(client: ApnsClient, *limits: int) -> None:
    await client.wait_until(lambda: client.stream_limits == list(limits))


async def test_one_stream_until_a_valid_credential_was_seen():
    async with open_apns_simulator() as simulator, open_apns_client(simulator) as client:
        assert (await client.push(authorization=None)).status == 403
        await wait_limits(client, 1)
        assert (await client.push()).status == 200
        await wait_limits(client, 1, 1000)


async def test_client_certificate_opens_the_limit_in_the_handshake():
    options = ApnsSimulatorOptions(client_certificate_topics=("com.example.shop",))
    async with open_apns_simulator(options) as simulator:
        context = client_tls(simulator)
        files = simulator.credentials.client_certificate
        context.load_cert_chain(str(files.certificate_file), str(files.key_file))
        async with open_apns_client(simulator, context=context) as client:
            await wait_limits(client, 1000)


async def test_rejected_tokens_lower_the_limit_and_good_answers_raise_it():
    limits = ApnsStreamLimit(open=500, fallen=1, fall_after_rejected_tokens=2, rise_after_good_answers=2)
    options = ApnsSimulatorOptions(scenario=ApnsScenario(stream_limit=limits))
    async with open_apns_simulator(options) as simulator, open_apns_client(simulator) as client:
        await client.push()
        await client.push(path=REJECTED)
        await wait_limits(client, 1, 500)
        await client.push(path=REJECTED)
        await wait_limits(client, 1, 500, 1)
        await client.push()
        await wait_limits(client, 1, 500, 1)
        await client.push()
        await wait_limits(client, 1, 500, 1, 500)


async def test_dead_tokens_do_not_lower_the_limit():
    dead = ApnsAnswerEvent(at_request=2, status=410, reason="Unregistered", dead_for_seconds=60)
    options = ApnsSimulatorOptions(scenario=ApnsScenario(events=(dead,)))
    async with open_apns_simulator(options) as simulator, open_apns_client(simulator) as client:
        await client.push()
        assert (await client.push()).status == 410
        await client.push()
        assert client.stream_limits == [1, 1000]


async def test_scenario_changes_the_limit_in_mid_flight():
    events = tuple(StreamLimitEvent(at_request=at, limit=limit) for at, limit in ((2, 7), (3, 0), (4, 500)))
    options = ApnsSimulatorOptions(scenario=ApnsScenario(events=events))
    async with open_apns_simulator(options) as simulator, open_apns_client(simulator) as client:
        for _ in range(3):
            await client.push()
        await wait_limits(client, 1, 1000, 7, 0)
        simulator.set_stream_limit(500)
        await wait_limits(client, 1, 1000, 7, 0, 500)


async def test_second_stream_before_the_first_answer_is_a_violation(autojump_clock):
    options = ApnsSimulatorOptions(
        clock=TrioClock(), scenario=ApnsScenario(latency=Latency(distribution="fixed", seconds=0.1))
    )
    async with open_apns_simulator(options) as simulator, open_memory_client(simulator) as client:
        first, second = client.request(), client.request()
        await client.flush()
        assert (await client.wait_reply(first)).status == 200
        (goaway,) = client.goaways
        assert orjson.loads(goaway.debug_data) == {"reason": "Maximum active streams violated for this endpoint"}
        assert goaway.last_stream_id == first
        await client.wait_until(lambda: client.is_closed)
        assert second not in client.replies
    assert simulator.statistics().stream_limit_violations == 1
    assert [(entry.stream, entry.processed) for entry in simulator.ledger.entries] == [(second, False), (first, True)]


async def test_streams_in_flight_when_the_limit_falls_are_no_violation():
    scenario = ApnsScenario(
        stream_limit=ApnsStreamLimit(first=4),
        events=(SilenceEvent(at_request=1), SilenceEvent(at_request=2), StreamLimitEvent(at_request=3, limit=1)),
    )
    async with (
        open_apns_simulator(ApnsSimulatorOptions(scenario=scenario)) as simulator,
        open_apns_client(simulator) as client,
    ):
        streams = [client.request() for _ in range(3)]
        await client.flush()
        await client.wait_reply(streams[2])
        await wait_limits(client, 4, 1)
        for silent in streams[:2]:
            client.http.reset_stream(silent)
        assert (await client.push()).status == 200
        assert not client.goaways


async def test_new_stream_above_a_lowered_and_acknowledged_limit_is_a_violation():
    scenario = ApnsScenario(
        stream_limit=ApnsStreamLimit(first=2),
        events=(SilenceEvent(at_request=1), StreamLimitEvent(at_request=2, limit=1)),
    )
    async with (
        open_apns_simulator(ApnsSimulatorOptions(scenario=scenario)) as simulator,
        open_apns_client(simulator) as client,
    ):
        client.request()
        await client.push()
        await wait_limits(client, 2, 1)
        client.http.remote_settings.max_concurrent_streams = 9  # stop h2 from keeping the rule for us
        client.http.remote_settings.acknowledge()
        client.request()
        await client.flush()
        await client.wait_until(lambda: bool(client.goaways))
        assert simulator.statistics().stream_limit_violations == 1


async def test_first_settings_may_come_late(autojump_clock):
    options = ApnsSimulatorOptions(clock=TrioClock(), scenario=ApnsScenario(settings=Settings(delay_seconds=2)))
    async with open_apns_simulator(options) as simulator, open_memory_client(simulator) as client:
        started_at = trio.current_time()
        stream_id = client.request()
        await client.flush()
        await client.wait_reply(stream_id)
        assert trio.current_time() - started_at == 2
        await wait_limits(client, 1, 1000)

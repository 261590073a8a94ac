"""The simulator is changed while it runs: stalled, frozen, cut, given another scenario."""

import trio

from bench.simulators.apns import ApnsAnswerEvent, ApnsScenario, ApnsSimulatorOptions, open_apns_simulator
from gateway.clock import TrioClock
from tests.support.apns_client import open_apns_client, open_memory_client


async def test_stalled_simulator_answers_pings_and_nothing_else(autojump_clock):
    async with (
        open_apns_simulator(ApnsSimulatorOptions(clock=TrioClock())) as simulator,
        open_memory_client(simulator) as client,
    ):
        await client.push()
        simulator.stall()
        stream = client.request()
        client.http.ping(b"12345678")
        await client.flush()
        await client.wait_until(lambda: client.pongs == 1)
        await trio.sleep(3600)
        assert stream not in client.replies
        simulator.resume()
        assert (await client.wait_reply(stream)).status == 200


async def test_frozen_simulator_reads_nothing(autojump_clock):
    async with (
        open_apns_simulator(ApnsSimulatorOptions(clock=TrioClock())) as simulator,
        open_memory_client(simulator) as client,
    ):
        await client.push()
        simulator.freeze()
        stream = client.request()
        client.http.ping(b"12345678")
        await client.flush()
        await trio.sleep(600)
        assert client.pongs == 0
        assert simulator.statistics().requests == 1
        simulator.resume()
        assert (await client.wait_reply(stream)).status == 200
        assert client.pongs == 1


async def test_scenario_can_be_replaced():
    async with open_apns_simulator() as simulator, open_memory_client(simulator) as client:
        assert (await client.push()).status == 200
        simulator.scenario = ApnsScenario(events=(ApnsAnswerEvent(every=1, status=500, reason="InternalServerError"),))
        assert (await client.push()).reason == "InternalServerError"
        simulator.scenario = ApnsScenario()
        assert (await client.push()).status == 200


async def test_connections_can_be_cut():
    async with open_apns_simulator() as simulator, open_apns_client(simulator) as client:
        await client.push()
        simulator.cut()
        await client.wait_until(lambda: client.is_closed)


async def test_statistics_count_by_status_and_reason():
    async with open_apns_simulator() as simulator:
        async with open_apns_client(simulator) as client:
            await client.push()
            await client.push(apns_priority="9")
            assert simulator.statistics().connections_open == 1
            assert repr(simulator) == f"<ApnsSimulator 127.0.0.1:{simulator.port}: 1 connections, 2 requests>"
        statistics = simulator.statistics()
    assert (statistics.connections, statistics.requests) == (1, 2)
    assert statistics.statuses == {200: 1, 400: 1}
    assert statistics.reasons == {"BadPriority": 1}

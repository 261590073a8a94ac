"""Ending a gateway as a supervisor does: by signals to a real process."""

import signal

import pytest
import trio

from bench.simulators.apns import ApnsScenario, ApnsSimulatorOptions, open_apns_simulator
from bench.simulators.server import Latency
from gateway.caller import BatchRefusedError, CallerError, ConnectError, open_caller
from protocol.results import expand
from tests.support.gateway import alert_batch, device_tokens, start_gateway

SLOWLY = ApnsSimulatorOptions(scenario=ApnsScenario(latency=Latency(distribution="fixed", seconds=0.3)))


async def read_until_end(pages, outcomes: list[str]) -> None:
    async for page in pages:
        outcomes += [result.outcome for block in page.blocks for result in expand(block)]
        pages.acknowledge(page)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_refuses_new_work_finishes_what_is_held_and_exits_0(tmp_path, number):
    outcomes: list[str] = []
    async with (
        open_apns_simulator(SLOWLY) as simulator,
        start_gateway(tmp_path, simulator) as child,
        open_caller(f"unix:{tmp_path / 'gateway.sock'}") as caller,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(read_until_end, await caller.subscribe(subscription="drain"), outcomes)
        await caller.send(alert_batch(device_tokens(3000)))
        child.send_signal(number)
        with trio.fail_after(20.0):
            while not caller.is_draining:
                await caller.ping()
            with pytest.raises(BatchRefusedError) as refusal:
                await caller.send(alert_batch(device_tokens(1)))
            assert refusal.value.reason == "draining"
            with pytest.raises(ConnectError):
                async with open_caller(f"unix:{tmp_path / 'gateway.sock'}"):
                    pass
            assert await child.wait() == 0
    assert outcomes == ["provider_accepted"] * 3000
    assert '"owed":0' in child.last_words()
    assert not (tmp_path / "gateway.sock").exists()


async def test_a_second_signal_ends_at_once_and_the_next_start_goes_on(tmp_path):
    async with open_apns_simulator() as simulator:
        async with start_gateway(tmp_path, simulator) as child:
            simulator.stall()
            try:
                async with open_caller(f"unix:{tmp_path / 'gateway.sock'}") as caller:
                    await caller.send(alert_batch(device_tokens(100)))
                    child.send_signal(signal.SIGTERM)
                    while not caller.is_draining:
                        await caller.ping()
                    child.send_signal(signal.SIGTERM)
                    with trio.fail_after(10.0):
                        code = await child.wait()
            except CallerError:
                pass  # the gateway went away under it, which is the point
        assert code == 0
        assert '"owed":100' in child.last_words()
        simulator.resume()
        async with start_gateway(tmp_path, simulator), open_caller(f"unix:{tmp_path / 'gateway.sock'}") as caller:
            outcomes: list[str] = []
            with trio.fail_after(10.0):
                pages = await caller.subscribe(subscription="drain")
                while len(outcomes) < 100:
                    outcomes += [result.outcome for block in (await anext(pages)).blocks for result in expand(block)]
    assert outcomes == ["provider_accepted"] * 100


async def test_a_second_signal_tells_what_is_lost_with_a_journal_in_memory(tmp_path):
    in_memory = {"engine": "memory"}
    async with open_apns_simulator() as simulator, start_gateway(tmp_path, simulator, journal=in_memory) as child:
        simulator.stall()
        try:
            async with open_caller(f"unix:{tmp_path / 'gateway.sock'}") as caller:
                await caller.send(alert_batch(device_tokens(100)))
                child.send_signal(signal.SIGTERM)
                while not caller.is_draining:
                    await caller.ping()
                child.send_signal(signal.SIGTERM)
                with trio.fail_after(10.0):
                    code = await child.wait()
        except CallerError:
            pass  # the gateway went away under it, which is the point
    assert code == 1
    assert "100 accepted notifications were not sent" in child.last_words()


async def test_a_drain_that_takes_too_long_leaves_the_rest_in_the_journal(tmp_path):
    limits = {"drain_timeout_seconds": 0.5}
    async with open_apns_simulator() as simulator, start_gateway(tmp_path, simulator, delivery=limits) as child:
        simulator.stall()
        try:
            async with open_caller(f"unix:{tmp_path / 'gateway.sock'}") as caller:
                await caller.send(alert_batch(device_tokens(100)))
                child.send_signal(signal.SIGTERM)
                with trio.fail_after(10.0):
                    code = await child.wait()
        except CallerError:
            pass
    assert code == 0
    assert '"owed":100' in child.last_words()

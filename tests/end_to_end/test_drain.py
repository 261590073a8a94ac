"""Ending a gateway as a supervisor does: by signals to a real process, and going on with the next one."""

import signal
from collections import Counter

import pytest
import trio

from bench.simulators.apns import (
    ApnsScenario,
    ApnsSimulator,
    ApnsSimulatorOptions,
    ApnsStreamLimit,
    open_apns_simulator,
)
from bench.simulators.server import Latency
from gateway.caller import BatchRefusedError, CallerError, ConnectError, open_caller
from protocol.results import Result, expand
from tests.support.gateway import alert_batch, device_tokens, start_gateway
from tests.support.patience import HANG_SECONDS

pytestmark = pytest.mark.long

MEMORY = {"engine": "memory"}
TAKES_A_WHILE = Latency(distribution="fixed", seconds=0.3)
SLOWLY = ApnsSimulatorOptions(scenario=ApnsScenario(latency=TAKES_A_WHILE))
# So few streams that a batch takes seconds, and most of it is still queued when the signal comes.
NARROWLY = ApnsSimulatorOptions(
    scenario=ApnsScenario(latency=TAKES_A_WHILE, stream_limit=ApnsStreamLimit(first=50, open=50))
)


async def read_until_end(pages, results: list[Result]) -> None:
    """Read as a caller does that stays until the gateway has gone."""
    async for page in pages:
        results += (result for block in page.blocks for result in expand(block))
        pages.acknowledge(page)


async def read_until(count: int, pages, results: list[Result]) -> None:
    with trio.fail_after(HANG_SECONDS):
        while len(results) < count:
            page = await anext(pages)
            results += (result for block in page.blocks for result in expand(block))
            pages.acknowledge(page)


def times_processed(simulator: ApnsSimulator) -> Counter[int]:
    """Return how many destinations were processed how often."""
    return Counter(Counter(entry.destination for entry in simulator.ledger.entries if entry.processed).values())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_refuses_new_work_awaits_what_is_in_flight_and_exits_0(tmp_path, number):
    address = f"unix:{tmp_path / 'gateway.sock'}"
    results: list[Result] = []
    async with open_apns_simulator(NARROWLY) as simulator:
        async with (
            start_gateway(tmp_path, simulator, apns={"most_sessions": 1}) as child,
            open_caller(address) as caller,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(read_until_end, await caller.subscribe(subscription="drain"), results)
            await caller.send(alert_batch(device_tokens(1000)))
            with trio.fail_after(HANG_SECONDS):
                while not simulator.ledger.entries:
                    await caller.ping()
                child.send_signal(number)
                while not caller.is_draining:
                    await caller.ping()
                with pytest.raises(BatchRefusedError) as refusal:
                    await caller.send(alert_batch(device_tokens(1)))
                assert refusal.value.reason == "draining"
                with pytest.raises(ConnectError):
                    async with open_caller(address):
                        pass
                assert await child.wait() == 0
        answered = len(simulator.ledger.entries)
        assert len(results) == answered
        assert answered < 1000, "what waits in the journal is not waited for"
        assert f'"owed":{1000 - answered}' in child.last_words()
        assert not (tmp_path / "gateway.sock").exists()
        simulator.scenario = ApnsScenario()
        async with start_gateway(tmp_path, simulator), open_caller(address) as caller:
            await read_until(1000 - answered, await caller.subscribe(subscription="drain"), rest := [])
        assert times_processed(simulator) == {1: 1000}
    results += rest
    assert Counter((result.outcome, result.attempts) for result in results) == {("provider_accepted", 1): 1000}
    assert len({result.index for result in results}) == 1000


async def test_with_the_journal_in_memory_all_that_was_accepted_is_sent_first(tmp_path):
    results: list[Result] = []
    async with (
        open_apns_simulator(SLOWLY) as simulator,
        start_gateway(tmp_path, simulator, journal=MEMORY) as child,
        open_caller(f"unix:{tmp_path / 'gateway.sock'}") as caller,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(read_until_end, await caller.subscribe(subscription="drain"), results)
        await caller.send(alert_batch(device_tokens(3000)))
        child.send_signal(signal.SIGTERM)
        with trio.fail_after(HANG_SECONDS):
            assert await child.wait() == 0
    assert Counter(result.outcome for result in results) == {"provider_accepted": 3000}
    assert '"owed":0' in child.last_words()


@pytest.mark.parametrize("cut_by", ["second_signal", "timeout"])
async def test_a_drain_that_is_cut_short_loses_nothing_and_counts_what_is_uncertain(tmp_path, cut_by):
    address = f"unix:{tmp_path / 'gateway.sock'}"
    limits = {"drain_timeout_seconds": 0.5 if cut_by == "timeout" else 25.0}
    async with open_apns_simulator() as simulator:
        simulator.stall()
        async with start_gateway(tmp_path, simulator, delivery=limits) as child:
            try:
                async with open_caller(address) as caller:
                    await caller.send(alert_batch(device_tokens(100)))
                    while not simulator.statistics().requests:
                        await caller.ping()
                    child.send_signal(signal.SIGTERM)
                    while not caller.is_draining:
                        await caller.ping()
                    if cut_by == "second_signal":
                        child.send_signal(signal.SIGTERM)
                    with trio.fail_after(HANG_SECONDS):
                        code = await child.wait()
            except CallerError:
                pass  # the gateway went away under it, which is the point
        assert code == 0, child.last_words()
        assert '"owed":100' in child.last_words()
        simulator.resume()
        results: list[Result] = []
        async with start_gateway(tmp_path, simulator), open_caller(address) as caller:
            await read_until(100, await caller.subscribe(), results)
    ends = Counter((result.outcome, result.attempts, result.uncertain_attempts) for result in results)
    assert set(ends) <= {("provider_accepted", 1, 0), ("provider_accepted", 2, 1)}
    assert ends["provider_accepted", 2, 1] > 0, "what was in flight may have arrived, and its result must say so"
    assert sum(ends.values()) == 100


async def test_a_second_signal_tells_what_is_lost_with_a_journal_in_memory(tmp_path):
    async with open_apns_simulator() as simulator, start_gateway(tmp_path, simulator, journal=MEMORY) as child:
        simulator.stall()
        try:
            async with open_caller(f"unix:{tmp_path / 'gateway.sock'}") as caller:
                await caller.send(alert_batch(device_tokens(100)))
                child.send_signal(signal.SIGTERM)
                while not caller.is_draining:
                    await caller.ping()
                child.send_signal(signal.SIGTERM)
                with trio.fail_after(HANG_SECONDS):
                    code = await child.wait()
        except CallerError:
            pass  # the gateway went away under it, which is the point
    assert code == 1
    assert "100 accepted notifications were not sent" in child.last_words()

"""What the provider does to sessions and streams never loses a notification, and never sends one twice unasked."""

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
from bench.simulators.server import CutEvent, GoawayEvent, Latency, ResetEvent, SilenceEvent, StreamLimitEvent
from tests.support.forwarding import forward
from tests.support.gateway import alert_batch, device_tokens, open_shop

SLOWLY = Latency(distribution="uniform", least_seconds=0.005, seconds=0.03)
# What may have been processed is told and not tried again.
REPORT = {"on_unknown": "report"}


def misbehaving(*events, latency=SLOWLY, **scenario) -> ApnsSimulatorOptions:
    return ApnsSimulatorOptions(scenario=ApnsScenario(events=events, latency=latency, **scenario))


def processed_destinations(simulator: ApnsSimulator) -> Counter[str]:
    return Counter(entry.destination for entry in simulator.ledger.entries if entry.processed)


@pytest.mark.parametrize(
    "event",
    [
        GoawayEvent(at_request=150, reason="Shutdown"),
        GoawayEvent(at_request=150, reason=None, unprocessed=40),
        GoawayEvent(at_request=150, unprocessed=40, notice_requests=50),
        GoawayEvent(at_request=150, unprocessed=40, close="never"),
        GoawayEvent(every=200, unprocessed=25),
    ],
    ids=["drained", "without_data", "twice", "stays_open", "again_and_again"],
)
async def test_a_goaway_loses_nothing_and_repeats_only_what_was_not_processed(tmp_path, event):
    tokens = device_tokens(1000)
    async with (
        open_apns_simulator(misbehaving(event)) as simulator,
        open_shop(tmp_path, simulator, apns={"session_window": 100}) as shop,
    ):
        await shop.send(alert_batch(tokens))
        results = await shop.read_results(1000)
    assert Counter(result.outcome for result in results) == {"provider_accepted": 1000}
    assert sorted(result.index for result in results) == list(range(1000))
    assert {result.attempts for result in results} == {1}
    assert processed_destinations(simulator) == Counter(tokens)
    assert simulator.statistics().connections > 1


async def test_a_refused_stream_is_repeated_without_counting_an_attempt(tmp_path):
    refused = ResetEvent(every=10, code="REFUSED_STREAM")
    async with (
        open_apns_simulator(misbehaving(refused)) as simulator,
        open_shop(tmp_path, simulator) as shop,
    ):
        await shop.send(alert_batch(device_tokens(300)))
        results = await shop.read_results(300)
    assert Counter((result.outcome, result.attempts) for result in results) == {("provider_accepted", 1): 300}
    assert processed_destinations(simulator) == Counter(device_tokens(300))
    assert simulator.statistics().unprocessed >= 30


async def test_a_reset_after_the_request_was_written_ends_unknown(tmp_path):
    reset = ResetEvent(destination_prefix="bad", code="INTERNAL_ERROR")
    async with (
        open_apns_simulator(misbehaving(reset)) as simulator,
        open_shop(tmp_path, simulator) as shop,
    ):
        await shop.send(alert_batch(device_tokens(20) + device_tokens(3, prefix="bad"), defaults=REPORT))
        results = await shop.read_results(23)
    ends = Counter((result.outcome, result.reason, result.uncertain_attempts) for result in results)
    assert ends == {("provider_accepted", None, 0): 20, ("unknown", "provider_error", 1): 3}


async def test_a_cut_connection_leaves_unknown_only_what_was_written_and_not_answered(tmp_path):
    tokens = device_tokens(1000)
    async with (
        open_apns_simulator(misbehaving(CutEvent(at_request=400))) as simulator,
        open_shop(tmp_path, simulator) as shop,
    ):
        await shop.send(alert_batch(tokens, defaults=REPORT))
        results = await shop.read_results(1000)
    ends = Counter(result.outcome for result in results)
    assert ends["provider_accepted"] + ends["unknown"] == 1000
    assert ends["unknown"] > 0
    assert {result.reason for result in results if result.outcome == "unknown"} == {"link_lost"}
    assert max(processed_destinations(simulator).values()) == 1
    answered = {entry.destination for entry in simulator.ledger.entries if entry.status == 200}
    accepted = {tokens[result.index] for result in results if result.outcome == "provider_accepted"}
    assert accepted <= answered


async def test_a_stream_that_is_never_answered_ends_unknown_at_its_deadline(tmp_path):
    silent = SilenceEvent(destination_prefix="bad")
    async with (
        open_apns_simulator(misbehaving(silent)) as simulator,
        open_shop(tmp_path, simulator, apns={"stream_timeout_seconds": 1.0}) as shop,
    ):
        await shop.send(alert_batch(device_tokens(20) + device_tokens(2, prefix="bad"), defaults=REPORT))
        results = {result.index: result for result in await shop.read_results(22)}
    assert {results[index].outcome for index in range(20)} == {"provider_accepted"}
    assert {(results[index].outcome, results[index].reason) for index in (20, 21)} == {("unknown", "timeout")}


async def test_a_peer_that_falls_silent_is_pinged_and_replaced(tmp_path):
    settings = {"ping_after_seconds": 1.0, "stream_timeout_seconds": 60.0}
    async with (
        open_apns_simulator() as simulator,
        open_shop(tmp_path, simulator, apns=settings) as shop,
    ):
        await shop.send(alert_batch(device_tokens(10)))
        await shop.read_results(10)
        simulator.freeze()
        await shop.send(alert_batch(device_tokens(10, start=100), defaults=REPORT))
        results = await shop.read_results(10)
        assert {(result.outcome, result.reason) for result in results} == {("unknown", "link_lost")}
        simulator.resume()
        await shop.send(alert_batch(device_tokens(10, start=200)))
        results = await shop.read_results(10)
    assert {result.outcome for result in results} == {"provider_accepted"}


async def test_the_stream_limit_is_obeyed_at_every_moment(tmp_path):
    events = (
        StreamLimitEvent(at_request=200, limit=1),
        StreamLimitEvent(at_request=230, limit=300),
        StreamLimitEvent(at_request=600, limit=7),
    )
    async with (
        open_apns_simulator(misbehaving(*events, stream_limit=ApnsStreamLimit(first=1, open=500))) as simulator,
        open_shop(tmp_path, simulator) as shop,
    ):
        await shop.send(alert_batch(device_tokens(1000)))
        results = await shop.read_results(1000)
    assert Counter(result.outcome for result in results) == {"provider_accepted": 1000}
    statistics = simulator.statistics()
    assert (statistics.stream_limit_violations, statistics.protocol_errors) == (0, 0)


async def test_the_first_request_of_a_session_goes_alone(tmp_path):
    options = ApnsSimulatorOptions(scenario=ApnsScenario(stream_limit=ApnsStreamLimit(first=500, open=500)))
    async with open_apns_simulator(options) as simulator, open_shop(tmp_path, simulator) as shop:
        simulator.stall()
        await shop.send(alert_batch(device_tokens(100)))
        while not simulator.statistics().requests:  # noqa: ASYNC110 - the simulator tells nobody
            await trio.sleep(0.01)
        with trio.move_on_after(0.5):
            await shop.read_results(1)
        assert simulator.statistics().requests == 1
        simulator.resume()
        results = await shop.read_results(100)
    assert {result.outcome for result in results} == {"provider_accepted"}


async def test_a_provider_that_is_down_at_first_gets_everything_once_it_is_up(tmp_path):
    down = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = down[0].socket.getsockname()[1]
    await down[0].aclose()
    settings = {"production_address": f"localhost:{port}", "reconnect_delay_seconds": 0.1}
    async with open_apns_simulator() as simulator, open_shop(tmp_path, simulator, apns=settings) as shop:
        await shop.send(alert_batch(device_tokens(5)))
        with trio.move_on_after(0.5) as waiting:
            await shop.read_results(1)
        assert waiting.cancelled_caught
        async with trio.open_nursery() as nursery:
            await nursery.start(forward, port, simulator.port)
            results = await shop.read_results(5)
            nursery.cancel_scope.cancel()
    assert {(result.outcome, result.attempts) for result in results} == {("provider_accepted", 1)}


async def test_a_bad_credential_holds_the_lane_and_blames_no_token(tmp_path):
    async with open_apns_simulator() as stranger, open_apns_simulator() as simulator:
        wrong_key = stranger.credentials.keys[0].file
        async with open_shop(tmp_path, simulator, key_file=wrong_key) as shop:
            await shop.send(alert_batch(device_tokens(100)))
            while sum(simulator.statistics().reasons.values()) < 2:  # noqa: ASYNC110 - the simulator tells nobody
                await trio.sleep(0.01)
            with trio.move_on_after(1.0) as waiting:
                await shop.read_results(1)
            assert waiting.cancelled_caught, "no result may be given while the lane is held"
            lane = shop.gateway.statistics().lanes["shop/apns/production"]
    assert lane.is_held
    assert lane.queued_rows + lane.ready_rows == 100
    # The first request went alone, another row was asked whether it is the credential, and that was enough: no storm of
    # requests that Apple would count against us.
    assert simulator.statistics().reasons == {"InvalidProviderToken": 2}

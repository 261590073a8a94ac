"""Faults by scenario: error mixes, silence, resets, cuts, latency; and a client that breaks HTTP/2."""

import contextlib
import ssl

import httpx
import orjson
import pytest
import trio
from h2.errors import ErrorCodes

from bench.simulators.apns import (
    ApnsAnswerEvent,
    ApnsScenario,
    ApnsSimulatorOptions,
    ApnsStreamLimit,
    open_apns_simulator,
)
from bench.simulators.server import Authority, CutEvent, Latency, ResetEvent, SilenceEvent, is_chosen_destination
from gateway.clock import TrioClock
from tests.support.apns_client import BODY, ApnsClient, client_tls, make_token, open_memory_client


def options_with(*events, latency: Latency | None = None, first: int = 1000) -> ApnsSimulatorOptions:
    scenario = ApnsScenario(latency=latency or Latency(), stream_limit=ApnsStreamLimit(first=first), events=events)
    return ApnsSimulatorOptions(clock=TrioClock(), scenario=scenario)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "BadDeviceToken"),
        (400, "DeviceTokenNotForTopic"),
        (400, "IdleTimeout"),
        (403, "BadCertificate"),
        (403, "BadCertificateEnvironment"),
        (403, "BadEnvironmentKeyInToken"),
        (410, "ExpiredToken"),
        (410, "Unregistered"),
        (429, "TooManyRequests"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailable"),
        (503, "Shutdown"),
        (400, "NeverHeardOf"),
    ],
)
async def test_any_reason_can_be_planned(status, reason):
    async with (
        open_apns_simulator(options_with(ApnsAnswerEvent(at_request=1, status=status, reason=reason))) as simulator,
        open_memory_client(simulator) as client,
    ):
        reply = await client.push()
        assert (reply.status, orjson.loads(reply.body)) == (status, {"reason": reason})
        assert (await client.push()).status == 200


async def test_timestamp_is_given_in_milliseconds(autojump_clock):
    dead = ApnsAnswerEvent(at_request=1, status=410, reason="Unregistered", dead_for_seconds=60)
    async with open_apns_simulator(options_with(dead)) as simulator, open_memory_client(simulator) as client:
        now = simulator.options.clock.wall()
        assert orjson.loads((await client.push()).body)["timestamp"] == pytest.approx((now - 60) * 1000, abs=1)


@pytest.mark.parametrize(("body", "sent"), [(None, b""), ("<html>", b"<html>"), ("", b"")])
async def test_body_may_be_missing_or_not_json(body, sent):
    event = ApnsAnswerEvent(at_request=1, status=503, body=body)
    async with open_apns_simulator(options_with(event)) as simulator, open_memory_client(simulator) as client:
        reply = await client.push()
        assert (reply.status, reply.body) == (503, sent)


async def test_retry_after_is_passed_on():
    event = ApnsAnswerEvent(at_request=1, status=503, reason="ServiceUnavailable", retry_after="7")
    async with open_apns_simulator(options_with(event)) as simulator, open_memory_client(simulator) as client:
        assert (await client.push()).headers["retry-after"] == "7"


async def test_broken_rule_goes_before_a_planned_answer():
    event = ApnsAnswerEvent(at_request=1, status=503, reason="Shutdown")
    async with open_apns_simulator(options_with(event)) as simulator, open_memory_client(simulator) as client:
        assert (await client.push(apns_priority="9")).reason == "BadPriority"


async def test_fate_can_hang_on_the_destination():
    prefix = ApnsAnswerEvent(destination_prefix="dead", status=410, reason="Unregistered")
    listed = ApnsAnswerEvent(destinations=("ab01",), status=429, reason="TooManyRequests")
    chosen = ApnsAnswerEvent(destination_share=0.5, status=500, reason="InternalServerError")
    async with (
        open_apns_simulator(options_with(prefix, listed, chosen)) as simulator,
        open_memory_client(simulator) as client,
    ):
        assert (await client.push(path="/3/device/DEAD01")).status == 410
        assert (await client.push(path="/3/device/ab01")).status == 429
        for number in range(20):
            token = f"{number:064x}"
            expected = 500 if is_chosen_destination(token, 0.5) else 200
            assert (await client.push(path=f"/3/device/{token}")).status == expected


async def test_shares_are_drawn_the_same_way_from_the_same_seed():
    runs = []
    for _ in range(2):
        options = options_with(ApnsAnswerEvent(share=0.3, status=500, reason="InternalServerError"))
        async with open_apns_simulator(options) as simulator, open_memory_client(simulator) as client:
            runs.append([(await client.push()).status for _ in range(40)])
    assert runs[0] == runs[1]
    assert 0 < runs[0].count(500) < 40


async def test_counters_choose_requests_over_all_connections_and_on_one():
    each_third = ApnsAnswerEvent(every=3, status=500, times=1)
    second_of_second = ApnsAnswerEvent(at_connection_request=2, connection=2, status=503)
    async with (
        open_apns_simulator(options_with(each_third, second_of_second)) as simulator,
        open_memory_client(simulator) as first,
    ):
        assert [(await first.push()).status for _ in range(6)] == [200, 200, 500, 200, 200, 200]
        async with open_memory_client(simulator) as second:
            second.authorization = first.authorization
            assert [(await second.push()).status for _ in range(3)] == [200, 503, 200]


async def test_silent_stream_is_taken_and_never_answered(autojump_clock):
    async with (
        open_apns_simulator(options_with(SilenceEvent(at_request=1))) as simulator,
        open_memory_client(simulator) as client,
    ):
        silent = client.request()
        assert (await client.push()).status == 200
        await trio.sleep(3600)
        assert silent not in client.replies
        assert simulator.ledger.entries[0].processed
        assert simulator.ledger.entries[0].status is None


@pytest.mark.parametrize(
    ("code", "number", "processed"), [("REFUSED_STREAM", 7, False), ("INTERNAL_ERROR", 2, True), (8, 8, True)]
)
async def test_reset_is_unprocessed_only_when_refused(code, number, processed):
    async with (
        open_apns_simulator(options_with(ResetEvent(at_request=1, code=code))) as simulator,
        open_memory_client(simulator) as client,
    ):
        stream = client.request()
        await client.flush()
        await client.wait_until(lambda: client.resets == {stream: number})
        assert (await client.push()).status == 200
        assert [entry.processed for entry in simulator.ledger.entries] == [processed, True]


async def test_cut_at_a_request_follows_the_answers_before_it():
    async with (
        open_apns_simulator(options_with(CutEvent(at_request=3))) as simulator,
        open_memory_client(simulator) as client,
    ):
        streams = [client.request() for _ in range(5)]
        await client.flush()
        await client.wait_until(lambda: client.is_closed)
        assert set(client.replies) == set(streams[:2])
        assert not client.goaways
    assert [(entry.status, entry.processed) for entry in simulator.ledger.entries] == [(200, True)] * 2 + [(None, True)]


async def test_cut_at_each_received_byte_takes_no_more_than_that():
    measure = ApnsClient(trio.testing.memory_stream_pair()[0], None)
    measure.request()
    whole = len(measure.http.data_to_send())
    seen = []
    for position in range(1, whole + 1):
        async with open_apns_simulator(options_with(CutEvent(at_received_byte=position))) as simulator:
            ours, theirs = trio.testing.memory_stream_pair()
            client = ApnsClient(ours, None)
            client.request()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(simulator.serve_stream, theirs)
                await client.run()
        seen.append(len(simulator.ledger.entries))
    assert seen == [0] * (whole - 1) + [1]


@pytest.mark.parametrize("position", [1, 9, 30, 60])
async def test_cut_at_a_sent_byte_lets_exactly_so_many_out(position):
    received = bytearray()

    async def ping_until_cut(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
        while data := await stream.receive_some():
            received.extend(data)
            await stream.send_all(bytes.fromhex("0000080600000000000102030405060708"))

    async with open_apns_simulator(options_with(CutEvent(at_sent_byte=position))) as simulator:
        ours, theirs = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(simulator.serve_stream, theirs)
            with contextlib.suppress(trio.BrokenResourceError):
                await ping_until_cut(ours)
    assert len(received) == position


@pytest.mark.parametrize(
    ("latency", "least", "most"),
    [
        (Latency(distribution="fixed", seconds=0.5), 0.5, 0.5),
        (Latency(distribution="uniform", least_seconds=0.1, seconds=0.2), 0.1, 0.2),
        (Latency(distribution="exponential", seconds=0.1, least_seconds=0.05), 0.05, 5),
    ],
)
async def test_answers_wait_for_the_latency(latency, least, most, autojump_clock):
    async with open_apns_simulator(options_with(latency=latency)) as simulator, open_memory_client(simulator) as client:
        spans = []
        for _ in range(20):
            started_at = trio.current_time()
            await client.push()
            spans.append(trio.current_time() - started_at)
        assert min(spans) >= least - 1e-6
        assert max(spans) <= most + 0.002
        assert len(set(spans)) > 1 or least == most


async def test_bodies_of_answers_obey_flow_control():
    event = ApnsAnswerEvent(every=1, status=500, body="x" * 100_000)
    async with open_apns_simulator(options_with(event)) as simulator, open_memory_client(simulator) as client:
        assert len((await client.push()).body) == 100_000


async def test_windows_of_the_client_are_opened_again():
    async with open_apns_simulator(options_with()) as simulator, open_memory_client(simulator) as client:
        for _ in range(60):
            assert (await client.push(body=b'{"aps":{"alert":"' + b"x" * 4000 + b'"}}')).status == 200


async def test_broken_http2_ends_in_a_goaway_that_counts_whole_requests_alone(autojump_clock):
    slow = Latency(distribution="fixed", seconds=1)
    async with open_apns_simulator(options_with(latency=slow)) as simulator, open_memory_client(simulator) as client:
        whole = client.request()
        unfinished = [(":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", "/3/device/aa")]
        client.send_fields(unfinished, ends=False)
        await client.flush()
        await trio.testing.wait_all_tasks_blocked()
        await client.stream.send_all(b"\x00\x00\x04\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00")  # RST_STREAM on stream 0
        await client.wait_until(lambda: client.is_closed)
        (goaway,) = client.goaways
        assert (goaway.code, goaway.last_stream_id) == (ErrorCodes.PROTOCOL_ERROR, whole)
    assert [(entry.stream, entry.processed) for entry in simulator.ledger.entries] == [(whole, True)]
    assert simulator.statistics().protocol_errors == 1


async def test_client_that_says_goaway_still_gets_its_answers(autojump_clock):
    slow = Latency(distribution="fixed", seconds=1)
    async with open_apns_simulator(options_with(latency=slow)) as simulator, open_memory_client(simulator) as client:
        stream = client.request()
        await client.flush()
        client.http.close_connection()
        goaway = client.http.data_to_send()
        client.http.state_machine.state = type(client.http.state_machine.state).CLIENT_OPEN
        await client.stream.send_all(goaway)
        assert (await client.wait_reply(stream)).status == 200


@pytest.mark.parametrize("alpn", [["http/1.1"], []])
async def test_http1_is_refused_in_apples_words(alpn):
    async with open_apns_simulator() as simulator:
        stream = await trio.open_ssl_over_tcp_stream(
            "127.0.0.1", simulator.port, ssl_context=client_tls(simulator, alpn=alpn)
        )
        await stream.send_all(b"POST /3/device/aa HTTP/1.1\r\nhost: localhost\r\n\r\n")
        received = b""
        with contextlib.suppress(trio.BrokenResourceError):
            while data := await stream.receive_some():
                received += data
        await trio.aclose_forcefully(stream)
        assert received.endswith(b"Unexpected HTTP/1.x request: POST /3/device/aa HTTP/1.1")
        assert simulator.statistics().protocol_errors == 1
        assert not simulator.ledger.entries


def test_tls_below_1_2_is_refused(tmp_path):
    context = Authority(tmp_path).make_server_context(host="127.0.0.1", alpn=["h2"])
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


async def test_common_http_client_is_served():
    async with open_apns_simulator() as simulator:
        headers = {
            "authorization": make_token(simulator),
            "apns-topic": "com.example.shop",
            "apns-push-type": "alert",
        }
        async with httpx.AsyncClient(http2=True, verify=client_tls(simulator)) as client:
            reply = await client.post(f"https://{simulator.address}/3/device/aa", headers=headers, content=BODY)
        assert (reply.status_code, reply.http_version) == (200, "HTTP/2")

"""The HTTP/1.1 side of the simulators: keep-alive, scenario answers, cuts, silence, and bytes that are no HTTP."""

import hashlib
import ssl
from contextlib import asynccontextmanager

import httpx
import pytest
import trio
import trio.testing

from bench.simulators.server import (
    AnswerEvent,
    CutEvent,
    GoawayEvent,
    Latency,
    ResetEvent,
    Scenario,
    SilenceEvent,
    SimulatorOptions,
)
from gateway.clock import TrioClock
from tests.support.post_office import PostOffice, open_post_office

LETTER = b"POST /%s HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\ndear"


def planning(*events, latency: Latency | None = None) -> SimulatorOptions:
    return SimulatorOptions(clock=TrioClock(), scenario=Scenario(events=events, latency=latency or Latency()))


@asynccontextmanager
async def open_client(simulator, **settings):
    context = ssl.create_default_context(cafile=str(simulator.ca_file))
    base = f"https://localhost:{simulator.ports['old']}"
    async with httpx.AsyncClient(verify=context, base_url=base, trust_env=False, **settings) as client:
        yield client


@asynccontextmanager
async def open_stream(simulator):
    """Connect without a socket or TLS, so that trio's clock may jump and every byte is the test's."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: simulator.serve_stream(theirs, origin="old"))
        yield ours
        await trio.aclose_forcefully(ours)


async def receive_all(stream: trio.abc.Stream) -> bytes:
    """Return what comes until the other side closes or cuts."""
    received = bytearray()
    try:
        while data := await stream.receive_some():
            received += data
    except trio.BrokenResourceError:
        pass
    return bytes(received)


async def test_one_connection_takes_many_requests():
    async with open_post_office() as simulator, open_client(simulator) as client:
        for number in range(5):
            assert (await client.post(f"/{number}", content=b"x" * 100_000)).status_code == 201
        assert simulator.statistics().connections == 1
        assert [(entry.session, entry.stream, entry.bytes) for entry in simulator.ledger.entries] == [
            (1, number, 100_000) for number in range(1, 6)
        ]


async def test_client_that_asks_for_close_gets_it():
    async with open_post_office() as simulator, open_client(simulator, headers={"connection": "close"}) as client:
        assert (await client.post("/anna")).status_code == 201
        assert (await client.post("/anna")).status_code == 201
        assert simulator.statistics().connections == 2


async def test_path_and_query_come_as_they_were_sent():
    async with open_post_office() as simulator, open_stream(simulator) as stream:
        await stream.send_all(LETTER % b"anna%2f?a=b")
        await stream.receive_some()
        (entry,) = simulator.ledger.entries
        assert entry.destination == "anna%2f?a=b"


async def test_answers_wait_for_the_latency_and_keep_their_order(autojump_clock):
    slow = planning(
        AnswerEvent(at_request=2, status=201, after_seconds=0.1), latency=Latency(distribution="fixed", seconds=2.0)
    )
    async with open_post_office(slow) as simulator, open_stream(simulator) as stream:
        await stream.send_all(LETTER % b"anna" + LETTER % b"bert")
        first = await stream.receive_some()
        assert b"/letters/anna" in first
        assert trio.current_time() == pytest.approx(2.0, abs=0.01)
        second = await stream.receive_some()
        assert b"/letters/bert" in second
        assert trio.current_time() == pytest.approx(2.1, abs=0.01)


async def test_silence_answers_nothing_and_the_ledger_calls_it_processed(autojump_clock):
    async with open_post_office(planning(SilenceEvent(at_request=1))) as simulator, open_stream(simulator) as stream:
        await stream.send_all(LETTER % b"anna")
        with trio.move_on_after(600) as waited:
            await stream.receive_some()
        assert waited.cancelled_caught
        assert [(entry.status, entry.processed) for entry in simulator.ledger.entries] == [(None, True)]


@pytest.mark.parametrize("event", [CutEvent(at_request=2), ResetEvent(at_request=2, code="REFUSED_STREAM")])
async def test_cut_and_reset_close_without_a_word(event, autojump_clock):
    async with open_post_office(planning(event)) as simulator, open_stream(simulator) as stream:
        await stream.send_all(LETTER % b"anna" + LETTER % b"bert")
        received = await receive_all(stream)
        assert received.count(b"HTTP/1.1") == 1
        assert [(entry.status, entry.processed) for entry in simulator.ledger.entries] == [(201, True), (None, True)]


async def test_real_client_sees_a_cut_as_a_lost_connection():
    options = planning(CutEvent(at_request=1))
    async with open_post_office(options) as simulator, open_client(simulator) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post("/anna")
        assert (await client.post("/anna")).status_code == 201


@pytest.mark.parametrize("position", [1, 20, 60])
async def test_connection_is_cut_at_a_byte_of_the_answer(position, autojump_clock):
    async with (
        open_post_office(planning(CutEvent(at_sent_byte=position))) as simulator,
        open_stream(simulator) as stream,
    ):
        await stream.send_all(LETTER % b"anna")
        assert len(await receive_all(stream)) == position


async def test_connection_is_cut_at_a_byte_of_the_request(autojump_clock):
    options = planning(CutEvent(at_received_byte=len(LETTER % b"anna") - 1))
    async with open_post_office(options) as simulator, open_stream(simulator) as stream:
        await stream.send_all(LETTER % b"anna")
        assert await receive_all(stream) == b""
        assert not simulator.ledger.entries


async def test_goaway_is_a_close_with_the_answer_under_way(autojump_clock):
    async with open_post_office(planning(GoawayEvent(at_request=1))) as simulator, open_stream(simulator) as stream:
        await stream.send_all(LETTER % b"anna")
        received = await receive_all(stream)
        assert received.startswith(b"HTTP/1.1 201")
        assert b"connection: close" in received.lower()


async def test_idle_connection_is_closed_by_goaway(autojump_clock):
    async with open_post_office(planning()) as simulator, open_stream(simulator) as stream:
        await trio.testing.wait_all_tasks_blocked()
        simulator.goaway()
        assert await receive_all(stream) == b""
        assert simulator.statistics().goaways == 1


async def test_client_that_waits_for_100_with_its_body_is_told(autojump_clock):
    async with open_post_office(planning()) as simulator, open_stream(simulator) as stream:
        head, _, body = (LETTER % b"anna").partition(b"dear")
        await stream.send_all(head.replace(b"host:", b"expect: 100-continue\r\nhost:") + body)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 100")
        await stream.send_all(b"dear")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 201")


async def test_body_in_chunks_is_one_body(autojump_clock):
    async with open_post_office(planning()) as simulator, open_stream(simulator) as stream:
        head = b"POST /anna HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        await stream.send_all(head + b"2\r\nde\r\n")
        await stream.send_all(b"2;name=value\r\nar\r\n0\r\nx-trailer: 1\r\n\r\n" + LETTER % b"bert")
        await trio.testing.wait_all_tasks_blocked()
        assert [(entry.destination, entry.bytes) for entry in simulator.ledger.entries] == [("anna", 4), ("bert", 4)]
        assert [entry.body_sha256 for entry in simulator.ledger.entries] == [hashlib.sha256(b"dear").hexdigest()] * 2


async def test_body_with_two_lengths_is_refused(autojump_clock):
    async with open_post_office(planning()) as simulator, open_stream(simulator) as stream:
        await stream.send_all((LETTER % b"anna").replace(b"\r\nhost:", b"\r\ncontent-length: 5\r\nhost:"))
        assert (await receive_all(stream)).startswith(b"HTTP/1.1 400")
        assert not simulator.ledger.entries


@pytest.mark.parametrize("target", [b"https://post.example/anna?a=b", b"HTTPS://post.example/anna?a=b"])
async def test_target_may_be_a_whole_url(target, autojump_clock):
    office = PostOffice()
    async with open_post_office(planning(), office) as simulator, open_stream(simulator) as stream:
        await stream.send_all((LETTER % b"").replace(b" / ", b" %s " % target))
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 201")
    (request,) = office.seen
    assert (request.path, request.headers[b":authority"]) == (b"/anna?a=b", b"post.example")


async def test_connection_of_http_1_0_closes_after_its_answer(autojump_clock):
    async with open_post_office(planning()) as simulator, open_stream(simulator) as stream:
        await stream.send_all((LETTER % b"anna").replace(b"HTTP/1.1", b"HTTP/1.0"))
        received = await receive_all(stream)
        assert received.startswith(b"HTTP/1.1 201")
        assert b"connection: close" in received.lower()


async def test_bytes_that_are_no_http_are_refused_and_counted(autojump_clock):
    async with open_post_office(planning()) as simulator, open_stream(simulator) as stream:
        await stream.send_all(b"\x16\x03\x01\r\n\r\n")
        received = await receive_all(stream)
        assert received.startswith(b"HTTP/1.1 400")
        assert simulator.statistics().protocol_errors == 1


async def test_answer_to_head_has_no_body(autojump_clock):
    async with open_post_office(planning()) as simulator, open_stream(simulator) as stream:
        await stream.send_all(b"HEAD /anna HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        received = await receive_all(stream)
        assert received.startswith(b"HTTP/1.1 405")
        assert received.endswith(b"\r\n\r\n")


async def test_request_that_waits_when_its_client_leaves_is_entered():
    async with open_post_office(planning()) as simulator:
        simulator.stall()
        async with open_stream(simulator) as stream:
            await stream.send_all(LETTER % b"anna")
            await trio.testing.wait_all_tasks_blocked()
        assert [(entry.status, entry.processed) for entry in simulator.ledger.entries] == [(None, True)]

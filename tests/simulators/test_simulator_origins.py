"""What providers build on: several ports, answers of any success, planned answers, ledger fields, requests besides."""

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from bench.simulators.server import (
    AnswerEvent,
    Authority,
    LedgerEntry,
    Origin,
    Scenario,
    Simulator,
    SimulatorOptions,
    read_ledger,
    run_simulator,
)
from tests.support.post_office import PostOffice, PostOfficeEntry, open_post_office


@asynccontextmanager
async def open_counter(simulator: Simulator, origin: str) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client of HTTP that knows both kinds, at one of the two counters."""
    context = ssl.create_default_context(cafile=str(simulator.ca_file))
    base = f"https://localhost:{simulator.ports[origin]}"
    async with httpx.AsyncClient(http2=True, verify=context, base_url=base, trust_env=False) as client:
        yield client


@asynccontextmanager
async def open_tls(simulator: Simulator, origin: str, alpn: list[str]) -> AsyncIterator[trio.SSLStream]:
    """Connect to a counter, offering these protocols; without any, as clients that know no ALPN."""
    context = ssl.create_default_context(cafile=str(simulator.ca_file))
    if alpn:
        context.set_alpn_protocols(alpn)
    stream = await trio.open_ssl_over_tcp_stream(
        "localhost", simulator.ports[origin], ssl_context=context, https_compatible=True
    )
    try:
        yield stream
    finally:
        await trio.aclose_forcefully(stream)


def planning(*events) -> SimulatorOptions:
    return SimulatorOptions(scenario=Scenario(events=events))


BOTH = pytest.mark.parametrize(("origin", "version"), [("main", "HTTP/2"), ("new", "HTTP/2"), ("old", "HTTP/1.1")])


@BOTH
async def test_port_speaks_its_own_http_and_tells_the_provider_its_name(origin, version):
    async with open_post_office() as simulator, open_counter(simulator, origin) as client:
        reply = await client.post("/anna", content=b"dear anna")
        assert (reply.status_code, reply.http_version, reply.content) == (201, version, b"taken")
        assert reply.headers["location"] == "/letters/anna"
        (entry,) = simulator.ledger.of_destination("anna")
        assert (entry.origin, entry.bytes, entry.status, entry.processed) == (origin, 9, 201, True)
        assert simulator.statistics().statuses == {201: 1}


async def test_provider_sees_the_same_fields_over_both():
    office = PostOffice()
    async with open_post_office(office=office) as simulator:
        for origin in ("main", "old"):
            async with open_counter(simulator, origin) as client:
                await client.post("/anna?x=%2f", content=b"dear", headers={"TTL": "60", "host": "post"})
    new, old = office.seen
    assert old.headers == new.headers
    assert (new.method, new.path, new.headers[b":authority"]) == (b"POST", b"/anna?x=%2f", b"post")
    assert (new.headers[b"ttl"], new.body, old.body, new.origin, old.origin) == (b"60", b"dear", b"dear", "main", "old")


async def test_repeated_field_is_seen_over_both():
    office = PostOffice()
    async with open_post_office(office=office) as simulator:
        for origin in ("main", "old"):
            async with open_counter(simulator, origin) as client:
                await client.post("/anna", headers=[("urgency", "low"), ("urgency", "high")])
    assert [request.has_repeated_header for request in office.seen] == [True, True]


@BOTH
async def test_planned_answer_takes_the_providers_form(origin, version):
    options = planning(AnswerEvent(destination_prefix="gone", status=410, reason="Moved", retry_after="9"))
    async with open_post_office(options) as simulator, open_counter(simulator, origin) as client:
        reply = await client.post("/gone")
        assert (reply.status_code, reply.content, reply.headers["retry-after"]) == (410, b"Moved gone", "9")
        assert reply.headers["content-type"] == "text/plain"
        assert (await client.post("/anna")).status_code == 201


@BOTH
async def test_scenario_may_set_headers_and_a_body_of_its_own(origin, version):
    event = AnswerEvent(every=1, status=502, body="<html>", headers={"Content-Type": "text/html", "X-Seen": "1"})
    async with open_post_office(planning(event)) as simulator, open_counter(simulator, origin) as client:
        reply = await client.post("/anna")
        assert (reply.status_code, reply.text) == (502, "<html>")
        assert (reply.headers["content-type"], reply.headers["x-seen"]) == ("text/html", "1")


async def test_planned_success_without_a_reason_is_the_healthy_answer():
    options = planning(AnswerEvent(every=1, status=202))
    async with open_post_office(options) as simulator, open_counter(simulator, "main") as client:
        reply = await client.post("/anna")
        assert (reply.status_code, reply.headers["location"], reply.content) == (202, "/letters/anna", b"taken")


@BOTH
async def test_request_besides_is_answered_without_event_count_or_ledger(origin, version):
    options = planning(AnswerEvent(at_request=1, status=500, reason="Broken"))
    async with open_post_office(options) as simulator, open_counter(simulator, origin) as client:
        for _ in range(2):
            assert (await client.get("/clock")).text == "noon"
        assert simulator.statistics().requests == 0
        assert (await client.post("/anna")).status_code == 500
        assert [entry.destination for entry in simulator.ledger.entries] == ["anna"]


async def test_broken_rule_goes_before_a_planned_answer_of_any_provider():
    options = planning(AnswerEvent(every=1, status=500, reason="Broken"))
    async with open_post_office(options) as simulator, open_counter(simulator, "main") as client:
        assert (await client.put("/anna")).text == "NoLetter"
        assert simulator.statistics().reasons == {"NoLetter": 1}


async def test_ledger_file_has_the_providers_fields(tmp_path):
    path = tmp_path / "ledger.ndjson"
    async with open_post_office(SimulatorOptions(ledger_file=path)) as simulator:
        async with open_counter(simulator, "old") as client:
            await client.post("/anna")
        async with open_counter(simulator, "main") as client:
            await client.post("/bert")
    assert [entry.origin for entry in read_ledger(path, PostOfficeEntry)] == ["old", "main"]
    assert [entry.destination for entry in read_ledger(path, LedgerEntry)] == ["anna", "bert"]


async def test_simulator_without_its_port_gives_the_others_back():
    async with open_post_office() as first:
        taken = first.ports["main"]
        origins = (Origin(name="free"), Origin(name="taken", port=taken))
        options = SimulatorOptions()
        made: list[Simulator] = []

        def make(authority: Authority) -> Simulator:
            made.append(Simulator(PostOffice(), options, authority, origins))
            return made[0]

        with pytest.raises(OSError, match=f"127.0.0.1:{taken}"):
            async with run_simulator(make, options):
                pytest.fail("it runs without its port")
        with socket.create_server(("127.0.0.1", made[0].ports["free"])):
            pass


@pytest.mark.parametrize("alpn", [["http/1.1"], [], ["spdy/3"]])
@pytest.mark.parametrize("origin", ["main", "old"])
async def test_client_without_h2_is_served_over_http1(origin, alpn):
    async with open_post_office() as simulator, open_tls(simulator, origin, alpn) as stream:
        await stream.send_all(b"POST /anna HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\ndear")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 201")
        (entry,) = simulator.ledger.entries
        assert (entry.origin, entry.bytes, simulator.statistics().refused_handshakes) == (origin, 4, 0)


@pytest.mark.parametrize("alpn", [["http/1.1"], []])
async def test_client_of_http1_is_told_where_h2_alone_is_spoken(alpn):
    async with open_post_office() as simulator, open_tls(simulator, "new", alpn) as stream:
        await stream.send_all(b"POST /anna HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\ndear")
        received = b""
        while data := await stream.receive_some():
            received += data
        assert received.endswith(b"Unexpected HTTP/1.x request: POST /anna HTTP/1.1")
        assert not simulator.ledger.entries
        assert simulator.statistics().protocol_errors == 1


async def test_client_that_gives_up_in_the_handshake_is_counted():
    async with open_post_office() as simulator:
        stream = await trio.open_tcp_stream("127.0.0.1", simulator.ports["main"])
        await stream.send_all(b"POST / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(trio.BrokenResourceError):
            while await stream.receive_some():
                pass
        await stream.aclose()
        assert simulator.statistics().refused_handshakes == 1

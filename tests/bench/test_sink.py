import os
import socket
import ssl
import subprocess
import sys

import h2.errors
import h2.events
import h2.settings
import httpx
import pytest
import trio

from tests.support.http2_client import Http2Client
from tests.support.patience import HANG_SECONDS

APNS_ID = "5f0c9a3e-7b1d-8e4f-a2c6-d01500000001"


@pytest.fixture
def client(sink, certificates):
    with Http2Client(sink.port, certificates.ca_file) as client:
        yield client


def _answers(client, count):
    """Each stream's response headers, once ``count`` streams have ended."""
    client.wait_for(h2.events.StreamEnded, count)
    return {event.stream_id: dict(event.headers) for event in client.wait_for(h2.events.ResponseReceived, count)}


def test_an_answer_is_200_and_echoes_the_apns_id(client, sink):
    stream_id = client.start("/3/device/aa", [("apns-id", APNS_ID)])
    client.http.send_data(stream_id, b"x" * 200, end_stream=True)
    client.flush()
    assert _answers(client, 1) == {stream_id: {":status": "200", "apns-id": APNS_ID}}
    assert sink.requests == 1
    assert sink.counters().body_bytes == 200


def test_a_request_without_apns_id_is_answered_without_one(client):
    stream_id = client.start("/3/device/aa", end_stream=True)
    client.flush()
    assert _answers(client, 1) == {stream_id: {":status": "200"}}


def test_each_so_many_th_request_is_deferred_with_its_apns_id(start_sink, certificates):
    sink = start_sink(defer_every=3)
    with Http2Client(sink.port, certificates.ca_file) as client:
        streams = [client.start("/3/device/aa", [("apns-id", f"id-{at}")], end_stream=True) for at in range(6)]
        client.flush()
        answers = _answers(client, 6)
    assert [answers[stream][":status"] for stream in streams] == ["200", "200", "503"] * 2
    assert [answers[stream]["apns-id"] for stream in streams] == [f"id-{at}" for at in range(6)]
    assert (sink.requests, sink.counters().deferred) == (6, 2)


def test_an_answer_waits_for_the_end_of_its_own_stream(client):
    first = client.start("/3/device/aa", [("apns-id", "first")])
    second = client.start("/3/device/bb", [("apns-id", "second")])
    client.http.send_data(second, b"{}", end_stream=True)
    client.flush()
    assert _answers(client, 1) == {second: {":status": "200", "apns-id": "second"}}
    client.http.send_data(first, b"{}", end_stream=True)
    client.flush()
    assert _answers(client, 2)[first]["apns-id"] == "first"


def test_trailers_end_a_request(client):
    stream_id = client.start("/3/device/aa", [("apns-id", "trailed")])
    client.http.send_data(stream_id, b"{}")
    client.http.send_headers(stream_id, [("checksum", "1")], end_stream=True)
    client.flush()
    assert _answers(client, 1)[stream_id]["apns-id"] == "trailed"


def test_an_apns_id_from_the_dynamic_table_is_echoed(client):
    for _ in range(3):
        client.start("/3/device/aa", [("apns-id", APNS_ID)], end_stream=True)
    client.flush()
    assert [answer["apns-id"] for answer in _answers(client, 3).values()] == [APNS_ID] * 3


def test_a_header_block_in_continuations_is_one_request(client):
    long_fields = [(f"x-{number}", "q" * 3000) for number in range(8)]
    stream_id = client.start("/3/device/aa", [*long_fields, ("apns-id", APNS_ID)], end_stream=True)
    client.flush()
    assert _answers(client, 1)[stream_id]["apns-id"] == APNS_ID


def test_padding_and_priority_are_stepped_over(client, sink):
    stream_id = client.http.get_next_available_stream_id()
    fields = [(":method", "POST"), (":scheme", "https"), (":authority", "a"), (":path", "/"), ("apns-id", "padded")]
    client.http.send_headers(stream_id, fields, priority_weight=7)
    client.http.send_data(stream_id, b"abc", end_stream=True, pad_length=50)
    client.flush()
    assert _answers(client, 1)[stream_id]["apns-id"] == "padded"
    assert sink.counters().body_bytes == 3


def test_bodies_beyond_every_initial_window_go_through(client, sink):
    # 20 MiB: more than the connection's window of 16 MiB, so its WINDOW_UPDATEs must come.
    body_bytes, bodies = 1 << 20, 20
    for number in range(bodies):
        left = body_bytes
        stream_id = client.start("/3/device/aa", [("apns-id", str(number))])
        while left:
            room = min(left, client.http.local_flow_control_window(stream_id), client.http.max_outbound_frame_size)
            if room:
                client.http.send_data(stream_id, bytes(room), end_stream=room == left)
                left -= room
                client.flush()
            else:
                client.receive()
    assert len(_answers(client, bodies)) == bodies
    assert sink.counters().body_bytes == bodies * body_bytes


def test_settings_announce_the_stream_limit_and_ours_are_acknowledged(start_sink, certificates):
    with Http2Client(start_sink(stream_limit=7).port, certificates.ca_file) as client:
        client.wait_for(h2.events.SettingsAcknowledged)
        assert client.http.remote_settings.max_concurrent_streams == 7


def test_a_ping_is_acknowledged_with_its_own_data(client):
    client.http.ping(b"pushmill")
    client.flush()
    (acknowledged,) = client.wait_for(h2.events.PingAckReceived)
    assert acknowledged.ping_data == b"pushmill"


def test_a_stream_above_the_limit_is_refused_and_the_others_are_answered(start_sink, certificates):
    sink = start_sink(stream_limit=2)
    with Http2Client(sink.port, certificates.ca_file) as client:
        started = [client.start("/3/device/aa", [("apns-id", str(number))]) for number in range(3)]
        client.flush()
        (reset,) = client.wait_for(h2.events.StreamReset)
        for stream_id in started[:2]:
            client.http.send_data(stream_id, b"{}", end_stream=True)
        client.flush()
        answers = _answers(client, 2)
    assert (reset.stream_id, reset.error_code) == (started[2], h2.errors.ErrorCodes.REFUSED_STREAM)
    assert sorted(answers) == started[:2]
    assert sink.counters().refused_streams == 1


def test_a_reset_stream_makes_room_for_another(start_sink, certificates):
    with Http2Client(start_sink(stream_limit=1).port, certificates.ca_file) as client:
        client.http.reset_stream(client.start("/3/device/aa"))
        stream_id = client.start("/3/device/bb", [("apns-id", APNS_ID)], end_stream=True)
        client.flush()
        assert sorted(_answers(client, 1)) == [stream_id]


def test_a_broken_frame_ends_the_connection_with_goaway(client, sink):
    client.tls.sendall(bytes.fromhex("000004060000000000") + b"ping")  # a PING has 8 octets (RFC 9113 6.7)
    (ended,) = client.wait_for(h2.events.ConnectionTerminated)
    assert ended.error_code == h2.errors.ErrorCodes.FRAME_SIZE_ERROR
    with pytest.raises(EOFError):
        client.receive()
    assert sink.counters().protocol_errors == 1


def test_a_header_block_that_breaks_hpack_ends_the_connection(client):
    client.tls.sendall(bytes.fromhex("000001" + "01" + "05" + "00000001" + "80"))  # index 0 (RFC 7541 6.1)
    (ended,) = client.wait_for(h2.events.ConnectionTerminated)
    assert ended.error_code == h2.errors.ErrorCodes.COMPRESSION_ERROR


def test_requests_split_anywhere_are_understood(client):
    stream_id = client.start("/3/device/aa", [("apns-id", APNS_ID)])
    client.http.send_data(stream_id, b"{}", end_stream=True)
    for octet in client.http.data_to_send():
        client.tls.sendall(bytes([octet]))
    assert _answers(client, 1)[stream_id]["apns-id"] == APNS_ID


def test_a_client_that_offers_no_h2_is_refused(sink, certificates):
    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    context.set_alpn_protocols(["http/1.1"])
    with socket.create_connection(("127.0.0.1", sink.port)) as transport, pytest.raises(ssl.SSLError):
        context.wrap_socket(transport, server_hostname="localhost")


async def test_many_connections_and_streams_are_answered_each_with_its_own_id(sink, certificates):
    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    echoed: dict[str, str] = {}

    async def post(client: httpx.AsyncClient, apns_id: str) -> None:
        response = await client.post("/3/device/aa", content=b"{}", headers={"apns-id": apns_id})
        echoed[apns_id] = response.headers["apns-id"]

    base_url = f"https://localhost:{sink.port}"
    async with (
        httpx.AsyncClient(http2=True, verify=context, base_url=base_url) as one,
        httpx.AsyncClient(http2=True, verify=context, base_url=base_url) as other,
        trio.open_nursery() as nursery,
    ):
        for number in range(200):
            nursery.start_soon(post, (one, other)[number % 2], f"id-{number}")
    assert echoed == {f"id-{number}": f"id-{number}" for number in range(200)}
    assert sink.requests == 200


def _send_all(tls, data):
    """Send in pieces, so that a timeout means that nothing moved at all."""
    for start in range(0, len(data), 1 << 16):
        tls.sendall(data[start : start + (1 << 16)])


def test_a_peer_that_reads_nothing_is_not_read_from_and_harms_no_other(start_sink, certificates):
    sink = start_sink(stream_limit=1000)
    pings = (bytes.fromhex("000008060000000000") + b"pushmill") * 4096
    with Http2Client(sink.port, certificates.ca_file) as greedy, Http2Client(sink.port, certificates.ca_file) as polite:
        greedy.tls.settimeout(0.3)
        with pytest.raises(TimeoutError):
            _send_all(greedy.tls, pings * 1000)  # 70 MB, far beyond all socket buffers
        stream_id = polite.start("/3/device/aa", end_stream=True)
        polite.flush()
        assert sorted(_answers(polite, 1)) == [stream_id]


def test_the_report_tells_requests_and_cost(sink, certificates):
    with Http2Client(sink.port, certificates.ca_file) as client:
        client.start("/3/device/aa", end_stream=True)
        client.flush()
        _answers(client, 1)
    report = sink.stop()
    assert (report.requests, report.connections, report.protocol_errors) == (1, 1, 0)
    assert 0 < report.cpu_seconds == pytest.approx(report.cpu_microseconds_per_request / 1e6)


def test_an_audit_counts_what_differs(start_sink, certificates):
    sink = start_sink(audits=True)
    with Http2Client(sink.port, certificates.ca_file) as client:
        for path, apns_id in (("/a", "1"), ("/a", "2"), ("/b", "2"), ("/b", "2")):
            client.start(path, [("apns-id", apns_id)], end_stream=True)
        client.flush()
        _answers(client, 4)
    report = sink.stop()
    assert (report.requests, report.distinct_paths, report.distinct_apns_ids) == (4, 2, 2)


def test_a_wrong_key_file_is_named(certificates):
    command = [sys.executable, "-m", "bench.sink", "--certificate", str(certificates.certificate_file)]
    command += ["--key", str(certificates.ca_file)]
    wide = os.environ | {"COLUMNS": "1000"}  # a message is broken into lines of a terminal's width, its path among them
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANG_SECONDS, env=wide)  # noqa: S603
    assert done.returncode == 2
    assert "no private key" in done.stderr
    assert done.stdout == ""

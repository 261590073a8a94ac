"""The Web Push simulator over real TLS: five origins, foreign senders, the gateway's own requests, faults and books."""

import contextlib
import hashlib
import json
import ssl
import stat
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import trio
from pywebpush import WebPusher

from bench.simulators.server import CutEvent, GoawayEvent, ResetEvent, ScenarioError, parse_scenario, read_ledger
from bench.simulators.webpush import (
    WebPushAnswerEvent,
    WebPushLedgerEntry,
    WebPushScenario,
    WebPushSimulator,
    WebPushSimulatorOptions,
    make_send_line,
    open_webpush_simulator,
)
from bench.simulators.webpush.services import SERVICE_OF_ORIGIN
from gateway.cli.sending import SourceLine, read_ndjson
from gateway.delivery.credentials.vapid_key import load_vapid_key
from native.encryption import encrypt_batch
from protocol.chunks import Chunk
from protocol.preparation import AppFacts, Preparation, WebPushFacts
from protocol.providers.webpush import EndpointPolicy, Service, build_requests, get_plaintexts, get_recipients
from protocol.send import decode_rows
from tests.support.push_sender import authorize, encrypt, make_claims, make_headers, sign
from tests.support.sends import PreparedRow, open_send, read_rows

ALL = list(SERVICE_OF_ORIGIN)


def planning(*events) -> WebPushSimulatorOptions:
    return WebPushSimulatorOptions(scenario=WebPushScenario(events=events))


@asynccontextmanager
async def open_client(simulator: WebPushSimulator, *, http2: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client that speaks both kinds of HTTP, or the older one."""
    context = ssl.create_default_context(cafile=str(simulator.ca_file))
    async with httpx.AsyncClient(http2=http2, verify=context, trust_env=False) as client:
        yield client


async def push(
    simulator: WebPushSimulator, client: httpx.AsyncClient, origin: str, number: int = 0, *, body: bytes | None = None
) -> httpx.Response:
    """Send a good push, or another body, to a subscription of an origin's service."""
    line = simulator.make_subscription(SERVICE_OF_ORIGIN[origin], number)
    headers = make_headers(simulator.vapid_keys[line["vapid_key"]], simulator.origins[origin])
    content = encrypt(line["subscription"]) if body is None else body
    return await client.post(line["subscription"]["endpoint"], headers=headers, content=content)


@pytest.mark.parametrize("origin", ALL)
async def test_push_is_taken_at_each_origin_and_read_by_its_browser(origin):
    async with open_webpush_simulator() as simulator, open_client(simulator) as client:
        reply = await push(simulator, client, origin, 5)
        assert (reply.status_code, reply.content) == (201, b"")
        assert reply.http_version == ("HTTP/1.1" if origin == "http1" else "HTTP/2")
        assert reply.headers["location"].startswith(simulator.origins[origin])
        (entry,) = simulator.ledger.entries
        assert (entry.service, entry.vapid_key, entry.decryption) == (SERVICE_OF_ORIGIN[origin], "second", None)
        assert entry.body_sha256 == hashlib.sha256(b"hello").hexdigest()
        endpoint = simulator.make_subscription(SERVICE_OF_ORIGIN[origin], 5)["subscription"]["endpoint"]
        assert simulator.origins[origin] + entry.destination == endpoint


@pytest.mark.parametrize("origin", ALL)
async def test_sender_without_http2_reaches_every_origin(origin):
    async with open_webpush_simulator() as simulator, open_client(simulator, http2=False) as client:
        reply = await push(simulator, client, origin)
        assert (reply.status_code, reply.http_version) == (201, "HTTP/1.1")


async def test_body_of_a_widely_used_library_is_read():
    async with open_webpush_simulator() as simulator, open_client(simulator) as client:
        line = simulator.make_subscription("mozilla", 1)
        body = WebPusher(line["subscription"]).encode(b"from elsewhere")["body"]
        assert (await push(simulator, client, "mozilla", 1, body=body)).status_code == 201
        (entry,) = simulator.ledger.of_body(hashlib.sha256(b"from elsewhere").hexdigest())
        assert entry.decryption is None


async def test_flipped_bit_is_answered_like_any_message_and_told_to_the_books():
    async with open_webpush_simulator() as simulator, open_client(simulator) as client:
        body = bytearray(encrypt(simulator.make_subscription("apple", 0)["subscription"]))
        body[-1] ^= 1
        assert (await push(simulator, client, "apple", body=bytes(body))).status_code == 201
        assert simulator.ledger.entries[0].decryption == "record 0 does not belong to its tag, or the key is another"
        assert simulator.statistics().decryption_failures == 1


class GatewaySender:
    """Prepares, encrypts and builds requests with the gateway's own code, and tokens made by hand."""

    def __init__(self, simulator: WebPushSimulator) -> None:
        self._keys = {key.application_server_key: key for key in simulator.vapid_keys.values()}
        ports = {origin: address.removeprefix("https://") for origin, address in simulator.origins.items()}
        facts = WebPushFacts(
            vapid_keys={key.id: text for text, key in self._keys.items()},
            default_vapid_key=None,
            endpoints=EndpointPolicy({ports[name]: Service(SERVICE_OF_ORIGIN[name]) for name in SERVICE_OF_ORIGIN}),
        )
        self._app = AppFacts(name="shop", webpush=facts)

    def prepare(self, lines, **notification) -> list[PreparedRow]:
        to = [{"webpush": {**line["subscription"], "vapid_key": line["vapid_key"]}} for line in lines]
        envelope = open_send(notifications=[{"to": each, **notification} for each in to])
        preparation = Preparation(envelope, self._app, int(time.time() * 1000))
        columns, rejections = preparation.prepare_slice(decode_rows(envelope, 0, len(envelope)), 0)
        assert not rejections
        return read_rows(columns)

    def build(self, row: PreparedRow, service: Service) -> tuple[bytes, dict[str, bytes], bytes]:
        """Return path, header fields and body of a row."""
        chunk = Chunk(
            lane=row.lane,
            queue=row.queue,
            indexes=[0, 1],
            destinations=[row.destination],
            bodies=[row.body],
            variants=[row.variant],
        )
        (recipient,) = get_recipients(chunk)
        encrypted = encrypt_batch(get_plaintexts(chunk), [recipient.public_key], [recipient.auth_secret])
        origin = row.lane.removeprefix("shop/webpush/")

        def authorize_for(public_key: bytes) -> bytes:
            key = self._keys[public_key.decode()]
            return authorize(key, sign(key, make_claims(origin, now=time.time()))).encode()

        columns = build_requests(chunk, encrypted.bodies, service, authorize_for, int(time.time() * 1000))
        headers = {name.decode(): value for name, value, _ in columns.header_sets[0]}
        headers |= {name.decode(): values[0] for name, values in columns.row_fields if values[0] is not None}
        return columns.paths[0], headers, columns.bodies[0]


NOTIFICATIONS = [
    {"content": {"title": "Sale", "body": "20 % off", "link": "https://shop.example/sale"}},
    {"content": {"title": "Sale"}, "collapse": "sale", "urgency": "high", "ttl": 60},
    {"content": {"title": "Now or never"}, "ttl": 0},
    {"content": {"title": "For weeks"}, "ttl": 28 * 86_400},
    {"payload_bytes": b""},
]


@pytest.mark.parametrize("origin", ALL)
async def test_what_the_gateway_makes_is_taken_by_every_service(origin):
    async with open_webpush_simulator() as simulator, open_client(simulator) as client:
        sender, service = GatewaySender(simulator), SERVICE_OF_ORIGIN[origin]
        lines = [simulator.make_subscription(service, number) for number in range(2)]
        for notification in NOTIFICATIONS:
            for row in sender.prepare(lines, **notification):
                path, headers, body = sender.build(row, Service(service))
                url = httpx.URL(simulator.origins[origin]).copy_with(raw_path=path)
                reply = await client.post(url, headers=headers, content=body)
                assert reply.status_code == 201, (notification, reply.headers, reply.text)
                (entry,) = simulator.ledger.of_body(hashlib.sha256(row.body).hexdigest())[-1:]
                assert (entry.decryption, entry.fault) == (None, None)
        assert simulator.statistics().statuses == {201: 2 * len(NOTIFICATIONS)}


async def test_one_event_suits_all_services_and_one_can_be_meant_alone():
    gone = WebPushAnswerEvent(at_connection_request=1, status=410)
    slow = WebPushAnswerEvent(at_connection_request=2, origin="wns", status=201, reason="channelthrottled")
    async with open_webpush_simulator(planning(gone, slow)) as simulator, open_client(simulator) as client:
        replies = {origin: await push(simulator, client, origin) for origin in ALL}
        assert {reply.status_code for reply in replies.values()} == {410}
        assert replies["mozilla"].json()["errno"] == 103
        assert "NotRegistered" in replies["fcm"].text
        assert replies["apple"].json() == {"reason": "Unregistered"}
        assert replies["wns"].headers["x-wns-notificationstatus"] == "dropped"
        assert replies["http1"].text == "Gone\n"
        replies = {origin: await push(simulator, client, origin) for origin in ALL}
        assert {reply.status_code for reply in replies.values()} == {201}
        throttled = [
            name for name in ALL if replies[name].headers.get("x-wns-notificationstatus") == "channelthrottled"
        ]
        assert throttled == ["wns"]
        assert "location" in replies["wns"].headers


async def test_reset_can_be_narrowed_to_an_origin():
    options = planning(ResetEvent(every=1, origin="fcm"))
    async with open_webpush_simulator(options) as simulator, open_client(simulator) as client:
        for origin in ("mozilla", "apple", "wns", "http1"):
            assert (await push(simulator, client, origin)).status_code == 201
        with pytest.raises(httpx.RemoteProtocolError):
            await push(simulator, client, "fcm")


async def connect(simulator: WebPushSimulator, origin: str) -> bytes:
    """Return the beginning of what an origin says first."""
    context = ssl.create_default_context(cafile=str(simulator.ca_file))
    context.set_alpn_protocols(["h2"])
    stream = await trio.open_ssl_over_tcp_stream("localhost", simulator.ports[origin], ssl_context=context)
    received = b""
    with contextlib.suppress(trio.BrokenResourceError):
        # A cut shows as a broken stream or as its end, by the version of OpenSSL.
        while len(received) < 9 and (data := await stream.receive_some(9)):
            received += data
    await trio.aclose_forcefully(stream)
    return received


async def test_cut_at_a_byte_can_be_narrowed_to_an_origin():
    async with open_webpush_simulator(planning(CutEvent(at_sent_byte=5, origin="apple"))) as simulator:
        assert [len(await connect(simulator, origin)) for origin in ("mozilla", "apple")] == [9, 5]


async def test_event_of_connecting_can_be_narrowed_to_an_origin():
    async with open_webpush_simulator(planning(GoawayEvent(on_connect=True, origin="apple"))) as simulator:
        for origin in ("mozilla", "apple", "wns"):
            await connect(simulator, origin)
        assert simulator.statistics().goaways == 1


async def test_redirect_leads_where_the_scenario_wants_it_or_to_another_endpoint():
    events = (
        WebPushAnswerEvent(at_request=1, status=308, headers={"Location": "https://169.254.169.254/"}),
        WebPushAnswerEvent(at_request=2, status=301),
    )
    async with open_webpush_simulator(planning(*events)) as simulator, open_client(simulator) as client:
        led = await push(simulator, client, "mozilla")
        assert (led.status_code, led.headers.get_list("location")) == (308, ["https://169.254.169.254/"])
        moved = await push(simulator, client, "mozilla")
        assert moved.status_code == 301
        assert moved.headers["location"].startswith(simulator.origins["mozilla"] + "/wpush/v2/")


def test_scenario_file_may_name_an_origin_and_a_word():
    scenario = parse_scenario(
        '[[events]]\nevery = 3\norigin = "wns"\ndo = "answer"\nstatus = 406\nreason = "appthrottled"', WebPushScenario
    )
    assert scenario.events == (WebPushAnswerEvent(every=3, origin="wns", status=406, reason="appthrottled"),)


def test_unknown_origin_is_refused_by_name():
    with pytest.raises(ScenarioError, match="unknown origin 'edge'; known are mozilla, fcm, apple, wns, http1"):
        parse_scenario('[[events]]\nevery = 3\norigin = "edge"\ndo = "silence"', WebPushScenario)


async def test_subscriptions_are_written_evenly_over_services_and_keys(tmp_path):
    options = WebPushSimulatorOptions(directory=tmp_path, subscriptions=40)
    async with open_webpush_simulator(options) as simulator:
        lines = [json.loads(line) for line in (tmp_path / "subscriptions.ndjson").read_text().splitlines()]
        assert simulator.subscriptions_file == tmp_path / "subscriptions.ndjson"
        made = list(simulator.make_subscriptions(40))
        assert lines == [make_send_line(each) for each in made]
        spread = Counter((each["service"], each["vapid_key"]) for each in made)
        assert set(spread.values()) == {5}
        assert len(spread) == 8
        for each, line in zip(made, lines, strict=True):
            assert line["to"]["webpush"]["endpoint"].startswith(simulator.origins[each["service"]])


async def test_subscriptions_file_is_one_that_send_takes(tmp_path):
    options = WebPushSimulatorOptions(directory=tmp_path, subscriptions=4)
    async with open_webpush_simulator(options) as simulator:
        with simulator.subscriptions_file.open() as lines:
            read = list(read_ndjson(lines, "subscriptions"))
    assert [type(line) for line in read] == [SourceLine] * 4


async def test_key_files_are_what_the_gateway_reads_and_nobody_else_may(tmp_path):
    async with open_webpush_simulator(WebPushSimulatorOptions(directory=tmp_path)) as simulator:
        for key_id, file in simulator.vapid_key_files.items():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert load_vapid_key(file).public_key == simulator.vapid_keys[key_id].application_server_key
        assert list(simulator.vapid_key_files) == ["first", "second"]


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"vapid_key_ids": ()}, "at least one"),
        ({"vapid_key_ids": ("a", "a")}, "no id twice"),
        ({"vapid_key_ids": ("../a",)}, "got '../a'"),
        ({"ports": {"edge": 0}}, "unknown origin 'edge'"),
        ({"secret": b"short"}, "32 bytes; got 5"),
    ],
)
def test_options_that_cannot_be_are_refused(wrong, fault):
    with pytest.raises(ValueError, match=fault):
        WebPushSimulatorOptions(**wrong)


async def test_same_secret_brings_the_same_keys_and_browsers_back():
    runs = []
    for secret in (b"\1" * 32, b"\1" * 32, None):
        async with open_webpush_simulator(WebPushSimulatorOptions(secret=secret)) as simulator:
            line = simulator.make_subscription("fcm", 3)["subscription"]
            runs.append((simulator.vapid_keys["first"].public_key, line["keys"]))
    assert runs[0] == runs[1] != runs[2]


async def test_ledger_file_has_a_line_for_each_request(tmp_path):
    options = WebPushSimulatorOptions(ledger_file=tmp_path / "ledger.ndjson", remembers_requests=False)
    async with open_webpush_simulator(options) as simulator, open_client(simulator) as client:
        for origin in ALL:
            await push(simulator, client, origin)
        assert not simulator.ledger.entries
    entries = read_ledger(tmp_path / "ledger.ndjson", WebPushLedgerEntry)
    assert [entry.service for entry in entries] == list(SERVICE_OF_ORIGIN.values())
    assert {entry.body_sha256 for entry in entries} == {hashlib.sha256(b"hello").hexdigest()}


async def test_statistics_count_rules_tokens_and_failures():
    async with open_webpush_simulator() as simulator, open_client(simulator) as client:
        await push(simulator, client, "apple")
        await push(simulator, client, "apple")  # with a token of its own
        await push(simulator, client, "apple", body=b"?")
        await client.get(simulator.origins["fcm"])
        counts = simulator.statistics()
    assert counts.statuses == {201: 3, 405: 1}
    assert (counts.faults, counts.decryption_failures) == ({"METHOD": 1}, 1)
    assert (counts.tokens, counts.early_renewals) == ({"first@apple": 3}, {"apple": 2})

"""An HTTP/2 client for the APNs simulator on the h2 library: well-behaved unless a test asks for the opposite."""

import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import h2.events
import jwt
import orjson
import trio
import trio.testing
from h2.config import H2Configuration
from h2.connection import ConnectionInputs, H2Connection, H2ConnectionStateMachine

from bench.simulators.apns import ApnsSimulator
from tests.support.patience import HANG_SECONDS

DEVICE = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0"
BODY = b'{"aps":{"alert":"hello"}}'

# A test that waits longer than this has failed; nothing is measured with it.


@dataclass
class Reply:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def reason(self) -> str | None:
        """The reason in a JSON body."""
        return orjson.loads(self.body)["reason"] if self.body else None


@dataclass
class Goaway:
    """A GOAWAY frame as received."""

    last_stream_id: int
    code: int
    debug_data: bytes


class _LastingStateMachine(H2ConnectionStateMachine):
    """h2 ends at GOAWAY; an APNs client still wants the answers up to last-stream-id."""

    def process_input(self, input_: ConnectionInputs) -> list[Any]:
        return [] if input_ is ConnectionInputs.RECV_GOAWAY else super().process_input(input_)


@dataclass
class ApnsClient:
    """One connection: what was received on it, by kind."""

    stream: trio.abc.Stream
    authorization: str | None
    replies: dict[int, Reply] = field(default_factory=dict)
    resets: dict[int, int] = field(default_factory=dict)
    goaways: list[Goaway] = field(default_factory=list)
    stream_limits: list[int] = field(default_factory=list)
    pongs: int = 0
    is_closed: bool = False

    def __post_init__(self) -> None:
        self.http = H2Connection(
            H2Configuration(client_side=True, header_encoding="utf-8", validate_outbound_headers=False)
        )
        self.http.state_machine = _LastingStateMachine()
        self._partial: dict[int, Reply] = {}
        self._news = trio.Event()
        self._sending = trio.Lock()
        self.http.initiate_connection()

    def request(
        self, *, path: str = f"/3/device/{DEVICE}", method: str = "POST", body: bytes = BODY, **headers: str | None
    ) -> int:
        """Queue a valid alert push with the given changes (``apns_id`` for ``apns-id``; None leaves a header out)."""
        named = {
            "authorization": self.authorization,
            "apns-topic": "com.example.shop",
            "apns-push-type": "alert",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        fields = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
        fields += [(name, value) for name, value in named.items() if value is not None]
        return self.send_fields(fields, body)

    def send_fields(self, fields: list[tuple[str, str]], body: bytes = b"", *, ends: bool = True) -> int:
        """Queue a request with exactly these header fields; nothing leaves before `flush`."""
        stream_id = self.http.get_next_available_stream_id()
        self.http.send_headers(stream_id, fields, end_stream=ends and not body)
        for start in range(0, len(body), 16_384):
            piece = body[start : start + 16_384]
            self.http.send_data(stream_id, piece, end_stream=ends and start + len(piece) == len(body))
        return stream_id

    async def flush(self) -> None:
        """Send what is queued."""
        async with self._sending:
            if data := self.http.data_to_send():
                await self.stream.send_all(data)

    async def push(self, **changes: Any) -> Reply:
        """Send one push and wait for its answer."""
        stream_id = self.request(**changes)
        await self.flush()
        return await self.wait_reply(stream_id)

    async def wait_reply(self, stream_id: int) -> Reply:
        """Wait for the answer on a stream."""
        await self.wait_until(lambda: stream_id in self.replies)
        return self.replies[stream_id]

    async def wait_until(self, is_true: Callable[[], bool]) -> None:
        """Wait until what was received makes a condition true."""
        with trio.fail_after(HANG_SECONDS):
            while not is_true():
                await self._news.wait()
                self._news = trio.Event()

    async def run(self) -> None:
        """Receive until the connection ends."""
        try:
            await self.flush()
            while data := await self.stream.receive_some(65_536):
                for event in self.http.receive_data(bytes(data)):
                    self._take(event)
                await self.flush()
                self._news.set()
        except trio.BrokenResourceError:
            pass
        self.is_closed = True
        self._news.set()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived(stream_id=stream_id, headers=headers):
                # h2 types headers as bytes whatever the header_encoding.
                fields = dict(cast("Iterable[tuple[str, str]]", headers))
                self._partial[stream_id] = Reply(int(fields.pop(":status")), fields)
            case h2.events.DataReceived(stream_id=stream_id, data=data, flow_controlled_length=length):
                self._partial[stream_id].body += data
                self.http.acknowledge_received_data(length, stream_id)
            case h2.events.StreamEnded(stream_id=stream_id):
                self.replies[stream_id] = self._partial.pop(stream_id)
            case h2.events.StreamReset(stream_id=stream_id, error_code=code):
                self.resets[stream_id] = int(code)
            case h2.events.ConnectionTerminated(last_stream_id=last, error_code=code, additional_data=data):
                self.goaways.append(Goaway(last or 0, int(code or 0), data or b""))
            case h2.events.PingAckReceived():
                self.pongs += 1
            case h2.events.RemoteSettingsChanged(changed_settings=changed):
                self.stream_limits += [change.new_value for code, change in changed.items() if code == 3]


def make_token(simulator: ApnsSimulator, *, key: int = 0, issued_at: float | None = None, **claims: Any) -> str:
    """Return an ``authorization`` value signed with one of the simulator's keys."""
    own = simulator.credentials.keys[key]
    claims = {"iss": own.options.team_id, "iat": int(time.time() if issued_at is None else issued_at), **claims}
    token = jwt.encode(claims, own.file.read_bytes(), algorithm="ES256", headers={"kid": own.options.key_id})
    return f"bearer {token}"


def client_tls(simulator: ApnsSimulator, *, alpn: list[str] | None = None) -> ssl.SSLContext:
    """Return a TLS context that trusts the simulator and offers h2."""
    context = ssl.create_default_context(cafile=str(simulator.ca_file))
    context.set_alpn_protocols(["h2"] if alpn is None else alpn)
    return context


@asynccontextmanager
async def open_apns_client(
    simulator: ApnsSimulator, *, context: ssl.SSLContext | None = None, authorization: str | None = ""
) -> AsyncIterator[ApnsClient]:
    """Connect over TLS; an ``authorization`` of "" means a fresh token of the simulator's first key."""
    stream = await trio.open_ssl_over_tcp_stream(
        "127.0.0.1", simulator.port, ssl_context=context or client_tls(simulator), https_compatible=True
    )
    async with _running(ApnsClient(stream, make_token(simulator) if authorization == "" else authorization)) as client:
        yield client


@asynccontextmanager
async def open_memory_client(simulator: ApnsSimulator) -> AsyncIterator[ApnsClient]:
    """Connect without a socket or TLS, so that trio's clock may jump."""
    ours, theirs = trio.testing.memory_stream_pair()
    token = make_token(simulator, issued_at=simulator.options.clock.wall())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(simulator.serve_stream, theirs)
        async with _running(ApnsClient(ours, token)) as client:
            yield client


@asynccontextmanager
async def _running(client: ApnsClient) -> AsyncIterator[ApnsClient]:
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.run)
            yield client
            nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(client.stream)

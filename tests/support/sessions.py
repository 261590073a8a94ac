"""Native sessions ready for a test, and the moves that most tests make."""

from collections.abc import Sequence

from gateway.delivery.providers.provider import BuiltRequests
from native import Exchange, HeaderSet, Requests, Session
from protocol.requests import RequestColumns
from tests.support.http2_peer import Peer

TOKEN = b"bearer " + b"t" * 180
BATCH_HEADERS = ((b"apns-topic", b"com.example.shop", True), (b"apns-push-type", b"alert", True))


def make_session(**options: object) -> Session:
    settings = {"authority": b"api.example.com", "headers": HeaderSet([(b"authorization", TOKEN, True)]), "now": 0.0}
    return Session(**(settings | options))  # type: ignore[arg-type]


def make_requests(count: int, body: bytes = b'{"aps":{}}', bodies: Sequence[bytes] | None = None) -> Requests:
    return Requests(
        paths=[path_of(row) for row in range(count)],
        bodies=[body] if bodies is None else bodies,
        body_of_row=[0] * count if bodies is None else None,
        header_sets=[HeaderSet(BATCH_HEADERS)],
        uuid_header=(b"apns-id", bytes(range(12)), 1000),
    )


def make_built(count: int) -> BuiltRequests:
    """Return what a provider builds of a chunk of so many rows."""
    columns = RequestColumns(
        paths=[path_of(row) for row in range(count)],
        bodies=[b'{"aps":{}}'],
        body_of_row=[0] * count,
        header_sets=[BATCH_HEADERS],
        header_set_of_row=None,
        uuid_header_name=b"apns-id",
        uuid_numbers=None,
        row_fields=[],
    )
    return BuiltRequests(make_requests(count), columns)


def path_of(row: int) -> bytes:
    return b"/3/device/%064x" % row


def pull_all(session: Session, now: float = 0.0) -> bytes:
    pulled = b""
    while data := session.pull(now):
        pulled += data
    return pulled


def transfer(session: Session, peer: Peer, now: float = 0.0) -> list[Exchange]:
    """Move bytes both ways until neither side has any; return the endings."""
    exchanges: list[Exchange] = []
    while True:
        sent = pull_all(session, now)
        peer.receive(sent)
        answered = peer.take()
        if not sent and not answered:
            return exchanges
        exchanges += session.feed(answered, now)


def connect(peer: Peer | None = None, **options: object) -> tuple[Session, Peer]:
    """Return a session and its peer with their SETTINGS exchanged."""
    peer = peer or Peer()
    session = make_session(**options)
    transfer(session, peer)
    return session, peer


def submit_all(session: Session, requests: Requests, now: float = 0.0) -> int:
    """Submit rows from the first on until the session takes no more; return how many it took."""
    taken = 0
    while submitted := session.submit(requests, taken, len(requests), now):
        taken += submitted
    return taken

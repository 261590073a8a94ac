"""Every native allocation of a whole exchange fails once: a clean error or a clean result, and nothing is leaked."""

from collections.abc import Iterator

import pytest

from native import Exchange, Session, fail_allocation_after, live_objects
from tests.support.http2_peer import Peer, reset_frame
from tests.support.sessions import make_requests, pull_all, submit_all

ROWS = 70  # more than one block of stream records


@pytest.fixture(autouse=True)
def _without_planted_failures() -> Iterator[None]:
    yield
    fail_allocation_after(-1)


def _record() -> list[bytes]:
    """Play the exchange once against a real peer; return what that one sent at each turn."""
    received = []
    peer = Peer()
    session = Session(authority=b"api.example.com", now=0.0)
    peer.receive(pull_all(session))
    received.append(peer.take())
    session.feed(received[-1], 0.0)
    session.submit(make_requests(ROWS, body=b"x" * 900), 0, ROWS, 1.0)
    peer.receive(pull_all(session))
    for stream_id in peer.whole[:-1]:
        if stream_id % 3:
            peer.answer(stream_id, apns_id="x")
        else:
            peer.answer(stream_id, 400, b"no", apns_id="x")
    received.append(peer.take() + reset_frame(2 * ROWS - 1, 7))
    peer.connection.close_connection(additional_data=b'{"reason":"Shutdown"}', last_stream_id=2 * ROWS - 1)
    received.append(peer.take())
    return received


def _play(received: list[bytes]) -> tuple[list[Exchange], int, bool, int]:
    """Play the recorded exchange until memory runs out.

    Returns the endings, the number of plain successes, whether memory ran out, and the allocations that were left up to
    the planted failure.
    """
    exchanges: list[Exchange] = []
    session = requests = None
    failed = False
    try:
        session = Session(authority=b"api.example.com", now=0.0)
        requests = make_requests(ROWS, body=b"x" * 900)
        pull_all(session)
        exchanges += session.feed(received[0], 0.0)
        assert submit_all(session, requests, 1.0) == ROWS  # a call that runs out of memory half-way says what it took
        pull_all(session, 1.0)
        session.ping(1.0)
        exchanges += session.feed(received[1], 2.0)
        exchanges += session.expire(100.0)
        exchanges += session.feed(received[2], 101.0)
        session.shutdown()
        pull_all(session, 101.0)
    except MemoryError:
        failed = True
    left = fail_allocation_after(-1)
    if session is None or requests is None:
        return exchanges, 0, failed, left
    exchanges += session.close(102.0)
    assert requests.in_flight == 0
    return exchanges, sum(stop - start for start, stop in requests.take_successes()), failed, left


def test_every_allocation_may_fail(live_before: dict[str, int]) -> None:
    received = _record()
    whole, successes, failed, _ = _play(received)
    assert (len(whole) + successes, failed) == (ROWS, False)
    assert len({exchange.ending for exchange in whole}) == 2
    del whole
    nth = survived = left = 0
    while left == 0:
        nth += 1
        fail_allocation_after(nth)
        exchanges, successes, failed, left = _play(received)
        rows = [exchange.row for exchange in exchanges]
        assert len(rows) == len(set(rows))
        assert {e.headers for e in exchanges} <= {(), ((b"apns-id", b"x"),)}
        if not failed:
            assert len(rows) + successes == ROWS
            survived += 1
        del exchanges
        assert live_objects() == live_before
    assert nth > 4 * ROWS  # libnghttp2 alone allocates several times a request
    assert 1 < survived < nth / 10  # those that a block or its cache can do without

"""The link cut after every single byte of an exchange: what is certain about each row."""

from native import Exchange, Session
from protocol.exchanges import Cause, Ending
from tests.support.http2_peer import DATA, END_STREAM, HEADERS, Peer, split_frames
from tests.support.sessions import connect, make_requests, pull_all, transfer

ROWS = 4


def _begin() -> tuple[Session, Peer]:
    session, peer = connect()
    session.submit(make_requests(ROWS, body=b"x" * 40), 0, ROWS, 1.0)
    return session, peer


def _rows_sent(handed: bytes) -> set[int]:
    """Rows whose END_STREAM stands in the frames, read off the wire by nobody of ours."""
    return {
        (stream_id - 1) // 2
        for kind, flags, stream_id, _ in split_frames(handed)
        if kind in (DATA, HEADERS) and flags & END_STREAM
    }


def _endings(exchanges: list[Exchange]) -> dict[int, Ending]:
    assert all(exchange.cause is Cause.LINK_LOST for exchange in exchanges)
    return {exchange.row: exchange.ending for exchange in exchanges}


def test_cut_between_pulls_leaves_uncertain_exactly_the_rows_whose_end_was_handed_over() -> None:
    whole = len(pull_all(_begin()[0]))
    for limit in range(1, whole + 2):
        session, _ = _begin()
        handed = b""
        while True:
            more = session.pull(2.0, limit)
            if not more:
                break
            handed += more
            if len(handed) >= limit:
                break
        sent = _rows_sent(handed)
        assert _endings(session.close(3.0)) == {
            row: Ending.UNCERTAIN if row in sent else Ending.UNREACHABLE for row in range(ROWS)
        }


def test_pulls_of_one_byte_hand_over_one_frame_each() -> None:
    session, _ = _begin()
    pulls = []
    while data := session.pull(2.0, 1):
        pulls.append([kind for kind, _, _, _ in split_frames(data)])
    assert pulls == [[HEADERS], [DATA]] * ROWS


def test_cut_after_every_byte_of_the_answers() -> None:
    def answer(peer: Peer) -> bytes:
        for stream_id in (1, 5, 3):
            if stream_id == 5:
                peer.answer(stream_id, 400, b"no", apns_id="x")
            else:
                peer.answer(stream_id, apns_id="x")
        return peer.take()

    session, peer = _begin()
    transfer(session, peer)
    answers = answer(peer)
    ends = [  # offset behind each answer's last byte, and its row
        (len(answers) - len(_behind(answers, stream_id)), (stream_id - 1) // 2) for stream_id in (1, 5, 3)
    ]
    for cut in range(len(answers) + 1):
        session, peer = _begin()
        transfer(session, peer)
        exchanges = session.feed(answers[:cut], 2.0)
        answered = {row for offset, row in ends if offset <= cut}
        assert {e.row for e in exchanges} == answered & {2}
        touched = session.take_touched()
        succeeded = {row for batch in touched for start, stop in batch.take_successes() for row in range(start, stop)}
        assert succeeded == answered - {2}
        assert _endings(session.close(3.0)) == dict.fromkeys(set(range(ROWS)) - answered, Ending.UNCERTAIN)


def _behind(data: bytes, stream_id: int) -> bytes:
    """Return what follows the frame that ends ``stream_id``."""
    while data:
        length = 9 + int.from_bytes(data[:3], "big")
        flags, found = data[4], int.from_bytes(data[5:9], "big")
        data = data[length:]
        if found == stream_id and flags & END_STREAM:
            return data
    raise AssertionError(stream_id)


def test_cut_before_anything_was_pulled_leaves_all_unreachable() -> None:
    session, _ = _begin()
    assert _endings(session.close(3.0)) == dict.fromkeys(range(ROWS), Ending.UNREACHABLE)
    assert session.close(4.0) == []


def test_bytes_arriving_one_by_one_mean_the_same() -> None:
    session, peer = _begin()
    transfer(session, peer)
    peer.answer(1, 410, b'{"reason":"Unregistered"}', apns_id="x")
    peer.answer(3)
    exchanges = []
    for octet in peer.take():
        exchanges += session.feed(bytes((octet,)), 2.0)
    assert [(e.row, e.status, e.body) for e in exchanges] == [(0, 410, b'{"reason":"Unregistered"}')]
    assert session.in_flight == 2

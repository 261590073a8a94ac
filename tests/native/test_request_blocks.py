"""Header blocks, read by an independent HPACK decoder: what enters the peer's table, and its size at every moment."""

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native import HeaderSet, Requests, Session
from tests.support.http2_peer import HEADERS, settings_frame, split_frames
from tests.support.sessions import BATCH_HEADERS, TOKEN, make_requests, make_session, path_of, pull_all

TABLE_SIZE, LIMIT = 1, 3
RENEWED = b"bearer " + b"u" * 180


class Reader:
    """The peer's decoder, and its view of our blocks."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.decoder = hpack.Decoder()
        self.blocks: list[bytes] = []
        session.feed(settings_frame((LIMIT, 100_000)), 0.0)

    def resize(self, *sizes: int) -> None:
        """Announce table sizes in one SETTINGS frame; the decoder insists on being told about them."""
        self.session.feed(settings_frame(*((TABLE_SIZE, size) for size in sizes)), 0.0)
        self.decoder.max_allowed_table_size = max(sizes[-1], min(self.decoder.max_allowed_table_size, *sizes))
        self.decoder.max_allowed_table_size = sizes[-1]

    def read(self) -> list[list[tuple[bytes, bytes]]]:
        blocks = [payload for kind, _, _, payload in split_frames(pull_all(self.session)) if kind == HEADERS]
        self.blocks += blocks
        return [
            [(bytes(name), bytes(value)) for name, value in self.decoder.decode(block, raw=True)] for block in blocks
        ]

    @property
    def table(self) -> list[tuple[bytes, bytes]]:
        return [(bytes(name), bytes(value)) for name, value in self.decoder.header_table.dynamic_entries]


def _sent(reader: Reader, requests: Requests) -> list[list[tuple[bytes, bytes]]]:
    assert reader.session.submit(requests, 0, len(requests), 0.0) == len(requests)
    return reader.read()


def test_only_indexed_fields_enter_the_table_and_each_once() -> None:
    reader = Reader(make_session())
    _sent(reader, make_requests(150))
    _sent(reader, make_requests(150))
    assert reader.table == [
        (b"apns-push-type", b"alert"),
        (b"apns-topic", b"com.example.shop"),
        (b"authorization", TOKEN),
        (b":authority", b"api.example.com"),
    ]
    assert sum(TOKEN in block for block in reader.blocks) == 1


def test_settled_block_is_path_references_and_identifier() -> None:
    reader = Reader(make_session())
    _sent(reader, make_requests(3))
    path = b"\x04" + bytes((len(path_of(2)),)) + path_of(2)
    references = bytes((0x83, 0x87, 0xC1, 0xC0, 0xBF, 0xBE))
    identifier = b"\x00\x07apns-id\x2400010203-0405-0607-0809-0a0b000003ea"
    assert reader.blocks[2] == path + references + identifier


def test_renewed_token_replaces_the_old_one_from_the_next_request_on() -> None:
    reader = Reader(make_session())
    _sent(reader, make_requests(2))
    for turn in range(60):  # far more renewals than the table holds tokens
        token = RENEWED + b"%d" % turn
        reader.session.set_headers(HeaderSet([(b"authorization", token, True)]))
        for fields in _sent(reader, make_requests(3)):
            assert dict(fields)[b"authorization"] == token
        assert sum(token in block for block in reader.blocks) == 1


def test_many_header_sets_never_push_the_session_fields_out() -> None:
    reader = Reader(make_session())
    sets = [HeaderSet([(b"apns-topic", b"com.example." + b"%0200d" % number, True)]) for number in range(40)]
    requests = Requests(
        paths=[path_of(row) for row in range(160)],
        bodies=[b""],
        body_of_row=[0] * 160,
        header_sets=sets,
        header_set_of_row=[row % 40 for row in range(160)],
    )
    for row, fields in enumerate(_sent(reader, requests)):
        assert dict(fields)[b"apns-topic"] == sets[row % 40].fields[0][1]
    assert sum(TOKEN in block for block in reader.blocks) == 1
    assert (b"authorization", TOKEN) in reader.table


@pytest.mark.parametrize("size", [0, 31, 32, 100, 300, 4096, 65536])
def test_table_stays_within_what_the_peer_allows(size: int) -> None:
    reader = Reader(make_session())
    reader.resize(size)
    requests = make_requests(5)
    for row, fields in enumerate(_sent(reader, requests)):
        assert dict(fields)[b":path"] == path_of(row)
        assert dict(fields)[b"authorization"] == TOKEN
    assert reader.decoder.header_table._current_size <= min(size, 4096)


def test_lowered_and_raised_limit_is_announced_as_lowest_then_final() -> None:
    reader = Reader(make_session())
    _sent(reader, make_requests(2))
    reader.session.feed(settings_frame((TABLE_SIZE, 0)), 0.0)
    reader.session.feed(settings_frame((TABLE_SIZE, 2048)), 0.0)
    reader.decoder.max_allowed_table_size = 2048
    (fields, *_) = _sent(reader, make_requests(2))
    assert reader.blocks[2].startswith(b"\x20\x3f\xe1\x0f")  # size updates to 0 and to 2048
    assert dict(fields)[b"authorization"] == TOKEN
    assert not reader.blocks[3].startswith(b"\x20")


def test_limit_that_came_back_before_the_next_block_still_evicts() -> None:
    reader = Reader(make_session())
    _sent(reader, make_requests(2))
    reader.session.feed(settings_frame((TABLE_SIZE, 0), (TABLE_SIZE, 4096)), 0.0)
    _sent(reader, make_requests(2))
    assert reader.blocks[2].startswith(b"\x20\x3f\xe1\x1f")
    assert sum(TOKEN in block for block in reader.blocks) == 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.just("resize"), st.lists(st.sampled_from([0, 40, 90, 250, 600, 4096, 9000]), min_size=1, max_size=3)
            ),
            st.tuples(st.just("renew"), st.integers(0, 5)),
            st.tuples(st.just("send"), st.integers(0, 9)),
        ),
        max_size=25,
    )
)
def test_blocks_always_decode_to_the_request(script: list[tuple[str, object]]) -> None:
    reader = Reader(make_session())
    token, path = TOKEN, 0
    for act, value in script:
        if act == "resize":
            reader.resize(*value)  # type: ignore[misc]
        elif act == "renew":
            token = RENEWED + b"%d" % value  # type: ignore[operator]
            reader.session.set_headers(HeaderSet([(b"authorization", token, True)]))
        else:
            headers = HeaderSet(
                [*BATCH_HEADERS, (b"x-number", b"%d" % value, True), (b"x-plain", b"%d" % value, False)]
            )  # type: ignore[operator]
            path += 1
            (fields,) = _sent(reader, Requests(paths=[path_of(path)], bodies=[b"x"], header_sets=[headers]))
            expected = [(b":path", path_of(path)), (b":method", b"POST"), (b":scheme", b"https")]
            expected += [(b":authority", b"api.example.com"), (b"authorization", token)]
            assert fields == expected + [(name, value) for name, value, _ in headers.fields]
            assert not any(name in (b":path", b"x-plain") for name, _ in reader.table)

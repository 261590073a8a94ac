"""The stored form of rows."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chunks import (
    CHUNK_VERSION,
    Chunk,
    Variant,
    cut_chunk,
    decode_chunk,
    encode_chunk,
    expand_ranges,
    pack_ranges,
    spread,
)

CHUNK = Chunk(
    lane="shop/apns/production",
    queue=1,
    indexes=[0, 2],
    destinations=[b"\x9f" * 32, b"\x77" * 32],
    bodies=[b"{}"],
    variants=[Variant(expires_at_ms=1, headers=((b"apns-topic", b"t"),), single_try=True)],
    ids=["n1", None],
    tracks=[None, b"t"],
    cancel_keys=[["k"], None],
)


def test_a_chunk_is_read_back_as_it_was_stored():
    assert decode_chunk(encode_chunk(CHUNK)) == CHUNK
    assert len(CHUNK) == 2


def test_a_chunk_of_another_version_is_refused_by_its_number():
    later = msgspec.structs.replace(CHUNK, version=CHUNK_VERSION + 1)
    with pytest.raises(ValueError, match=str(CHUNK_VERSION + 1)):
        decode_chunk(encode_chunk(later))


@pytest.mark.parametrize("at", range(0, len(encode_chunk(CHUNK)), 7))
def test_a_chunk_cut_short_is_damage(at):
    with pytest.raises(msgspec.DecodeError):
        decode_chunk(encode_chunk(CHUNK)[:at])


@given(st.sets(st.integers(0, 10_000), max_size=50))
def test_ranges_hold_every_number_once(numbers):
    rising = sorted(numbers)
    ranges = pack_ranges(rising)
    assert list(expand_ranges(ranges)) == rising
    assert ranges == sorted(set(ranges))


SHARING = msgspec.structs.replace(
    CHUNK,
    indexes=[3, 5, 9, 11],
    destinations=[b"a", b"b", b"c", b"d"],
    bodies=[b"{}", b"[]"],
    body_of_row=[0, 1, 1, 0],
    ids=["n1", None, "n3", None],
    tracks=None,
    cancel_keys=None,
)
# Without a column of numbers each row has a body of its own, where there are as many.
OWN = msgspec.structs.replace(SHARING, bodies=[b"0", b"1", b"2", b"3"], body_of_row=None)


@pytest.mark.parametrize("chunk", [CHUNK, SHARING, OWN])
def test_a_part_of_a_chunk_has_the_columns_of_its_rows_and_shares_what_they_share(chunk):
    for start, stop in itertools.combinations(range(len(chunk) + 1), 2):
        part = cut_chunk(chunk, start, stop)
        assert [look_up(part, row) for row in range(len(part))] == [look_up(chunk, row) for row in range(start, stop)]
        assert all(mine is theirs for mine, theirs in zip(part.bodies, chunk.bodies, strict=True))
    assert cut_chunk(chunk, 0, len(chunk)) is chunk


def look_up(chunk, row):
    """Return everything about one row."""
    bodies = spread(chunk.body_of_row, len(chunk.bodies), len(chunk))
    variants = spread(chunk.variant_of_row, len(chunk.variants), len(chunk))
    columns = (chunk.ids, chunk.tracks, chunk.cancel_keys)
    return (
        list(expand_ranges(chunk.indexes))[row],
        chunk.destinations[row],
        chunk.bodies[bodies[row]],
        chunk.variants[variants[row]],
        *(None if column is None else column[row] for column in columns),
    )

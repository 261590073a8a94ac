"""The stored form of rows."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chunks import CHUNK_VERSION, Chunk, Variant, decode_chunk, encode_chunk, expand_ranges, pack_ranges

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

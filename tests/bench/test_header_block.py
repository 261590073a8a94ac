import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.sink.header_block import RequestHeaderDecoder

NAMES = st.sampled_from([":path", "apns-id", "apns-topic", "authorization", "content-length", "x-own"])
# The static table's own paths, which no push goes to, read as none: the sink's decoder says so.
STATIC_PATHS = {"/", "/index.html"}
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=90).filter(
    lambda value: value not in STATIC_PATHS
)
FIELDS = st.lists(st.tuples(NAMES, VALUES, st.booleans()), max_size=12)


def _last(fields, name):
    return next((value.encode() for key, value, _ in reversed(fields) if key == name), b"")


@given(blocks=st.lists(FIELDS, max_size=8), huffman=st.booleans(), table_bytes=st.sampled_from([4096, 200, 0]))
def test_the_decoder_agrees_with_hpack(blocks, huffman, table_bytes):
    encoder, decoder = hpack.Encoder(), RequestHeaderDecoder()
    encoder.header_table_size = table_bytes
    for fields in blocks:
        block = encoder.encode([hpack.HeaderTuple(*field[:2]) for field in fields], huffman=huffman)
        assert decoder.decode(block) == (_last(fields, ":path"), _last(fields, "apns-id"))


@given(blocks=st.lists(FIELDS, max_size=8))
def test_fields_that_are_never_indexed_agree_with_hpack(blocks):
    encoder, decoder = hpack.Encoder(), RequestHeaderDecoder()
    for fields in blocks:
        block = encoder.encode(
            [hpack.NeverIndexedHeaderTuple(name, value) if secret else (name, value) for name, value, secret in fields]
        )
        assert decoder.decode(block) == (_last(fields, ":path"), _last(fields, "apns-id"))


def test_every_octet_survives_the_huffman_code():
    value = bytes(range(256))
    block = hpack.Encoder().encode([(b"apns-id", value)], huffman=True)
    assert RequestHeaderDecoder().decode(block) == (b"", value)


def test_old_entries_leave_a_full_table():
    encoder, decoder = hpack.Encoder(), RequestHeaderDecoder()
    for number in range(500):
        block = encoder.encode([("apns-id", f"{number % 7}" * 60), ("x-own", str(number) * 20)])
        assert decoder.decode(block)[1] == f"{number % 7}".encode() * 60


@pytest.mark.parametrize(
    "block",
    [
        "80",  # index 0
        "ff",  # an integer without its end
        "ffffffffffffff",  # an integer too long
        "be",  # a dynamic entry that is not there
        "7e",  # a literal named by one
        "40",  # a literal without a name
        "000761706e732d6964ff",  # a string without its length
        "000761706e732d69640541",  # a string cut short
        "3fe13f",  # a table larger than we allow
        "000761706e732d696484ffffffff",  # EOS, and padding longer than 7 bits (RFC 7541 5.2)
    ],
)
def test_a_broken_block_is_refused(block):
    with pytest.raises(ValueError, match="RFC 7541"):
        RequestHeaderDecoder().decode(bytes.fromhex(block))


@given(st.binary(max_size=200))
def test_no_input_does_more_than_raise(block):
    decoder = RequestHeaderDecoder()
    for _ in range(2):
        try:
            decoder.decode(block)
        except ValueError:
            return

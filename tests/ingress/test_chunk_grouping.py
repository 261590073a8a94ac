from collections.abc import Sequence

from gateway.intake.grouping import ChunkGrouper
from gateway.journal.engine import NewChunk
from protocol.chunks import CHUNK_BYTES, Chunk, Variant, decode_chunk, expand_ranges
from protocol.preparation import Columns
from protocol.preparation.columns import ROW_OVERHEAD_BYTES
from protocol.preparation.plans import Plan
from tests.support.sends import PreparedRow

BODY = b'{"aps":{"alert":"x"}}'
VARIANT = Variant(expires_at_ms=2_000)


def row(index: int, *, lane: str = "shop/apns/production", queue: int = 1, **fields: object) -> PreparedRow:
    defaults = {"destination": index.to_bytes(32, "big"), "body": BODY, "variant": VARIANT}
    own = {"id": None, "track": None, "cancel_keys": None}
    return PreparedRow(index, lane, queue, **(defaults | own | fields))  # type: ignore[arg-type]


def group(*rows: PreparedRow) -> list[NewChunk]:
    grouper = ChunkGrouper()
    return grouper.add(to_columns(rows)) + grouper.finish()


def to_columns(rows: Sequence[PreparedRow]) -> Columns:
    """Return rows as preparation hands them on: rows of one variant and queue have the same plan object."""
    columns, plans = Columns(len(rows)), dict[tuple[int, int], Plan]()
    for at, each in enumerate(rows):
        columns.indexes[at], columns.lanes[at] = each.index, each.lane
        columns.plans[at] = plans.setdefault((id(each.variant), each.queue), Plan(each.variant, each.queue))
        columns.bodies[at], columns.destinations[at] = each.body, each.destination
        columns.ids[at], columns.tracks[at], columns.cancel_keys[at] = each.id, each.track, each.cancel_keys
        columns.sizes[at] = ROW_OVERHEAD_BYTES + len(each.destination)
        columns.rows += 1
    return columns


def decode(chunk: NewChunk) -> Chunk:
    return decode_chunk(chunk.stored)


def test_rows_that_share_body_and_variant_store_them_once():
    (new,) = group(row(0), row(1))
    chunk = decode(new)
    assert (chunk.bodies, chunk.body_of_row) == ([BODY], None)
    assert (chunk.variants, chunk.variant_of_row) == ([VARIANT], None)
    assert (chunk.ids, chunk.tracks, chunk.cancel_keys) == (None, None, None)


def test_rows_name_what_they_do_not_share():
    other_body, other = bytes(bytearray(BODY)), Variant(expires_at_ms=1_000)
    (new,) = group(row(0), row(1, body=other_body, id="n1"), row(2, variant=other, track=b"t", cancel_keys=["k"]))
    chunk = decode(new)
    assert [chunk.bodies[number] for number in chunk.body_of_row or []] == [BODY, other_body, BODY]
    assert [chunk.variants[number] for number in chunk.variant_of_row or []] == [VARIANT, VARIANT, other]
    assert chunk.ids == [None, "n1", None]
    assert chunk.tracks == [None, None, b"t"]
    assert chunk.cancel_keys == [None, None, ["k"]]
    assert new.expires_at_ms == 1_000


def test_lane_queue_and_start_time_part_rows():
    later = Variant(expires_at_ms=9_000, not_before_ms=5_000)
    chunks = group(row(0), row(1, lane="shop/apns/sandbox"), row(2, queue=0), row(3, variant=later), row(4))
    assert [(chunk.lane, chunk.queue, chunk.not_before_ms, decode(chunk).indexes) for chunk in chunks] == [
        ("shop/apns/production", 1, 0, [0, 1, 4, 5]),
        ("shop/apns/sandbox", 1, 0, [1, 2]),
        ("shop/apns/production", 0, 0, [2, 3]),
        ("shop/apns/production", 1, 5_000, [3, 4]),
    ]


def test_a_chunk_ends_at_a_hundred_rows():
    chunks = group(*(row(index) for index in range(250)))
    assert [chunk.rows for chunk in chunks] == [100, 100, 50]
    assert [index for chunk in chunks for index in expand_ranges(decode(chunk).indexes)] == list(range(250))


def test_a_chunk_ends_before_its_bytes_are_too_many():
    chunks = group(*(row(index, body=bytes(4096)) for index in range(32)))
    assert sum(chunk.rows for chunk in chunks) == 32
    assert all(len(chunk.stored) <= CHUNK_BYTES for chunk in chunks)
    assert len(chunks) == 3  # 15 bodies of 4,096 bytes fit


def test_a_row_larger_than_a_chunk_stands_alone():
    chunks = group(row(0), row(1, body=bytes(CHUNK_BYTES + 1)), row(2))
    assert [chunk.rows for chunk in chunks] == [1, 1, 1]


def test_rows_are_given_out_as_soon_as_their_chunk_is_full():
    grouper = ChunkGrouper()
    assert [chunk.rows for chunk in grouper.add(to_columns([row(index) for index in range(101)]))] == [100]
    assert [chunk.rows for chunk in grouper.finish()] == [1]
    assert grouper.finish() == []

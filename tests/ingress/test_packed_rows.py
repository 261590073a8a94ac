"""What is packed of requests of every shape is what it always was: the record holds digests by an earlier version.

``python -m tests.ingress.test_packed_rows`` writes the record anew, for a change that is meant to change it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.intake.intake import PREPARING, Packing
from protocol.preparation import Preparation
from protocol.send import cut_slices
from tests.support.packed_sample import digest, make_requests
from tests.support.sends import ACCEPTED_AT_MS, open_send
from tests.support.webpush_sends import FULL_SHOP

RECORD = Path(__file__).parent.parent / "protocol" / "data" / "packed_rows.json"


def pack_all() -> Iterator[list[Any]]:
    """Yield of each request: chunks and their number, rows, rejections and their number, dead destinations."""
    for request in make_requests():
        envelope = open_send(**request)
        packing = Packing(envelope, Preparation(envelope, FULL_SHOP, ACCEPTED_AT_MS), ACCEPTED_AT_MS)
        for start, stop in cut_slices(envelope, PREPARING):
            packing.add(start, stop)
        packed = packing.finish()
        chunks, rejected = packed.chunks, list(packed.rejected)
        yield [digest(chunks), len(chunks), packed.rows, digest(rejected), len(rejected), digest(packed.dead)]


def test_every_request_is_packed_byte_for_byte_as_recorded():
    recorded = json.loads(RECORD.read_text())
    for number, (packed, expected) in enumerate(zip(pack_all(), recorded, strict=True)):
        assert packed == expected, f"request {number}"


def test_the_sample_has_rows_of_all_kinds_and_rejections():
    recorded = json.loads(RECORD.read_text())
    assert sum(row[1] for row in recorded) > 500
    assert sum(row[2] for row in recorded) > 5_000
    assert sum(row[4] for row in recorded) > 5_000


if __name__ == "__main__":
    RECORD.write_text("[\n" + ",\n".join(map(json.dumps, pack_all())) + "\n]\n")

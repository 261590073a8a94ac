"""The bytes that FCM gets of a prepared row."""

from protocol.chunks import Chunk
from protocol.preparation import Rejection
from protocol.providers.fcm import FcmFacts, build_requests
from tests.support.sends import ACCEPTED_AT_MS, PreparedRow

FACTS = FcmFacts(project_id="shop-1")


def request_of(row: PreparedRow | Rejection, now_ms: int = ACCEPTED_AT_MS) -> bytes:
    """Return the body of the request for a row, attempted at ``now_ms``."""
    assert isinstance(row, PreparedRow), row
    chunk = Chunk(
        lane=row.lane,
        queue=row.queue,
        indexes=[0, 1],
        destinations=[row.destination],
        bodies=[row.body],
        variants=[row.variant],
    )
    (body,) = build_requests(chunk, FACTS, now_ms).bodies
    return body

"""What a session reports: the values it hands out."""

from typing import TYPE_CHECKING, NamedTuple

from protocol.encryption import EncryptionRefusal
from protocol.exchanges import Cause, Ending

if TYPE_CHECKING:
    from native.requests import Requests


class Exchange(NamedTuple):
    """The end of one row that was not a plain success.

    Times are the ``now`` values handed in; None if it never came to it. ``status`` is 0 when no final response header
    arrived, and stays known when the rest of the response was lost or refused. ``headers`` are those of the final
    response.
    """

    requests: "Requests"
    row: int
    ending: Ending
    cause: Cause
    error_code: int
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    sent_at: float | None
    ended_at: float


class GoAway(NamedTuple):
    """The peer's GOAWAY; of several the lowest last stream id and the latest code and debug data."""

    last_stream_id: int
    error_code: int
    debug_data: bytes


class SessionStatistics(NamedTuple):
    """Counts since the session opened; round trips of answered rows, END_STREAM handed over to answer, in seconds."""

    submitted: int
    answered: int
    in_flight: int
    bytes_sent: int
    bytes_received: int
    round_trips: int
    round_trip_sum: float
    round_trip_min: float
    round_trip_max: float


class EncryptedBatch(NamedTuple):
    """The bodies of a batch, one a row; a refused row's is empty, and its number is in ``refusals``."""

    bodies: list[bytes]
    refusals: dict[int, EncryptionRefusal]

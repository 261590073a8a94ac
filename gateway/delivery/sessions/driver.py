"""One open connection at work, whatever it speaks: what pools and lanes ask of it, and what it tells its owner."""

from collections.abc import Sequence
from math import inf
from typing import Protocol

from native import Exchange, HeaderSet, Requests


class Driver(Protocol):
    """An open connection and the tasks that move its bytes. ``number`` names it in logs.

    A *stream* is one request that awaits its answer; over HTTP/1.1 there is one at a time.
    """

    @property
    def number(self) -> int:
        """The connection's number in its lane."""
        ...

    # What the pool asks

    @property
    def available(self) -> int:
        """Rows that ``submit`` would take now."""
        ...

    @property
    def in_flight(self) -> int:
        """Streams open now."""
        ...

    @property
    def stream_limit(self) -> int:
        """Streams the peer and our window allow now."""
        ...

    @property
    def best_stream_limit(self) -> int:
        """The highest ``stream_limit`` seen on this connection."""
        ...

    @property
    def is_probing(self) -> bool:
        """Whether the first answer is still awaited."""
        ...

    @property
    def can_submit(self) -> bool:
        """False for good once it takes no new streams."""
        ...

    @property
    def is_draining(self) -> bool:
        """Whether it was told to drain."""
        ...

    @property
    def is_stalled(self) -> bool:
        """Whether it gets no answers, or none to the question whether it is still there: it takes no rows meanwhile."""
        ...

    @property
    def is_doubtful(self) -> bool:
        """Whether it was idle for so long that it must be confirmed before it takes rows."""
        ...

    @property
    def opened_at(self) -> float:
        """When it was opened, monotonic."""
        ...

    @property
    def answered(self) -> int:
        """Streams of this connection that were answered."""
        ...

    @property
    def answered_well(self) -> int:
        """Those of them whose answer does not tell of trouble at the server."""
        ...

    def take_goaway_data(self) -> bytes | None:
        """Return the debug data of a GOAWAY that came since the last call; None without one."""
        ...

    def silent_for(self, now: float) -> float:
        """Return seconds since the peer was last heard."""
        ...

    def idle_for(self, now: float) -> float:
        """Return seconds since the last stream ended; 0 while any is open."""
        ...

    # What the lane does

    def submit(self, requests: Requests, start: int, stop: int, headers: HeaderSet, expires_at: float = inf) -> int:
        """Submit rows; return how many were taken. None is begun at or after ``expires_at`` (monotonic)."""
        ...

    def confirm(self) -> None:
        """Ask the peer whether it is still there, unless that was asked already."""
        ...

    def drain(self) -> None:
        """Take no new rows; end once the streams in flight have ended. Nothing happens once the link is gone."""
        ...

    async def run(self) -> None:
        """Work until the connection ends, then close it. Network errors end it and are told, not raised."""
        ...


def tells_of_trouble(exchange: Exchange) -> bool:
    """Return whether an answer says that the server can't do its work now, or not here (RFC 9110, 15.5, 15.6)."""
    return exchange.status >= 500 or exchange.status in {408, 421, 425, 429}


class SessionOwner(Protocol):
    """Who is told of a connection's progress; called between checkpoints, must not wait."""

    def on_progress(self, driver: Driver, touched: Sequence[Requests], exchanges: Sequence[Exchange]) -> None:
        """Take batches that gained plain successes, and rows that ended otherwise."""
        ...

    def on_ended(self, driver: Driver, exchanges: Sequence[Exchange], why: str) -> None:
        """Take the rows that were in flight when the link ended."""
        ...

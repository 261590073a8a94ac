"""One open connection at work, whatever it speaks: what pools and lanes ask of it, and what it tells its owner."""

from collections.abc import Sequence
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
    def answered(self) -> int:
        """Streams of this connection that were answered."""
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

    def submit(self, requests: Requests, start: int, stop: int, headers: HeaderSet) -> int:
        """Submit rows; return how many were taken."""
        ...

    def drain(self) -> None:
        """Take no new rows; end once the streams in flight have ended. Nothing happens once the link is gone."""
        ...

    async def run(self) -> None:
        """Work until the connection ends, then close it. Network errors end it and are told, not raised."""
        ...


class SessionOwner(Protocol):
    """Who is told of a connection's progress; called between checkpoints, must not wait."""

    def on_progress(self, driver: Driver, touched: Sequence[Requests], exchanges: Sequence[Exchange]) -> None:
        """Take batches that gained plain successes, and rows that ended otherwise."""
        ...

    def on_ended(self, driver: Driver, exchanges: Sequence[Exchange], why: str) -> None:
        """Take the rows that were in flight when the link ended."""
        ...

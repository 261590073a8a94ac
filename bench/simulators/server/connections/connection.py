"""What a driver needs of a connection, whichever HTTP it speaks: bytes in, bytes out, and how it is to be closed."""

import enum
from typing import Protocol

from bench.simulators.server.events import GoawayEvent


class Ending(enum.Enum):
    """How a connection is to be closed by its driver."""

    DRAINED = "drained"
    AT_ONCE = "at_once"
    CUT = "cut"


class Connection(Protocol):
    """One connection without its socket; it wakes its driver when there is something to do."""

    @property
    def ending(self) -> Ending | None:
        """How the driver is to close the connection, once what is queued has left; None: not yet."""
        ...

    def open(self) -> None:
        """Queue what is said first, and let the scenario's ``on_connect`` happen."""
        ...

    def receive(self, data: bytes) -> None:
        """Take bytes from the client."""
        ...

    def take_output(self) -> bytes:
        """Return everything queued for the client, and forget it."""
        ...

    def close(self) -> None:
        """Let the connection be gone; what still waited is settled."""
        ...

    def cut(self) -> None:
        """Ask for the TCP connection to be closed without a further word."""
        ...

    def set_stream_limit(self, limit: int) -> None:
        """Announce another stream limit, where there are streams."""
        ...

    def go_away(self, goaway: GoawayEvent) -> None:
        """Take no further requests, and say so."""
        ...

"""How an HTTP/2 connection takes its leave: GOAWAY with or without notice, and when it may then close."""

from collections.abc import Callable
from typing import Literal

from bench.simulators.server.connections.exchanges import Exchanges
from bench.simulators.server.connections.http2 import HIGHEST_STREAM_ID, build_goaway
from bench.simulators.server.events import GoawayEvent, error_code
from bench.simulators.server.service import Service


class Departure:
    """The GOAWAYs of one connection; ``queue`` takes a frame for the client."""

    def __init__(self, exchanges: Exchanges, service: Service, queue: Callable[[bytes], None]) -> None:
        self.close: Literal["drained", "at_once", "never"] = "never"
        """When the connection is to be closed, as the newest GOAWAY has it."""
        self._exchanges = exchanges
        self._service = service
        self._queue = queue
        self._later: tuple[int, GoawayEvent] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether a GOAWAY has told the client to open no more streams."""
        return self._exchanges.last_stream_id < HIGHEST_STREAM_ID

    def begin(self, goaway: GoawayEvent, *, requests: int) -> None:
        """Send GOAWAY after so many requests; with ``notice_requests`` its notice now, and the real one later."""
        if goaway.notice_requests is None:
            self.turn_away(goaway)
        else:
            self.send(HIGHEST_STREAM_ID, goaway)
            self._later = requests + goaway.notice_requests, goaway
            self.go_on(requests=requests)

    def go_on(self, *, requests: int) -> None:
        """Send what was given notice of, when its request has come."""
        if self._later is not None and requests >= self._later[0]:
            goaway = self._later[1]
            self._later = None
            self.turn_away(goaway)

    def turn_away(self, goaway: GoawayEvent) -> None:
        """Leave out the newest unanswered streams and say so."""
        waiting = self._exchanges.waiting_ids()
        kept = waiting[: max(0, len(waiting) - goaway.unprocessed)]
        self.send(kept[-1] if kept else 0, goaway)

    def send(self, last_stream_id: int, goaway: GoawayEvent) -> None:
        """Send GOAWAY; streams above ``last_stream_id`` are left out, unless they were already answered."""
        self._service.counts.goaways += 1
        self._exchanges.lower_last_stream_id(last_stream_id)
        self._queue(
            build_goaway(
                last_stream_id=self._exchanges.last_stream_id,
                code=error_code(goaway.code),
                debug_data=self._debug_data(goaway),
            )
        )
        if self.has_begun:
            self.close = goaway.close

    def _debug_data(self, goaway: GoawayEvent) -> bytes:
        if goaway.debug_data is not None:
            return goaway.debug_data.encode()
        return self._service.provider.goaway_data(goaway.reason) if goaway.reason is not None else b""

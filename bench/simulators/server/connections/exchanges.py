"""The requests of one connection, and the moment at which their fate becomes true.

A request's fate is decided when it is whole, and becomes true, once, when it is *settled*: then the ledger hears of it.
Between the two lies the latency, and a GOAWAY may still leave the request above its last-stream-id. A settled request
never ends there: `lower_last_stream_id` stops at the highest settled stream, so that no client hears "not processed"
about a request that was. Streams up to last-stream-id are settled as processed, those above it as not.
"""

from bench.simulators.server.answers import Answer
from bench.simulators.server.connections.http2 import HIGHEST_STREAM_ID
from bench.simulators.server.provider import Judgement
from bench.simulators.server.requests import Request
from bench.simulators.server.service import Service


class Exchange:
    """A request and, once it is whole, what there is to know about it."""

    __slots__ = ("is_settled", "judgement", "request", "whole_at")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.judgement: Judgement | None = None
        self.whole_at = 0
        self.is_settled = False

    @property
    def is_waiting(self) -> bool:
        """Whether the request is whole, and its fate not yet true."""
        return self.judgement is not None and not self.is_settled


class Exchanges:
    """The streams of a connection, from HEADERS until the answer has left or either side reset them."""

    def __init__(self, session: int, service: Service) -> None:
        self.last_stream_id = HIGHEST_STREAM_ID
        self._session = session
        self._service = service
        self._open: dict[int, Exchange] = {}
        self._highest_opened_id = 0
        self._highest_settled_id = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def highest_opened_id(self) -> int:
        """The newest stream of the client; 0 before the first."""
        return self._highest_opened_id

    @property
    def is_drained(self) -> bool:
        """Whether nothing more will be said about any stream up to last-stream-id."""
        return all(
            exchange.is_settled for stream_id, exchange in self._open.items() if stream_id <= self.last_stream_id
        )

    def begin(self, stream_id: int, request: Request) -> None:
        """Take the HEADERS of a new stream."""
        self._highest_opened_id = stream_id
        self._open[stream_id] = Exchange(request)

    def find(self, stream_id: int) -> Exchange | None:
        """Return an open exchange."""
        return self._open.get(stream_id)

    def find_waiting(self, stream_id: int) -> Exchange | None:
        """Return an exchange that came whole and is not settled yet."""
        exchange = self._open.get(stream_id)
        return exchange if exchange is not None and exchange.is_waiting else None

    def waiting_ids(self) -> list[int]:
        """Return the streams that were seen whole and are not settled, oldest first."""
        return [stream_id for stream_id, exchange in self._open.items() if exchange.is_waiting]

    def complete(self, stream_id: int, exchange: Exchange, judgement: Judgement) -> bool:
        """Take END_STREAM; False when the request lies above last-stream-id, and is settled with that."""
        exchange.judgement = judgement
        exchange.whole_at = self._service.wall_ms()
        if stream_id > self.last_stream_id:
            self.settle(stream_id, processed=False)
            self.end(stream_id)
        return not exchange.is_settled

    def settle(self, stream_id: int, *, processed: bool, answer: Answer | None = None) -> None:
        """Make a whole request's fate true and write it down."""
        exchange = self._open[stream_id]
        if exchange.judgement is None:
            raise ValueError(f"stream {stream_id} has not come whole and cannot be settled")
        exchange.is_settled = True
        if processed:
            self._highest_settled_id = max(self._highest_settled_id, stream_id)
        self._service.write_down(
            exchange.request,
            exchange.judgement,
            at=exchange.whole_at,
            session=self._session,
            stream=stream_id,
            processed=processed,
            answer=answer,
        )

    def end(self, stream_id: int) -> None:
        """Forget a stream on which nothing more can happen."""
        self._open.pop(stream_id, None)

    def end_by_client(self, stream_id: int) -> None:
        """Take the client's RST_STREAM: a request that was whole by then counts as processed."""
        exchange = self._open.get(stream_id)
        if exchange is not None and exchange.is_waiting:
            self.settle(stream_id, processed=True)
        self.end(stream_id)

    def end_all(self) -> None:
        """Settle what waits: the connection is gone, and the client can only guess."""
        for stream_id in self.waiting_ids():
            self.settle(stream_id, processed=stream_id <= self.last_stream_id)
        self._open.clear()

    def lower_last_stream_id(self, wanted: int) -> None:
        """Promise not to process streams above ``wanted``, or above the highest settled one when that is higher."""
        self.last_stream_id = min(self.last_stream_id, max(wanted, self._highest_settled_id))
        for stream_id in self.waiting_ids():
            if stream_id > self.last_stream_id:
                self.settle(stream_id, processed=False)
                self.end(stream_id)

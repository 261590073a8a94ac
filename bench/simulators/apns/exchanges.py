"""The requests of one connection, and the moment at which their fate becomes true.

A request's fate is decided when it is whole, and becomes true, once, when it is *settled*: then the ledger hears of it.
Between the two lies the latency, and a GOAWAY may still leave the request above its last-stream-id. A settled request
never ends there: `lower_last_stream_id` stops at the highest settled stream, so that no client hears "not processed"
about a request that was. Streams up to last-stream-id are settled as processed, those above it as not.
"""

from bench.simulators.apns.answers import Answer
from bench.simulators.apns.http2 import HIGHEST_STREAM_ID
from bench.simulators.apns.ledger import LedgerEntry
from bench.simulators.apns.requests import PushRequest
from bench.simulators.apns.service import Service


class Exchange:
    """A request and the answer that it waits for."""

    __slots__ = ("is_settled", "is_whole", "request", "request_id", "whole_at")

    def __init__(self, request: PushRequest) -> None:
        self.request = request
        self.request_id = b""
        self.whole_at = 0
        self.is_whole = False
        self.is_settled = False


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

    def begin(self, stream_id: int, request: PushRequest) -> None:
        """Take the HEADERS of a new stream."""
        self._highest_opened_id = stream_id
        self._open[stream_id] = Exchange(request)

    def find(self, stream_id: int) -> Exchange | None:
        """Return an open exchange."""
        return self._open.get(stream_id)

    def find_waiting(self, stream_id: int) -> Exchange | None:
        """Return an open exchange that is not settled yet."""
        exchange = self._open.get(stream_id)
        return None if exchange is None or exchange.is_settled else exchange

    def waiting_ids(self) -> list[int]:
        """Return the streams that were seen whole and are not settled, oldest first."""
        return [
            stream_id for stream_id, exchange in self._open.items() if exchange.is_whole and not exchange.is_settled
        ]

    def complete(self, stream_id: int, exchange: Exchange) -> bool:
        """Take END_STREAM; False when the request lies above last-stream-id, and is settled with that."""
        exchange.is_whole = True
        exchange.whole_at = self._service.wall_ms()
        exchange.request_id = exchange.request.headers.get(exchange.request.id_header) or self._service.make_id()
        if stream_id > self.last_stream_id:
            self.settle(stream_id, processed=False)
            self.end(stream_id)
        return not exchange.is_settled

    def settle(self, stream_id: int, *, processed: bool, answer: Answer | None = None) -> None:
        """Make a whole request's fate true and write it down."""
        exchange = self._open[stream_id]
        exchange.is_settled = True
        if processed:
            self._highest_settled_id = max(self._highest_settled_id, stream_id)
        self._service.counts.count_settled(answer, processed=processed)
        self._service.ledger.add(self._entry(stream_id, exchange, processed=processed, answer=answer))

    def end(self, stream_id: int) -> None:
        """Forget a stream on which nothing more can happen."""
        self._open.pop(stream_id, None)

    def end_by_client(self, stream_id: int) -> None:
        """Take the client's RST_STREAM: a request that was whole by then counts as processed."""
        exchange = self.find_waiting(stream_id)
        if exchange is not None and exchange.is_whole:
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

    def _entry(self, stream_id: int, exchange: Exchange, *, processed: bool, answer: Answer | None) -> LedgerEntry:
        request = exchange.request
        return LedgerEntry(
            at=exchange.whole_at,
            session=self._session,
            stream=stream_id,
            destination=request.destination,
            apns_id=exchange.request_id.decode("ascii", "replace"),
            body_sha256=request.body_sha256,
            bytes=request.body_bytes,
            status=answer.status if answer is not None else None,
            reason=answer.reason if answer is not None else None,
            processed=processed,
        )

"""Sends the workload through ``native.Session`` over trio's TLS stream.

One reader, one writer, as in the gateway: what is answered makes room, the reader says so, the writer hands in the next
rows and sends all there is at once. Making the batches' ``Requests`` counts as sending; the gateway does that too.
"""

import time

import trio

from bench.measurements.clients.workload import (
    BODY,
    HEADERS,
    HOST,
    IDENTIFIER_PREFIX,
    Workload,
    parse_options,
    paths,
    tls_context,
)
from native import HeaderSet, Requests, Session

BATCH_ROWS = 200
RECEIVE_BYTES = 262_144


class Sender:
    """Moves one workload through one session."""

    def __init__(self, stream: trio.SSLStream[trio.SocketStream], workload: Workload) -> None:
        self._stream = stream
        self._paths = [path.encode() for path in paths(workload.requests)]
        self._session = Session(
            authority=workload.authority.encode(),
            headers=HeaderSet([(name, value, True) for name, value in HEADERS]),
            now=time.monotonic(),
            window=workload.streams,
        )
        self._batch = self._make_batch(0)
        self._batch_start = 0
        self._submitted_of_batch = 0
        self._answered = 0
        self._progress = trio.Event()

    def _make_batch(self, start: int) -> Requests:
        return Requests(
            paths=self._paths[start : start + BATCH_ROWS],
            bodies=[BODY],
            body_of_row=_ALL_SHARE_ONE[: len(self._paths) - start],
            header_sets=[HeaderSet()],
            uuid_header=(b"apns-id", IDENTIFIER_PREFIX, start),
        )

    @property
    def _is_submitted(self) -> bool:
        return self._batch_start >= len(self._paths)

    def _submit(self) -> None:
        """Hand in rows until the session takes no more."""
        while not self._is_submitted and self._session.available:
            rows = len(self._batch)
            self._submitted_of_batch += self._session.submit(
                self._batch, self._submitted_of_batch, rows, time.monotonic()
            )
            if self._submitted_of_batch == rows:
                self._batch_start += rows
                self._submitted_of_batch = 0
                if not self._is_submitted:
                    self._batch = self._make_batch(self._batch_start)

    async def write(self) -> None:
        """Send until every row is answered."""
        while self._answered < len(self._paths):
            self._progress = trio.Event()
            self._submit()
            while data := self._session.pull(time.monotonic()):
                await self._stream.send_all(data)
            await self._progress.wait()

    async def read(self) -> None:
        """Take answers until every row has its own. Raises RuntimeError for any that is not a plain 200."""
        while self._answered < len(self._paths):
            data = await self._stream.receive_some(RECEIVE_BYTES)
            if not data:
                raise RuntimeError(f"the sink closed after {self._answered} answers")
            if exchanges := self._session.feed(data, time.monotonic()):
                raise RuntimeError(f"a row ended other than in success: {exchanges[0].ending}, {exchanges[0].cause}")
            for batch in self._session.take_touched():
                self._answered += sum(stop - start for start, stop in batch.take_successes())
            self._progress.set()


_ALL_SHARE_ONE = [0] * BATCH_ROWS


async def send(workload: Workload) -> None:
    """Send the whole workload over one connection."""
    transport = await trio.open_tcp_stream(HOST, workload.port)
    context = tls_context(workload.ca_file)
    stream = trio.SSLStream(transport, context, server_hostname=HOST, https_compatible=True)
    async with stream:
        await stream.do_handshake()
        sender = Sender(stream, workload)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sender.read)
            nursery.start_soon(sender.write)


if __name__ == "__main__":
    trio.run(send, parse_options(__doc__))

"""What one connection has yet to be sent. Its writer sends once per wake-up what everyone queued.

Nothing here grows without a bound, though nobody who queues an answer ever waits:

- answers to batches are bounded by the connection's credits, which come back when an answer is handed to the socket;
- of results one frame is queued at a time, and whoever feeds them waits until it was taken;
- responses to anything else (``pong``, ``cancelled``) are bounded by the reader, which reads no further while
  RESPONSE_LIMIT_BYTES of them are unsent. A peer comes to that only by asking and never reading.

Credits come back just before the bytes leave, not after: a fast caller would else send its next batch into a ledger
that does not know of them yet.
"""

from collections import deque
from collections.abc import Callable
from functools import partial

import trio

from gateway.ingress.credits import Cost, CreditLedger
from gateway.wakeup import Wakeup

# Many TLS records in one call, and little enough that a peer which stops reading gets few of its credits back.
WRITE_LIMIT_BYTES = 256 * 1024
RESPONSE_LIMIT_BYTES = 64 * 1024


class Outbox:
    """Frames on their way to one peer, in the order in which they were queued."""

    def __init__(self, ledger: CreditLedger) -> None:
        self._ledger = ledger
        self._frames: deque[tuple[bytes, Callable[[], None]]] = deque()
        self._wakeup = Wakeup()
        self._response_bytes = 0
        self._response_taken = trio.Event()
        self._is_finished = False

    def put_answer(self, frame: bytes, cost: Cost) -> None:
        """Queue the answer to a batch; its cost comes back when the answer leaves."""
        self._put(frame, partial(self._ledger.give_back, cost))

    def put_response(self, frame: bytes) -> None:
        """Queue what costs no credits; the reader reads on after :meth:`wait_room`."""
        self._response_bytes += len(frame)
        self._put(frame, partial(self._forget_response, len(frame)))

    async def send_results(self, frame: bytes) -> None:
        """Queue a ``results`` frame and wait until it was handed to the socket."""
        taken = trio.Event()
        self._put(frame, taken.set)
        await taken.wait()

    async def wait_room(self) -> None:
        """Wait while too many responses are unsent. Not a checkpoint when there is room."""
        while self._response_bytes > RESPONSE_LIMIT_BYTES:
            await self._response_taken.wait()

    def finish(self) -> None:
        """Let the writer return once everything queued is sent."""
        self._is_finished = True
        self._wakeup.set()

    async def write_to(self, stream: trio.abc.SendStream) -> None:
        """Send what is queued, until :meth:`finish`. Raises trio.BrokenResourceError when the peer is gone."""
        while self._frames or not self._is_finished:
            if self._frames:
                await stream.send_all(self._take())
            else:
                await self._wakeup.wait()

    def _put(self, frame: bytes, on_taken: Callable[[], None]) -> None:
        self._frames.append((frame, on_taken))
        self._wakeup.set()

    def _take(self) -> bytes:
        """Return the next bytes to send: at least one frame, else up to WRITE_LIMIT_BYTES."""
        taken: list[bytes] = []
        size_bytes = 0
        while self._frames and (not taken or size_bytes + len(self._frames[0][0]) <= WRITE_LIMIT_BYTES):
            frame, on_taken = self._frames.popleft()
            on_taken()
            taken.append(frame)
            size_bytes += len(frame)
        return b"".join(taken)

    def _forget_response(self, size_bytes: int) -> None:
        self._response_bytes -= size_bytes
        self._response_taken.set()
        self._response_taken = trio.Event()

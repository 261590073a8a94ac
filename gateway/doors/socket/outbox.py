"""What one connection has yet to be sent. Its writer sends once per wake-up what everyone queued.

Nothing here grows without a bound, though nobody who queues an answer ever waits:

- answers to batches are bounded by the connection's credits, which come back when an answer is handed to the socket;
- of results one frame is queued at a time, and whoever feeds them waits until it was taken;
- responses to anything else (``pong``, ``cancelled``) are bounded by the reader, which reads no further while
  RESPONSE_LIMIT_BYTES of them are unsent. A peer comes to that only by asking and never reading;
- what all connections together have unsent is bounded too (:mod:`gateway.doors.socket.buffers`), and a peer that takes
  nothing at all for ``patience_seconds`` is let go.

Credits come back just before the bytes leave, not after: a fast caller would else send its next batch into a ledger
that does not know of them yet.
"""

from collections import deque
from typing import NamedTuple

import trio

from gateway.doors.socket.buffers import BufferShare
from gateway.intake.credits import Cost, CreditLedger
from gateway.wakeup import Wakeup

# A few TLS records in one call, and little enough that a peer which stops reading gets few of its credits back.
WRITE_LIMIT_BYTES = 64 * 1024
RESPONSE_LIMIT_BYTES = 64 * 1024
# What a queued frame takes in memory beside its bytes: its entry, and the headers of both objects.
FRAME_OVERHEAD_BYTES = 128


class _Unsent(NamedTuple):
    """A queued frame, and what happens when it is taken: for an answer, for a response, for results."""

    frame: bytes
    cost: Cost | None = None
    response_bytes: int = 0
    taken: trio.Event | None = None


class Outbox:
    """Frames on their way to one peer, in the order in which they were queued."""

    def __init__(self, ledger: CreditLedger, share: BufferShare, patience_seconds: float) -> None:
        self._ledger = ledger
        self._share = share
        self._patience_seconds = patience_seconds
        self._frames: deque[_Unsent] = deque()
        self._wakeup = Wakeup()
        self._unsent_bytes = 0
        self._response_bytes = 0
        self._response_taken = trio.lowlevel.ParkingLot()
        self._sending = trio.CancelScope()
        self._is_finished = False

    @property
    def has_room(self) -> bool:
        """Whether responses may be queued: :meth:`wait_room` would return at once."""
        return self._response_bytes <= RESPONSE_LIMIT_BYTES

    def put_answer(self, frame: bytes, cost: Cost) -> None:
        """Queue the answer to a batch; its cost comes back when the answer leaves."""
        self._put(_Unsent(frame, cost=cost))

    def put_response(self, frame: bytes) -> None:
        """Queue what costs no credits; the reader reads on after :meth:`wait_room`."""
        size_bytes = len(frame) + FRAME_OVERHEAD_BYTES
        self._response_bytes += size_bytes
        self._put(_Unsent(frame, response_bytes=size_bytes))

    async def send_results(self, frame: bytes) -> None:
        """Queue a ``results`` frame and wait until it was handed to the socket."""
        taken = trio.Event()
        self._put(_Unsent(frame, taken=taken))
        await taken.wait()

    async def wait_room(self) -> None:
        """Wait while too many responses are unsent. Not a checkpoint when there is room."""
        while not self.has_room:
            await self._response_taken.park()

    def finish(self) -> None:
        """Let the writer return once everything queued is sent."""
        self._is_finished = True
        self._wakeup.set()

    def hurry(self, patience_seconds: float) -> None:
        """Wait from here on only so long for a peer that takes nothing."""
        self._patience_seconds = min(self._patience_seconds, patience_seconds)
        self._sending.deadline = min(self._sending.deadline, trio.current_time() + patience_seconds)

    async def write_to(self, stream: trio.abc.SendStream) -> None:
        """Send what is queued, until :meth:`finish`.

        Raises trio.BrokenResourceError when the peer is gone, trio.TooSlowError when it takes nothing for too long.
        """
        while self._frames or not self._is_finished:
            if self._frames:
                await self._send(stream, self._take())
            else:
                await self._wakeup.wait()

    async def _send(self, stream: trio.abc.SendStream, data: bytes) -> None:
        """Send piece by piece: each one that is taken shows that the peer reads."""
        view = memoryview(data)
        for at in range(0, len(data), WRITE_LIMIT_BYTES):
            self._share.resize(self._unsent_bytes + len(data) - at, progressed=True)
            with trio.CancelScope(deadline=trio.current_time() + self._patience_seconds) as self._sending:
                await stream.send_all(view[at : at + WRITE_LIMIT_BYTES])
            if self._sending.cancelled_caught:
                raise trio.TooSlowError
        self._share.resize(self._unsent_bytes, progressed=True)

    def _put(self, unsent: _Unsent) -> None:
        self._unsent_bytes += len(unsent.frame) + FRAME_OVERHEAD_BYTES
        self._frames.append(unsent)
        self._share.resize(self._unsent_bytes)
        self._wakeup.set()

    def _take(self) -> bytes:
        """Return the next bytes to send: at least one frame, else up to WRITE_LIMIT_BYTES."""
        taken: list[bytes] = []
        size_bytes = 0
        while self._frames and (not taken or size_bytes + len(self._frames[0].frame) <= WRITE_LIMIT_BYTES):
            unsent = self._frames.popleft()
            self._note_taken(unsent)
            taken.append(unsent.frame)
            size_bytes += len(unsent.frame)
        return b"".join(taken)

    def _note_taken(self, unsent: _Unsent) -> None:
        self._unsent_bytes -= len(unsent.frame) + FRAME_OVERHEAD_BYTES
        if unsent.cost is not None:
            self._ledger.give_back(unsent.cost)
        if unsent.taken is not None:
            unsent.taken.set()
        if unsent.response_bytes:
            self._response_bytes -= unsent.response_bytes
            self._response_taken.unpark_all()

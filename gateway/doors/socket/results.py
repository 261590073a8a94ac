"""Results, or dead tokens, on their way from a principal's feed to one subscribed connection.

A reader has at most WINDOW_ROWS results unacknowledged: one that never acknowledges is sent that many and then
nothing, so it costs the gateway neither memory nor work. Of what is unsent there is one frame, the rest stays with
the engine, and reading never holds up sending.
"""

from collections import deque
from math import inf

import trio

from gateway.doors.socket.outbox import Outbox
from gateway.doors.socket.sources import Page, Source
from gateway.journal.engine import CursorTooOldError
from protocol.frames import Error, encode_frame
from protocol.reasons import Reason

WINDOW_ROWS = 20_000
# When the gateway ends, the last acknowledgements are on their way. A peer that neither takes nor acknowledges anything
# for so long holds up the end no longer.
LAST_ACKNOWLEDGEMENT_SECONDS = 2.0


class ResultsWindow:
    """The frames that were sent and not acknowledged. Pure bookkeeping."""

    __slots__ = ("_frames", "_limit_rows", "_rows")

    def __init__(self, limit_rows: int) -> None:
        self._limit_rows = limit_rows
        self._rows = 0
        self._frames: deque[tuple[int, int]] = deque()  # cursor, rows

    @property
    def is_full(self) -> bool:
        """Whether the next frame must wait for an acknowledgement."""
        return self._rows >= self._limit_rows

    @property
    def is_empty(self) -> bool:
        """Whether everything was acknowledged."""
        return not self._frames

    def add(self, cursor: int, rows: int) -> None:
        """Note a frame that was sent."""
        self._frames.append((cursor, rows))
        self._rows += rows

    def acknowledge(self, cursor: int) -> None:
        """Forget the frames up to and including ``cursor``."""
        while self._frames and self._frames[0][0] <= cursor:
            self._rows -= self._frames.popleft()[1]


class ResultsFeeder:
    """Feeds one subscribed connection from ``position`` on; :meth:`run` is its task.

    ``skips_freed``: it goes on with the oldest results where those before them were freed meanwhile, as they are when
    another connection acknowledges for the same reader. Otherwise that ends it with an error.
    """

    def __init__(self, source: Source, *, position: int, outbox: Outbox, skips_freed: bool = False) -> None:
        self._source = source
        self._position = position
        self._outbox = outbox
        self._skips_freed = skips_freed
        self._window = ResultsWindow(WINDOW_ROWS)
        self._acknowledged = trio.Event()
        self._waiting = trio.CancelScope()  # for the peer
        self._idle = trio.CancelScope()
        self._ends_when_idle = False
        self._is_hurried = False
        self._is_acknowledgeable = True

    def acknowledge(self, cursor: int) -> bool:
        """Open the window again; False where the cursor was never sent."""
        if cursor > self._position:
            return False
        self._window.acknowledge(cursor)
        self._acknowledged.set()
        return True

    def end_when_idle(self) -> None:
        """Let :meth:`run` return as soon as everything that is in the feed was sent, or the peer stands still."""
        self._ends_when_idle = self._is_hurried = True
        self._waiting.deadline = min(self._waiting.deadline, self._find_patience())
        self._idle.cancel()

    def end_unheard(self) -> None:
        """Let :meth:`run` return once what is in the feed was sent, as far as the window goes: nothing comes back."""
        self._ends_when_idle = True
        self._is_acknowledgeable = False
        self._acknowledged.set()
        self._idle.cancel()

    async def run(self) -> None:
        """Send results as they come."""
        while True:
            try:
                await self._feed()
            except CursorTooOldError as error:
                if self._skips_freed and error.oldest > self._position:
                    self._position = error.oldest
                    continue
                self._outbox.put_response(encode_frame(_describe_old_cursor(error)))
            return

    async def _feed(self) -> None:
        while await self._wait_window():
            page = await self._source.read(self._position)
            if page is not None:
                if not await self._send(page):
                    return
            elif self._ends_when_idle:
                await self._wait_last_acknowledgement()
                return
            else:
                with trio.CancelScope() as self._idle:
                    await self._source.wait(self._position)

    async def _wait_window(self) -> bool:
        """Wait until a frame may be sent; False when that will never be."""
        while self._window.is_full and self._is_acknowledgeable:
            if not await self._wait_acknowledged():
                return False
        return not self._window.is_full

    async def _wait_last_acknowledgement(self) -> None:
        while not self._window.is_empty and self._is_acknowledgeable:
            if not await self._wait_acknowledged():
                return

    async def _wait_acknowledged(self) -> bool:
        """Wait for the next acknowledgement; False where the gateway ends and the peer stands still."""
        self._acknowledged = trio.Event()
        with trio.CancelScope(deadline=self._find_patience()) as self._waiting:
            await self._acknowledged.wait()
        return not self._waiting.cancelled_caught

    async def _send(self, page: Page) -> bool:
        """Send a page and wait until it is taken; False where the gateway ends and the peer stands still."""
        self._position = page.cursor
        self._window.add(page.cursor, page.rows)
        with trio.CancelScope(deadline=self._find_patience()) as self._waiting:
            await self._outbox.send_results(page.frame)
        return not self._waiting.cancelled_caught

    def _find_patience(self) -> float:
        """Return until when a peer is waited for that does nothing."""
        return trio.current_time() + LAST_ACKNOWLEDGEMENT_SECONDS if self._is_hurried else inf


def _describe_old_cursor(error: CursorTooOldError) -> Error:
    detail = f'results after this cursor are no longer kept; the oldest are read from cursor "{error.oldest}"'
    return Error(reason=Reason.EXPIRED.word, field="cursor", detail=detail)

"""Results, or dead tokens, on their way from a principal's feed to one subscribed connection.

A reader has at most WINDOW_ROWS results unacknowledged: one that never acknowledges is sent that many and then
nothing, so it costs the gateway neither memory nor work. Of what is unsent there is one frame, the rest stays with
the engine, and reading never holds up sending.
"""

from collections import deque
from math import inf

import trio

from gateway.ingress.outbox import Outbox
from gateway.ingress.sources import Page, Source
from gateway.journal.engine import CursorTooOldError
from protocol.frames import Error, GatewayPing, encode_frame
from protocol.reasons import Reason

WINDOW_ROWS = 20_000
# Whether a peer that closed its side is still there is found out only by writing to it, over TCP by the second time.
PROBE_SECONDS = 2.0
# When the gateway ends, the last acknowledgements are on their way.
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
        self._idle = trio.CancelScope()
        self._ends_when_idle = False
        self._is_acknowledgeable = True

    def acknowledge(self, cursor: int) -> bool:
        """Open the window again; False where the cursor was never sent."""
        if cursor > self._position:
            return False
        self._window.acknowledge(cursor)
        self._acknowledged.set()
        return True

    def end_when_idle(self) -> None:
        """Let :meth:`run` return as soon as everything that is in the feed was sent."""
        self._ends_when_idle = True
        self._idle.cancel()

    def end_when_full(self) -> None:
        """Let :meth:`run` return once the window is full: the peer closed its side, nothing will be acknowledged."""
        self._is_acknowledgeable = False
        self._acknowledged.set()
        self._idle.cancel()
        self._probe()

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
                await self._send(page)
            elif self._ends_when_idle:
                await self._wait_last_acknowledgement()
                return
            else:
                await self._wait_feed()

    async def _wait_window(self) -> bool:
        """Wait until a frame may be sent; False when that will never be."""
        while self._window.is_full and self._is_acknowledgeable:
            self._acknowledged = trio.Event()
            await self._acknowledged.wait()
        return not self._window.is_full

    async def _wait_last_acknowledgement(self) -> None:
        with trio.move_on_after(LAST_ACKNOWLEDGEMENT_SECONDS):
            while not self._window.is_empty and self._is_acknowledgeable:
                self._acknowledged = trio.Event()
                await self._acknowledged.wait()

    async def _wait_feed(self) -> None:
        probe_at = inf if self._is_acknowledgeable else trio.current_time() + PROBE_SECONDS
        with trio.CancelScope(deadline=probe_at) as self._idle:
            await self._source.wait(self._position)
        if trio.current_time() >= probe_at:
            self._probe()

    def _probe(self) -> None:
        self._outbox.put_response(encode_frame(GatewayPing()))

    async def _send(self, page: Page) -> None:
        self._position = page.cursor
        self._window.add(page.cursor, page.rows)
        await self._outbox.send_results(page.frame)


def _describe_old_cursor(error: CursorTooOldError) -> Error:
    detail = f'results after this cursor are no longer kept; the oldest are read from cursor "{error.oldest}"'
    return Error(reason=Reason.EXPIRED.word, field="cursor", detail=detail)

"""Results on their way from a principal's feed to one subscribed connection.

A reader has at most WINDOW_ROWS results unacknowledged: one that never acknowledges is sent that many and then
nothing, so it costs the gateway neither memory nor work. Of what is unsent there is one frame, the rest stays with
the engine, and reading never holds up sending.
"""

from collections import deque
from math import inf

import trio

from gateway.ingress.outbox import Outbox
from gateway.journal.engine import CursorTooOldError, Engine, FeedEntry, FeedPage
from protocol.frames import Error, GatewayPing, Results, encode_frame
from protocol.reasons import Reason
from protocol.results import ResultBlock, make_block

WINDOW_ROWS = 20_000
# Encoding this many takes well under a millisecond even where each row has an id of its own.
FRAME_ROWS = 1_000
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

    def __init__(
        self, *, engine: Engine, principal: str, position: int, outbox: Outbox, skips_freed: bool = False
    ) -> None:
        self._engine = engine
        self._principal = principal
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
            page = await self._engine.feed(self._principal, self._position, FRAME_ROWS)
            if page.entries:
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
            await self._engine.wait_feed(self._principal, self._position)
        if trio.current_time() >= probe_at:
            self._probe()

    def _probe(self) -> None:
        self._outbox.put_response(encode_frame(GatewayPing()))

    async def _send(self, page: FeedPage) -> None:
        blocks = [_make_block(entry) for entry in page.entries]
        self._position = page.cursor
        self._window.add(page.cursor, sum(map(len, blocks)))
        await self._outbox.send_results(encode_frame(Results(cursor=str(page.cursor), blocks=blocks)))


def _make_block(entry: FeedEntry) -> ResultBlock:
    batch, settlement = entry.batch, entry.settlement
    return make_block(
        batch_id=batch.batch_id,
        app=batch.app,
        labels=batch.labels,
        accepted_at_ms=batch.accepted_at_ms,
        provider_id_prefix=batch.provider_id_prefix,
        provider=settlement.provider,
        outcome=settlement.outcome,
        reason=settlement.reason,
        advice=settlement.advice,
        provider_status=settlement.provider_status,
        provider_reason=settlement.provider_reason,
        attempts=settlement.attempts,
        uncertain_attempts=settlement.uncertain_attempts,
        indexes=settlement.indexes,
        finished_at_ms=settlement.finished_at_ms,
        ids=settlement.ids,
        tracks=settlement.tracks,
        provider_ids=settlement.provider_ids,
        dead_since_ms=settlement.dead_since_ms,
    )


def _describe_old_cursor(error: CursorTooOldError) -> Error:
    detail = f'results after this cursor are no longer kept; the oldest are read from cursor "{error.oldest}"'
    return Error(reason=Reason.EXPIRED.word, field="cursor", detail=detail)

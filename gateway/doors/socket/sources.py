"""What a subscribed connection reads: its principal's results, or its dead tokens, as frames."""

from typing import NamedTuple, Protocol

from gateway.journal.engine import Engine, FeedEntry
from protocol.frames import DeadTokens, Results, encode_frame
from protocol.results import ResultBlock, make_block

# Encoding this many takes well under a millisecond even where each row has an id of its own.
FRAME_ROWS = 1_000


class Page(NamedTuple):
    """A frame with rows, and the cursor after them; an empty one is not to be sent."""

    frame: bytes
    rows: int
    cursor: int


class Source(Protocol):
    """A feed of one principal. Both calls raise CursorTooOldError."""

    async def read(self, cursor: int) -> Page | None:
        """Return what comes after a cursor, None when there is nothing."""
        ...

    async def wait(self, cursor: int) -> None:
        """Wait until something comes after a cursor."""
        ...


class ResultsSource:
    """The results of a principal."""

    def __init__(self, engine: Engine, principal: str) -> None:
        self._engine = engine
        self._principal = principal

    async def read(self, cursor: int) -> Page | None:
        """See :class:`Source`."""
        page = await self._engine.feed(self._principal, cursor, FRAME_ROWS)
        if not page.entries:
            return None
        blocks = [_make_block(entry) for entry in page.entries]
        frame = Results(cursor=str(page.cursor), blocks=blocks)
        return Page(encode_frame(frame), sum(map(len, blocks)), page.cursor)

    async def wait(self, cursor: int) -> None:
        """See :class:`Source`."""
        await self._engine.wait_feed(self._principal, cursor)


class DeadTokensSource:
    """The dead tokens of a principal: released suspects."""

    def __init__(self, engine: Engine, principal: str) -> None:
        self._engine = engine
        self._principal = principal

    async def read(self, cursor: int) -> Page | None:
        """See :class:`Source`."""
        page = await self._engine.dead_tokens.read(self._principal, cursor, FRAME_ROWS)
        if not page.tokens:
            return None
        frame = DeadTokens(cursor=str(page.cursor), tokens=page.tokens)
        return Page(encode_frame(frame), len(page.tokens), page.cursor)

    async def wait(self, cursor: int) -> None:
        """See :class:`Source`."""
        await self._engine.dead_tokens.wait(self._principal, cursor)


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

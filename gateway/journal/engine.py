"""The engine: what is durably owed, behind one interface.

Every call that changes something returns only when the change is as durable as the engine can make it. Nothing above
this interface assumes one process: work is *leased*, results are read by cursor, identity is (batch number, index).

The instants at which states become true (docs/architecture.md#states-of-a-notification):

- *accepted*: ``append`` returned.
- *scheduled*: ``schedule`` returned, or ``append`` with a ``not_before_ms`` ahead.
- *started* (only rows with ``report_unknown``): ``mark_started`` returned, before the row is submitted.
- *settled*: ``settle`` returned; outcome and result stand in that one commit.

Who works on an engine is a *handle*, and what it takes it holds by its *lease* (:mod:`gateway.journal.leases`): every
call about leased rows carries the lease's id, and is refused when that has ended.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from gateway.journal.books.dead_tokens import DeadTokens
from gateway.journal.leases import Lease
from gateway.journal.statistics import EngineStatistics
from protocol.outcomes import Advice, Outcome
from protocol.reasons import Reason


class BatchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What all rows of a batch share in results.

    ``provider_id_prefix`` is 12 bytes, see :class:`native.Requests`. ``rows`` counts the accepted ones.
    """

    principal: str
    batch_id: str
    app: str
    labels: tuple[str, ...]
    accepted_at_ms: int
    provider_id_prefix: bytes
    rows: int


class ChunkRef(msgspec.Struct, frozen=True, kw_only=True):
    """A leased piece of work: rows ``start`` to ``stop`` (positions inside the chunk) of one stored chunk.

    ``attempts`` and ``uncertain_attempts`` are what :meth:`Engine.schedule` was told about these rows, 0 when fresh.
    ``account`` is as in :class:`NewChunk`. ``is_doubted``: one of both counts for a process that ended uncleanly, and
    may have sent them or not.
    Its moments are as the wall clock was when the batch was accepted; ``lead_ms`` later they are on the steady clock.
    ``lease`` is the one it is held by, with its end as it was then; ``record`` is the batch's.
    """

    lease: Lease
    record: BatchRecord
    batch: int
    chunk: int
    start: int
    stop: int
    lane: str
    queue: int
    stored_bytes: int
    lead_ms: int = 0
    account: str = ""
    attempts: int = 0
    uncertain_attempts: int = 0
    is_doubted: bool = False

    @property
    def principal(self) -> str:
        """Who sent the batch."""
        return self.record.principal

    @property
    def is_retry(self) -> bool:
        """Whether an attempt failed. What is only doubted goes out as fresh work does: a restart is no failure."""
        return self.attempts > self.is_doubted


class NewChunk(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk to be stored, in the encoding of :mod:`protocol.chunks`, with what the engine must index.

    ``expires_at_ms`` is the earliest deadline among its rows. ``not_before_ms`` is the same for all of them.
    ``cancel_filter`` is that of its cancel keys (:mod:`gateway.journal.books.cancel_keys`). ``reported`` are the rows
    (bits) that are marked as started before they are sent. ``account`` is who the app was at its provider when
    they were accepted, as :attr:`protocol.chunks.Variant.account` has it.
    """

    lane: str
    queue: int
    rows: int
    stored: bytes
    expires_at_ms: int
    not_before_ms: int = 0
    cancel_filter: int = 0
    reported: int = 0
    account: str = ""


class DeadOnArrival(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a batch, rejected at the door, whose destinations are gone for good: what the dead tokens tell of them.

    ``indexes`` are flat ranges of positions in the batch; the other columns have one entry a row.
    """

    provider: str
    indexes: list[int]
    ids: list[str | None]
    destinations: list[str]
    dead_since_ms: list[int]


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """The right to append one batch under (principal, batch_id); ended by ``append`` or ``release``.

    ``is_named``: the caller chose the id, and may send the batch again.
    """

    principal: str
    batch_id: str
    fingerprint: bytes
    is_named: bool = True


class Answered(msgspec.Struct, frozen=True):
    """The key is taken by the same request: its first answer, byte for byte as it was stored."""

    answer: bytes


class Conflicting(msgspec.Struct, frozen=True):
    """The key is taken by another request."""


class Settlement(msgspec.Struct, array_like=True, kw_only=True):
    """One final word for rows of one chunk, as a block of columns: the words once, then what differs by row.

    ``rows`` are flat ranges of positions inside the chunk; ``indexes`` the same rows as positions in the batch;
    ``ids``, ``tracks``, ``provider_ids``, ``dead_since_ms`` have one entry a row, or are None where no row has any.
    ``destinations`` come with the advice to delete them, for the dead tokens; results don't keep them.
    """

    batch: int
    chunk: int
    rows: list[int]
    indexes: list[int]
    provider: str
    outcome: Outcome
    reason: Reason | None
    advice: Advice
    provider_status: int | None
    provider_reason: str | None
    attempts: int
    uncertain_attempts: int
    finished_at_ms: int
    ids: list[str | None] | None = None
    tracks: list[bytes | None] | None = None
    provider_ids: list[str | None] | None = None
    dead_since_ms: list[int | None] | None = None
    destinations: list[str] | None = None

    @property
    def count(self) -> int:
        """How many rows are settled by it."""
        return sum(self.rows[at + 1] - self.rows[at] for at in range(0, len(self.rows), 2))


class Postponement(msgspec.Struct, frozen=True, kw_only=True):
    """Leased rows of one chunk (flat ranges inside it) that are given back until ``due_at_ms``.

    The attempts made so far come back with the ref and go into results that the engine itself makes: a row with an
    uncertain attempt ends ``unknown`` where it would have ended ``expired`` or ``cancelled``.
    """

    batch: int
    chunk: int
    rows: list[int]
    due_at_ms: int
    attempts: int = 0
    uncertain_attempts: int = 0


class Recalled(NamedTuple):
    """Leased rows (bits) that their holder lets go of: none is being sent.

    ``attempts`` are those that counted so far, by row, for rows of which the engine may not know them all.
    """

    rows: int = 0
    attempts: Mapping[int, int] = {}


Recall = Callable[[str, int, int, int], Recalled]
"""Called with lane, batch, chunk and a set of leased rows (bits); returns those of them that the lane lets go of."""


class FeedEntry(msgspec.Struct, frozen=True):
    """A settlement as readers get it, with its batch. ``position`` orders a principal's feed."""

    position: int
    batch: BatchRecord
    settlement: Settlement


class FeedPage(msgspec.Struct, frozen=True):
    """Entries after a cursor and the cursor to continue from."""

    entries: list[FeedEntry]
    cursor: int


class CursorTooOldError(Exception):
    """The cursor points before what is kept, or was never given out by this journal; read on from ``oldest``."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"no such position among the results kept; the oldest cursor is {oldest}")
        self.oldest = oldest


class KeysFullError(Exception):
    """The keys of named batches take all that they may; the oldest ends in ``room_in_seconds``."""

    def __init__(self, limit_bytes: int, room_in_seconds: float) -> None:
        super().__init__(f"batch ids and first answers take their limit of {limit_bytes} bytes")
        self.limit_bytes = limit_bytes
        self.room_in_seconds = room_in_seconds


class CancelCount(msgspec.Struct, frozen=True, kw_only=True):
    """How a cancel went, in rows. Too late are rows being sent, settled, or tried before with an uncertain end.

    Not found are positions that were never accepted; a batch that isn't known counts as one.
    """

    cancelled: int
    too_late: int
    not_found: int


class Engine(Protocol):
    """See the module text. All methods may be called from many tasks.

    Cancelling a call leaves it done or undone, never half.
    """

    @property
    def dead_tokens(self) -> DeadTokens:
        """What settled results say of destinations."""
        ...

    async def recover(self) -> int:
        """Make ready what an earlier process left; return how many rows are owed. Called once, first."""
        ...

    async def watch(self) -> None:
        """Wait until nothing can be kept any more, usually for ever; raises JournalFailedError then."""
        ...

    async def aclose(self) -> None:
        """Flush and release. Nothing may be called afterwards."""
        ...

    async def reserve(
        self, principal: str, batch_id: str, fingerprint: bytes, *, is_named: bool = True
    ) -> Reservation | Answered | Conflicting:
        """Take the idempotency key. A concurrent second caller waits until the first appended or released.

        The key of a batch that is not named (the gateway made its id) is free again when the batch is finished.
        Raises KeysFullError for a named one without room for its key, AnswerDamagedError.
        """
        ...

    async def release(self, reservation: Reservation) -> None:
        """Give a reservation back unused; nothing happens when it was used. Takes effect even when cancelled."""
        ...

    async def append(
        self,
        reservation: Reservation,
        batch: BatchRecord,
        chunks: Sequence[NewChunk],
        answer: bytes,
        dead: Sequence[DeadOnArrival] = (),
    ) -> int:
        """Accept a batch: store it and its answer, end the reservation, return the batch number (from 1).

        ``dead`` go with it to the dead tokens, as suspects that a provider named at this moment.

        Raises ValueError when the reservation isn't held, KeysFullError when there is no room for its key.
        """
        ...

    async def lease(self, max_rows: int) -> list[ChunkRef]:
        """Wait for work that is due and not leased, and take it, oldest first. Renews the handle's lease.

        At least one ref is returned, more while they come to ``max_rows`` at most; all have the same lease.
        """
        ...

    async def renew(self) -> Lease:
        """Put off the end of the handle's lease, and return it; one that has another id when the last one has ended.

        One call for all rows that the handle holds, to be made well before the end.
        """
        ...

    async def answer_recalls(self) -> None:
        """Let go of rows that are cancelled or expire by another handle's doing, until cancelled. One task runs it.

        Whoever asks waits for a second at most; without an answer the rows count as being sent.
        """
        ...

    async def read(self, refs: Sequence[ChunkRef]) -> list[bytes | None]:
        """Return the stored chunks of leased work, in order; None for one of which no row is owed any more.

        That is so when all were settled meanwhile, and when the chunk turned out to be damaged: its rows have ended
        then, and are nobody's to send.
        """
        ...

    async def mark_started(self, lease: int, batch: int, chunk: int, rows: Sequence[int]) -> None:
        """Note durably that rows (flat ranges inside the chunk) are about to be submitted. Raises LeaseEndedError."""
        ...

    async def settle(self, lease: int, settlements: Sequence[Settlement]) -> None:
        """Commit final results. A row that is already settled is left as it stands: the first word is the final one.

        So is one that another lease has. Raises LeaseEndedError, with nothing changed.
        """
        ...

    async def schedule(self, lease: int, postponements: Sequence[Postponement]) -> None:
        """Give leased rows back until a time; they are leased again, as new refs, once that has passed.

        Rows that the lease doesn't have stay where they are. Raises LeaseEndedError, with nothing changed.
        """
        ...

    def set_recall(self, recall: Recall) -> None:
        """Say who can let go of rows that this handle holds and has not sent, so that they may be cancelled or expire.

        What it keeps when the engine is closed counts as possibly sent, once.
        """
        ...

    async def cancel(self, principal: str, batch_id: str, indexes: Sequence[int] | None, now_ms: int) -> CancelCount:
        """Settle as cancelled the rows of a batch (None: all) that are owed, and not leased or let go of."""
        ...

    async def cancel_ids(self, principal: str, batch_id: str, ids: Sequence[str], now_ms: int) -> CancelCount:
        """Do the same for the rows of a batch that have one of ``ids``.

        Ids are known as long as a row's chunk or its result is kept; later they count as not found.
        """
        ...

    async def cancel_key(self, principal: str, app: str, key: str, now_ms: int) -> CancelCount:
        """Do the same for the rows of an app, accepted so far, that carry a cancel key.

        Too late are those that are being sent; settled ones are not counted, as their keys are gone. When nothing
        carries the key, that counts as one not found.
        """
        ...

    async def wait_overdue(self) -> None:
        """Wait until :meth:`expire` may have something to do."""
        ...

    async def expire(self, now_ms: int) -> int:
        """Settle as expired the rows whose deadline passed, and not leased or let go of; return how many.

        ``now_ms`` is the steady clock's, which a wall clock that is set back does not hold up.
        """
        ...

    async def feed(self, principal: str, cursor: int, max_rows: int) -> FeedPage:
        """Return results after ``cursor`` (0 = the oldest kept), possibly none; whole blocks, at least one of them.

        Raises CursorTooOldError.
        """
        ...

    async def wait_feed(self, principal: str, cursor: int) -> None:
        """Wait until the feed has something after ``cursor``. Raises CursorTooOldError."""
        ...

    async def acknowledge(self, principal: str, cursor: int) -> None:
        """Free results up to and including ``cursor``; nothing happens when they are freed already.

        Raises CursorTooOldError for a cursor ahead of everything: it was not given out by this journal.
        """
        ...

    async def open_subscription(self, principal: str, name: str) -> int | None:
        """Return the cursor up to which a named reader has acknowledged; 0, the oldest kept, for a new one.

        From then on results are kept until it has acknowledged them too. None when the principal has too many others.
        """
        ...

    async def acknowledge_subscription(self, principal: str, name: str, cursor: int) -> None:
        """Note how far a named reader is, and free what all of them have acknowledged.

        Nothing happens for a name that isn't open, and behind what it acknowledged before. Raises CursorTooOldError
        for a cursor ahead of everything.
        """
        ...

    async def close_subscription(self, principal: str, name: str) -> bool:
        """Forget a named reader, and free what the others have acknowledged; return whether there was one."""
        ...

    def set_results_kept(self, principal: str, kept: bool) -> None:
        """Choose whether new results of ``principal`` are kept for reading (True, the default) or only counted."""
        ...

    async def wait_change(self) -> None:
        """Wait until rows were settled or results freed: the moment at which admission may look again."""
        ...

    def statistics(self) -> EngineStatistics:
        """Return the counts now."""
        ...

"""Batches for an engine and final words about them, with as few lines as a test's rule needs."""

from collections.abc import Iterable, Sequence

import trio
from trio.testing import wait_all_tasks_blocked

from gateway.journal import (
    Answered,
    BatchRecord,
    ChunkRef,
    DeadOnArrival,
    Engine,
    NewChunk,
    Postponement,
    Reservation,
    Settlement,
)
from gateway.journal.books.cancel_keys import make_filter
from protocol.chunks import Chunk, Variant, encode_chunk, expand_ranges
from protocol.outcomes import Advice, Outcome
from protocol.reasons import Reason

START_MS = 1_780_000_000_000
LATER_MS = START_MS + 86_400_000
LANE = "shop/apns/production"


def make_chunk(
    first: int,
    stop: int,
    *,
    lane: str = LANE,
    queue: int = 1,
    not_before_ms: int = 0,
    expires_at_ms: Sequence[int] = (LATER_MS,),
    bodies: Sequence[bytes] = (b'{"aps":{}}',),
    cancel_keys: Sequence[list[str] | None] | None = None,
    report_unknown: bool = False,
    account: str = "",
) -> NewChunk:
    """Return a chunk of the batch's positions ``first`` to ``stop``; its rows take the deadlines in turn.

    ``bodies`` are one for all rows, or one for each; ``cancel_keys`` has an entry a row.
    """
    rows = stop - first
    chunk = Chunk(
        lane=lane,
        queue=queue,
        indexes=[first, stop],
        destinations=[position.to_bytes(32, "big") for position in range(first, stop)],
        bodies=list(bodies),
        variants=[
            Variant(expires_at_ms=deadline, not_before_ms=not_before_ms, report_unknown=report_unknown, account=account)
            for deadline in expires_at_ms
        ],
        variant_of_row=[row % len(expires_at_ms) for row in range(rows)] if len(expires_at_ms) > 1 else None,
        ids=[f"n{position}" for position in range(first, stop)],
        cancel_keys=None if cancel_keys is None else list(cancel_keys),
    )
    return NewChunk(
        lane=lane,
        queue=queue,
        rows=rows,
        stored=encode_chunk(chunk),
        expires_at_ms=min(expires_at_ms[: max(1, rows)]),
        not_before_ms=not_before_ms,
        cancel_filter=make_filter(key for keys in cancel_keys or () for key in keys or ()),
        reported=(1 << rows) - 1 if report_unknown else 0,
        account=account,
    )


def make_record(batch_id: str, rows: int, principal: str = "default", app: str = "shop") -> BatchRecord:
    """Return what the rows of a batch share."""
    return BatchRecord(
        principal=principal,
        batch_id=batch_id,
        app=app,
        labels=("spring",),
        accepted_at_ms=START_MS,
        provider_id_prefix=bytes(12),
        rows=rows,
    )


def make_dead(count: int, first: int = 0) -> DeadOnArrival:
    """Return rows from position ``first`` on whose destinations are dead on arrival."""
    return DeadOnArrival(
        provider="webpush",
        indexes=[first, first + count],
        ids=[f"n{first + row}" for row in range(count)],
        destinations=[f"https://push.example/{row}" for row in range(count)],
        dead_since_ms=[START_MS - 5_000] * count,
    )


async def append_batch(
    engine: Engine,
    batch_id: str,
    chunks: Iterable[NewChunk],
    *,
    principal: str = "default",
    app: str = "shop",
    answer: bytes = b"accepted",
) -> int:
    """Reserve and append; return the batch number."""
    chunks = list(chunks)
    reservation = await engine.reserve(principal, batch_id, b"fingerprint of " + batch_id.encode())
    assert isinstance(reservation, Reservation)
    record = make_record(batch_id, sum(chunk.rows for chunk in chunks), principal, app)
    return await engine.append(reservation, record, chunks, answer)


def make_settlement(
    batch: int,
    chunk: int,
    rows: list[int],
    *,
    first: int = 0,
    outcome: Outcome = Outcome.PROVIDER_ACCEPTED,
    reason: Reason | None = None,
) -> Settlement:
    """Return a final word for row ranges of a chunk whose row 0 is position ``first`` of the batch."""
    positions = [first + row for row in expand_ranges(rows)]
    return Settlement(
        batch=batch,
        chunk=chunk,
        rows=rows,
        indexes=[first + bound for bound in rows],
        provider="apns",
        outcome=outcome,
        reason=reason,
        advice=Advice.NONE,
        provider_status=200,
        provider_reason=None,
        attempts=1,
        uncertain_attempts=0,
        finished_at_ms=START_MS + 20,
        ids=[f"n{position}" for position in positions],
    )


def settle_ref(ref: ChunkRef, first: int = 0) -> Settlement:
    """Return a plain success for all that a ref leases."""
    return make_settlement(ref.batch, ref.chunk, [ref.start, ref.stop], first=first)


async def postpone(engine: Engine, batch: int, chunk: int, rows: list[int], due_at_ms: int, **attempts: int) -> None:
    """Give leased rows of one chunk back until a time."""
    lease = (await engine.renew()).id
    await engine.schedule(lease, [Postponement(batch=batch, chunk=chunk, rows=rows, due_at_ms=due_at_ms, **attempts)])


async def settle_held(engine: Engine, settlements: Sequence[Settlement]) -> None:
    """Settle rows under the lease that a handle has now."""
    await engine.settle((await engine.renew()).id, settlements)


async def mark_held(engine: Engine, batch: int, chunk: int, rows: list[int]) -> None:
    """Mark rows as started under the lease that a handle has now."""
    await engine.mark_started((await engine.renew()).id, batch, chunk, rows)


async def read_results(engine: Engine, principal: str = "default") -> list[tuple[str, int, str | None, Outcome]]:
    """Return every result that is kept, unacknowledged, as (batch id, position, id, outcome)."""
    results = []
    cursor = 0
    while (page := await engine.feed(principal, cursor, 1000)).entries:
        cursor = page.cursor
        for entry in page.entries:
            settlement = entry.settlement
            positions = list(expand_ranges(settlement.indexes))
            ids = settlement.ids or [None] * len(positions)
            results += [
                (entry.batch.batch_id, position, given, settlement.outcome)
                for position, given in zip(positions, ids, strict=True)
            ]
    return results


async def lease_nowait(engine: Engine, max_rows: int) -> list[ChunkRef]:
    """Lease what can be had without waiting, perhaps nothing."""
    refs: list[ChunkRef] = []

    async def lease() -> None:
        refs.extend(await engine.lease(max_rows))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lease)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return refs


async def get_answer(engine: Engine, batch_id: str, principal: str = "default") -> bytes | None:
    """Return the answer kept for a batch appended by :func:`append_batch`; None when its key is free."""
    state = await engine.reserve(principal, batch_id, b"fingerprint of " + batch_id.encode())
    if isinstance(state, Reservation):
        await engine.release(state)
        return None
    assert isinstance(state, Answered)
    return state.answer

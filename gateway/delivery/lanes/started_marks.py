"""Marks at the engine on rows that must not go out twice, before they go out (docs/decisions/on-unknown.md)."""

from collections.abc import Mapping, Sequence

import trio

from gateway.delivery.lanes.held_lease import HeldLease
from gateway.delivery.lanes.work import Work
from gateway.journal.engine import Engine
from gateway.journal.leases import LeaseEndedError
from protocol.chunks import pack_ranges


async def mark_started(engine: Engine, held: HeldLease, unmarked: Mapping[Work, Sequence[int]]) -> None:
    """Have rows of several works noted as started, in one commit. Those of a lease that has ended stay unmarked."""
    async with trio.open_nursery() as nursery:
        for work, rows in unmarked.items():
            nursery.start_soon(_mark, engine, held, work, rows)


async def _mark(engine: Engine, held: HeldLease, work: Work, rows: Sequence[int]) -> None:
    stored = pack_ranges(work.number_as_stored(sorted(rows)))
    try:
        await engine.mark_started(work.ref.lease.id, work.ref.batch, work.ref.chunk, stored)
    except LeaseEndedError as error:
        held.lose(error.lease)
    else:
        work.marked.update(rows)

"""Gives leased rows back to the engine untried, to be leased again later."""

from collections.abc import Sequence
from math import ceil

from gateway.clock import Clock
from gateway.delivery.lanes.held_lease import HeldLease
from gateway.journal.engine import ChunkRef, Engine, Postponement
from gateway.journal.leases import LeaseEndedError

# An origin that never had a session, as often as that, is asked at ever longer intervals, of a quarter of an hour at
# last: its name is made up, or its service is gone. Of more rows the lane keeps what it has: they may be a campaign.
UNREACHED_FAILURES = 4
UNREACHED_CEILING_SECONDS = 900.0
MOST_PUT_OFF_ROWS = 1_000


def seconds_to_put_off(failures: int, rows: int) -> float:
    """Return for how long rows should be left to the engine whose origin was never reached; 0.0 to keep them."""
    if failures < UNREACHED_FAILURES or not 0 < rows <= MOST_PUT_OFF_ROWS:
        return 0.0
    return min(UNREACHED_CEILING_SECONDS, 2.0 ** min(failures, 30))


async def put_off(engine: Engine, held: HeldLease, refs: Sequence[ChunkRef], clock: Clock, seconds: float) -> None:
    """Give back ``refs``, all of one lease, for about so long; they come back with the attempts that they have had."""
    due_at_ms = ceil(clock.wall() + seconds) * 1000
    postponements = [
        Postponement(
            batch=ref.batch,
            chunk=ref.chunk,
            rows=[ref.start, ref.stop],
            due_at_ms=due_at_ms,
            attempts=ref.attempts,
            uncertain_attempts=ref.uncertain_attempts,
        )
        for ref in refs
    ]
    try:
        await engine.schedule(refs[0].lease.id, postponements)
    except LeaseEndedError as error:
        held.lose(error.lease)  # they are due already

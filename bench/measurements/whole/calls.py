"""How many Python calls a notification takes from its decoded frame until its batch is appended.

CPU time is noise on a busy machine; calls are not. cProfile counts them over batches of 10,000 rows, for ``targets``
and for ``notifications`` with an id each. What the journal does from ``append`` on is left out.
"""

import cProfile
import os
import pstats
from collections.abc import Sequence
from typing import Any

import msgspec
import trio

from bench.measurements.machine import Machine, describe_machine
from gateway.clock import TrioClock
from gateway.config import LimitSettings
from gateway.intake.admission import Admission
from gateway.intake.intake import Intake
from gateway.intake.turns import TurnAccount, Turns
from gateway.journal.engine import BatchRecord, DeadOnArrival, NewChunk, Reservation
from gateway.journal.memory.engine import MemoryEngine
from protocol.preparation import ApnsFacts, AppFacts
from protocol.send import BatchLimits, decode_batch

BATCH_ROWS = 10_000
SHOP = AppFacts(name="shop", apns=ApnsFacts(topic="com.example.shop", environment="production", token_auth=True))


class CallsReport(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of Python functions a notification of ``targets``, and of ``notifications`` that have ids.

    ``with_c_calls``: those of C functions counted too, of ``targets``.
    """

    machine: Machine
    batch_rows: int
    calls_per_notification: float
    calls_per_notification_with_ids: float
    with_c_calls: float


class _ProfiledEngine(MemoryEngine):
    """Ends the count where the batch is appended."""

    profile: cProfile.Profile

    async def append(
        self,
        reservation: Reservation,
        batch: BatchRecord,
        chunks: Sequence[NewChunk],
        answer: bytes,
        dead: Sequence[DeadOnArrival] = (),
    ) -> int:
        """Stop counting, then keep the batch."""
        self.profile.disable()
        return await super().append(reservation, batch, chunks, answer, dead)


def count_calls() -> CallsReport:
    """Count both kinds of batches."""
    targets = [{"apns": {"token": f"{row:064x}"}} for row in range(BATCH_ROWS)]
    named = [{"id": f"n{row}", "to": target} for row, target in enumerate(targets)]
    return CallsReport(
        machine=describe_machine(("trio", "msgspec"), {}),
        batch_rows=BATCH_ROWS,
        calls_per_notification=trio.run(_count, {"targets": targets}, False),
        calls_per_notification_with_ids=trio.run(_count, {"notifications": named}, False),
        with_c_calls=trio.run(_count, {"targets": targets}, True),
    )


async def _count(rows: dict[str, list[Any]], counts_c_calls: bool) -> float:
    clock, limits, turns = TrioClock(), LimitSettings(), Turns()
    engine = _ProfiledEngine(clock)
    engine.profile = cProfile.Profile(builtins=counts_c_calls)
    admission = Admission(limits, engine, clock=clock, random_bytes=os.urandom)
    intake = Intake(
        engine=engine, apps={"shop": SHOP}, admission=admission, clock=clock, turns=turns, random_bytes=os.urandom
    )
    body = msgspec.msgpack.encode({"op": "send", "app": "shop", "content": {"title": "Sale"}} | rows)
    engine.profile.enable()
    await intake.take("caller", decode_batch(body, BatchLimits()), len(body), TurnAccount(turns))
    calls: int = pstats.Stats(engine.profile).total_calls  # type: ignore[attr-defined]  # typeshed leaves it out
    return round(calls / BATCH_ROWS, 2)

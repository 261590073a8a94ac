"""Planted defects of the engine that break one promise each, for as long as the gateway runs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec
import trio

from bench.judging.row_defects import Defective
from gateway.journal import (
    Answered,
    BatchRecord,
    ChunkRef,
    Conflicting,
    DeadOnArrival,
    Engine,
    NewChunk,
    Postponement,
    Reservation,
    Settlement,
)
from gateway.journal.errors import JournalFailedError
from protocol.chunks import decode_chunk, encode_chunk

# Long after its kill, however busy the machine is.
LATE_SECONDS = 60.0
DAY_MS = 86_400_000


class SettlesLate(Defective[Engine]):
    """Commits final words long after they came, so that a kill forgets more of them than it may."""

    async def settle(self, lease: int, settlements: Sequence[Settlement]) -> None:
        """Return at once and settle much later."""
        trio.lowlevel.spawn_system_task(_later, partial(self._part.settle, lease, settlements), LATE_SECONDS)
        await trio.lowlevel.checkpoint()


class ForgetsKeys(Defective[Engine]):
    """Takes every batch for a new one."""

    async def reserve(
        self, principal: str, batch_id: str, fingerprint: bytes, *, is_named: bool = True
    ) -> Reservation | Answered | Conflicting:
        """Reserve a key of its own for each."""
        return await self._part.reserve(f"{principal}.{uuid4().hex}", batch_id, fingerprint, is_named=is_named)


class RetriesReported(Defective[Engine]):
    """Leaves no mark before it sends what must be sent at most once."""

    async def mark_started(self, *arguments: Any) -> None:  # noqa: ANN401 - whatever the engine takes
        """Do nothing."""
        del arguments
        await trio.lowlevel.checkpoint()


class IgnoresExpiry(Defective[Engine]):
    """Lets everything live for a day more."""

    async def append(
        self,
        reservation: Reservation,
        batch: BatchRecord,
        chunks: Sequence[NewChunk],
        answer: bytes,
        dead: Sequence[DeadOnArrival] = (),
    ) -> int:
        """Append it with other deadlines."""
        return await self._part.append(reservation, batch, [_lasting(chunk) for chunk in chunks], answer, dead)


class ReadsEverything(Defective[Engine]):
    """Reads all that it owes before it takes anything new, and has a notification for each row."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._notifications: list[dict[str, object]] = []

    async def recover(self) -> int:
        """Return how many rows are owed, when all of them are read."""
        left = owed = await self._part.recover()
        while left:
            refs = await self._part.lease(left)
            left -= sum(ref.stop - ref.start for ref in refs)
            for stored in await self._part.read(refs):
                self._notifications += _expand(stored) if stored is not None else ()
        return owed


class ForgetsAccount(Defective[Engine]):
    """Takes what it owes for accepted by whoever its apps are at their providers now."""

    async def lease(self, max_rows: int) -> list[ChunkRef]:
        """Return work of nobody's."""
        return [msgspec.structs.replace(ref, account="") for ref in await self._part.lease(max_rows)]


class HidesFailure(Defective[Engine]):
    """Goes on when the journal can't be written any more."""

    async def append(
        self,
        reservation: Reservation,
        batch: BatchRecord,
        chunks: Sequence[NewChunk],
        answer: bytes,
        dead: Sequence[DeadOnArrival] = (),
    ) -> int:
        """Say that it is accepted, whatever became of it."""
        with suppress(JournalFailedError):
            return await self._part.append(reservation, batch, chunks, answer, dead)
        return 0

    async def settle(self, lease: int, settlements: Sequence[Settlement]) -> None:
        """Say that it is settled, whatever became of it."""
        with suppress(JournalFailedError):
            await self._part.settle(lease, settlements)

    async def acknowledge(self, *arguments: Any) -> None:  # noqa: ANN401 - whatever the engine takes
        """Say that it is freed."""
        with suppress(JournalFailedError):
            await self._part.acknowledge(*arguments)

    async def schedule(self, lease: int, postponements: Sequence[Postponement]) -> None:
        """Say that it is put off."""
        with suppress(JournalFailedError):
            await self._part.schedule(lease, postponements)

    async def mark_started(self, *arguments: Any) -> None:  # noqa: ANN401 - whatever the engine takes
        """Say that it is marked."""
        with suppress(JournalFailedError):
            await self._part.mark_started(*arguments)

    async def watch(self) -> None:
        """Notice nothing."""
        await trio.sleep_forever()


class KeepsChunks(Defective[Engine]):
    """Keeps something of every chunk that was ever sent, as much as its work takes while it is sent."""

    KEPT_BYTES = 32 * 1024

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._kept: list[bytearray] = []

    async def read(self, refs: Sequence[ChunkRef]) -> list[bytes | None]:
        """Return the chunks, and keep room for each."""
        self._kept += [bytearray(self.KEPT_BYTES) for _ in refs]
        return list(await self._part.read(refs))


async def _later(call: Callable[[], object], seconds: float) -> None:
    await trio.sleep(seconds)
    await call()  # type: ignore[misc]


def _expand(stored: bytes) -> Iterator[dict[str, object]]:
    chunk = decode_chunk(stored)
    for row, destination in enumerate(chunk.destinations):
        body = chunk.bodies[0 if len(chunk.bodies) == 1 else row]
        yield {"token": destination.hex(), "payload": body.decode(), "lane": chunk.lane, "row": row}


def _lasting(new: NewChunk) -> NewChunk:
    chunk = decode_chunk(new.stored)
    chunk.variants = [
        msgspec.structs.replace(variant, expires_at_ms=variant.expires_at_ms + DAY_MS) for variant in chunk.variants
    ]
    return msgspec.structs.replace(new, stored=encode_chunk(chunk), expires_at_ms=new.expires_at_ms + DAY_MS)

"""Planted defects that lose, repeat or spoil exactly one row.

Each class stands between the gateway and its real engine or its real encryption, overrides the one call in which it
does harm, and does it once. The one that only a kill brings to light does so all the time. The gateway itself knows
nothing of it.
"""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec
import trio

from gateway.delivery.providers.encryption import Encryptor
from gateway.journal.engine import (
    BatchRecord,
    ChunkRef,
    DeadOnArrival,
    Engine,
    FeedEntry,
    FeedPage,
    NewChunk,
    Postponement,
    Reservation,
    Settlement,
)
from native import EncryptedBatch
from protocol.chunks import decode_chunk, encode_chunk, expand_ranges, pack_ranges
from protocol.outcomes import Outcome
from protocol.providers.webpush import Recipient

# Of an encrypted body: salt, record size, and the sender's key with its length (RFC 8188 section 2.1, RFC 8291).
HEADER_BYTES = 16 + 4 + 1 + 65
LATE_SECONDS = 0.5

Part = TypeVar("Part")


class Defective(Generic[Part]):
    """Hands every call to the real part."""

    def __init__(self, part: Part) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the part has under that name
        return getattr(self._part, name)


class DropsResult(Defective[Engine]):
    """Leaves one row out of the feed, whenever its block is read."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._position: int | None = None

    async def feed(self, principal: str, cursor: int, max_rows: int) -> FeedPage:
        """Return the page without the row."""
        page = await self._part.feed(principal, cursor, max_rows)
        if self._position is None:
            # A block of several rows: without its only one it would be a page without entries, which readers wait on.
            self._position = next((entry.position for entry in page.entries if entry.settlement.count > 1), None)
        return FeedPage([self._cut(entry) for entry in page.entries], page.cursor)

    def _cut(self, entry: FeedEntry) -> FeedEntry:
        if entry.position != self._position:
            return entry
        return msgspec.structs.replace(entry, settlement=_without_first_row(entry.settlement))


class SendsTwice(Defective[Engine]):
    """Has one row that the provider took sent again instead of settled."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._has_repeated = False

    async def settle(self, lease: int, settlements: Sequence[Settlement]) -> None:
        """Commit final words; once, give a row back whose word this was."""
        kept = list(settlements)
        for at, settlement in enumerate(kept):
            if not self._has_repeated and settlement.outcome is Outcome.PROVIDER_ACCEPTED and settlement.count > 1:
                self._has_repeated = True
                await self._part.schedule(lease, [_give_back_first_row(settlement)])
                kept[at] = _without_first_row(settlement)
        await self._part.settle(lease, kept)


class ChangesByte(Defective[Engine]):
    """Spoils one byte of one body on its way from the journal to the provider."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._has_changed = False

    async def read(self, refs: Sequence[ChunkRef]) -> list[bytes | None]:
        """Return the chunks and, once, one with another letter."""
        chunks: list[bytes | None] = list(await self._part.read(refs))
        for at, (ref, stored) in enumerate(zip(refs, chunks, strict=True)):
            if not self._has_changed and stored is not None:
                changed = _change_letter(stored, range(ref.start, ref.stop))
                self._has_changed = changed is not None
                chunks[at] = changed or stored
        return chunks


class AnswersEarly(Defective[Engine]):
    """Says of every batch that it is accepted, and commits it some time later: only a kill shows the difference."""

    def __init__(self, engine: Engine, *, late_seconds: float = LATE_SECONDS) -> None:
        super().__init__(engine)
        self._late: set[str] = set()
        self._late_seconds = late_seconds

    async def append(
        self,
        reservation: Reservation,
        batch: BatchRecord,
        chunks: Sequence[NewChunk],
        answer: bytes,
        dead: Sequence[DeadOnArrival] = (),
    ) -> int:
        """Promise; the number is nobody's, the door has no use for it."""
        self._late.add(reservation.batch_id)
        trio.lowlevel.spawn_system_task(self._append_late, reservation, batch, chunks, answer, dead)
        await trio.lowlevel.checkpoint()
        return 0

    async def release(self, reservation: Reservation) -> None:
        """Keep what is still to be used."""
        if reservation.batch_id not in self._late:
            await self._part.release(reservation)

    async def _append_late(
        self,
        reservation: Reservation,
        batch: BatchRecord,
        chunks: Sequence[NewChunk],
        answer: bytes,
        dead: Sequence[DeadOnArrival],
    ) -> None:
        await trio.sleep(self._late_seconds)
        await self._part.append(reservation, batch, chunks, answer, dead)
        self._late.discard(reservation.batch_id)


class FlipsCiphertext(Defective[Encryptor]):
    """Turns one bit of one ciphertext around on its way from the encryption to the push service."""

    def __init__(self, encryptor: Encryptor) -> None:
        super().__init__(encryptor)
        self._has_flipped = False

    async def encrypt(self, plaintexts: Sequence[bytes], recipients: Sequence[Recipient]) -> EncryptedBatch:
        """Return the bodies and, once, one that nobody can open."""
        encrypted = await self._part.encrypt(plaintexts, recipients)
        row = next((row for row, body in enumerate(encrypted.bodies) if body), None)
        if row is not None and not self._has_flipped:
            self._has_flipped = True
            body = bytearray(encrypted.bodies[row])
            body[HEADER_BYTES] ^= 1
            encrypted.bodies[row] = bytes(body)
        return encrypted


def _give_back_first_row(settlement: Settlement) -> Postponement:
    row = settlement.rows[0]
    return Postponement(batch=settlement.batch, chunk=settlement.chunk, rows=[row, row + 1], due_at_ms=0)


def _without_first_row(settlement: Settlement) -> Settlement:
    changed: dict[str, Any] = {}
    for name in ("rows", "indexes"):
        changed[name] = pack_ranges(list(expand_ranges(getattr(settlement, name)))[1:])
    for name in ("ids", "tracks", "provider_ids", "dead_since_ms"):
        column = getattr(settlement, name)
        changed[name] = None if column is None else column[1:]
    return msgspec.structs.replace(settlement, **changed)


def _change_letter(stored: bytes, rows: Sequence[int]) -> bytes | None:
    """Swap the case of the last letter of one row's body, which stays JSON if it was; None when no row has a letter.

    The row gets a body of its own: others that shared it keep theirs.
    """
    chunk = decode_chunk(stored)
    is_shared = len(chunk.bodies) == 1
    numbers = chunk.body_of_row or [0 if is_shared else row for row in range(len(chunk))]
    for row in rows:
        body = bytearray(chunk.bodies[numbers[row]])
        letters = [at for at, byte in enumerate(body) if chr(byte).isascii() and chr(byte).isalpha()]
        if letters:
            body[letters[-1]] ^= 0x20
            chunk.body_of_row = [*numbers[:row], len(chunk.bodies), *numbers[row + 1 :]]
            chunk.bodies.append(bytes(body))
            return encode_chunk(chunk)
    return None

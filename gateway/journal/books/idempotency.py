"""Idempotency keys: (principal, batch id) → the first answer, for as long as a repeat must get it again.

A key is *reserved* from the decoding of its batch until the batch is appended or given up; whoever asks for it
meanwhile waits. Then it is *taken*, for the longer of the window and the life of the batch's last unread result. A
batch that was given its id by the gateway has a key for its life alone, as nobody can have sent it before.

Memory has an index alone, some 50 bytes a key; names and answers are the archive's. What all keys take is bounded in
bytes: at the bound named batches are refused, and no key is forgotten inside its window.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from math import inf
from typing import Protocol

import msgspec
import trio

from gateway.clock import Clock
from gateway.journal.books.key_index import KeyIndex
from gateway.journal.books.key_room import KeyRoom
from gateway.journal.books.key_window import HeldKey, KeyWindow
from gateway.journal.books.store import BatchStore, StoredBatch
from gateway.journal.engine import Answered, Conflicting, KeysFullError, Reservation
from gateway.journal.errors import AnswerDamagedError
from gateway.journal.statistics import KeyStatistics

Key = tuple[str, str]
RecoveredKey = tuple[int, str, int, int, int, int]
"""Principal, batch id, the batch's number, its acceptance (UNIX milliseconds), bytes of its answer, whether named."""

# In one call: more than one is taken in, so old ones go faster than new ones come, and no call is long.
FORGOTTEN_A_CALL = 32


class Archived(msgspec.Struct, frozen=True):
    """A batch as the archive has it, finished or not, with its request's fingerprint and its first answer."""

    batch: StoredBatch
    fingerprint: bytes
    answer: bytes

    @property
    def key(self) -> Key:
        """What it is found by."""
        return self.batch.record.principal, self.batch.record.batch_id


class Archive(Protocol):
    """Keeps batches for as long as their keys are taken. ``key_bytes`` is what one counts beside name and answer."""

    key_bytes: int

    async def read(self, number: int) -> Archived | None:
        """Return a batch; None when it is gone. Raises AnswerDamagedError."""
        ...


class _Reserved:
    """A key whose batch is on its way, and those who wait for what comes of it."""

    __slots__ = ("found", "hashed", "held_bytes", "reservation", "waiting")

    def __init__(self, reservation: Reservation, hashed: int) -> None:
        self.reservation = reservation
        self.hashed = hashed
        self.held_bytes = 0
        self.found: tuple[bytes, bytes] | None = None  # fingerprint and answer, once they are known
        self.waiting = trio.lowlevel.ParkingLot()


class IdempotencyKeys:
    """See the module text. Only :meth:`reserve` and :meth:`find_batch` wait."""

    def __init__(
        self,
        clock: Clock,
        store: BatchStore,
        archive: Archive,
        *,
        window_seconds: float,
        limit_bytes: int,
        on_forgotten: Callable[[int], None],
    ) -> None:
        """Take the bounds; ``on_forgotten`` hears the number of each batch whose key is free again."""
        self._clock = clock
        self._store = store
        self._archive = archive
        self._window_seconds = window_seconds
        self._on_forgotten = on_forgotten
        self._room = KeyRoom(limit_bytes)
        self._index = KeyIndex()
        self._window = KeyWindow()
        self._reserved: dict[Key, _Reserved] = {}
        self._outlived: dict[int, HeldKey] = {}  # by batch number: held by what is owed or unread alone

    def statistics(self) -> KeyStatistics:
        """Return the counts now."""
        return KeyStatistics(
            kept=len(self._index),
            counted_bytes=self._room.used_bytes,
            limit_bytes=self._room.limit_bytes,
            memory_bytes=self._index.size_bytes + self._window.size_bytes,
        )

    async def reserve(
        self, principal: str, batch_id: str, fingerprint: bytes, *, is_named: bool = True
    ) -> Reservation | Answered | Conflicting:
        """See :meth:`gateway.journal.engine.Engine.reserve`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        key = (principal, batch_id)
        while (other := self._reserved.get(key)) is not None:
            await other.waiting.park()
            if other.found is not None:
                return _judge(fingerprint, *other.found)
        self._forget_old()
        reservation = Reservation(principal=principal, batch_id=batch_id, fingerprint=fingerprint, is_named=is_named)
        state = self._reserved[key] = _Reserved(reservation, self._index.hash(principal, batch_id))
        try:
            if numbers := self._index.find(state.hashed):
                await self._look_up(state, key, numbers)
            if state.found is None:
                self._check_room(reservation, self._measure(batch_id, 0))
                return reservation
        except BaseException:
            self._end(key, state)
            raise
        self._end(key, state)
        return _judge(fingerprint, *state.found)

    async def _look_up(self, state: _Reserved, key: Key, numbers: list[int]) -> None:
        for number in numbers:
            archived = await self._archive.read(number)
            if archived is not None and archived.key == key:
                state.found = archived.fingerprint, archived.answer
                return

    def hold(self, reservation: Reservation, answer_bytes: int) -> None:
        """Count what a batch's key will take, before it is committed. Raises ValueError, KeysFullError."""
        state = self.get_reserved(reservation)
        if not state.held_bytes:
            size_bytes = self._measure(reservation.batch_id, answer_bytes)
            self._check_room(reservation, size_bytes)
            self._room.take(size_bytes)
            state.held_bytes = size_bytes

    def take(self, reservation: Reservation, number: int, answer: bytes) -> None:
        """Turn a reservation, with what it holds, into the key of a batch."""
        state = self.get_reserved(reservation)
        state.found = reservation.fingerprint, answer
        held_bytes, state.held_bytes = state.held_bytes, 0
        self._index.add(state.hashed, number)
        if reservation.is_named:
            held_until = self._clock.monotonic() + self._window_seconds
            self._window.push(state.hashed, number, held_until, held_bytes)
        else:
            self._outlive(HeldKey(state.hashed, number, 0.0, held_bytes))
        self._end((reservation.principal, reservation.batch_id), state)

    def restorer(self) -> Callable[[Mapping[int, str], Iterable[RecoveredKey]], None]:
        """Return what takes the keys of batches accepted before this start; oldest first, perhaps in another thread.

        It is called with the names of principals, and the keys.
        """
        ends_after = self._clock.monotonic() - self._clock.wall() + self._window_seconds
        return partial(self._restore, ends_after)

    def _restore(self, ends_after: float, names: Mapping[int, str], keys: Iterable[RecoveredKey]) -> None:
        # There may be millions, so this is one loop: 2 µs each on an idle core, half of them SQLite's.
        hash_name, add, push, beside = self._index.hash, self._index.add, self._window.push, self._archive.key_bytes
        used_bytes = 0
        for principal, batch_id, number, accepted_at_ms, answer_bytes, is_named in keys:
            hashed = hash_name(names[principal], batch_id)
            size_bytes = beside + len(batch_id) + answer_bytes
            used_bytes += size_bytes
            add(hashed, number)
            if is_named:
                push(hashed, number, ends_after + accepted_at_ms / 1000, size_bytes)
            else:
                self._outlive(HeldKey(hashed, number, 0.0, size_bytes))
        self._room.take(used_bytes)

    def release(self, reservation: Reservation) -> None:
        """Give a reservation up, if it is still held."""
        key = (reservation.principal, reservation.batch_id)
        state = self._reserved.get(key)
        if state is not None and state.reservation is reservation:
            self._end(key, state)

    async def find_batch(self, principal: str, batch_id: str) -> StoredBatch | None:
        """Return the batch behind a taken key, finished or not. A checkpoint only where it is finished."""
        key = (principal, batch_id)
        for number in self._index.find(self._index.hash(principal, batch_id)):
            batch = self._store.find_batch(number)
            if batch is None:
                with suppress(AnswerDamagedError):  # the log has heard of it
                    archived = await self._archive.read(number)
                    batch = None if archived is None else archived.batch
            if batch is not None and (batch.record.principal, batch.record.batch_id) == key:
                return batch
        return None

    def note_finished(self, batch: StoredBatch) -> None:
        """Be told that nothing of a batch is owed or unread: a key past its window was held by that alone."""
        held = self._outlived.pop(batch.number, None)
        if held is not None:
            self._forget(held)

    def get_reserved(self, reservation: Reservation) -> _Reserved:
        """Return the state of a held reservation. Raises ValueError when it isn't held."""
        state = self._reserved.get((reservation.principal, reservation.batch_id))
        if state is None or state.reservation is not reservation:
            raise ValueError(f"no reservation is held for batch {reservation.batch_id}")
        return state

    def _end(self, key: Key, state: _Reserved) -> None:
        del self._reserved[key]
        self._room.give_back(state.held_bytes)
        state.waiting.unpark_all()

    def _check_room(self, reservation: Reservation, size_bytes: int) -> None:
        if reservation.is_named and not self._room.has_room(size_bytes):
            ends_at = self._window.oldest_ends_at()
            seconds = 0.0 if ends_at == inf else max(0.0, ends_at - self._clock.monotonic())
            raise KeysFullError(self._room.limit_bytes, seconds)

    def _measure(self, batch_id: str, answer_bytes: int) -> int:
        return self._archive.key_bytes + len(batch_id) + answer_bytes

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        for _ in range(FORGOTTEN_A_CALL):
            if self._window.oldest_ends_at() > now:
                return
            self._outlive(self._window.pop())

    def _outlive(self, key: HeldKey) -> None:
        """Hold a key for as long as anything of its batch is owed or unread."""
        if self._store.find_batch(key.number) is None:
            self._forget(key)
        else:
            self._outlived[key.number] = key

    def _forget(self, key: HeldKey) -> None:
        self._index.remove(key.hashed, key.number)
        self._room.give_back(key.size_bytes)
        self._on_forgotten(key.number)


def _judge(fingerprint: bytes, first: bytes, answer: bytes) -> Answered | Conflicting:
    return Answered(answer) if first == fingerprint else Conflicting()

"""Idempotency keys in memory: (principal, batch id) → the first answer, for as long as a repeat must get it again.

A key is *reserved* from the decoding of its batch until the batch is appended or given up; whoever asks for it
meanwhile waits. Then it is *taken*, for the longer of the window and the life of the batch's last unread result. Keys
are also bounded in number: beyond it the oldest whose batch is finished are forgotten before their window ends.
"""

from collections import deque
from collections.abc import Callable

import msgspec
import trio

from gateway.clock import Clock
from gateway.journal.engine import Answered, Conflicting, Reservation
from gateway.journal.store import StoredBatch

Key = tuple[str, str]


class _Reserved:
    """A key whose batch is on its way, and those who wait for what comes of it."""

    __slots__ = ("reservation", "waiting")

    def __init__(self, reservation: Reservation) -> None:
        self.reservation = reservation
        self.waiting = trio.lowlevel.ParkingLot()


class _Taken(msgspec.Struct):
    """A key whose batch was accepted. ``held_until`` is monotonic seconds."""

    key: Key
    fingerprint: bytes
    answer: bytes
    batch: StoredBatch
    held_until: float


class IdempotencyKeys:
    """See the module text. Only :meth:`reserve` waits."""

    def __init__(
        self,
        clock: Clock,
        window_seconds: float,
        most_keys: int,
        on_forgotten: Callable[[int], None] = lambda _batch: None,
    ) -> None:
        """Take the bounds; ``on_forgotten`` hears the number of each batch whose key is free again."""
        self._clock = clock
        self._window_seconds = window_seconds
        self._most_keys = most_keys
        self._on_forgotten = on_forgotten
        self._keys: dict[Key, _Reserved | _Taken] = {}
        self._by_age: deque[_Taken] = deque()  # taken keys inside their window, oldest first
        self._outlived: dict[int, _Taken] = {}  # by batch number: past the window, held by what is owed or unread

    def __len__(self) -> int:
        return len(self._keys)

    async def reserve(self, principal: str, batch_id: str, fingerprint: bytes) -> Reservation | Answered | Conflicting:
        """See :meth:`gateway.journal.engine.Engine.reserve`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        key = (principal, batch_id)
        self._forget_old()
        while isinstance(state := self._keys.get(key), _Reserved):
            await state.waiting.park()
        if state is not None:
            return Answered(state.answer) if state.fingerprint == fingerprint else Conflicting()
        reservation = Reservation(principal=principal, batch_id=batch_id, fingerprint=fingerprint)
        self._keys[key] = _Reserved(reservation)
        return reservation

    def take(self, reservation: Reservation, batch: StoredBatch, answer: bytes) -> None:
        """Turn a reservation into a taken key. Raises ValueError when it isn't held."""
        waiting = self.get_reserved(reservation).waiting
        self.restore(batch, reservation.fingerprint, answer, age_seconds=0.0)
        waiting.unpark_all()
        self._forget_old()

    def restore(self, batch: StoredBatch, fingerprint: bytes, answer: bytes, *, age_seconds: float) -> None:
        """Take the key of a batch that was accepted so long ago; oldest first."""
        key = (batch.record.principal, batch.record.batch_id)
        held_until = self._clock.monotonic() + self._window_seconds - age_seconds
        taken = _Taken(key, fingerprint, answer, batch, held_until)
        self._keys[key] = taken
        self._by_age.append(taken)

    def release(self, reservation: Reservation) -> None:
        """Give a reservation up, if it is still held."""
        key = (reservation.principal, reservation.batch_id)
        state = self._keys.get(key)
        if isinstance(state, _Reserved) and state.reservation is reservation:
            del self._keys[key]
            state.waiting.unpark_all()

    def find_batch(self, principal: str, batch_id: str) -> StoredBatch | None:
        """Return the batch behind a taken key, finished or not."""
        state = self._keys.get((principal, batch_id))
        return state.batch if isinstance(state, _Taken) else None

    def note_finished(self, batch: StoredBatch) -> None:
        """Be told that nothing of a batch is owed or unread: a key past its window was held by that alone."""
        taken = self._outlived.pop(batch.number, None)
        if taken is not None:
            self._forget(taken)

    def get_reserved(self, reservation: Reservation) -> _Reserved:
        """Return the state of a held reservation. Raises ValueError when it isn't held."""
        state = self._keys.get((reservation.principal, reservation.batch_id))
        if not isinstance(state, _Reserved) or state.reservation is not reservation:
            raise ValueError(f"no reservation is held for batch {reservation.batch_id}")
        return state

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        while self._by_age and (self._by_age[0].held_until <= now or len(self._by_age) > self._most_keys):
            taken = self._by_age.popleft()
            if taken.batch.is_finished:
                self._forget(taken)
            else:
                self._outlived[taken.batch.number] = taken

    def _forget(self, taken: _Taken) -> None:
        del self._keys[taken.key]
        self._on_forgotten(taken.batch.number)

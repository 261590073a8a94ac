"""One batch on its way in: from the decoded outer map to the answer.

The steps and their order:

1. *fingerprint*: every row is decoded once and forgotten, in slices, so that the request can be told from another one
   under its name; a row that goes against the schema counts as it came;
2. *reserve* the idempotency key: a repeat is answered here, without waiting for room or being checked again;
3. *admission*: wait for room. What waits is the request as it came, never its decoded rows, which take ten times more;
4. *prepare* and group, in slices: rows are decoded a second time (0.3 µs each), checked, rendered and packed;
5. *append*: from its return on the batch is accepted, and only then is the answer given.

Slices are taken in turns with the work of all connections (:mod:`gateway.intake.turns`): the loop never waits for a
batch, only for a slice, which takes less than 1 ms.
"""

from collections.abc import Callable, Mapping
from functools import partial

import msgspec
import trio

from gateway.clock import Clock
from gateway.intake.admission import Admission
from gateway.intake.dead_on_arrival import gather_dead
from gateway.intake.grouping import ChunkGrouper
from gateway.intake.refusals import ShedError
from gateway.intake.turns import TurnAccount, Turns
from gateway.journal.engine import (
    Answered,
    BatchRecord,
    Conflicting,
    DeadOnArrival,
    Engine,
    KeysFullError,
    NewChunk,
    Reservation,
)
from gateway.journal.errors import AnswerDamagedError, JournalFullError
from protocol.answers import Answer, RejectedRows, RejectedRowsBuilder, decode_answer, encode_answer
from protocol.preparation import AppFacts, Preparation
from protocol.reasons import Reason
from protocol.send import BatchEnvelope, Fingerprint, RequestError, SliceLimits, cut_slices, decode_rows

# Preparing and packing takes 2 to 7 µs a row where the batch shares message and options, up to 14 µs where every row
# has its own, and up to 60 ns a byte: at the worst 0.8 ms a slice. Decoding and hashing alone takes a tenth of that.
READING = SliceLimits(rows=250, bytes=64 * 1024)
PREPARING = SliceLimits(rows=64, bytes=10 * 1024)
# In about microseconds, what starting a batch takes included.
BATCH_COST = 50
PREPARING_ROW_COST = 4
READING_ROW_COST = PREPARING_ROW_COST / 10
PREPARING_BYTE_COST = 1 / 16
READING_BYTE_COST = PREPARING_BYTE_COST / 10

# A caller may wait for hours until the oldest key ends; one that asks each minute hears of more room for them too.
MOST_WAIT_FOR_NAMES_MS = 60_000
READ_AT_ONCE_BYTES = 64 * 1024
PROVIDER_ID_PREFIX_BYTES = 12
MADE_BATCH_ID_BYTES = 16


class Packed(msgspec.Struct, frozen=True):
    """A prepared batch: what is to be stored, what was rejected, and whose destinations are gone for good."""

    chunks: list[NewChunk]
    rejected: RejectedRows
    dead: list[DeadOnArrival]

    @property
    def rows(self) -> int:
        """How many rows are to be stored."""
        return sum(chunk.rows for chunk in self.chunks)


class Intake:
    """Takes batches in for all connections. ``random_bytes(n)`` returns n unpredictable bytes."""

    def __init__(
        self,
        *,
        engine: Engine,
        apps: Mapping[str, AppFacts],
        admission: Admission,
        clock: Clock,
        turns: Turns,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._engine = engine
        self._apps = apps
        self._admission = admission
        self._clock = clock
        self._turns = turns
        self._random_bytes = random_bytes

    def check(self, envelope: BatchEnvelope) -> None:
        """Raise RequestError for a batch of an app that isn't there."""
        self._get_app(envelope.app)

    async def take(self, principal: str, envelope: BatchEnvelope, size_bytes: int, account: TurnAccount) -> Answer:
        """Accept a batch. ``size_bytes`` is the frame's body. Raises RequestError, JournalFailedError.

        Cancellation leaves the batch accepted whole or not at all.
        """
        facts = self._get_app(envelope.app)
        batch_id = envelope.batch_id or self._random_bytes(MADE_BATCH_ID_BYTES).hex()
        fingerprint = await self._fingerprint(envelope, account)
        reservation = await self._reserve(principal, batch_id, fingerprint, is_named=envelope.batch_id is not None)
        if isinstance(reservation, Conflicting):
            raise RequestError(Reason.BATCH_CONFLICT, "batch_id", "another request was accepted under this batch_id")
        if isinstance(reservation, Answered):
            return await _read_stored(batch_id, reservation.answer)
        try:
            async with self._admission.room(principal, len(envelope), size_bytes):
                return await self._accept(reservation, envelope, facts, account)
        finally:
            with trio.CancelScope(shield=True):
                await self._engine.release(reservation)

    async def _reserve(
        self, principal: str, batch_id: str, fingerprint: bytes, *, is_named: bool
    ) -> Reservation | Answered | Conflicting:
        try:
            return await self._engine.reserve(principal, batch_id, fingerprint, is_named=is_named)
        except KeysFullError as error:
            raise self._refuse_name(error) from None
        except AnswerDamagedError:
            detail = "a batch was accepted under this batch_id, and its first answer can't be read any more"
            raise RequestError(Reason.JOURNAL_DAMAGED, "batch_id", detail) from None

    def _refuse_name(self, error: KeysFullError) -> ShedError:
        detail = (
            f"the gateway holds its limit of {error.limit_bytes} bytes of batch ids with their first answers: come "
            "back when the oldest have ended their time, or send without a batch_id"
        )
        wait_ms = min(int(error.room_in_seconds * 1000), MOST_WAIT_FOR_NAMES_MS)
        return ShedError(Reason.OVERLOADED, detail, wait_ms + self._admission.choose_retry_after_ms())

    def _get_app(self, name: str) -> AppFacts:
        facts = self._apps.get(name)
        if facts is None:
            raise RequestError(Reason.UNKNOWN_APP, "app", "no app of this name is configured")
        return facts

    async def _accept(
        self, reservation: Reservation, envelope: BatchEnvelope, facts: AppFacts, account: TurnAccount
    ) -> Answer:
        accepted_at_ms = int(self._clock.wall() * 1000)
        packed = await self._pack(envelope, Preparation(envelope, facts, accepted_at_ms), accepted_at_ms, account)
        answer = Answer(batch_id=reservation.batch_id, accepted=packed.rows, rejected=packed.rejected)
        record = BatchRecord(
            principal=reservation.principal,
            batch_id=reservation.batch_id,
            app=envelope.app,
            labels=envelope.labels,
            accepted_at_ms=accepted_at_ms,
            provider_id_prefix=_make_provider_id_prefix(self._random_bytes),
            rows=packed.rows,
        )
        try:
            await self._engine.append(reservation, record, packed.chunks, encode_answer(answer), packed.dead)
        except KeysFullError as error:
            raise self._refuse_name(error) from None
        except JournalFullError:
            # Its own words name files of this machine, which are its operator's to know.
            detail = "the journal has no room for new work at the moment"
            raise ShedError(Reason.JOURNAL_UNAVAILABLE, detail, self._admission.choose_retry_after_ms()) from None
        return answer

    async def _fingerprint(self, envelope: BatchEnvelope, account: TurnAccount) -> bytes:
        fingerprint = Fingerprint(envelope)
        for start, stop in cut_slices(envelope, READING):
            cost = _find_cost(envelope, start, stop, READING_ROW_COST, READING_BYTE_COST)
            await self._turns.run(account, cost, partial(_read_slice, fingerprint, envelope, start, stop))
        return fingerprint.digest()

    async def _pack(
        self, envelope: BatchEnvelope, preparation: Preparation, accepted_at_ms: int, account: TurnAccount
    ) -> Packed:
        packing = Packing(envelope, preparation, accepted_at_ms)
        for start, stop in cut_slices(envelope, PREPARING):
            cost = _find_cost(envelope, start, stop, PREPARING_ROW_COST, PREPARING_BYTE_COST)
            await self._turns.run(account, cost, partial(packing.add, start, stop))
        return packing.finish()


class Packing:
    """A batch that is being prepared and packed."""

    def __init__(self, envelope: BatchEnvelope, preparation: Preparation, accepted_at_ms: int) -> None:
        self._envelope = envelope
        self._preparation = preparation
        self._accepted_at_ms = accepted_at_ms
        self._grouper = ChunkGrouper()
        self._chunks: list[NewChunk] = []
        self._rejections = RejectedRowsBuilder()
        self._dead: list[DeadOnArrival] = []

    def add(self, start: int, stop: int) -> None:
        """Prepare and pack the next slice."""
        columns, rejected = self._preparation.prepare_slice(decode_rows(self._envelope, start, stop), start)
        self._chunks += self._grouper.add(columns)
        if rejected:
            self._rejections.add(rejected)
            self._dead += gather_dead(rejected, self._accepted_at_ms)

    def finish(self) -> Packed:
        """Return the whole batch."""
        return Packed(self._chunks + self._grouper.finish(), self._rejections.finish(), self._dead)


def _read_slice(fingerprint: Fingerprint, envelope: BatchEnvelope, start: int, stop: int) -> None:
    fingerprint.update(decode_rows(envelope, start, stop))


def _find_cost(envelope: BatchEnvelope, start: int, stop: int, row_cost: float, byte_cost: float) -> int:
    size_bytes = sum(map(len, envelope.rows[start:stop]))
    return int(BATCH_COST + (stop - start) * row_cost + size_bytes * byte_cost)


async def _read_stored(batch_id: str, answer: bytes) -> Answer:
    """Return a first answer that was kept; a large one is read in a thread, for it takes more than a millisecond."""
    if len(answer) <= READ_AT_ONCE_BYTES:
        return decode_answer(batch_id, answer)
    return await trio.to_thread.run_sync(decode_answer, batch_id, answer)


def _make_provider_id_prefix(random_bytes: Callable[[int], bytes]) -> bytes:
    """Return the first 12 bytes of the UUIDs of a batch's requests: random, marked as version 8 (RFC 9562, 5.8)."""
    prefix = bytearray(random_bytes(PROVIDER_ID_PREFIX_BYTES))
    prefix[6] = 0x80 | prefix[6] & 0x0F
    prefix[8] = 0x80 | prefix[8] & 0x3F
    return bytes(prefix)

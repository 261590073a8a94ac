"""Suspects: destinations that were called dead, until they are released as such. Which wait, which are held, and why.

Both engines keep the same book; what stands in it they store, and they do what it says.
"""

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from gateway.journal.books.brake import DeadTokenBrake
from gateway.journal.books.dead_tokens import RELEASE_AFTER_MS, HeldDeadTokens
from gateway.journal.engine import BatchRecord, DeadOnArrival, Settlement
from protocol.chunks import expand_ranges
from protocol.dead_tokens import DeadToken
from protocol.outcomes import Advice, Outcome

# Of one app; as many again come when the tokens are sent to again.
HELD_LIMIT_ROWS = 100_000
ALARM_INTERVAL_MS = 600_000
# Released or held in one commit.
SUSPECTS_A_STEP = 500


class SuspectHead(msgspec.Struct, array_like=True, kw_only=True):
    """What must be known of a block of suspects while it waits or is held.

    ``results`` and ``dead`` are the app's counts of late when it came: so they outlive the process that counted them.
    """

    principal: str
    app: str
    rows: int
    at_ms: int
    results: int
    dead: int
    is_held: bool = False


class Suspect(msgspec.Struct):
    """The suspects of one settlement, by their number."""

    number: int
    head: SuspectHead


class SuspectBlock(msgspec.Struct, array_like=True, kw_only=True):
    """What callers get to know of the rows of one settlement, in columns."""

    batch_id: str
    app: str
    provider: str
    indexes: list[int]
    ids: list[str | None] | None
    destinations: list[str]
    dead_since_ms: list[int]

    def expand(self) -> list[DeadToken]:
        """Return the rows one by one."""
        ids = self.ids or [None] * len(self.destinations)
        columns = zip(expand_ranges(self.indexes), ids, self.destinations, self.dead_since_ms, strict=True)
        return [
            DeadToken(
                batch_id=self.batch_id,
                index=index,
                id=given,
                app=self.app,
                provider=self.provider,
                destination=destination,
                dead_since=dead_since,
            )
            for index, given, destination, dead_since in columns
        ]


class Decisions(msgspec.Struct):
    """What became of suspects that have waited long enough, and who must be told."""

    released: list[Suspect] = msgspec.field(default_factory=list)
    held: list[Suspect] = msgspec.field(default_factory=list)
    dropped: list[Suspect] = msgspec.field(default_factory=list)
    alarms: list[HeldDeadTokens] = msgspec.field(default_factory=list)


class SuspectBook:
    """See the module text."""

    def __init__(self, kept_ms: int) -> None:
        """``kept_ms``: how long suspects are held at most."""
        self._kept_ms = kept_ms
        self._last_number = 0
        self._brakes: dict[str, DeadTokenBrake] = {}
        self._inherited: dict[str, Suspect] = {}  # the newest one of each app that an earlier process left
        self._waiting: deque[Suspect] = deque()
        self._held: dict[tuple[str, str], deque[Suspect]] = {}
        self._held_rows: dict[tuple[str, str], int] = {}
        self._alarmed_at_ms: dict[tuple[str, str], int] = {}

    def note(self, batch: BatchRecord, block: Settlement) -> tuple[Suspect, SuspectBlock] | None:
        """Count results, and return what is to be stored when they call destinations dead."""
        if block.outcome not in {Outcome.PROVIDER_ACCEPTED, Outcome.REJECTED}:
            return None
        is_dead = block.advice is Advice.DELETE_PENDING
        brake = self._get_brake(batch.app)
        brake.note(block.count, block.count if is_dead else 0, block.finished_at_ms)
        if not is_dead or block.destinations is None:
            return None
        self._last_number += 1
        head = SuspectHead(
            principal=batch.principal,
            app=batch.app,
            rows=block.count,
            at_ms=block.finished_at_ms,
            results=brake.results,
            dead=brake.dead,
        )
        return Suspect(self._last_number, head), _make_block(batch, block)

    def draft(self, batch: BatchRecord, dead: Sequence[DeadOnArrival]) -> list[tuple[Suspect, SuspectBlock]]:
        """Return what is to be stored of a batch's rows that are dead on arrival.

        Nothing is counted before :meth:`put_drafted`, for a batch may still find no room.
        """
        brake = self._get_brake(batch.app)
        drafted: list[tuple[Suspect, SuspectBlock]] = []
        rows = 0
        for each in dead:
            rows += len(each.destinations)
            self._last_number += 1
            head = SuspectHead(
                principal=batch.principal,
                app=batch.app,
                rows=len(each.destinations),
                at_ms=batch.accepted_at_ms,
                results=brake.results + rows,
                dead=brake.dead + rows,
            )
            drafted.append((Suspect(self._last_number, head), _make_arrival_block(batch, each)))
        return drafted

    def put(self, suspect: Suspect) -> None:
        """Let a stored suspect wait, in the order of coming."""
        self._waiting.append(suspect)

    def put_drafted(self, suspect: Suspect) -> None:
        """Count a stored suspect of :meth:`draft` as so many results, all of them dead, and let it wait."""
        head = suspect.head
        self._get_brake(head.app).note(head.rows, head.rows, head.at_ms)
        self._waiting.append(suspect)

    def restore(self, suspects: Iterable[Suspect]) -> None:
        """Take over what an earlier process left, in the order of coming; its counts of late come with it."""
        for suspect in suspects:
            self._last_number = max(self._last_number, suspect.number)
            self._inherited[suspect.head.app] = suspect
            if suspect.head.is_held:
                self._hold(suspect)
            else:
                self._waiting.append(suspect)
        for app, newest in self._inherited.items():
            head = newest.head
            self._get_brake(app).note(head.results, head.dead, head.at_ms)

    def decide(self, now_ms: int) -> Decisions:
        """Judge those that have waited long enough, some at a time, and drop what was held for too long."""
        decisions = Decisions()
        for brake in self._brakes.values():
            brake.forget_old(now_ms)
        for _ in range(min(SUSPECTS_A_STEP, len(self._waiting))):
            if self._waiting[0].head.at_ms > now_ms - RELEASE_AFTER_MS:
                break
            suspect = self._waiting.popleft()
            if not self._is_extraordinary(suspect):
                decisions.released.append(suspect)
            elif self._held_rows.get(_place(suspect), 0) + suspect.head.rows > HELD_LIMIT_ROWS:
                decisions.dropped.append(suspect)
            else:
                suspect.head.is_held = True
                self._hold(suspect)
                decisions.held.append(suspect)
        decisions.alarms += self._raise_alarms(decisions, now_ms)
        decisions.dropped += self._drop_old(now_ms)
        return decisions

    def confirm(self, principal: str, app: str) -> list[Suspect]:
        """Return what is held of an app, and hold it no more."""
        self._held_rows.pop((principal, app), None)
        return list(self._held.pop((principal, app), ()))

    def _get_brake(self, app: str) -> DeadTokenBrake:
        return self._brakes.setdefault(app, DeadTokenBrake())

    def _is_extraordinary(self, suspect: Suspect) -> bool:
        """Judge by the counts of late; what an earlier process left also by its own last ones, however long ago."""
        brake = self._brakes[suspect.head.app]
        if brake.is_extraordinary(brake.results, brake.dead):
            return True
        newest = self._inherited.get(suspect.head.app)
        if newest is None or suspect.number > newest.number:
            return False
        return brake.is_extraordinary(newest.head.results, newest.head.dead)

    def _hold(self, suspect: Suspect) -> None:
        place = _place(suspect)
        self._held.setdefault(place, deque()).append(suspect)
        self._held_rows[place] = self._held_rows.get(place, 0) + suspect.head.rows

    def _raise_alarms(self, decisions: Decisions, now_ms: int) -> list[HeldDeadTokens]:
        alarms = []
        for principal, app in {_place(suspect) for suspect in decisions.held + decisions.dropped}:
            if now_ms - self._alarmed_at_ms.get((principal, app), -ALARM_INTERVAL_MS) < ALARM_INTERVAL_MS:
                continue
            self._alarmed_at_ms[principal, app] = now_ms
            dropped = [each.head.rows for each in decisions.dropped if _place(each) == (principal, app)]
            alarm = HeldDeadTokens(
                principal=principal,
                app=app,
                held=self._held_rows.get((principal, app), 0),
                discarded=sum(dropped),
                recent_results=self._brakes[app].results,
                recent_dead=self._brakes[app].dead,
            )
            alarms.append(alarm)
        return alarms

    def _drop_old(self, now_ms: int) -> list[Suspect]:
        dropped = []
        for place, held in list(self._held.items()):
            while held and held[0].head.at_ms <= now_ms - self._kept_ms:
                dropped.append(held.popleft())
                self._held_rows[place] -= dropped[-1].head.rows
            if not held:
                del self._held[place], self._held_rows[place]
        return dropped


def _place(suspect: Suspect) -> tuple[str, str]:
    return suspect.head.principal, suspect.head.app


def _make_block(batch: BatchRecord, block: Settlement) -> SuspectBlock:
    since = block.dead_since_ms or [None] * block.count
    return SuspectBlock(
        batch_id=batch.batch_id,
        app=batch.app,
        provider=block.provider,
        indexes=block.indexes,
        ids=block.ids,
        destinations=block.destinations or [],
        dead_since_ms=[block.finished_at_ms if moment is None else moment for moment in since],
    )


def _make_arrival_block(batch: BatchRecord, dead: DeadOnArrival) -> SuspectBlock:
    return SuspectBlock(
        batch_id=batch.batch_id,
        app=batch.app,
        provider=dead.provider,
        indexes=dead.indexes,
        ids=dead.ids,
        destinations=dead.destinations,
        dead_since_ms=dead.dead_since_ms,
    )

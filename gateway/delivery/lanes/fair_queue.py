"""Who goes next: callers share a lane equally, and inside a caller urgent, normal and bulk share 70 : 25 : 5.

Retries of whatever queue have one of their own beside them, with the share of bulk.

Start-time fair queueing over rows: every flow has a virtual time that advances by rows / weight as it is served, and
the non-empty flow that is furthest behind is served next. A flow that was empty rejoins at the time of the others, so
it can neither save up a claim nor be punished for having been quiet. Nothing scans rows: items are chunk references.
"""

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from gateway.journal.engine import ChunkRef

QUEUE_WEIGHTS = (70, 25, 5, 5)  # urgent, normal, bulk, and retries: see docs/architecture.md
RETRY_QUEUE = 3

Flow = TypeVar("Flow", bound=Hashable)


class _VirtualTimes(Generic[Flow]):
    """The virtual times of the flows that have something waiting."""

    __slots__ = ("_clock", "_times")

    def __init__(self) -> None:
        self._clock = 0.0
        self._times: dict[Flow, float] = {}

    def join(self, flow: Flow) -> None:
        self._times.setdefault(flow, self._clock)

    def leave(self, flow: Flow) -> None:
        del self._times[flow]

    def furthest_behind(self) -> Flow:
        flow = min(self._times, key=self._times.__getitem__)
        self._clock = self._times[flow]
        return flow

    def advance(self, flow: Flow, by: float) -> None:
        self._times[flow] += by


class _CallerQueues:
    """One caller's urgent, normal and bulk queues, and its retries."""

    __slots__ = ("_queues", "_times")

    def __init__(self) -> None:
        self._queues: dict[int, deque[ChunkRef]] = {}  # only those in which something waits: there may be many lanes
        self._times = _VirtualTimes[int]()

    def __bool__(self) -> bool:
        return bool(self._queues)

    def push(self, ref: ChunkRef) -> None:
        number = RETRY_QUEUE if ref.is_retry else ref.queue
        self._times.join(number)
        self._queues.setdefault(number, deque()).append(ref)

    def pop(self) -> ChunkRef:
        number = self._times.furthest_behind()
        ref = self._queues[number].popleft()
        self._times.advance(number, (ref.stop - ref.start) / QUEUE_WEIGHTS[number])
        if not self._queues[number]:
            del self._queues[number]
            self._times.leave(number)
        return ref


class FairQueue:
    """The queued chunks of one lane, popped in fair order. Bounded by admission, not here."""

    __slots__ = ("_callers", "_rows", "_times")

    def __init__(self) -> None:
        self._callers: dict[str, _CallerQueues] = {}
        self._times = _VirtualTimes[str]()
        self._rows = 0

    def __bool__(self) -> bool:
        return bool(self._callers)

    def __repr__(self) -> str:
        return f"<FairQueue {self._rows} rows of {len(self._callers)} callers>"

    @property
    def rows(self) -> int:
        """Rows queued."""
        return self._rows

    def push(self, ref: ChunkRef) -> None:
        """Queue a chunk behind its caller's own of the same queue."""
        self._times.join(ref.principal)
        self._callers.setdefault(ref.principal, _CallerQueues()).push(ref)
        self._rows += ref.stop - ref.start

    def pop(self) -> ChunkRef:
        """Return the next chunk in turn. Raises ValueError when nothing is queued."""
        caller = self._times.furthest_behind()
        queues = self._callers[caller]
        ref = queues.pop()
        rows = ref.stop - ref.start
        self._times.advance(caller, rows)
        if not queues:
            del self._callers[caller]
            self._times.leave(caller)
        self._rows -= rows
        return ref

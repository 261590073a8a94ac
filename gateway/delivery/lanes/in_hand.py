"""The materialised rows of one lane that are on no session: what goes next, and what waits for something first.

A row of a work is here, in flight, or with the settler. Here it is *ready*, or it waits for the retry budget, or it was
refused with a credential that has yet to be proved by another row, and is set aside.
"""

from collections.abc import Iterable, Sequence

from gateway.delivery.lanes.active_set import ActiveSet, LaneShare
from gateway.delivery.lanes.backlog import Backlog
from gateway.delivery.lanes.held_lease import HeldLease
from gateway.delivery.lanes.work import Span, Work, spans_of, withdraw, work_of
from gateway.delivery.pacing.retry_budget import RetryBudget
from gateway.journal.engine import ChunkRef, Recalled
from gateway.wakeup import Wakeup
from native import Exchange


class InHand:
    """See the module text. Keeps the lane's works (see ``work``) and counts them in the active set."""

    __slots__ = ("_active_set", "_budget", "_held", "_refused", "_share", "_unpaid", "_works", "ready")

    def __init__(self, active_set: ActiveSet, budget: RetryBudget, wakeup: Wakeup, held: HeldLease) -> None:
        """``wakeup`` is set when the active set may have room again."""
        # Lists, though rows are taken from their front: they are short, and an empty deque costs ten times as much.
        self.ready: list[Span] = []
        self._unpaid: list[Span] = []
        self._refused: list[Exchange] = []
        self._works: dict[Work, None] = {}
        self._active_set = active_set
        self._share = LaneShare(wakeup)
        self._budget = budget
        self._held = held

    def __bool__(self) -> bool:
        return bool(self.ready or self._unpaid or self._refused)

    def __repr__(self) -> str:
        return f"<InHand {self.ready_rows} rows ready, {self.waiting_rows} waiting, {self._share!r}>"

    @property
    def ready_rows(self) -> int:
        """Rows to be submitted next."""
        return sum(span.stop - span.start for span in self.ready)

    @property
    def waiting_rows(self) -> int:
        """Rows that wait for the retry budget or for another row to prove the credential."""
        return sum(span.stop - span.start for span in self._unpaid) + len(self._refused)

    @property
    def waits_for_budget(self) -> bool:
        """Whether a repeat can't go before the budget grants it."""
        return bool(self._unpaid)

    @property
    def has_chunks(self) -> bool:
        """Whether any chunk is in memory, its rows in flight or with the settler perhaps."""
        return self._share.chunks > 0

    def has_room(self) -> bool:
        """Whether the lane may take another chunk now; when not, it is woken once that has changed."""
        return self._active_set.has_room(self._share)

    def take(self, ref: ChunkRef) -> None:
        """Count a chunk that is about to be read."""
        self._active_set.take(self._share, ref)

    def let_go(self, ref: ChunkRef) -> None:
        """Count it off."""
        self._active_set.release(self._share, ref)

    def add(self, work: Work, rows: Iterable[int] | None = None) -> None:
        """Keep a work, and make ``rows`` (None: all) ready."""
        self._works[work] = None
        self.ready.extend([Span(work, 0, len(work.chunk))] if rows is None else spans_of(work, rows))

    def release(self, work: Work) -> None:
        """Let go of a work whose rows have all ended."""
        self._works.pop(work, None)
        self.let_go(work.ref)

    def repeat(self, free: Sequence[Span], paid: Sequence[Span]) -> None:
        """Take rows back: to be sent again next, or as soon as the budget grants it."""
        self.ready[:0] = self._keep_held(free)
        self._unpaid.extend(self._keep_held(paid))

    def grant(self, now: float) -> None:
        """Make ready what the budget grants now (monotonic)."""
        while self._unpaid:
            span = self._unpaid[0]
            granted = self._budget.spend(span.stop - span.start, now)
            if not granted:
                return
            self.ready.insert(0, Span(span.work, span.start, span.start + granted))
            span.start += granted
            if span.start == span.stop:
                self._unpaid.pop(0)

    def find_unmarked(self, most: int) -> dict[Work, list[int]]:
        """Return of the first ``most`` rows that are ready those that must be marked as started before they go."""
        unmarked: dict[Work, list[int]] = {}
        for span in self.ready:
            stop = min(span.stop, span.start + most)
            if rows := span.work.find_unmarked(span.start, stop):
                unmarked.setdefault(span.work, []).extend(rows)
            most -= stop - span.start
            if not most:
                break
        return unmarked

    def set_aside(self, refused: Sequence[Exchange]) -> None:
        """Keep rows that were refused until another one was answered."""
        for each in refused:
            if self._keep_held(_as_spans([each])):
                self._refused.append(each)

    def take_refused(self) -> list[Exchange]:
        """Return what was set aside, and keep it no longer."""
        refused, self._refused = self._refused, []
        return refused

    def resume_refused(self) -> None:
        """Make what was set aside ready again: nothing else can prove the credential."""
        self.ready.extend(_as_spans(self.take_refused()))

    def give_back(self, backlog: Backlog) -> None:
        """Put everything here back behind what waits in the backlog, the rows that were refused last."""
        for spans in (self.ready, self._unpaid, _as_spans(self.take_refused())):
            for span in spans:
                for ref in span.refs():
                    backlog.take_back(ref)
                self._end(span)
            spans.clear()

    def recall(self, batch: int, chunk: int, rows: int) -> Recalled:
        """Let go of those of a chunk's ``rows`` (bits) that are here, and return them."""
        found = 0
        attempts: dict[int, int] = {}
        for spans in (self.ready, self._unpaid, self._take_refused_of(batch, chunk, rows)):
            for span in withdraw(spans, batch, chunk, rows & ~found):
                found |= span.stored_rows
                attempts |= span.stored_attempts
                self._end(span)
        return Recalled(found, attempts)

    def _take_refused_of(self, batch: int, chunk: int, rows: int) -> list[Span]:
        recalled: list[Exchange] = []
        kept: list[Exchange] = []
        for each in self._refused:
            ref = work_of(each.requests).ref
            is_recalled = (ref.batch, ref.chunk) == (batch, chunk) and rows >> ref.start + each.row & 1
            (recalled if is_recalled else kept).append(each)
        self._refused = kept
        return _as_spans(recalled)

    def let_go_of_all(self) -> int:
        """End everything here, as its lease has; return how many rows were open, those in flight included."""
        rows = sum(work.open_rows for work in self._works)
        for spans in (self.ready, self._unpaid, _as_spans(self.take_refused())):
            for span in spans:
                self._end(span)
            spans.clear()
        return rows

    def _keep_held(self, spans: Sequence[Span]) -> Sequence[Span]:
        """Return the spans whose lease is held, and end the others."""
        if all(self._held.has(span.work.ref) for span in spans):
            return spans
        for span in spans:
            if not self._held.has(span.work.ref):
                self._end(span)
        return [span for span in spans if self._held.has(span.work.ref)]

    def _end(self, span: Span) -> None:
        work = span.work
        work.open_rows -= span.stop - span.start
        if not work.open_rows:
            self.release(work)


def _as_spans(exchanges: Iterable[Exchange]) -> list[Span]:
    return [span for each in exchanges for span in spans_of(work_of(each.requests), (each.row,))]

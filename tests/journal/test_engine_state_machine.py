"""Any sequence of calls: each accepted row is in exactly one place, and ends in exactly one result.

The model keeps a place for every row and moves it by the interface's words; after every step the engine's totals must
be the model's, and what is read from the feed must be exactly what the model settled. The engine on disk is also closed
and opened anew at any moment, and killed.
"""

import itertools
import shutil
from collections import Counter
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from gateway.journal import LeaseEndedError, MemoryEngine, Recalled
from gateway.journal.books import rowsets
from gateway.journal.sqlite import SqliteEngine
from protocol.chunks import expand_ranges, pack_ranges
from protocol.outcomes import Outcome
from protocol.reasons import Reason
from tests.support.handles import TwoHandles
from tests.support.journal import (
    START_MS,
    append_batch,
    lease_nowait,
    make_chunk,
    make_settlement,
    postpone,
    settle_held,
)
from tests.support.trio_thread import TrioThread

LEASE_SECONDS = 20  # longer than any other step takes
LOOK_AGAIN_MS = 1000  # an engine may look at overdue rows that were leased once a second only


class HandClock:
    """Moves only when told to."""

    def __init__(self):
        self.now_ms = START_MS

    def wall(self):
        return self.now_ms / 1000

    def monotonic(self):
        return self.now_ms / 1000

    def steady(self):
        return self.now_ms / 1000


class ModelRow(msgspec.Struct):
    """A row as the interface's words describe it. ``number`` is its place in its chunk."""

    number: int
    position: int
    deadline_ms: int
    due_ms: int
    place: str = "ready"
    lease: int = 0
    attempts: int = 0
    uncertain_attempts: int = 0
    outcome: Outcome | None = None
    is_reported: bool = False
    is_doubted: bool = False

    @property
    def cancel_keys(self):
        return cancel_keys_of(self.position)

    @property
    def history(self):
        return self.attempts + self.is_doubted, self.uncertain_attempts + self.is_doubted

    def withdraw(self, outcome):
        self.come_back()
        self.place = "settled"
        self.attempts, self.uncertain_attempts = self.history
        self.outcome = Outcome.UNKNOWN if self.uncertain_attempts else outcome

    def come_back(self):
        """Be let go of by a holder, with the attempts that it counted."""
        if self.place == "leased":
            self.place = "ready"
            attempts, uncertain_attempts = self.history
            if attempts_under_lease(self.number) > attempts:
                self.attempts, self.uncertain_attempts = attempts_under_lease(self.number), uncertain_attempts
                self.is_doubted = False

    def doubt(self):
        """Perhaps have been sent by a process that is gone."""
        self.is_doubted = self.is_doubted or not self.is_reported


class ModelChunk(msgspec.Struct):
    """A chunk's rows, and its first position in the batch."""

    batch: int
    batch_id: str
    number: int
    first: int
    rows: list[ModelRow]


def cancel_keys_of(position):
    """Return the cancel keys of the row at a position of any batch: most rows have one of three, some have none."""
    return None if position % 4 == 3 else [f"k{position % 3}"]


def attempts_under_lease(row):
    """Return how often a holder has tried a row that it lets go of."""
    return row % 2


offsets = st.sampled_from([0, 700, 5_000])
row_sets = st.sets(st.integers(0, 5))


class EngineMachine(RuleBasedStateMachine):
    chunks = Bundle("chunks")

    @initialize(target=chunks)
    def start(self):
        """Begin with a batch, or half of the runs would do nothing with the little that comes later."""
        self.clock = HandClock()
        self.thread = TrioThread()
        self.lets_go = 0
        self.engine = self.open_engine()
        self.model = {}
        self.batches = {}
        self.read = {}
        self.acknowledged = set()
        self.cursor = 0
        return self.accept([3, 2], 0, [1_000_000])

    def make_engine(self):
        return MemoryEngine(self.clock)

    def open_engine(self):
        engine = self.make_engine()
        self.thread.call(engine.recover)
        engine.set_recall(self.recall)
        return engine

    def recall(self, _lane, _batch, _chunk, rows):
        let_go = rows & self.lets_go
        return Recalled(let_go, {row: attempts_under_lease(row) for row in rowsets.rows_of(let_go) if row % 2})

    def is_withdrawable(self, row):
        return row.place in {"ready", "scheduled"} or (row.place == "leased" and self.lets_go >> row.number & 1)

    def notice_due_rows(self):
        for row in self.all_rows("scheduled"):
            if row.due_ms <= self.clock.now_ms:
                row.place = "ready"

    def all_rows(self, place):
        return [row for chunk in self.model.values() for row in chunk.rows if row.place == place]

    @rule(
        target=chunks,
        sizes=st.lists(st.integers(1, 6), max_size=3),
        delay=offsets,
        lifetimes=st.lists(st.sampled_from([1_000, 3_000, 1_000_000]), min_size=1, max_size=2),
        reports=st.booleans(),
    )
    def append(self, sizes, delay, lifetimes, reports):
        return self.accept(sizes, delay, lifetimes, reports=reports)

    def accept(self, sizes, delay, lifetimes, *, reports=False):
        due = self.clock.now_ms + delay
        deadlines = [self.clock.now_ms + lifetime for lifetime in lifetimes]
        batch_id = f"b{len(self.batches)}"
        bounds = [sum(sizes[:at]) for at in range(len(sizes) + 1)]
        stored = [
            make_chunk(
                first,
                stop,
                not_before_ms=due,
                expires_at_ms=deadlines,
                cancel_keys=[cancel_keys_of(position) for position in range(first, stop)],
                report_unknown=reports,
            )
            for first, stop in itertools.pairwise(bounds)
        ]
        batch = self.thread.call(append_batch, self.engine, batch_id, stored)
        self.batches[batch_id] = []
        for number, size in enumerate(sizes):
            rows = [
                ModelRow(
                    number=row,
                    position=bounds[number] + row,
                    deadline_ms=deadlines[row % len(deadlines)],
                    due_ms=due,
                    place="scheduled" if delay else "ready",
                    is_reported=reports,
                )
                for row in range(size)
            ]
            chunk = ModelChunk(batch, batch_id, number, bounds[number], rows)
            self.model[batch, number] = chunk
            self.batches[batch_id].append(chunk)
        return multiple(*self.batches[batch_id])

    @rule(max_rows=st.integers(1, 20))
    def lease(self, max_rows):
        self.notice_due_rows()
        ready = len(self.all_rows("ready"))
        refs = self.thread.call(lease_nowait, self.engine, max_rows)
        for ref in refs:
            for row in self.model[ref.batch, ref.chunk].rows[ref.start : ref.stop]:
                assert row.place == "ready"
                assert row.history == (ref.attempts, ref.uncertain_attempts)
                assert ref.is_doubted == row.is_doubted
                row.place = "leased"
                row.lease = ref.lease.id
        assert bool(refs) == bool(ready)

    @rule(chunk=chunks, rows=row_sets)
    def settle(self, chunk, rows):
        chosen = sorted(row for row in rows if row < len(chunk.rows))
        block = make_settlement(
            chunk.batch,
            chunk.number,
            pack_ranges(chosen),
            first=chunk.first,
            outcome=Outcome.FAILED,
            reason=Reason.PROVIDER_ERROR,
        )
        self.thread.call(settle_held, self.engine, [block])
        for number in chosen:
            row = chunk.rows[number]
            if row.place != "settled":
                row.place = "settled"
                row.outcome = Outcome.FAILED
                row.attempts, row.uncertain_attempts = block.attempts, block.uncertain_attempts

    @rule(chunk=chunks, rows=row_sets, delay=offsets, attempts=st.integers(0, 2), uncertain=st.integers(0, 1))
    def schedule(self, chunk, rows, delay, attempts, uncertain):
        due = self.clock.now_ms + delay
        chosen = sorted(row for row in rows if row < len(chunk.rows))
        call = partial(postpone, self.engine, attempts=attempts, uncertain_attempts=uncertain)
        self.thread.call(call, chunk.batch, chunk.number, pack_ranges(chosen), due)
        for number in chosen:
            row = chunk.rows[number]
            if row.place == "leased":
                row.place = "scheduled" if delay else "ready"
                row.due_ms = due
                row.attempts, row.uncertain_attempts, row.is_doubted = attempts, uncertain, False

    @rule(chunk=chunks, positions=st.none() | st.sets(st.integers(0, 18)))
    def cancel(self, chunk, positions):
        count = self.thread.call(self.engine.cancel, "default", chunk.batch_id, positions, self.clock.now_ms)
        rows = self.rows_of_batch(chunk)
        chosen = [row for row in rows if positions is None or row.position in positions]
        self.expect_cancelled(count, chosen)
        assert positions is None or sum(msgspec.structs.astuple(count)) == len(positions)

    @rule(chunk=chunks, positions=st.sets(st.integers(0, 18)))
    def cancel_ids(self, chunk, positions):
        ids = [f"n{position}" for position in sorted(positions)]
        known = []
        for each in self.batches[chunk.batch_id]:
            is_open = any(row.place != "settled" for row in each.rows)
            known += [row for row in each.rows if is_open or (each.batch_id, row.position) not in self.acknowledged]
        count = self.thread.call(self.engine.cancel_ids, "default", chunk.batch_id, ids, self.clock.now_ms)
        self.expect_cancelled(count, [row for row in known if row.position in positions])
        assert sum(msgspec.structs.astuple(count)) == len(positions)

    @rule(key=st.sampled_from(["k0", "k1", "k2", "k3"]))
    def cancel_key(self, key):
        count = self.thread.call(self.engine.cancel_key, "default", "shop", key, self.clock.now_ms)
        rows = [row for chunk in self.model.values() for row in chunk.rows if row.place != "settled"]
        carrying = [row for row in rows if key in (row.cancel_keys or ())]
        self.expect_cancelled(count, carrying)
        assert count.not_found == (not carrying)

    def rows_of_batch(self, chunk):
        return [row for each in self.batches[chunk.batch_id] for row in each.rows]

    def expect_cancelled(self, count, rows):
        """Withdraw what can be withdrawn of rows, and compare the counts."""
        withdrawn = [row for row in rows if self.is_withdrawable(row)]
        for row in withdrawn:
            row.withdraw(Outcome.CANCELLED)
        cancelled = sum(row.outcome is Outcome.CANCELLED for row in withdrawn)
        assert (count.cancelled, count.too_late) == (cancelled, len(rows) - cancelled)

    @rule(rows=row_sets)
    def change_what_holders_let_go_of(self, rows):
        self.lets_go = sum(1 << row for row in rows)

    @rule()
    def expire(self):
        self.clock.now_ms += LOOK_AGAIN_MS
        count = self.thread.call(self.engine.expire, self.clock.now_ms)
        rows = [row for chunk in self.model.values() for row in chunk.rows if self.is_withdrawable(row)]
        overdue = [row for row in rows if row.deadline_ms <= self.clock.now_ms]
        for row in overdue:
            row.withdraw(Outcome.EXPIRED)
        assert count == len(overdue)

    @rule(milliseconds=st.integers(1, 6_000))
    def pass_time(self, milliseconds):
        self.clock.now_ms += milliseconds

    @rule(max_rows=st.integers(1, 10))
    def read_results(self, max_rows):
        page = self.thread.call(self.engine.feed, "default", self.cursor, max_rows)
        self.cursor = page.cursor
        for entry in page.entries:
            block = entry.settlement
            chunk = self.model[block.batch, block.chunk]
            for number, position in zip(expand_ranges(block.rows), expand_ranges(block.indexes), strict=True):
                key = (entry.batch.batch_id, position)
                assert key not in self.read
                assert position == chunk.rows[number].position
                self.read[key] = (block.outcome, block.attempts, block.uncertain_attempts)

    @rule()
    def acknowledge(self):
        self.thread.call(self.engine.acknowledge, "default", self.cursor)
        self.acknowledged = set(self.read)

    @invariant()
    def totals_are_those_of_the_rows(self):
        statistics = self.engine.statistics()
        places = Counter(row.place for chunk in self.model.values() for row in chunk.rows)
        assert statistics.leased_rows == places["leased"]
        assert statistics.scheduled_rows == places["scheduled"]
        assert statistics.owed_rows == places["ready"] + places["leased"] + places["scheduled"]
        assert statistics.unread_rows <= places["settled"]

    def teardown(self):
        """Let everything end: then each row has one result, which is the word that settled it, and nothing is left."""
        try:
            self.end_everything()
        finally:
            self.thread.call(self.engine.aclose)
            self.thread.close()

    def end_everything(self):
        self.clock.now_ms += 10_000_000
        while self.all_rows("ready") or self.all_rows("scheduled"):
            self.lease(1000)
        for chunk in self.model.values():
            self.settle(chunk, set(range(6)))
        self.read_results(1_000_000)
        expected = {
            (chunk.batch_id, row.position): (row.outcome, row.attempts, row.uncertain_attempts)
            for chunk in self.model.values()
            for row in chunk.rows
        }
        assert self.read == expected
        self.acknowledge()
        statistics = self.engine.statistics()
        assert (statistics.owed_rows, statistics.owed_bytes, statistics.unread_rows, statistics.batches) == (0, 0, 0, 0)


class SqliteEngineMachine(EngineMachine):
    """The same with an engine that is closed and opened anew, or killed."""

    def make_engine(self):
        if not hasattr(self, "folder"):
            self.folder = TemporaryDirectory()
            self.journal = Path(self.folder.name) / "0"
        return SqliteEngine(self.journal, self.clock)

    @rule()
    def reopen(self):
        self.thread.call(self.engine.aclose)
        for row in self.all_rows("leased"):
            if self.is_withdrawable(row):
                row.come_back()
            else:
                row.doubt()
                row.place = "ready"
        self.engine = self.open_engine()
        self.notice_due_rows()

    @rule()
    def kill(self):
        """Go on with the files as they are: whatever was due may have been sent."""
        copy = self.journal.with_name(str(int(self.journal.name) + 1))
        shutil.copytree(self.journal, copy)
        self.thread.call(self.engine.aclose)
        self.journal = copy
        self.engine = self.open_engine()
        self.notice_due_rows()
        for row in self.all_rows("leased") + self.all_rows("ready"):
            row.doubt()
            row.place = "ready"

    def teardown(self):
        try:
            super().teardown()
        finally:
            self.folder.cleanup()


class TwoHandlesMachine(EngineMachine):
    """The same with two handles on one store, of which one may be stalled until its lease has ended."""

    def make_engine(self):
        return TwoHandles(self.clock, lease_seconds=LEASE_SECONDS)

    @rule(milliseconds=st.integers(1, 6_000))
    def pass_time(self, milliseconds):
        self.thread.call(self.engine.renew_both)
        super().pass_time(milliseconds)

    @rule()
    def expire(self):
        self.thread.call(self.engine.renew_both)
        super().expire()

    @rule(which=st.integers(0, 1))
    def stall(self, which):
        """Go on with one handle until the lease of the other has ended: whatever that had may have been sent."""
        lost = self.thread.call(self.engine.renew_both)[which].id
        for _ in range(2):
            self.clock.now_ms += LEASE_SECONDS * 500
            self.thread.call(self.engine.handles[1 - which].renew)
        for row in self.all_rows("leased"):
            if row.lease == lost:
                row.place = "ready"
                row.doubt()
        with pytest.raises(LeaseEndedError):
            self.thread.call(self.engine.handles[which].settle, lost, [])

    def end_everything(self):
        self.stall(0)
        self.stall(1)
        super().end_everything()


EngineMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TwoHandlesMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
SqliteEngineMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestEngine = EngineMachine.TestCase
TestTwoHandles = TwoHandlesMachine.TestCase
TestSqliteEngine = SqliteEngineMachine.TestCase
